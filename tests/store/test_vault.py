"""Opening a vault, keeping others out, changing the passphrase."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chasqui.base.errors import (
    NoVaultError,
    VaultBusyError,
    WrongPassphraseError,
)
from chasqui.node.store_port import Write
from chasqui.store import change_passphrase
from tests.store.homes import (
    AT_REST,
    MIB,
    PASSPHRASE,
    child,
    helpful,
    names,
    new_home,
    sizes,
    snapshot,
    unlock,
)


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


def test_what_the_connection_promises(tmp_path: Path) -> None:
    """What no kill can show: that a commit waits for the disk."""
    with unlock(new_home(tmp_path)) as vault:
        ask = vault.store._database.pragma
        assert ask("synchronous") == 2
        assert ask("journal_mode") == "wal"
        assert ask("secure_delete") == 1
        assert ask("locking_mode") == "exclusive"
        assert ask("cipher_memory_security") == "1"
        assert ask("auto_vacuum") == 0
        assert ask("temp_store") == 2
        assert ask("cipher_page_size") == "4096"


def test_a_vault_opened_in_one_thread_serves_another(tmp_path: Path) -> None:
    """The daemon opens it, its writer thread uses it."""
    with unlock(new_home(tmp_path)) as vault, ThreadPoolExecutor(1) as pool:
        pool.submit(vault.store.apply, [Write(1, b"k", b"v")]).result()
        pool.submit(vault.store.commit).result()
        assert pool.submit(vault.store.get, 1, b"k").result() == b"v"


def test_a_relative_path_and_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = new_home(tmp_path)
    monkeypatch.chdir(tmp_path)
    with unlock(Path("home")) as vault:
        monkeypatch.chdir("/")
        vault.store.apply(Write(1, i.to_bytes(2, "big"), bytes(15_000)) for i in range(300))
        vault.store.commit()
    assert sizes(home) == [8 * MIB] * 4
    assert names(tmp_path / "home") == AT_REST
