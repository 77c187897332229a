"""Files that were cut, altered, exchanged or lost: found, named, and left as they are."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from chasqui.base.errors import (
    DamagedVaultError,
    MachineError,
)
from chasqui.node.store_port import Write
from tests.store.homes import (
    AT_REST,
    MIB,
    child,
    create,
    helpful,
    names,
    new_home,
    sizes,
    snapshot,
    unlock,
    used_file,
)


@pytest.mark.must("M-VLT-10")
@pytest.mark.parametrize("which", ["used", "unused"])
@pytest.mark.parametrize("length", [0, 1, 512, 4095, 4096, 2 * MIB, 4 * MIB - 1, 4 * MIB + 1, 64 * MIB])
def test_a_file_of_a_wrong_length(tmp_path: Path, which: str, length: int) -> None:
    home = new_home(tmp_path)
    used = used_file(home)[0]
    victim = used if which == "used" else next(p for p in sorted(home.glob("slot?")) if p != used)
    os.truncate(victim, length)
    before = snapshot(home)
    if length == 4 * MIB + 1:  # as a growth that was cut off leaves it: finished, not refused
        unlock(home).close()
        assert sizes(home) == [8 * MIB] * 4
        return
    with pytest.raises(DamagedVaultError) as caught:
        unlock(home)
    assert helpful(caught.value)
    assert snapshot(home) == before


@pytest.mark.must("M-VLT-10")
def test_missing_and_foreign_files(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    used, _ = used_file(home)
    whole = used.read_bytes()
    for foreign in (os.urandom(4 * MIB), bytes(4 * MIB), b"SQLite format 3\0".ljust(4 * MIB, b"\0"), whole[::-1]):
        used.write_bytes(foreign)
        with pytest.raises(DamagedVaultError):
            unlock(home)
        assert used.read_bytes() == foreign
        assert names(home) == AT_REST
    used.unlink()
    with pytest.raises(DamagedVaultError):
        unlock(home)
    assert not used.exists()
    used.write_bytes(whole)
    unlock(home).close()


def test_a_header_of_another_vault_is_damage_and_not_a_wrong_passphrase(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    create(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "vault", home / "vault")
    with pytest.raises(DamagedVaultError):
        unlock(home)


@pytest.mark.must("M-VLT-10")
def test_a_flipped_byte_in_any_page_is_found_when_it_is_read(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes([i % 256]) * 300) for i in range(300))
        vault.store.commit()
    used, _ = used_file(home)
    whole = used.read_bytes()
    found = 0
    for page in [0, *range(1, 1024, 17), *range(1, 60)]:
        data = bytearray(whole)
        data[page * 4096 + page % 4096] ^= 1
        used.write_bytes(data)
        try:
            with unlock(home) as vault:
                got = list(vault.store.scan(1))
                assert got == [(i.to_bytes(2, "big"), bytes([i % 256]) * 300) for i in range(300)]
        except DamagedVaultError:
            found += 1
    assert found >= 5
    used.write_bytes(whole)
    with unlock(home) as vault:
        assert vault.store.count(1) == 300


def test_behind_a_damaged_page_nothing_is_written(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(300)) for i in range(300))
        vault.store.commit()
    used, _ = used_file(home)
    data = bytearray(used.read_bytes())
    for page in range(3, 1024):
        data[page * 4096] ^= 1
    used.write_bytes(data)
    with unlock(home) as vault:
        with pytest.raises(DamagedVaultError):
            list(vault.store.scan(1))
        with pytest.raises(DamagedVaultError):
            vault.store.apply([Write(1, b"k", b"v")])
            vault.store.commit()


def test_a_read_that_fails_does_not_make_a_commit_lie(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(300)) for i in range(900))
        vault.store.commit()
    used, _ = used_file(home)
    whole = used.read_bytes()
    lied = refused = kept = 0
    for page in range(3, 90, 3):
        data = bytearray(whole)
        data[page * 4096] ^= 1
        used.write_bytes(data)
        committed = False
        with unlock(home) as vault:
            try:
                vault.store.apply([Write(2, b"k", b"v")])
                with suppress(DamagedVaultError):
                    list(vault.store.scan(1))
                vault.store.commit()
                committed = True
            except DamagedVaultError:
                refused += 1
        if committed:
            with unlock(home) as vault:
                kept += vault.store.get(2, b"k") == b"v"
                lied += vault.store.get(2, b"k") is None
    assert lied == 0
    assert kept + refused == 29


@pytest.mark.must("M-VLT-10")
def test_a_grown_file_that_was_cut_beside_a_log(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    script = """
import os, signal, sys
from pathlib import Path
from chasqui.node.store_port import Write
from chasqui.store import open_vault
vault = open_vault(Path(sys.argv[1]), b"correct horse")
vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15000)) for i in range(300))
vault.store.commit()
vault.store.scrub()
vault.store.apply([Write(1, b"k", b"v")])
vault.store.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
    child(script, home).communicate(timeout=60)
    used = used_file(home)[0]
    assert (home / f"{used.name}-wal").stat().st_size > 0
    os.truncate(used, 6 * MIB)
    with pytest.raises(DamagedVaultError):
        unlock(home)


def test_nothing_is_printed(tmp_path: Path) -> None:
    """SQLCipher writes to stderr by default when a key is wrong."""
    home = new_home(tmp_path)
    used, _ = used_file(home)
    used.write_bytes(os.urandom(4 * MIB))
    process = child(
        "import sys; from pathlib import Path; from chasqui.store import open_vault\n"
        "from chasqui.base.errors import DamagedVaultError\n"
        "try: open_vault(Path(sys.argv[1]), b'correct horse')\n"
        "except DamagedVaultError: print('damaged')",
        home,
    )
    assert process.communicate(timeout=60) == (b"damaged\n", b"")


@pytest.mark.must("M-VLT-10")
def test_a_grown_file_that_was_cut(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15_000)) for i in range(300))
        vault.store.commit()
    assert sizes(home) == [8 * MIB] * 4
    os.truncate(used_file(home)[0], 6 * MIB)
    before = snapshot(home)
    with pytest.raises(DamagedVaultError):
        unlock(home)
    assert snapshot(home) == before


def test_a_transaction_that_sqlite_gave_up_is_not_committed_in_name(tmp_path: Path) -> None:
    with unlock(new_home(tmp_path)) as vault:
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store._database.rollback()  # as SQLite does by itself after some failures of reading
        with pytest.raises(MachineError):
            vault.store.commit()
        vault.store.commit()
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store._database.rollback()
        with pytest.raises(MachineError):
            vault.store.apply([Write(1, b"other", b"v")])
        assert vault.store.count(1) == 0
        vault.store.apply([Write(1, b"k", b"v2")])
        vault.store.commit()
        assert vault.store.get(1, b"k") == b"v2"
