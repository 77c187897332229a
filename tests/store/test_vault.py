"""Making and opening a vault: modes, locks, and every way in which it can fail."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest

from chasqui.base.errors import (
    ChasquiError,
    DamagedVaultError,
    NoVaultError,
    UsageError,
    UserError,
    VaultBusyError,
    VaultExistsError,
    WrongPassphraseError,
)
from chasqui.node.store_port import Write
from chasqui.store import change_passphrase, create_vault, open_vault, vault_exists
from chasqui.store.header import decode_header
from chasqui.store.passphrase import COST_LEAST
from tests.store.homes import MIB, PASSPHRASE, child, new_home, sizes, snapshot, unlock, used_file

AT_REST = ["lock", "lock.header", "slot0", "slot1", "slot2", "slot3", "vault"]


def names(home: Path) -> list[str]:
    return sorted(os.listdir(home))


def create(home: Path) -> None:
    create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST)


def helpful(error: ChasquiError) -> bool:
    return all(text and text.strip().endswith(".") for text in (error.what, error.safety, error.todo))


@pytest.mark.must("M-VLT-6")
def test_a_new_vault(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    assert not vault_exists(home)
    old_mask = os.umask(0)
    try:
        create(home)
        assert vault_exists(home)
        assert names(home) == AT_REST
        assert sizes(home) == [4 * MIB] * 4
        with unlock(home) as vault:
            vault.store.apply([Write(1, b"k", b"v")])
            vault.store.commit()
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in home.iterdir()}
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        os.umask(old_mask)
    with unlock(home) as vault:
        assert vault.store.get(1, b"k") == b"v"


def test_the_default_cost_is_the_machines(tmp_path: Path) -> None:
    create_vault(tmp_path / "home", PASSPHRASE, os.urandom)
    cost = decode_header((tmp_path / "home" / "vault").read_bytes()).cost
    assert cost.memory_kib * cost.passes == 3 * 65536
    open_vault(tmp_path / "home", PASSPHRASE).close()


def test_an_empty_folder_becomes_a_vault(tmp_path: Path) -> None:
    create(tmp_path)
    unlock(tmp_path).close()


def test_a_vault_is_never_made_over_another(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    before = snapshot(home)
    with pytest.raises(VaultExistsError) as caught:
        create(home)
    assert helpful(caught.value)
    (home / "vault").unlink()  # even without its header: a copy of that may exist
    with pytest.raises(VaultExistsError):
        create(home)
    with pytest.raises(DamagedVaultError):
        unlock(home)
    del before["vault"]
    assert snapshot(home) == before


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    os.chmod(tmp_path, 0o755)
    with pytest.raises(UserError) as caught:
        create(tmp_path)
    assert helpful(caught.value)
    assert names(tmp_path) == ["letter.txt"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        create_vault(tmp_path / "home", b"", os.urandom)
    assert not (tmp_path / "home").exists()


@pytest.mark.must("M-VLT-7")
@pytest.mark.parametrize("call", [1, 2, 3, 10, 30, 52, 53, 55, 56, 57, 58])
def test_a_making_that_fails_half_way_leaves_nothing(tmp_path: Path, call: int) -> None:
    home = tmp_path / "home"
    calls = 0

    def entropy(n: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(28, "No space left on device")
        return os.urandom(n)

    with pytest.raises(ChasquiError) as caught:
        create_vault(home, PASSPHRASE, entropy, cost=COST_LEAST)
    assert caught.value.code == "disk-full"
    assert not home.exists()
    create(home)
    unlock(home).close()


@pytest.mark.must("M-VLT-7")
def test_a_making_that_is_killed_leaves_no_vault_or_a_whole_one(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from chasqui.store import create_vault
from chasqui.store.passphrase import COST_LEAST
left = int(sys.argv[2])
def strike(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
for name in ("mkdir", "open", "write", "fsync", "replace", "rmdir", "unlink", "utime", "chmod"):
    strike(name)
create_vault(Path(sys.argv[1]), b"correct horse", os.urandom, cost=COST_LEAST)
"""
    whole = killed = 0
    for at in [1, 2, 3, 5, 8, 13, 40, *range(72, 120, 3)]:
        home = tmp_path / str(at)
        process = child(script, home, at)
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        if vault_exists(home):
            whole += 1
        else:
            with pytest.raises(NoVaultError):
                unlock(home)
            create(home)
        unlock(home).close()
        assert names(home) == AT_REST
        assert sizes(home) == [4 * MIB] * 4
        shutil.rmtree(home)
    assert killed >= 10
    assert whole >= 1


def test_no_vault(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "absent", tmp_path / "file" / "below"):
        if home.name == "below":
            (tmp_path / "file").touch()
        with pytest.raises(NoVaultError) as caught:
            unlock(home)
        assert caught.value.what
        assert caught.value.todo
        with pytest.raises(NoVaultError):
            change_passphrase(home, b"a", b"b", os.urandom)
    assert names(tmp_path) == ["file"]


