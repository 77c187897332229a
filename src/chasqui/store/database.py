"""One SQLCipher file: opened with a raw key, hardened, kept at an exact number of pages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from chasqui.base.errors import ChasquiError
from chasqui.base.secret import Secret
from chasqui.store import driver
from chasqui.store.failures import from_database, machine
from chasqui.store.layout import PAGE_BYTES

KEY_BYTES: Final = 32
CACHE_KIB: Final = 8 * 1024
LOG_PAGES_MAX: Final = 1000  # 4 MB of log, then it is moved into the file

# A blob whose row keeps 479 bytes in its leaf and fills whole pages of 4012 bytes with the rest.
_BLOB_LOCAL_BYTES: Final = 479
_BLOB_PAGE_BYTES: Final = PAGE_BYTES - 80 - 4
_BLOB_PAGES_MAX: Final = 4096
_FILL_SPARE_PAGES: Final = 16  # what the tree of the fill itself may need; the rest comes from empty tables


class Database:
    """A connection that alone owns the file. Raises only chasqui's errors, except from `connection` itself.

    `key` is 32 raw bytes. `create` makes a new file. Opening raises `DamagedVaultError` if the key does not
    open the file, `MachineError` if the system refuses.
    """

    def __init__(self, path: Path, key: Secret, *, create: bool = False) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a database key has 32 bytes")
        self.path = path
        mode = "rwc" if create else "rw"
        try:
            self.connection: driver.Connection = driver.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=64,
            )
            try:
                self._harden(key)
            except BaseException:
                self.connection.close()
                raise
        except driver.Error as error:
            raise from_database(error, path.parent) from error

    def _harden(self, key: Secret) -> None:
        self.pragma("cipher_log_level", "NONE")
        handle: Any = self.connection
        handle.set_key(f"x'{key.hex()}'")  # exactly 64 digits: with 62 it would be a passphrase
        self.pragma("cipher_memory_security", "ON")  # wipes what SQLCipher frees
        self.pragma("locking_mode", "EXCLUSIVE")
        self.pragma("secure_delete", "ON")
        self.pragma("synchronous", "FULL")
        self.pragma("temp_store", "MEMORY")
        self.pragma("cache_size", f"-{CACHE_KIB}")
        self.pragma("wal_autocheckpoint", str(LOG_PAGES_MAX))
        self.pragma("journal_size_limit", str(LOG_PAGES_MAX * PAGE_BYTES))
        self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # fails if the key is wrong
        self._set_journal("wal")
        self.limit_pages(self.page_count())

    def pragma(self, name: str, value: str | None = None) -> Any:
        """The first column of the pragma's first row, or None."""
        try:
            row = self.connection.execute(f"PRAGMA {name}" + (f" = {value}" if value else "")).fetchone()
        except driver.Error as error:
            raise from_database(error, self.path.parent) from error
        return row[0] if row else None

    def page_count(self) -> int:
        """Pages of the database, free ones too."""
        return int(self.pragma("page_count"))

    def free_pages(self) -> int:
        """Pages that hold nothing."""
        return int(self.pragma("freelist_count"))

    def limit_pages(self, pages: int) -> None:
        """Refuses to grow beyond that many pages; the database then says that it is full."""
        self.pragma("max_page_count", str(pages))

    def checkpoint(self) -> None:
        """Moves the log into the file and cuts it to nothing."""
        try:
            row = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except driver.Error as error:
            raise from_database(error, self.path.parent) from error
        if row and row[0]:
            raise machine("The vault's log could not be moved into its file")

    def fill_to(self, pages: int) -> None:
        """Grows the database to exactly that many pages, all written, all but the used ones free.

        One transaction with a rollback journal, which writes each page once and in place; the file's bytes behind
        the database's end need only be there. Raises `MachineError`; the database is then as before.
        """
        before = self.page_count()
        if before >= pages:
            return
        try:
            self._set_journal("delete")
            self.limit_pages(pages)
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                self._insert_fill(pages)
                self.connection.execute("COMMIT")
            except BaseException:
                self.rollback()
                self.limit_pages(before)
                self.keep_log()
                raise
            self._set_journal("wal")
        except driver.Error as error:
            raise from_database(error, self.path.parent) from error

    def _insert_fill(self, pages: int) -> None:
        execute = self.connection.execute
        execute("CREATE TABLE fill(blob BLOB)")
        while (room := self.free_pages() + pages - self.page_count() - _FILL_SPARE_PAGES) > 0:
            size = _BLOB_LOCAL_BYTES + min(room, _BLOB_PAGES_MAX) * _BLOB_PAGE_BYTES
            execute("INSERT INTO fill VALUES (zeroblob(?))", (size,))
        tables = 0
        while self.page_count() < pages:  # an empty table takes exactly one page
            tables += 1
            execute(f"CREATE TABLE fill{tables}(x)")
        for i in range(1, tables + 1):
            execute(f"DROP TABLE fill{i}")
        execute("DROP TABLE fill")

    def keep_log(self) -> None:
        """Goes back to the log after a growth that failed. If even that fails, the rollback journal stays in use:
        slower and as safe; the next opening tries again."""
        with suppress(ChasquiError):
            self._set_journal("wal")

    def rollback(self) -> None:
        """Ends an open transaction, if there is one, without its writes."""
        with suppress(driver.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Rolls back, moves the log into the file, removes it, wipes the key. Never fails: what was committed
        is durable in the log, and the next opening finishes the move."""
        self.rollback()
        with suppress(ChasquiError):
            self.checkpoint()
        with suppress(driver.Error):
            self.connection.close()

    def _set_journal(self, mode: str) -> None:
        if self.pragma("journal_mode", mode) != mode:
            raise machine("The vault's database could not change the way it keeps its log")
