"""What a finder of the home sees: four files that look alike, random bytes, no word of what was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chasqui.node.store_port import Write
from chasqui.store import create_vault
from chasqui.store.header import decode_header
from chasqui.store.layout import SLOT_NAMES
from chasqui.store.passphrase import COST_LEAST
from tests.store.homes import (
    MIB,
    PASSPHRASE,
    child,
    decrypt_file,
    decrypt_log,
    new_home,
    sizes,
    snapshot,
    unlock,
    used_file,
)

MARKERS = ("Asamblea-del-lunes", "nadie-sabe-donde", "Ángela Ñáñez")
CODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1")


def marks() -> list[bytes]:
    found = [m.encode(c) for m in MARKERS for c in CODINGS]
    return [*found, *(m.hex().encode() for m in found), PASSPHRASE, PASSPHRASE.decode().encode("utf-16-le")]


def write_marks(home: Path) -> None:
    with unlock(home) as vault:
        for i, mark in enumerate(marks()):
            vault.store.apply([Write(i, mark, mark * 30), Write(i, mark + b"2", b"short"), Write(i, b"k", mark * 900)])
            vault.store.commit()


def repeats(data: bytes) -> int:
    """How many aligned blocks of 64 bytes are zero or seen before."""
    blocks = [data[i : i + 64] for i in range(0, len(data), 64)]
    return len(blocks) - len(set(blocks) - {bytes(64)})


def chi_square(data: bytes) -> float:
    """Over the 256 values of a byte: 255 +- 23 for random bytes."""
    mean = len(data) / 256
    return sum((data.count(bytes((value,))) - mean) ** 2 / mean for value in range(256))


def assert_random(home: Path) -> None:
    everything = b"".join((home / name).read_bytes() for name in SLOT_NAMES)
    assert repeats(everything) == 0
    for name in SLOT_NAMES:
        data = (home / name).read_bytes()
        assert 120 < chi_square(data) < 400, name
        for at in range(0, 4096, 37):  # no place in the pages is fixed or leans
            assert chi_square(data[at::4096]) < 420, (name, at)
        for at in (0, 1, 2, 4015, 4016, 4031, 4032, 4095):
            assert chi_square(data[at::4096]) < 420, (name, at)


@pytest.mark.must("M-VLT-11")
def test_no_plaintext_in_any_file(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        for mark in marks():
            vault.store.apply([Write(1, mark, mark * 30), Write(2, b"k" + mark[:9], mark * 900)])
            vault.store.commit()
        during = snapshot(home)
    assert any(name.endswith("-wal") and data for name, data in during.items())
    for files in (during, snapshot(home)):
        for name, data in files.items():
            for mark in marks():
                assert mark not in data, name
                assert mark[:8] not in data, name
            assert b"SQLite" not in data
            assert b"records" not in data
    assert not any(mark in str(path).encode() for mark in marks() for path in home.rglob("*"))


@pytest.mark.must("M-VLT-12")
def test_a_new_vault_is_random_throughout(tmp_path: Path) -> None:
    create_vault(tmp_path / "home", PASSPHRASE, os.urandom, cost=COST_LEAST)
    assert_random(tmp_path / "home")


@pytest.mark.must("M-VLT-12")
def test_a_vault_stays_random_when_it_is_used_and_grown(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    write_marks(home)
    assert_random(home)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15_000)) for i in range(300))
        vault.store.commit()
        vault.store.apply(Write(1, i.to_bytes(2, "big"), None) for i in range(250))
        vault.store.commit()
    assert sizes(home) == [8 * MIB] * 4
    assert_random(home)


@pytest.mark.must("M-VLT-12")
def test_the_used_file_and_key_slot_are_any_of_the_four(tmp_path: Path) -> None:
    """The two draws decide, and each of the four is possible for both."""
    files, key_slots = set(), set()
    for i in range(24):
        drawn = iter([i % 4, i // 4 % 4])

        def entropy(n: int, drawn: object = drawn) -> bytes:
            return bytes((next(drawn),)) if n == 1 else os.urandom(n)  # type: ignore[call-overload]

        home = tmp_path / str(i)
        create_vault(home, PASSPHRASE, entropy, cost=COST_LEAST)
        files.add(used_file(home)[0].name)
        key_slots.add(decode_header((home / "vault").read_bytes()).unlock(PASSPHRASE).key_slot)
    assert files == set(SLOT_NAMES)
    assert key_slots == set(range(4))


@pytest.mark.must("M-VLT-13")
def test_all_four_are_touched_alike(tmp_path: Path) -> None:
    home = new_home(tmp_path)

    def times() -> set[tuple[int, int]]:
        found = {((p := home / name).stat().st_mtime_ns, p.stat().st_atime_ns) for name in SLOT_NAMES}
        assert len(found) == 1
        return found

    with unlock(home) as vault:
        opened = times()
        vault.store.apply([Write(1, b"k", bytes(100_000))])
        vault.store.commit()
        vault.store.scrub()
        scrubbed = times()
        assert scrubbed != opened
    assert times() not in (opened, scrubbed)
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15_000)) for i in range(300))
    times()


@pytest.mark.must("M-VLT-14")
def test_no_log_at_rest_and_the_same_logs_while_open(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    rest = sorted(os.listdir(home))
    logs = [f"{name}-wal" for name in SLOT_NAMES]
    with unlock(home) as vault:
        assert sorted(os.listdir(home)) == sorted(rest + logs)
        assert [(home / log).stat().st_size for log in logs] == [0] * 4
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.commit()
        assert sorted((home / log).stat().st_size > 0 for log in logs) == [False, False, False, True]
        vault.store.scrub()
        assert [(home / log).stat().st_size for log in logs] == [0] * 4
    assert sorted(os.listdir(home)) == rest
    with unlock(home) as vault:
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15_000)) for i in range(300))
        vault.store.rollback()
    assert sorted(os.listdir(home)) == rest


def test_the_log_of_another_profile_is_kept(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    other = next(name for name in SLOT_NAMES if home / name != used_file(home)[0])
    (home / f"{other}-wal").write_bytes(b"frames")
    unlock(home).close()
    assert (home / f"{other}-wal").read_bytes() == b"frames"


@pytest.mark.must("M-VLT-15")
def test_what_was_erased_is_not_in_any_page_even_with_the_key(tmp_path: Path) -> None:
    """Reads every page of the file and of the log, free ones too, with the database key."""
    home = new_home(tmp_path)
    used, key = used_file(home)
    mark = b"to be forgotten:" + os.urandom(16)
    kept = b"to be kept:" + os.urandom(16)
    with unlock(home) as vault:
        store = vault.store
        store.apply([Write(1, b"keep", kept)])
        for i in range(200):
            store.apply([Write(1, b"%d small" % i, mark), Write(1, b"%d large" % i, mark * 400)])
            store.apply([Write(1, mark + b"%d" % i, b"the mark as a key"), Write(1, b"%d over" % i, mark * 9)])
        store.commit()
        store.scrub()
        assert mark in decrypt_file(used, key)  # the test can see
        for i in range(200):
            store.apply([Write(1, b"%d small" % i, None), Write(1, b"%d large" % i, None)])
            store.apply([Write(1, mark + b"%d" % i, None), Write(1, b"%d over" % i, b"another value")])
        store.commit()
        assert mark in decrypt_file(used, key) + decrypt_log(Path(f"{used}-wal"), key)  # not yet: hence scrub
        store.scrub()
        assert mark not in decrypt_file(used, key)
        assert mark[:24] not in decrypt_file(used, key)
        assert Path(f"{used}-wal").stat().st_size == 0
        assert kept in decrypt_file(used, key)


@pytest.mark.must("M-VLT-15")
def test_closing_erases_too(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    used, key = used_file(home)
    mark = os.urandom(24)
    with unlock(home) as vault:
        vault.store.apply([Write(1, b"k", mark * 300)])
        vault.store.commit()
        vault.store.apply([Write(1, b"k", None)])
        vault.store.commit()
    assert mark not in decrypt_file(used, key)


def test_a_scrub_keeps_an_open_transaction(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.scrub()
        vault.store.commit()
    with unlock(home) as vault:
        assert vault.store.get(1, b"k") == b"v"


def test_the_key_is_raw(tmp_path: Path) -> None:
    """The file opens page by page with AES-256 under the granted key: no second, weaker derivation lies between."""
    home = new_home(tmp_path)
    used, key = used_file(home)
    plain = decrypt_file(used, key)
    assert int.from_bytes(plain[0:2], "big") == 4096
    assert b"CREATE TABLE records" in plain


def test_a_pulled_plug_when_idle_does_not_show_the_used_file(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    script = """
import os, signal, sys
from pathlib import Path
from chasqui.node.store_port import Write
from chasqui.store import open_vault
vault = open_vault(Path(sys.argv[1]), b"correct horse")
vault.store.apply([Write(1, b"k", b"v")])
vault.store.commit()
vault.store.scrub()
os.kill(os.getpid(), signal.SIGKILL)
"""
    child(script, home).communicate(timeout=60)
    stats = [(home / f"{name}{end}").stat() for name in SLOT_NAMES for end in ("", "-wal")]
    assert len({(s.st_size, s.st_mtime_ns, s.st_atime_ns) for s in stats[::2]}) == 1
    assert {s.st_size for s in stats[1::2]} == {0}
    with unlock(home) as vault:
        assert vault.store.get(1, b"k") == b"v"
    assert not list(home.glob("*-wal"))
