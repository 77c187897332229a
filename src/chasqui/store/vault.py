"""A vault that exists: open it, give it another passphrase."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from chasqui.base.errors import ChasquiError
from chasqui.base.ports import Entropy
from chasqui.store import passphrase as phrase
from chasqui.store.database import Database
from chasqui.store.failures import from_os
from chasqui.store.header import Grant
from chasqui.store.header_file import clear_leftovers, read_header, replace_header
from chasqui.store.layout import HEADER_LOCK_NAME, LOCK_NAME
from chasqui.store.lock import ProcessLock
from chasqui.store.migrations import MIGRATIONS, Migration
from chasqui.store.records import EncryptedStore
from chasqui.store.slots import SlotFiles


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
    home = home.absolute()
    header = read_header(home)
    lock = ProcessLock(home / LOCK_NAME)
    try:
        slots = SlotFiles(home)
        slots.step()
        slots.check_writable()
        grant = header.unlock(passphrase).grant
        clear_leftovers(home)
        return OpenVault(home, _open_store(slots, grant, entropy, migrations), slots, lock)
    except BaseException:
        lock.release()
        raise


def _open_store(slots: SlotFiles, grant: Grant, entropy: Entropy, migrations: Sequence[Migration]) -> EncryptedStore:
    database: Database | None = None
    try:
        slots.lay_logs()
        database = Database(slots.paths[grant.file_index], grant.key)
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
    read_header(home)
    lock = ProcessLock(home / HEADER_LOCK_NAME)
    try:
        header = read_header(home)
        unlocked = header.unlock(old)
        kek = phrase.stretch(new, header.salt, header.cost)
        header = header.with_grant(unlocked.key_slot, kek, unlocked.grant, entropy)
        replace_header(home, header, entropy)
    except OSError as error:
        raise from_os(error) from error
    finally:
        lock.release()
