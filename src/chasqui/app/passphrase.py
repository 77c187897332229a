"""Where a passphrase comes from: a file that the caller named, or a terminal."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from typing import Final

from chasqui.base.errors import UsageError, UserError

FILE_VARIABLE: Final = "CHASQUI_PASSPHRASE_FILE"
_FILE_BYTES_MAX: Final = 4096  # the store's bound is 1024; a longer file is the wrong one

Passphrase = Callable[[], bytes]


def from_file(name: str) -> bytes:
    """The passphrase of a file, without one line end. Raises `UserError`, `UsageError`."""
    from chasqui.store import normalise

    try:
        with open(name, "rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no reason given"
        raise UserError(f"The passphrase file cannot be read ({reason}).", todo="Check its name.") from error
    if len(data) > _FILE_BYTES_MAX:
        raise UsageError("The passphrase file is too long.", todo="Is it the right one?")
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return normalise(data.decode())
    except UnicodeDecodeError as error:
        raise UsageError("The passphrase file is no text in UTF-8.", todo="Is it the right one?") from error


def ask(question: str = "Passphrase: ", *, twice: bool = False) -> bytes:
    """Asks on the terminal, twice where it is a new one. Raises `UsageError` where there is no terminal."""
    from getpass import getpass

    from chasqui.store import normalise

    if not _has_terminal():
        raise UsageError(
            "The vault needs its passphrase, and there is no terminal to ask on.",
            todo=f"Name a file that holds it: `--passphrase-file FILE`, or {FILE_VARIABLE}=FILE.",
        )
    typed = normalise(getpass(question))
    if twice and normalise(getpass("The same again: ")) != typed:
        raise UserError("The two were not the same.", safety="Nothing was changed.", todo="Do it again.")
    return typed


def _has_terminal() -> bool:
    """Whether a person can be asked: stdin is a terminal, or holds a text (a pipe, a file) and there is a terminal
    beside it. A script whose stdin is /dev/null, or that has no terminal, is never kept waiting."""
    if sys.stdin is None:
        return False
    if sys.stdin.isatty():
        return True
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
            return False
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except (OSError, ValueError):
        return False
    return True
