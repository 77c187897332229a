"""Growing: all four files alike, from one step to the next, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chasqui.base.errors import DiskFullError
from chasqui.node.store_port import Write
from chasqui.store import open_vault, records
from chasqui.store.database import Database
from chasqui.store.layout import PAGE_BYTES
from chasqui.store.slots import SlotFiles
from tests.store.homes import MIB, PASSPHRASE, new_home, sizes, unlock

BIG = os.urandom(15_000)


def key(i: int) -> bytes:
    return i.to_bytes(4, "big")


@pytest.mark.must("M-VLT-16")
@pytest.mark.parametrize("size", [100, 900, 4000, 15_000, MIB])
def test_all_four_grow_alike_and_nothing_is_lost(tmp_path: Path, size: int) -> None:
    home = new_home(tmp_path)
    value = os.urandom(size)
    n = 9 * MIB // (size + 60)
    seen = set()
    with unlock(home) as vault:
        for i in range(n):
            vault.store.apply([Write(1, key(i), value)])
            if i % 7 == 0:
                vault.store.commit()
            if i % (n // 8) == 0:
                seen.add(tuple(sizes(home)))
        vault.store.commit()
        assert vault.store.count(1) == n
    assert sizes(home) in ([8 * MIB] * 4, [16 * MIB] * 4)
    assert seen <= {(s * MIB,) * 4 for s in (4, 8, 16)}
    with unlock(home) as vault:
        assert all(got == (key(i), value) for i, got in enumerate(vault.store.scan(1)))
        assert vault.store.count(1) == n


@pytest.mark.must("M-VLT-16")
def test_one_transaction_may_cross_several_steps(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply([Write(1, b"before", b"1")])
        vault.store.commit()
        vault.store.apply([Write(1, b"in the same transaction", b"2"), Write(1, b"before", None)])
        vault.store.apply(Write(2, key(i), BIG) for i in range(1500))
        assert vault.store.get(1, b"in the same transaction") == b"2"
        assert vault.store.count(2) == 1500
        vault.store.rollback()
        assert list(vault.store.scan(1)) == [(b"before", b"1")]
        assert vault.store.count(2) == 0
    assert sizes(home) == [32 * MIB] * 4


def test_erasing_makes_room_without_growing(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        for _ in range(20):
            vault.store.apply(Write(1, key(i), BIG) for i in range(150))
            vault.store.commit()
            vault.store.apply(Write(1, key(i), None) for i in range(150))
            vault.store.commit()
    assert sizes(home) == [4 * MIB] * 4


@pytest.mark.parametrize("call", [1, 2, 7, 33, 63, 64])
def test_a_growth_that_finds_no_room_is_undone(tmp_path: Path, call: int) -> None:
    home = new_home(tmp_path)
    calls = 0

    def entropy(n: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.urandom(n)

    with open_vault(home, PASSPHRASE, entropy=entropy) as vault:
        vault.store.apply(Write(1, key(i), BIG) for i in range(100))
        vault.store.commit()
        vault.store.apply([Write(2, b"open", b"1")])
        with pytest.raises(DiskFullError):
            vault.store.apply(Write(1, key(i), BIG) for i in range(100, 400))
        assert sizes(home) == [4 * MIB] * 4
        assert vault.store.count(1) == 100
        assert vault.store.get(2, b"open") is None  # the whole open transaction is gone, as the protocol says
        vault.store.apply([Write(2, b"next", b"1")])
        vault.store.commit()
        vault.store.apply(Write(1, key(i), BIG) for i in range(100, 400))  # now there is room
        vault.store.commit()
    assert sizes(home) == [8 * MIB] * 4
    with unlock(home) as vault:
        assert vault.store.count(1) == 400


def test_a_fill_that_fails_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = new_home(tmp_path)
    real = Database._insert_fill

    def broken(self: Database, pages: int) -> None:
        real(self, pages)
        raise OSError(errno.EIO, "Input/output error")

    with unlock(home) as vault:
        monkeypatch.setattr(Database, "_insert_fill", broken)
        with pytest.raises(OSError):
            vault.store.apply(Write(1, key(i), BIG) for i in range(400))
        assert sizes(home) == [4 * MIB] * 4
        monkeypatch.undo()
        vault.store.apply(Write(1, key(i), BIG) for i in range(400))
        vault.store.commit()
        assert vault.store._database.pragma("journal_mode") == "wal"
    assert sizes(home) == [8 * MIB] * 4


@pytest.mark.must("M-VLT-17")
def test_the_largest_step_is_an_error_and_not_a_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = new_home(tmp_path)
    monkeypatch.setattr(records, "SLOT_BYTES_MAX", 4 * MIB)
    with unlock(home) as vault:
        with pytest.raises(DiskFullError) as caught:
            vault.store.apply(Write(1, key(i), BIG) for i in range(400))
        assert "largest" in caught.value.what
        assert vault.store.count(1) == 0
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.commit()
    assert sizes(home) == [4 * MIB] * 4


@pytest.mark.must("M-VLT-16")
@pytest.mark.parametrize("lengths", [(8, 8, 8, 8), (8, 4, 4, 4), (5, 7, 8, 6), (4.25, 4, 4, 4), (16, 16, 16, 16)])
def test_a_growth_that_was_cut_off_or_was_anothers_is_finished(tmp_path: Path, lengths: tuple[float, ...]) -> None:
    """The tails are random bytes, as `extend` writes them; (16, ...) is two steps of another profile's."""
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.commit()
    for path, length in zip(sorted(home.glob("slot?")), lengths, strict=True):
        with open(path, "ab") as file:
            file.write(os.urandom(int(length * MIB) - 4 * MIB))
    with unlock(home) as vault:
        assert vault.store.get(1, b"k") == b"v"
    want = 16 if max(lengths) == 16 else 8
    assert sizes(home) == [want * MIB] * 4
    with unlock(home) as vault:
        assert vault.store._database.page_count() * PAGE_BYTES == want * MIB
        assert vault.store._database.pragma("integrity_check") == "ok"
        assert vault.store.get(1, b"k") == b"v"


def test_the_fill_hits_every_page_count(tmp_path: Path) -> None:
    from chasqui.base.secret import Secret

    for pages in (20, 21, 22, 40, 100, 1023, 1024, 1025, 5000, 9000):
        path = tmp_path / str(pages)
        database = Database(path, Secret(bytes(32)), create=True)
        database.fill_to(pages)
        assert database.page_count() == pages
        assert database.free_pages() == pages - 1
        assert database.pragma("journal_mode") == "wal"
        database.close()
        assert path.stat().st_size == pages * PAGE_BYTES


def test_steps() -> None:
    assert SlotFiles(Path("x")).paths[3].name == "slot3"
