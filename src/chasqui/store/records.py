"""The encrypted store: ordered keys in spaces, over one SQLCipher file that grows with its three siblings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from chasqui.base.errors import ChasquiError, DamagedVaultError, MachineError, ReadOnlyError
from chasqui.base.ports import Entropy
from chasqui.node.store_port import Write, check_write
from chasqui.store import driver
from chasqui.store.database import Database
from chasqui.store.failures import SQLITE_FULL, disk_full, from_database, machine, primary_code, vault_full
from chasqui.store.layout import PAGE_BYTES, SLOT_BYTES_MAX
from chasqui.store.migrations import MIGRATIONS, Migration, migrate
from chasqui.store.slots import SlotFiles

_GET: Final = "SELECT value FROM records WHERE space = ? AND key = ?"
_PUT: Final = (
    "INSERT INTO records(space, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT(space, key) DO UPDATE SET value = excluded.value"
)
_ERASE: Final = "DELETE FROM records WHERE space = ? AND key = ?"
_FROM: Final = " FROM records WHERE space = ? AND key >= ?"
_BELOW: Final = " AND key < ?"
_SCAN_CHUNK_FIRST: Final = 16  # most scans are short
_SCAN_CHUNK_MAX: Final = 256
_SPARE_PAGES: Final = 64  # more than one write ever needs beside the pages of its value


class EncryptedStore:
    """The vault's `chasqui.node.store_port.Store`. One thread at a time.

    Keys are at most 1 KiB, values 1 MiB, spaces 0 to 2^31-1; anything else is a `ValueError`. What was applied and
    not yet committed is also held in memory, so that it can be written again after the files have grown.
    Every call may raise `DamagedVaultError` when a page that it needs was altered.
    """

    def __init__(
        self, database: Database, slots: SlotFiles, entropy: Entropy, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        self._database = database
        self._execute = database.connection.execute
        self._slots = slots
        self._entropy = entropy
        self._pending: list[Write] = []
        self._damage: DamagedVaultError | None = None
        self._open = True
        self._level()
        self._migrate(migrations)

    # -- reading --------------------------------------------------------------------------------------------

    def get(self, space: int, key: bytes) -> bytes | None:
        """The value, or None."""
        self._check_open()
        try:
            row = self._execute(_GET, (space, key)).fetchone()
        except driver.Error as error:
            raise self._named(error) from error
        return None if row is None else row[0]

    def scan(
        self,
        space: int,
        start: bytes = b"",
        end: bytes | None = None,
        *,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end, lazily: fetched in chunks, each of which sees what was applied before it."""
        left = limit
        chunk = _SCAN_CHUNK_FIRST
        while left is None or left > 0:
            self._check_open()
            size = chunk if left is None else min(chunk, left)
            rows = self._chunk(space, start, end, size, reverse)
            yield from rows
            if len(rows) < size:
                return
            if reverse:
                end = rows[-1][0]
            else:
                start = rows[-1][0] + b"\0"
            left = None if left is None else left - size
            chunk = min(chunk * 4, _SCAN_CHUNK_MAX)

    def _chunk(
        self, space: int, start: bytes, end: bytes | None, size: int, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        order = " ORDER BY key DESC LIMIT ?" if reverse else " ORDER BY key LIMIT ?"
        below = () if end is None else (end,)
        query = "SELECT key, value" + _FROM + (_BELOW if below else "") + order
        try:
            return self._execute(query, (space, start, *below, size)).fetchall()
        except driver.Error as error:
            raise self._named(error) from error

    def count(self, space: int, start: bytes = b"", end: bytes | None = None) -> int:
        """How many keys lie in start <= key < end."""
        self._check_open()
        below = () if end is None else (end,)
        query = "SELECT count(*)" + _FROM + (_BELOW if below else "")
        try:
            return int(self._execute(query, (space, start, *below)).fetchone()[0])
        except driver.Error as error:
            raise self._named(error) from error

    # -- writing --------------------------------------------------------------------------------------------

    def apply(self, writes: Iterable[Write]) -> None:
        """Adds writes to the open transaction, all or none; see `Store.apply`.

        Raises `MachineError` when the disk is full or read-only, and then forgets the whole open transaction.
        """
        self._check_open()
        batch = list(writes)
        for write in batch:
            check_write(write)
        if not batch:
            return
        try:
            if self._pending:
                self._check_transaction()
            self._pending += batch
            self._begin()
            for write in batch:
                self._put(write)
        except driver.Error as error:
            if primary_code(error) != SQLITE_FULL:
                raise self._failed(error) from error
            self._make_room()
        except BaseException:
            self.rollback()
            raise

    def commit(self) -> None:
        """Makes all applied writes durable before it returns; see `Store.commit`."""
        self._check_open()
        try:
            if self._pending:
                self._check_transaction()
                self._execute("COMMIT")
        except driver.Error as error:
            raise self._failed(error) from error
        except BaseException:
            self.rollback()
            raise
        self._pending.clear()

    def rollback(self) -> None:
        """Forgets what was applied since the last commit."""
        self._pending.clear()
        self._database.rollback()

    def scrub(self) -> None:
        """Moves the log into the file and empties it, so that erased values are gone from both. Call it when idle.

        Raises `MachineError`; nothing is lost then. Does nothing while a transaction is open.
        """
        self._check_open()
        if not self._pending:
            self._database.checkpoint()
            self._slots.touch()

    def close(self) -> None:
        """Rolls back what is open and leaves no log behind. May be called more than once."""
        if self._open:
            self._open = False
            self._pending.clear()
            self._database.close()

    # -- growth ---------------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """Writes the open transaction again, growing the files as often as that takes."""
        try:
            while (short := self._rewrite()) is not None:
                if not short:
                    raise disk_full()
                self._grow()
        except driver.Error as error:
            raise self._failed(error) from error
        except BaseException:
            self.rollback()
            raise

    def _rewrite(self) -> bool | None:
        """None if all of it could be written; else whether the files are too small (True) or the disk (False)."""
        self._database.rollback()
        self._begin()
        for write in self._pending:
            free = self._database.free_pages()
            try:
                self._put(write)
            except driver.Error as error:
                if primary_code(error) != SQLITE_FULL:
                    raise
                self._database.rollback()
                return free < len(write.value or b"") // (PAGE_BYTES - 84) + _SPARE_PAGES
        return None

    def _grow(self) -> None:
        """Brings all four files to the next step. Raises `DiskFullError`; all are then as before."""
        size = self._database.page_count() * PAGE_BYTES
        if size >= SLOT_BYTES_MAX:
            raise vault_full()
        self._database.checkpoint()
        try:
            self._slots.extend(size * 2, self._entropy)
            self._database.fill_to(size * 2 // PAGE_BYTES)
        except BaseException:
            with suppress(OSError):
                self._slots.shrink(size)
            self._database.keep_log()
            raise
        self._slots.touch()

    def _level(self) -> None:
        """Finishes a growth that was cut off, or that another profile of this vault began."""
        step = self._slots.step()
        if self._database.page_count() * PAGE_BYTES == step == min(self._slots.sizes()):
            return
        self._database.checkpoint()
        self._slots.extend(step, self._entropy)
        self._database.fill_to(step // PAGE_BYTES)

    # -- inside ---------------------------------------------------------------------------------------------

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        while True:
            try:
                return migrate(self._database, migrations)
            except driver.Error as error:
                # A step at most copies all there is; where that would have fitted, it is the disk that is full.
                free, pages = self._database.free_pages(), self._database.page_count()
                if primary_code(error) != SQLITE_FULL or free * 2 > pages:
                    raise from_database(error, self._database.path.parent) from error
                self._grow()

    def _begin(self) -> None:
        if not self._database.connection.in_transaction:
            self._execute("BEGIN IMMEDIATE")

    def _put(self, write: Write) -> None:
        space, key, value = write
        if value is None:
            self._execute(_ERASE, (space, key))
        else:
            self._execute(_PUT, (space, key, value))

    def _failed(self, error: driver.Error) -> ChasquiError:
        """Rolls back, as after every write that failed; the error to raise."""
        self.rollback()
        return self._named(error)

    def _named(self, error: driver.Error) -> ChasquiError:
        failure = from_database(error, self._database.path.parent)
        if self._damage is not None and isinstance(failure, ReadOnlyError):
            return self._damage  # SQLCipher refuses to write behind a page that it could not read
        if isinstance(failure, DamagedVaultError):
            self._damage = failure
        return failure

    def _check_transaction(self) -> None:
        """Refuses to go on with a transaction that SQLite gave up by itself when a read failed."""
        if not self._database.connection.in_transaction:
            raise self._damage or machine("The vault's database gave up the open transaction")

    def _check_open(self) -> None:
        if not self._open:
            raise MachineError("The vault is closed.", todo="Open it again.")
