"""The daemon: comes up, answers, talks over the LAN, goes down; its socket is for its user alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chasqui.app import endpoint, message_results, requests, wire
from chasqui.app.client import DaemonClient
from chasqui.store.passphrase import COST_USUAL
from tests.app.people import BACKSTOP_S, Person, environment, go_around, pair, use_folder, wait_until

PORT = 40_000 + os.getpid() % 10_000


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    made = Person.make(tmp_path, "ana")
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, Person]]:
    folder = tmp_path_factory.mktemp("lan")
    ana, ben = Person.make(folder, "ana"), Person.make(folder, "ben")
    pair(ana, ben, folder)
    for person in (ana, ben):
        person.up()
        person.do("link", "add", "lan", "--address", "127.0.0.1", "--port", str(PORT))
    yield ana, ben
    for person in (ana, ben):
        person.run("down")


def test_up_status_down(person: Person) -> None:
    assert person.do("down") == {"running": False, "pid": None}
    pid = person.up()
    assert person.do("status")["daemon"] == {"running": True, "pid": pid}
    assert person.fail(1, "up", "--detach")["code"] == "busy"
    nobody = Person("ana", person.home, person.home / "none")
    assert nobody.run("group", "list").code == 0  # no passphrase: the daemon has the vault open
    assert person.do("down") == {"running": False, "pid": None}
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.02)
    assert not (person.home / endpoint.SOCKET_NAME).exists()
    assert person.do("status")["daemon"]["running"] is False
    person.up()
    assert person.do("lock") == {"locked": True}
    assert person.do("lock") == {"locked": True}


def test_a_wrong_passphrase_is_reported_by_detach(person: Person) -> None:
    wrong = person.home.parent / "wrong"
    wrong.write_text("wrong")
    assert Person("ana", person.home, wrong).fail(3, "up", "--detach")["code"] == "passphrase"


def test_in_the_foreground_until_a_signal(person: Person) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = person.start("--json", "up")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["pid"] == process.pid
        process.send_signal(number)
        assert process.wait(20) == 0
        process.communicate()


def test_a_killed_daemon_leaves_nothing_in_the_way(person: Person) -> None:
    os.kill(person.up(), signal.SIGKILL)
    assert (person.home / endpoint.SOCKET_NAME).exists()
    assert person.do("status")["daemon"]["running"] is False
    person.up()


def test_a_deep_home(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    ana = Person.make(deep, "ana")
    ana.up()
    try:
        assert ana.do("status")["daemon"]["running"] is True
    finally:
        ana.do("down")


def test_the_socket_is_for_this_user(person: Person) -> None:
    person.up()
    path = person.home / endpoint.SOCKET_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert person.home.stat().st_mode & 0o777 == 0o700
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    ask = f"""
import os, socket, sys
sys.path[:0] = {sys.path!r}
from chasqui.app import requests, wire
os.setgroups([]); os.setgid(65534); os.setuid(65534)
link = socket.socket(socket.AF_UNIX)
try:
    link.connect({str(path)!r})
    link.sendall(wire.frame(requests.ShowStatus()))
    got = link.recv(8)
except OSError:
    got = b""
