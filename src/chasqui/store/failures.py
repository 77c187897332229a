"""Foreign exceptions, mapped at the edge: what SQLCipher and the system say, as errors people can act on."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chasqui.base.errors import (
    ChasquiError,
    DamagedVaultError,
    DiskFullError,
    MachineError,
    ReadOnlyError,
)

if TYPE_CHECKING:
    from chasqui.store import driver

SQLITE_FULL: Final = 13
_READ_ONLY: Final = frozenset((3, 8, 14, 23))  # PERM, READONLY, CANTOPEN, AUTH
_DAMAGED: Final = frozenset((1, 11, 26))  # ERROR is what SQLCipher says of a page whose MAC is wrong
_IO: Final = 10
_IO_SHORT_READ: Final = 522


def primary_code(error: driver.Error) -> int:
    """SQLite's primary result code, 0 if the driver gave none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def from_database(error: driver.Error, home: Path) -> ChasquiError:
    """The error to raise for one of SQLCipher's."""
    extended = int(getattr(error, "sqlite_errorcode", 0) or 0)
    code = extended & 0xFF
    if code == SQLITE_FULL:
        return disk_full()
    if code in _READ_ONLY or (code == _IO and _mounted_read_only(home)):
        return read_only()
    if code in _DAMAGED or extended == _IO_SHORT_READ:
        return damaged("A file of the vault is cut short or altered.")
    return machine(f"The vault's database failed with code {extended}")


def from_os(error: OSError) -> ChasquiError:
    """The error to raise for one of the operating system's."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full()
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return read_only()
    return machine(f"The system refused a file of the vault ({errno.errorcode.get(error.errno or 0, 'unknown')})")


def disk_full() -> DiskFullError:
    """No room."""
    return DiskFullError(
        "The disk has no room for the vault to write.",
        safety="Nothing of this write was kept and nothing was sent; what was there before is whole.",
        todo="Free some space, then do it again.",
    )


def vault_full() -> DiskFullError:
    """The largest step is reached."""
    return DiskFullError(
        "The vault has reached the largest size it may have.",
        safety="Nothing of this write was kept and nothing was sent; what was there before is whole.",
        todo="Delete files or shorten the time that messages are kept, then do it again.",
    )


def read_only() -> ReadOnlyError:
    """The medium or its rights refuse writing."""
    return ReadOnlyError(
        "The vault cannot be written here: the medium or the folder is read-only.",
        safety="Nothing was changed. A vault that cannot write must not send either: it would use keys twice.",
        todo="Make the folder writable for you, or copy the whole vault to a place that is.",
    )


def damaged(what: str) -> DamagedVaultError:
    """A database file is not what this vault wrote."""
    return DamagedVaultError(
        what,
        safety="Nothing was changed. Somebody may have altered it, or the disk is failing.",
        todo="Put back the whole folder from a copy, or start anew and let your groups add you again.",
    )


def machine(what: str) -> MachineError:
    """Anything else that the disk did."""
    return MachineError(
        what + ".",
        safety="Nothing of this write was kept and nothing was sent.",
        todo="Check the disk and its cable, then do it again.",
    )


def _mounted_read_only(home: Path) -> bool:
    try:
        return bool(os.statvfs(home).f_flag & os.ST_RDONLY)
    except (AttributeError, OSError):
        return False
