"""Vaults of other versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chasqui.base.errors import ChasquiError, VaultError
from chasqui.node.store_port import Write
from chasqui.store import create_vault, open_vault
from chasqui.store.migrations import MIGRATIONS, Migration
from chasqui.store.passphrase import COST_LEAST
from tests.store.homes import MIB, PASSPHRASE, new_home, sizes, snapshot, unlock

OLD: Migration = (
    "CREATE TABLE entries(space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY(space, key)) WITHOUT ROWID",
)
NEW: Migration = (
    "CREATE TABLE records(space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(space, key))",
    "INSERT INTO records(space, key, value) SELECT space, key, value FROM entries",
    "DROP TABLE entries",
)


def old_home(folder: Path, rows: int, size: int) -> Path:
    """A vault as the version before the first would have left it."""
    home = folder / "home"
    create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST, migrations=(OLD,))
    with open_vault(home, PASSPHRASE, migrations=(OLD,)) as vault:
        execute = vault.store._database.connection.execute
        execute("BEGIN")
        for i in range(rows):
            execute("INSERT INTO entries VALUES (1, ?, ?)", (i.to_bytes(4, "big"), bytes(size)))
        execute("COMMIT")
    return home


@pytest.mark.must("M-VLT-19")
@pytest.mark.parametrize(("rows", "size", "mib"), [(10, 100, 4), (170, 15_000, 8)])
def test_an_older_vault_is_brought_up(tmp_path: Path, rows: int, size: int, mib: int) -> None:
    """The second does not fit twice into its files, so that they grow under way."""
    home = old_home(tmp_path, rows, size)
    with open_vault(home, PASSPHRASE, migrations=(OLD, NEW)) as vault:
        assert list(vault.store.scan(1)) == [(i.to_bytes(4, "big"), bytes(size)) for i in range(rows)]
        vault.store.apply([Write(2, b"k", b"v")])
        vault.store.commit()
        assert vault.store._database.pragma("user_version") == 2
    assert sizes(home) == [mib * MIB] * 4
    with open_vault(home, PASSPHRASE, migrations=(OLD, NEW)) as vault:
        assert vault.store.count(1) == rows


@pytest.mark.must("M-VLT-19")
def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    home = old_home(tmp_path, 10, 100)
    with pytest.raises(ChasquiError):
        open_vault(home, PASSPHRASE, migrations=(OLD, (*NEW, "INSERT INTO nowhere VALUES (1)")))
    with open_vault(home, PASSPHRASE, migrations=(OLD,)) as vault:
        assert vault.store._database.pragma("user_version") == 1
        rows = vault.store._database.connection.execute("SELECT count(*) FROM entries").fetchone()
        assert rows == (10,)
    with open_vault(home, PASSPHRASE, migrations=(OLD, NEW)) as vault:
        assert vault.store.count(1) == 10


@pytest.mark.must("M-VLT-19")
def test_a_vault_from_the_future_is_left_alone(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    open_vault(home, PASSPHRASE, migrations=(*MIGRATIONS, ("CREATE TABLE later(x)",))).close()
    before = snapshot(home)
    with pytest.raises(VaultError) as caught:
        unlock(home)
    assert "newer" in caught.value.what
    assert "Update" in caught.value.todo
    assert snapshot(home) == before


def test_a_vault_knows_its_version(tmp_path: Path) -> None:
    with unlock(new_home(tmp_path)) as vault:
        assert vault.store._database.pragma("user_version") == len(MIGRATIONS) == 1
