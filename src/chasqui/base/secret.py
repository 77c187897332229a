"""Key bytes whose repr shows nothing."""

from __future__ import annotations

from typing import Final


class Secret(bytes):
    """Bytes that never show in a traceback, a log or a debugger's list of locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


NO_SECRET: Final = Secret(b"")  # where there may be one, and there is none
