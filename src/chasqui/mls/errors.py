"""Whose fault it is: the peer's, the disk's or ours. Nothing else leaves this package on purpose."""

from __future__ import annotations

from chasqui.mls.checks import Check


class MlsError(Exception):
    """Base of every error that chasqui.mls raises."""


class PeerError(MlsError):
    """Bytes from outside are malformed, invalid or forged. The state they were offered to is unchanged.

    `check` names the violated rule (its number, RFC section and text stand in `checks.Check`).
    `detail` never holds secrets and never holds bytes of the message.
    """

    def __init__(self, check: Check, detail: str = "") -> None:
        self.check = check
        self.detail = detail
        text = f"[{check.number}] {check.text} ({check.section})"
        super().__init__(f"{text}: {detail}" if detail else text)


class StateError(MlsError):
    """A saved state is damaged, truncated, of another version, or no state at all."""


class UsageError(MlsError):
    """The caller asked for something that this state cannot or must not do. Nothing was changed."""

    def __init__(self, text: str, check: Check | None = None) -> None:
        self.check = check
        super().__init__(text)
