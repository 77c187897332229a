"""The making of a vault: built in a staging folder, moved up with the header last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from chasqui.base.errors import UserError, VaultBusyError, VaultExistsError
from chasqui.base.ports import Entropy
from chasqui.base.secret import Secret
from chasqui.store import driver
from chasqui.store import passphrase as phrase
from chasqui.store.database import Database
from chasqui.store.failures import from_database, from_os, machine
from chasqui.store.header import DATABASE_KEY_BYTES, Grant, new_header
from chasqui.store.header_file import sync_directory, vault_exists, write_durably
from chasqui.store.layout import (
    DIRECTORY_MODE,
    HEADER_LOCK_NAME,
    HEADER_NAME,
    HEADER_NEW_NAME,
    LOCK_NAME,
    PAGE_BYTES,
    SCRATCH_NAME,
    SLOT_BYTES_FIRST,
    SLOT_NAMES,
    SLOTS,
    STAGING_NAME,
)
from chasqui.store.lock import ProcessLock
from chasqui.store.migrations import MIGRATIONS, Migration, migrate
from chasqui.store.passphrase import KdfCost
from chasqui.store.slots import SlotFiles

_OWN_NAMES: Final = frozenset((LOCK_NAME, HEADER_LOCK_NAME, HEADER_NEW_NAME, STAGING_NAME, *SLOT_NAMES))
_MAGIC_PLAIN: Final = b"SQLite format 3"


def create_vault(
    home: Path,
    passphrase: bytes,
    entropy: Entropy,
    *,
    cost: KdfCost | None = None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Makes a vault in `home`, which must be absent or empty. Killed half way it leaves none.

    `cost` is chosen by the machine's memory. Raises `VaultExistsError`, `UserError` if the folder holds other things,
    `UsageError` for an unusable passphrase, `DiskFullError` or another `MachineError`; nothing is left then.
    """
    phrase.check(passphrase)
    if vault_exists(home):
        raise VaultExistsError(
            "There is a vault here already.",
            safety="It was not touched.",
            todo="Choose another place with --home, or open this one.",
        )
    made = not home.exists()
    try:
        home.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
        if set(os.listdir(home)) - _OWN_NAMES:
            raise UserError(
                "The folder for the vault holds other files.",
                safety="Nothing was changed.",
                todo="Choose a folder that does not exist yet, or an empty one.",
            )
        os.chmod(home, DIRECTORY_MODE)
        with suppress(OSError):  # a folder that we may write in and not read
            sync_directory(home.absolute().parent)
    except OSError as error:
        raise from_os(error) from error
    lock = ProcessLock(home / LOCK_NAME)
    try:
        if vault_exists(home):  # another process was faster
            raise VaultBusyError("Another process has just made a vault here.", todo="Open that one.")
        _build(home, passphrase, entropy, cost or phrase.cost_for(phrase.ram_bytes()), migrations)
    except BaseException as error:
        if not vault_exists(home):
            _sweep(home, made)
        if isinstance(error, OSError):
            raise from_os(error) from error
        raise
    finally:
        lock.release()


def _build(home: Path, passphrase: bytes, entropy: Entropy, cost: KdfCost, migrations: Sequence[Migration]) -> None:
    staging = home / STAGING_NAME
    _sweep(home, made=False)
    staging.mkdir(DIRECTORY_MODE)
    slots = SlotFiles(staging)
    grant = Grant(Secret(entropy(DATABASE_KEY_BYTES)), entropy(1)[0] % SLOTS)
    database = _first_database(staging / SCRATCH_NAME, grant.key, entropy, migrations)
    slots.extend(SLOT_BYTES_FIRST, entropy, {grant.file_index: database})

    header = new_header(cost, entropy)
    kek = phrase.stretch(passphrase, header.salt, cost)
    header = header.with_grant(entropy(1)[0] % SLOTS, kek, grant, entropy)
    write_durably(staging / HEADER_NAME, header.encode())
    sync_directory(staging)
    ProcessLock(home / HEADER_LOCK_NAME).release()  # there from the first day, so that it tells nothing later
    slots.touch()
    for name in (*SLOT_NAMES, HEADER_NAME):  # the header last: with it, the vault is there
        os.replace(staging / name, home / name)
    staging.rmdir()
    sync_directory(home)


def _first_database(scratch: Path, key: Secret, entropy: Entropy, migrations: Sequence[Migration]) -> bytes:
    """The bytes of a new database at the first step.

    Made in a scratch file that is overwritten: in its place, the used file would differ from its siblings in when
    and where on the disk it was laid.
    """
    database = Database(scratch, key, create=True)
    try:
        database.fill_to(SLOT_BYTES_FIRST // PAGE_BYTES)
        migrate(database, migrations)
    except driver.Error as error:
        raise from_database(error, scratch.parent) from error
    finally:
        database.close()
    data = scratch.read_bytes()
    if data.startswith(_MAGIC_PLAIN) or len(data) != SLOT_BYTES_FIRST:
        raise machine("The new database is not as it must be")
    with open(scratch, "r+b", buffering=0) as file:
        file.write(entropy(len(data)))
        os.fsync(file.fileno())
    scratch.unlink()
    return data


def _sweep(home: Path, made: bool) -> None:
    """Removes what a making that did not end left behind; with `made`, the folder too."""
    with suppress(OSError):
        for name in SLOT_NAMES:  # before the folder that marks them as half made
            (home / name).unlink(missing_ok=True)
        shutil.rmtree(home / STAGING_NAME, ignore_errors=True)
        if made:
            (home / LOCK_NAME).unlink(missing_ok=True)
            home.rmdir()
