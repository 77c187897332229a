"""The header file: read whole, replaced whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from chasqui.base.errors import ChasquiError, NoVaultError
from chasqui.base.ports import Entropy
from chasqui.store.failures import damaged, from_os, machine
from chasqui.store.header import HEADER_BYTES, Header, decode_header
from chasqui.store.layout import FILE_MODE, HEADER_LOCK_NAME, HEADER_NAME, HEADER_NEW_NAME, SLOT_NAMES, STAGING_NAME
from chasqui.store.lock import ProcessLock


def vault_exists(home: Path) -> bool:
    """Whether there is a vault at this place, whole or damaged."""
    return (home / HEADER_NAME).exists() or lost_header(home)


def read_header(home: Path) -> Header:
    """The header. Raises `NoVaultError`, `DamagedVaultError`, `MachineError`."""
    try:
        with open(home / HEADER_NAME, "rb") as file:
            data = file.read(HEADER_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if lost_header(home):
            raise damaged("The vault's key file is missing.") from error
        raise NoVaultError(
            "There is no vault here.", todo="Make one with 'chasqui init', or name its place with --home."
        ) from error
    except OSError as error:
        raise from_os(error) from error
    return decode_header(data)


def replace_header(home: Path, header: Header, entropy: Entropy) -> None:
    """Puts another header in the place of the present one, atomically and durably. Raises `OSError`."""
    fresh, path = home / HEADER_NEW_NAME, home / HEADER_NAME
    old = -1 if os.name == "nt" else os.open(path, os.O_WRONLY)
    try:
        try:
            write_durably(fresh, header.encode())
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_directory(home)
        if old >= 0:
            with suppress(OSError):  # the old one has no name any more: overwrite what it held
                os.write(old, entropy(HEADER_BYTES))
                os.fsync(old)
    finally:
        if old >= 0:
            os.close(old)


def clear_leftovers(home: Path) -> None:
    """Removes what a killed `create_vault` or `change_passphrase` left beside a whole vault."""
    with suppress(OSError):
        (home / STAGING_NAME).rmdir()
    if (home / HEADER_NEW_NAME).exists():
        with suppress(OSError, ChasquiError):
            lock = ProcessLock(home / HEADER_LOCK_NAME)
            try:
                (home / HEADER_NEW_NAME).unlink(missing_ok=True)
            finally:
                lock.release()


def write_durably(path: Path, data: bytes) -> None:
    """Writes a small file and makes it durable."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), FILE_MODE)
    try:
        if os.write(fd, data) != len(data):
            raise machine("The key file could not be written whole")
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable."""
    if os.name == "nt":  # pragma: no cover
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lost_header(home: Path) -> bool:
    """Whether there are slot files that no half-made vault explains."""
    return not (home / STAGING_NAME).exists() and any((home / name).exists() for name in SLOT_NAMES)
