"""Full and read-only disks, as the system gives them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chasqui.base.errors import DiskFullError, MachineError, ReadOnlyError
from chasqui.node.store_port import Write
from chasqui.store import change_passphrase, create_vault
from chasqui.store.passphrase import COST_LEAST
from tests.store.homes import (
    AT_REST,
    MIB,
    PASSPHRASE,
    child,
    new_home,
    remount,
    sizes,
    small_disk,
    snapshot,
    template,
    unlock,
)

BIG = os.urandom(15_000)


def key(i: int) -> bytes:
    return i.to_bytes(4, "big")


def use_up(disk: Path) -> Path:
    """A file that leaves not one byte free."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast


@pytest.mark.must("M-VLT-7")
@pytest.mark.parametrize("mib", [1, 3, 6, 10, 15, 16])
def test_a_disk_too_small_for_a_vault(tmp_path: Path, mib: int) -> None:
    with small_disk(tmp_path / "disk", mib) as disk:
        home = disk / "home"
        with pytest.raises(DiskFullError) as caught:
            create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST)
        assert caught.value.todo
        assert os.listdir(disk) == []
        remount(disk, "size=40m")
        create_vault(home, PASSPHRASE, os.urandom, cost=COST_LEAST)
        unlock(home).close()


def test_a_vault_may_be_the_root_of_a_stick(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        create_vault(disk, PASSPHRASE, os.urandom, cost=COST_LEAST)
        unlock(disk).close()
        assert sorted(os.listdir(disk)) == AT_REST


def test_a_disk_without_room_to_grow(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 28) as disk:
        home = disk / "home"
        shutil.copytree(template(), home)
        with unlock(home) as vault:
            done = 0
            with pytest.raises(DiskFullError) as caught:
                for done in range(400):
                    vault.store.apply([Write(1, key(done), BIG)])
                    vault.store.commit()
            assert done > 200
            assert "nothing was sent" in caught.value.safety.lower()
            assert sizes(home) == [4 * MIB] * 4
            assert vault.store.count(1) == done
            vault.store.apply([Write(1, key(0), None), Write(1, b"small", b"fits")])
            vault.store.commit()
        with unlock(home) as vault:
            assert vault.store.count(1) == done
            assert vault.store.get(1, b"small") == b"fits"
            with pytest.raises(DiskFullError):
                vault.store.apply(Write(2, key(i), BIG) for i in range(100))
            remount(disk, "size=80m")
            vault.store.apply(Write(2, key(i), BIG) for i in range(100))
            vault.store.commit()
            assert sizes(home) == [8 * MIB] * 4
        with unlock(home) as vault:
            assert vault.store.count(2) == 100


def test_a_disk_without_one_byte_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        home = disk / "home"
        shutil.copytree(template(), home)
        with unlock(home) as vault:
            vault.store.apply([Write(1, b"a", b"1")])
            vault.store.commit()
        ballast = use_up(disk)
        with unlock(home) as vault:  # reading needs no room
            assert vault.store.get(1, b"a") == b"1"
            for _ in range(3):
                with pytest.raises(DiskFullError):
                    vault.store.apply([Write(1, b"lost", BIG)])
                    vault.store.commit()
                assert list(vault.store.scan(1)) == [(b"a", b"1")]
            with pytest.raises(DiskFullError):
                vault.store.apply(Write(1, key(i), BIG) for i in range(1500))  # more than the cache holds
                vault.store.commit()
            assert list(vault.store.scan(1)) == [(b"a", b"1")]
            with pytest.raises(DiskFullError):
                change_passphrase(home, PASSPHRASE, b"new", os.urandom)
            ballast.unlink()
            vault.store.apply([Write(1, b"b", b"2")])
            vault.store.commit()
        assert sizes(home) == [4 * MIB] * 4
        assert sorted(os.listdir(home)) == AT_REST
        remount(disk, "size=80m")
        with unlock(home) as vault:
            assert list(vault.store.scan(1)) == [(b"a", b"1"), (b"b", b"2")]


def test_a_failed_commit_does_not_come_back_with_a_growth(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        home = disk / "home"
        shutil.copytree(template(), home)
        with unlock(home) as vault:
            ballast = use_up(disk)
            vault.store.apply([Write(1, b"lost", BIG)])
            with pytest.raises(DiskFullError):
                vault.store.commit()
            ballast.unlink()
            remount(disk, "size=80m")
            vault.store.apply(Write(2, key(i), BIG) for i in range(400))
            vault.store.commit()
            assert sizes(home) == [8 * MIB] * 4
            assert vault.store.get(1, b"lost") is None


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files here")
def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """Needs no root: the system refuses bytes behind 6 MiB, so the growth to 8 MiB fails half way."""
    import resource

    home = new_home(tmp_path)
    with unlock(home) as vault:
        vault.store.apply(Write(1, key(i), BIG) for i in range(200))
        vault.store.commit()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 * MIB, before[1]))
        try:
            with pytest.raises(DiskFullError):
                vault.store.apply(Write(1, key(i), BIG) for i in range(200, 400))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert sizes(home) == [4 * MIB] * 4
        assert vault.store.count(1) == 200
        vault.store.apply(Write(1, key(i), BIG) for i in range(200, 400))
        vault.store.commit()
    with unlock(home) as vault:
        assert vault.store.count(1) == 400


