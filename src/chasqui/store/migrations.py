"""The database's layout, as an ordered list of steps; `user_version` counts the steps that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chasqui.base.errors import VaultError
from chasqui.store.database import Database

Migration = tuple[str, ...]  # statements of one step

MIGRATIONS: Final[tuple[Migration, ...]] = (
    (
        "CREATE TABLE records(space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
        " PRIMARY KEY(space, key)) WITHOUT ROWID",
    ),
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


def run_migrations(database: Database, version: int, migrations: Sequence[Migration]) -> None:
    """Takes all steps behind `version` in the open transaction."""
    for step in migrations[version:]:
        for statement in step:
            database.connection.execute(statement)
    database.pragma("user_version", str(len(migrations)))