@pytest.mark.must("M-VLT-8")
def test_a_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    before, times = snapshot(home), {p.name: p.stat().st_mtime_ns for p in home.iterdir()}
    for wrong in (b"correct horsf", b"correct horse ", b"\0", PASSPHRASE * 2):
        with pytest.raises(WrongPassphraseError) as caught:
            unlock(home, wrong)
        assert helpful(caught.value)
        assert caught.value.exit_code == 3
        with pytest.raises(WrongPassphraseError):
            change_passphrase(home, wrong, b"new", os.urandom)
    assert snapshot(home) == before
    assert {p.name: p.stat().st_mtime_ns for p in home.iterdir()} == times
    unlock(home).close()


def test_the_new_passphrase_opens_and_the_old_does_not(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.commit()
        process = child(
            "import os, sys; from pathlib import Path; from chasqui.store import change_passphrase;"
            "change_passphrase(Path(sys.argv[1]), b'correct horse', b'new', os.urandom)",
            home,
        )
        assert process.communicate(timeout=60)[1] == b""
        vault.store.apply([Write(1, b"k2", b"v2")])
        vault.store.commit()
    with pytest.raises(WrongPassphraseError):
        unlock(home)
    with unlock(home, b"new") as vault:
        assert vault.store.count(1) == 2
    assert names(home) == AT_REST


@pytest.mark.must("M-VLT-5")
def test_a_passphrase_change_that_is_killed_keeps_one_of_the_two(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from chasqui.store import change_passphrase
left = int(sys.argv[2])
def strike(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
for name in ("open", "write", "fsync", "replace", "close"):
    strike(name)
change_passphrase(Path(sys.argv[1]), b"correct horse", b"new", os.urandom)
"""
    held = []
    for at in range(1, 16):
        (folder := tmp_path / str(at)).mkdir()
        home = new_home(folder)
        child(script, home, at).communicate(timeout=60)
        try:
            unlock(home).close()
            held.append("old")
        except WrongPassphraseError:
            unlock(home, b"new").close()
            held.append("new")
        assert names(home) == AT_REST
        shutil.rmtree(home)
    assert held == sorted(held, reverse=True)
    assert {"old", "new"} == set(held)


def test_the_old_header_is_overwritten(tmp_path: Path) -> None:
    """A hard link stands for what a finder reads from freed blocks."""
    home = new_home(tmp_path)
    old = (home / "vault").read_bytes()
    os.link(home / "vault", tmp_path / "freed")
    change_passphrase(home, PASSPHRASE, b"new", os.urandom)
    freed = (tmp_path / "freed").read_bytes()
    assert all(old[i : i + 16] not in freed for i in range(0, 512, 16))


@pytest.mark.must("M-VLT-9")
def test_a_second_process_is_turned_away_at_once(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    script = """
import sys
from pathlib import Path
from chasqui.store import open_vault
with open_vault(Path(sys.argv[1]), b"correct horse") as vault:
    print("open", flush=True)
    sys.stdin.read() if len(sys.argv) < 3 else __import__("time").sleep(600)
"""
    holder = child(script, home, "sleep")
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    before = snapshot(home)
    began = time.monotonic()
    with pytest.raises(VaultBusyError) as caught:
        unlock(home)
    assert time.monotonic() - began < 1
    assert helpful(caught.value)
    assert snapshot(home) == before
    holder.kill()
    holder.communicate()
    unlock(home).close()
    assert names(home) == AT_REST


@pytest.mark.must("M-VLT-9")
def test_the_lock_holds_within_one_process_and_ends_with_close(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    with unlock(home), pytest.raises(VaultBusyError):
        unlock(home)
    with pytest.raises(WrongPassphraseError):
        unlock(home, b"wrong")
    unlock(home).close()  # a failed opening holds nothing


def test_two_makings_at_once_give_one_vault(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from chasqui.base.errors import ChasquiError
from chasqui.store import create_vault
from chasqui.store.passphrase import COST_LEAST
try:
    create_vault(Path(sys.argv[1]), sys.argv[2].encode(), os.urandom, cost=COST_LEAST)
    print("made")
except ChasquiError as error:
    print(error.code)
"""
    home = tmp_path / "home"
    processes = [child(script, home, str(i)) for i in range(4)]
    said = [p.communicate(timeout=60)[0].decode().strip() for p in processes]
    assert said.count("made") == 1
    assert set(said) <= {"made", "busy", "exists"}
    unlock(home, str(said.index("made")).encode()).close()


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


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    for name in ("a b", "100%", "what?", "a#b", "ñandú", "x'y\"z", "file:y?mode=memory"):
        create(tmp_path / name)
        with unlock(tmp_path / name) as vault:
            vault.store.apply([Write(1, b"k", b"v")])
            vault.store.commit()
        assert names(tmp_path / name) == AT_REST


def test_a_relative_path_and_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_home(tmp_path)
    monkeypatch.chdir(tmp_path)
    with unlock(Path("home")) as vault:
        vault.store.apply([Write(1, b"k", b"v")])
        vault.store.commit()
    assert names(tmp_path / "home") == AT_REST


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
