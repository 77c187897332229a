"""Making a vault: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from chasqui.base.errors import (
    ChasquiError,
    DamagedVaultError,
    NoVaultError,
    UsageError,
    UserError,
    VaultExistsError,
)
from chasqui.node.store_port import Write
from chasqui.store import create_vault, open_vault, vault_exists
from chasqui.store.header import decode_header
from chasqui.store.passphrase import COST_LEAST
from tests.store.homes import (
    AT_REST,
    MIB,
    PASSPHRASE,
    child,
    create,
    helpful,
    names,
    new_home,
    sizes,
    snapshot,
    unlock,
)


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


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    for name in ("a b", "100%", "what?", "a#b", "ñandú", "x'y\"z", "file:y?mode=memory"):
        create(tmp_path / name)
        with unlock(tmp_path / name) as vault:
            vault.store.apply([Write(1, b"k", b"v")])
            vault.store.commit()
        assert names(tmp_path / name) == AT_REST


def test_the_scratch_of_the_making_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bytes] = []
    real = Path.unlink

    def watch(path: Path, missing_ok: bool = False) -> None:
        if path.name == "scratch":
            left.append(path.read_bytes())
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", watch)
    create(tmp_path / "home")
    slots = b"".join((tmp_path / "home" / f"slot{i}").read_bytes() for i in range(4))
    assert len(left) == 1
    assert len(left[0]) == 4 * MIB
    assert all(left[0][i : i + 64] not in slots for i in range(0, 4 * MIB, 2**16))
