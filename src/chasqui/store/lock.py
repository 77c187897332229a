"""A lock that one process holds and that the system releases when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from chasqui.base.errors import VaultBusyError
from chasqui.store.failures import from_os
from chasqui.store.layout import FILE_MODE

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _take(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class ProcessLock:
    """An exclusive lock on an empty file, taken on construction.

    Raises `VaultBusyError` at once if another holds it, `MachineError` if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), FILE_MODE)
        except OSError as error:
            raise from_os(error) from error
        try:
            _take(self._fd)
        except OSError as error:
            os.close(self._fd)
            raise VaultBusyError(
                "Another process has this vault open.",
                safety="Nothing was changed.",
                todo="Use that one, or stop it ('chasqui down'), then try again.",
            ) from error
        self._held = True

    def release(self) -> None:
        """Gives the lock back. May be called more than once."""
        if self._held:
            self._held = False
            os.close(self._fd)
