"""A vault: make it, open it, give it another passphrase."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from chasqui.base.errors import (
    ChasquiError,
    NoVaultError,
    UserError,
    VaultBusyError,
    VaultExistsError,
)
from chasqui.base.ports import Entropy
from chasqui.base.secret import Secret
from chasqui.store import passphrase as phrase
from chasqui.store.database import Database
from chasqui.store.failures import damaged, from_os, machine
from chasqui.store.header import DATABASE_KEY_BYTES, HEADER_BYTES, Grant, Header, decode_header, new_header
from chasqui.store.layout import (
    DIRECTORY_MODE,
    FILE_MODE,
    HEADER_LOCK_NAME,
    HEADER_NAME,
    LOCK_NAME,
    PAGE_BYTES,
    SLOT_BYTES_FIRST,
    SLOT_NAMES,
    SLOTS,
    STAGING_NAME,
)
from chasqui.store.lock import ProcessLock
from chasqui.store.migrations import MIGRATIONS, Migration
from chasqui.store.passphrase import KdfCost
from chasqui.store.records import EncryptedStore
from chasqui.store.slots import SlotFiles

_OWN_NAMES = frozenset((HEADER_NAME, LOCK_NAME, HEADER_LOCK_NAME, STAGING_NAME, *SLOT_NAMES))
_MAGIC_PLAIN = b"SQLite format 3"


class OpenVault:
    """A vault that this process has open, with its lock. Use it in a `with` block, or call `close`."""

    def __init__(self, home: Path, store: EncryptedStore, slots: SlotFiles, lock: ProcessLock) -> None:
        self.home = home
        self.store = store
        self._slots = slots
        self._lock = lock

    def close(self) -> None:
        """Closes the store, leaves no log behind, touches the four files alike and gives the lock back.

        May be called more than once; never fails, since all that was committed is durable already.
        """
        self.store.close()
        with suppress(OSError, ChasquiError):
            self._slots.clear_logs()
            self._slots.touch()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def vault_exists(home: Path) -> bool:
    """Whether there is a vault at this place, whole or damaged."""
    return (home / HEADER_NAME).exists() or _lost_header(home)


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


def open_vault(
    home: Path,
    passphrase: bytes,
    *,
    entropy: Entropy = secrets.token_bytes,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> OpenVault:
    """Opens the vault with its passphrase and keeps other processes out until it is closed.

    `entropy` fills the files when they grow. Raises `NoVaultError`, `VaultBusyError`, `WrongPassphraseError`,
    `DamagedVaultError`, `VaultError` (a newer version's vault), `ReadOnlyError`, `DiskFullError` (only if a growth that
    was cut off cannot be finished); nothing is changed then.
    """
    header = _read_header(home)
    lock = ProcessLock(home / LOCK_NAME)
    try:
        slots = SlotFiles(home)
        slots.step()
        slots.check_writable()
        grant = header.unlock(passphrase).grant
        return OpenVault(home, _open_store(slots, grant, entropy, migrations), slots, lock)
    except BaseException:
        lock.release()
        raise


def _open_store(slots: SlotFiles, grant: Grant, entropy: Entropy, migrations: Sequence[Migration]) -> EncryptedStore:
    path = slots.paths[grant.file_index]
    slots.lay_logs()
    database: Database | None = None
    try:
        database = Database(path, grant.key)
        if database.page_count() * PAGE_BYTES > path.stat().st_size:
            raise damaged("A file of the vault is cut short.")
        store = EncryptedStore(database, slots, entropy, migrations)
        slots.touch()
        return store
    except BaseException:
        if database is not None:
            database.close()
        with suppress(OSError):
            slots.clear_logs()
        raise


def change_passphrase(home: Path, old: bytes, new: bytes, entropy: Entropy) -> None:
    """Seals the database key under another passphrase. The database stays as it is, and may be open elsewhere.

    Salt and cost stay, since other key slots may depend on them. Raises as `open_vault` does, and `VaultBusyError` if
    another change is under way; the old passphrase then still holds. An old copy of the header still opens with the
    old passphrase.
    """
    phrase.check(new)
    _read_header(home)
    lock = ProcessLock(home / HEADER_LOCK_NAME)
    try:
        header = _read_header(home)
        unlocked = header.unlock(old)
        kek = phrase.stretch(new, header.salt, header.cost)
        header = header.with_grant(unlocked.key_slot, kek, unlocked.grant, entropy)
        _replace_header(home, header, entropy)
    except OSError as error:
        raise from_os(error) from error
    finally:
        lock.release()


# -- the header file ----------------------------------------------------------------------------------------


def _read_header(home: Path) -> Header:
    try:
        with open(home / HEADER_NAME, "rb") as file:
            data = file.read(HEADER_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if _lost_header(home):
            raise damaged("The vault's key file is missing.") from error
        raise NoVaultError(
            "There is no vault here.", todo="Make one with 'chasqui init', or name its place with --home."
        ) from error
    except OSError as error:
        raise from_os(error) from error
    return decode_header(data)


def _replace_header(home: Path, header: Header, entropy: Entropy) -> None:
    fresh, path = home / f"{HEADER_NAME}.new", home / HEADER_NAME
    with open(path, "r+b", buffering=0) as old:
        try:
            _write_durably(fresh, header.encode())
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_directory(home)
        with suppress(OSError):  # the old one has no name any more: overwrite what it held
            old.write(entropy(HEADER_BYTES))
            os.fsync(old.fileno())


def _write_durably(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), FILE_MODE)
    try:
        if os.write(fd, data) != len(data):
            raise machine("The key file could not be written whole")
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # pragma: no cover
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# -- the making of a vault ----------------------------------------------------------------------------------


def _build(home: Path, passphrase: bytes, entropy: Entropy, cost: KdfCost, migrations: Sequence[Migration]) -> None:
    staging = home / STAGING_NAME
    _sweep(home, made=False)
    staging.mkdir(DIRECTORY_MODE)
    slots = SlotFiles(staging)
    grant = Grant(Secret(entropy(DATABASE_KEY_BYTES)), entropy(1)[0] % SLOTS)
    used = slots.paths[grant.file_index]

    database = Database(used, grant.key, create=True)
    try:
        database.fill_to(SLOT_BYTES_FIRST // PAGE_BYTES)
        slots.extend(SLOT_BYTES_FIRST, entropy)
        EncryptedStore(database, slots, entropy, migrations).close()
    finally:
        database.close()
    for path in slots.paths:
        os.chmod(path, FILE_MODE)
    with open(used, "rb") as file:
        if file.read(len(_MAGIC_PLAIN)) == _MAGIC_PLAIN:
            raise machine("The database was not encrypted")
    slots.extend(SLOT_BYTES_FIRST, entropy)  # makes all of them durable

    header = new_header(cost, entropy)
    kek = phrase.stretch(passphrase, header.salt, cost)
    header = header.with_grant(entropy(1)[0] % SLOTS, kek, grant, entropy)
    _write_durably(staging / HEADER_NAME, header.encode())
    _sync_directory(staging)
    slots.touch()
    for name in (*SLOT_NAMES, HEADER_NAME):  # the header last: with it, the vault is there
        os.replace(staging / name, home / name)
    staging.rmdir()
    _sync_directory(home)


def _lost_header(home: Path) -> bool:
    """Whether there are slot files that no half-made vault explains."""
    return not (home / STAGING_NAME).exists() and any((home / name).exists() for name in SLOT_NAMES)


def _sweep(home: Path, made: bool) -> None:
    """Removes what a making that did not end left behind; with `made`, the folder too."""
    shutil.rmtree(home / STAGING_NAME, ignore_errors=True)
    with suppress(OSError):
        for name in SLOT_NAMES:
            (home / name).unlink(missing_ok=True)
        if made:
            (home / LOCK_NAME).unlink(missing_ok=True)
            home.rmdir()
