"""Errors of the command line itself, and every error as the document that people and scripts get."""

from __future__ import annotations

import traceback
from pathlib import Path

from chasqui.app.results import Candidate, ErrorDocument, SlowLink
from chasqui.base.errors import ChasquiError, MachineError, UsageError, UserError, VaultError

BUG_CODE = "bug"


class AmbiguousError(UsageError):
    """A name or prefix that could mean several things. `candidates` are for the person who typed it."""

    code = "ambiguous"

    def __init__(self, what: str, candidates: tuple[Candidate, ...]) -> None:
        super().__init__(what, todo="Say which one by its id.")
        self.candidates = candidates


class SlowLinkError(UserError):
    """Something would hold a slow link up for long, and the person did not say that this is meant."""

    code = "slow"

    def __init__(self, what: str, slow: tuple[SlowLink, ...]) -> None:
        super().__init__(
            what,
            safety="Nothing was sent. A transmitter that works for long is easily found.",
            todo="Make it smaller, or say `--yes`.",
        )
        self.slow = slow


class UnfinishedVaultError(VaultError):
    """A vault without an owner: its making was cut off."""

    code = "unfinished"


class LinkFailedError(MachineError):
    """A link could not be used."""

    code = "link"


class RemoteError(ChasquiError):
    """An error that the daemon answered with."""

    def __init__(self, document: ErrorDocument, exit_code: int) -> None:
        super().__init__(document.message, safety=document.safety, todo=document.todo)
        self.document = document
        self.exit_code = exit_code
        self.code = document.code


def document_of(error: BaseException) -> tuple[ErrorDocument, int]:
    """The document and exit code of an error. Of one that is nobody's purpose it tells the place, and no content."""
    if isinstance(error, RemoteError):
        return error.document, error.exit_code
    if isinstance(error, AmbiguousError):
        return ErrorDocument(error.code, error.what, error.safety, error.todo, error.candidates), error.exit_code
    if isinstance(error, SlowLinkError):
        return ErrorDocument(error.code, error.what, error.safety, error.todo, slow=error.slow), error.exit_code
    if isinstance(error, ChasquiError):
        return ErrorDocument(error.code, error.what, error.safety, error.todo), error.exit_code
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        ErrorDocument(
            BUG_CODE,
            f"chasqui made a mistake of its own ({type(error).__name__}{where}).",
            "What was acknowledged before is kept.",
            "Please report this line to whoever gave you chasqui.",
        ),
        1,
    )
