"""What a command says when things are not as one expected."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chasqui.app import links, stopping
from chasqui.base.errors import VaultBusyError
from chasqui.store import open_vault
from tests.app.people import PASSPHRASE, Person, environment, go_around, pair, use_folder

OWN_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp('sh', ['sh', '-c', *sys.argv[2:]])"


@pytest.fixture
def ana(tmp_path: Path) -> Person:
    return Person.make(tmp_path, "ana")


def test_a_text_through_a_pipe_and_the_passphrase_on_the_terminal(ana: Person) -> None:
    ana.do("group", "create", "convoy")
    command = f"echo a secret | {sys.executable} -P -m chasqui.app.main --home {ana.home} send convoy -"
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, os.ttyname(inside), command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment(),
    )
    asked = b""
    while b"Passphrase" not in asked:
        asked += os.read(outside, 1000)
    os.write(outside, PASSPHRASE + b"\n")
    _, err = process.communicate(timeout=30)
    os.close(inside)
    os.close(outside)
    assert process.returncode == 0, err
    assert ana.texts("convoy") == ["a secret"]


def test_down_and_lock_do_not_lie_while_a_command_has_the_vault(ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chasqui.app.home.BUSY_WAIT_S", 0.2)
    with open_vault(ana.home, PASSPHRASE), pytest.raises(VaultBusyError, match="not locked"):
        stopping.stop(ana.home)
    with open_vault(ana.home, PASSPHRASE) as vault:
        monkeypatch.setattr("chasqui.app.home.BUSY_WAIT_S", 5)
        later = threading.Timer(0.3, vault.close)
        later.start()
        assert stopping.stop(ana.home) is False
        later.join()


def test_of_two_that_come_up_at_once_one_says_so(ana: Person) -> None:
    both = [ana.start("--json", "up", "--detach") for _ in range(2)]
    try:
        said = [process.communicate(timeout=60) for process in both]
        assert sorted(process.returncode for process in both) == [0, 1], said
        loser = next(out for process, (out, _) in zip(both, said, strict=True) if process.returncode)
        assert "A daemon runs on this vault already." in loser
    finally:
        ana.run("down")


def test_kinds_of_link_are_listed(ana: Person) -> None:
    assert "folder, lan" in ana.fail(2, "link", "add", "usb")["todo"]


def test_ready_is_a_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert links.folder_state(str(tmp_path)) == "ready"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert links.folder_state(str(tmp_path)).startswith("cannot be written")
    assert links.folder_state(str(tmp_path / "none")).startswith("not there")


def test_a_foreign_file_says_what_to_do(ana: Person, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"hello, this is no file of ours")
    error = ana.fail(1, "contact", "accept", str(foreign), "--as", "x", "--reply", str(tmp_path / "reply"))
    assert error["safety"]
    assert error["todo"]
    assert ana.fail(1, "bundle", "inspect", str(foreign))["todo"]


def test_init_on_a_file(ana: Person, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("mine")
    error = Person("x", place, ana.passphrase_file).fail(2, "init", "--name", "X")
    assert "This is a file" in error["message"]
    assert place.read_text() == "mine"


def test_a_short_passphrase_is_taken_with_a_warning(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_text("1234567\n")
    long.write_text("12345678\n")
    ana = Person("ana", tmp_path / "ana", short)
    done = ana.run("--json", "init", "--name", "Ana")
    assert done.code == 0
    assert done.document["name"] == "Ana"
    assert "short" in done.err
    assert "short" not in ana.run("passphrase", "--new-passphrase-file", str(long)).err
    ana = Person("ana", ana.home, long)
    assert "short" in ana.run("passphrase", "--new-passphrase-file", str(short)).err


def test_invited_and_removed_before_joining(ana: Person, tmp_path: Path) -> None:
    ben = Person.make(tmp_path, "ben")
    pair(ana, ben, tmp_path)
    use_folder(tmp_path / "stick", ana, ben)
    go_around(ana, ben, ana)
    ana.do("group", "create", "convoy")
    ana.do("group", "add", "convoy", "ben")
    go_around(ana, ben)
    assert ben.fail(1, "send", "convoy", "hello") == ben.fail(1, "read", "convoy")
    ana.do("group", "remove", "convoy", "ben")
    go_around(ana, ben)
    error = ben.fail(1, "group", "join", "convoy")
    assert "removed" in error["message"]
