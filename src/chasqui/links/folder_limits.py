"""Bounds of the folder link, with reasons."""

from __future__ import annotations

from typing import Final

FILE_BYTES_TARGET: Final = 2**20  # a stick pulled out half way loses at most the file being written
READ_BYTES: Final = 2**16  # one read; the memory of a collect is this plus one bundle plus the ids
ENTRIES_MAX: Final = 100_000  # names looked at in one folder; a stick full of junk must not hold us for ever
IDS_REMEMBERED_MAX: Final = 2**18  # 25 MB of ids; beyond it a bundle may be given or written twice, harmlessly
PROBLEM_LINES_MAX: Final = 20  # a person reads them
LEFTOVER_AGE_S: Final = 3_600  # a half-written file of a crash; nobody writes one file for an hour
NAME_BYTES: Final = 8  # 64 random bits: two people's files never meet when folders are merged
EXPIRY_GRACE_S: Final = 2 * 86_400  # our clock may be wrong: mail of others is only removed well after its time
