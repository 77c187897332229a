"""The database's layout, as an ordered list of steps; `user_version` counts the steps that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chasqui.base.errors import VaultError
from chasqui.store.database import Database

Migration = tuple[str, ...]  # statements of one step

MIGRATIONS: Final[tuple[Migration, ...]] = (
    # With row ids: the index holds keys alone. Without them, puts and gets of values above 1 KB are 2-6 times slower.
    ("CREATE TABLE records(space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(space, key))",),
)


def check_version(database: Database, migrations: Sequence[Migration]) -> int:
    """How many of the steps were taken. Raises `VaultError` if there were more than are known here."""
    version = int(database.pragma("user_version"))
    if version > len(migrations):
        raise VaultError(
            "This vault was written by a newer version of chasqui.",
            safety="Nothing was changed.",
            todo="Update the program on this device.",
        )
    return version


def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Takes all steps that were not taken, in one transaction.

    Raises `VaultError` for a newer vault, and the driver's own error when a step fails; nothing is changed then.
    """
    version = check_version(database, migrations)
    if version == len(migrations):
        return
    try:
        database.connection.execute("BEGIN IMMEDIATE")
        for step in migrations[version:]:
            for statement in step:
                database.connection.execute(statement)
        database.pragma("user_version", str(len(migrations)))
        database.connection.execute("COMMIT")
    except BaseException:
        database.rollback()
        raise