def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        home = disk / "home"
        shutil.copytree(template(), home)
        before = snapshot(home)
        remount(disk, "ro")
        with pytest.raises(ReadOnlyError) as caught:
            unlock(home)
        assert caught.value.safety
        assert caught.value.todo
        with pytest.raises(ReadOnlyError):
            change_passphrase(home, PASSPHRASE, b"new", os.urandom)
        with pytest.raises(ReadOnlyError):
            create_vault(disk / "other", PASSPHRASE, os.urandom, cost=COST_LEAST)
        assert snapshot(home) == before
        remount(disk, "rw")
        unlock(home).close()


@contextmanager
def immutable(*paths: Path) -> Iterator[None]:
    """Files that not even root can write."""
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", *paths], capture_output=True).returncode:
        pytest.skip("this disk or user has no immutable files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *paths], check=True)


@pytest.mark.parametrize("which", ["slot0", "slot3", "lock", "."])
def test_one_read_only_file(tmp_path: Path, which: str) -> None:
    home = new_home(tmp_path)
    before = snapshot(home)
    with immutable(home / which), pytest.raises(ReadOnlyError):
        unlock(home)
    assert snapshot(home) == before
    unlock(home).close()


def test_a_folder_that_belongs_to_somebody_else(tmp_path: Path) -> None:
    """As root, rights mean nothing: the child gives them up first."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("giving up rights takes root")
    home = new_home(tmp_path)
    script = """
import os, sys
from pathlib import Path
from chasqui.base.errors import ChasquiError
from chasqui.store import open_vault
import chasqui.store.passphrase, chasqui.store.records
home = Path(sys.argv[1])
os.chdir(home.parent)
fd = os.open(home.parent, os.O_RDONLY)
os.setuid(65534)
try:
    open_vault(Path(f"/proc/self/fd/{fd}/home"), b"correct horse")
except ChasquiError as error:
    print(error.code)
"""
    os.chmod(tmp_path, 0o755)
    os.chmod(home, 0o755)
    for path in home.iterdir():
        os.chmod(path, 0o644)
    out, err = child(script, home).communicate(timeout=60)
    assert out == b"read-only\n", err


def test_a_disk_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = new_home(tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "utime", broken)
    with pytest.raises(MachineError) as caught:
        unlock(home)
    assert "EIO" in caught.value.what
    monkeypatch.undo()
    assert sorted(os.listdir(home)) == AT_REST
    unlock(home).close()