sys.exit(bool(got))
"""
    for mode in (0o700, 0o777):  # even where the folder and the socket were laid open
        for place in (*list(person.home.parents)[:3], person.home):
            place.chmod(place.stat().st_mode | (0o055 if mode == 0o777 else 0))
        path.chmod(mode)
        assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0
    assert person.do("status")["daemon"]["running"] is True


def test_hostile_bytes_on_the_socket(person: Person) -> None:
    person.up()
    for data in (b"", b"\0" * 8, b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", wire.frame(requests.Stop())[:-1] + b"!"):
        link = endpoint.connect(person.home)
        assert link is not None
        with link:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := link.recv(65_536):
                answer += piece
        if answer:
            assert b'"failed"' in answer
    assert person.do("status")["daemon"]["running"] is True


def test_two_commands_at_once_without_a_daemon(person: Person) -> None:
    person.do("group", "create", "alone")
    processes = [person.start("send", "alone", f"text {number}") for number in range(4)]
    codes = [process.wait(60) for process in processes]
    for process in processes:
        process.communicate()
    assert codes == [0] * 4
    assert len(person.texts("alone")) == 4


def test_a_vault_that_stays_busy(person: Person) -> None:
    from chasqui.store.layout import LOCK_NAME
    from chasqui.store.lock import ProcessLock

    lock = ProcessLock(person.home / LOCK_NAME)
    try:
        assert person.fail(1, "status")["code"] == "busy"
    finally:
        lock.release()


def test_a_group_over_the_lan(two: tuple[Person, Person], tmp_path: Path) -> None:
    ana, ben = two
    ana.do("group", "create", "convoy")
    wait_until(lambda: "neighbour" in ana.do("link", "list")["links"][0]["state"])
    wait_until(lambda: ana.run("group", "add", "convoy", "ben").code in (0, 1))
    wait_until(lambda: any(g["state"] == "invited" for g in ben.do("group", "list")["groups"]))
    ben.do("group", "join", "convoy")
    follower = ben.start("--json", "read", "convoy", "--follow")
    assert follower.stdout is not None
    sent = [ana.send("convoy", f"text {number}") for number in range(3)]
    came = [json.loads(follower.stdout.readline())["id"] for _ in sent]
    assert set(came) == set(sent)
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=BACKSTOP_S)
    wait_until(lambda: all(m["state"] == "delivered" for m in ana.do("read", "convoy")["messages"]))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(os.urandom(200_000))
    number = ana.do("send", "convoy", "--file", str(photo))["id"]
    wait_until(
        lambda: any(
            m["id"] == number and m["parts"] == [14, 14] for m in ben.do("read", "convoy")["messages"] if "parts" in m
        )
    )
    ben.do("save", "convoy", number, str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == photo.read_bytes()
    (link,) = ana.do("link", "list")["links"]
    assert ana.do("link", "test", link["id"])["works"]


def test_a_folder_is_looked_at_by_itself(two: tuple[Person, Person], tmp_path: Path) -> None:
    caro = Person.make(tmp_path, "caro")
    ana = two[0]
    pair(ana, caro, tmp_path)
    stick = tmp_path / "stick"
    stick.mkdir()
    link = ana.do("link", "add", "folder", str(stick))["id"]
    wait_until(lambda: any(stick.glob("*.chq")))
    use_folder(stick, caro)
    caro.do("sync")
    caro.send("ana", "by stick")
    caro.do("sync")
    assert ana.do("sync")["in"] >= 1
    assert ana.texts("caro") == ["by stick"]
    ana.do("link", "remove", link)
    assert ana.fail(1, "sync")


def test_follow_without_a_daemon(person: Person, tmp_path: Path) -> None:
    ben, ana = person, Person.make(tmp_path, "zoe")
    pair(ana, ben, tmp_path)
    use_folder(tmp_path / "stick", ana, ben)
    go_around(ana, ben)
    follower = ben.start("--json", "read", "zoe", "--follow")
    assert follower.stdout is not None
    sent = ana.send("ana", "slowly")
    go_around(ana, ben)
    assert json.loads(follower.stdout.readline())["id"] == sent
    ben.up()  # from now on through the daemon
    again = ana.send("ana", "and again")
    ana.do("sync")
    ben.do("sync")
    assert json.loads(follower.stdout.readline())["id"] == again
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=BACKSTOP_S)


def test_many_callers_share_commits(person: Person) -> None:
    person.do("group", "create", "alone")
    person.up()
    clients = [DaemonClient.connect(person.home) for _ in range(8)]
    ids = set()
    for number, client in enumerate(clients):
        assert client is not None
        result, _ = client.call(requests.SendText("alone", f"text {number}", False))
        assert isinstance(result, message_results.Sent)
        ids.add(result.id)
        client.close()
    assert {m["id"] for m in person.do("read", "alone")["messages"]} == ids


def test_the_daemon_says_nothing_and_dumps_nothing(person: Person) -> None:
    pid = person.up()
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    assert b"correct horse" not in Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    assert environment()


def test_idle_memory(person: Person) -> None:
    usual = Person.make(person.home.parent, "usual", cost=COST_USUAL)
    pid = usual.up()
    try:
        time.sleep(0.5)
        status = Path(f"/proc/{pid}/status").read_text()
    finally:
        usual.do("down")
    resident_kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    assert resident_kib <= 80 * 1024
