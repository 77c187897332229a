"""What lies in a vault's home: names, sizes and bounds (`docs/spec/vault.md`)."""

from __future__ import annotations

from typing import Final

HEADER_NAME: Final = "vault"  # salt, costs and four key slots; its presence is what makes a home a vault
HEADER_NEW_NAME: Final = "vault.new"  # a header on its way to replace the other
LOCK_NAME: Final = "lock"  # empty; flocked by the one process that has the store open
HEADER_LOCK_NAME: Final = "lock.header"  # empty; flocked while the header is rewritten
STAGING_NAME: Final = "new"  # a vault being made; files move up from here, the header last
SCRATCH_NAME: Final = "scratch"  # in the staging folder: the first database, before it is laid into its file
SLOTS: Final = 4  # profiles that a vault has room for, from the first day
SLOT_NAMES: Final = tuple(f"slot{i}" for i in range(SLOTS))
LOG_SUFFIX: Final = "-wal"  # SQLite's write-ahead log, only while the vault is open
JOURNAL_SUFFIX: Final = "-journal"  # SQLite's rollback journal, only while the files grow

PAGE_BYTES: Final = 4096  # SQLCipher 4's default
SLOT_BYTES_FIRST: Final = 4 * 2**20  # a year of texts of one lively group; 16 MiB in all on a small device
SLOT_BYTES_MAX: Final = 2**30  # SQLite leaves the page at 1 GiB as zeroes, which would show
FILL_CHUNK_BYTES: Final = 2**18  # random bytes written at once, to each file in turn


DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
