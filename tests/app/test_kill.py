"""SIGKILL at any moment of any command and of the daemon, 100 times: nothing acknowledged is lost, no key is used
twice, and the vault opens (issue 2)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chasqui.app import message_results, requests
from chasqui.app.client import DaemonClient
from chasqui.app.local import LocalDesk
from chasqui.base.days import day_of
from chasqui.base.errors import ChasquiError
from chasqui.delivery.courier_file import CourierReader
from chasqui.node.epochs import day_chain, load_epoch
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.neighbours import held_ids
from chasqui.node.records import BundleRecord, Space
from chasqui.sealed.bundle import parse_bundle, unmask
from tests.app.people import PASSPHRASE, Person, convoy

KILLS = 100
DELAY_S_MAX = 0.4
PORT = 50_000 + os.getpid() % 10_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="module")
def two(folder: Path) -> Iterator[tuple[Person, Person]]:
    """Ana, who is killed, and Ben, whose daemon takes in all that ever leaves her over the LAN."""
    ana, ben = convoy(folder)
    for person in (ana, ben):
        person.do("link", "add", "lan", "--address", "127.0.0.1", "--port", str(PORT))
    ben.up()
    yield ana, ben
    ana.run("down")
    ben.run("down")


def test_a_hundred_kills(two: tuple[Person, Person], folder: Path) -> None:
    ana, ben = two
    seed = int(os.environ.get("KILL_SEED", "20261122"))
    chance = random.Random(seed)
    acknowledged: dict[str, str] = {}  # text: id
    for number in range(3):
        (folder / f"other{number}").mkdir()
    tried: set[str] = set()
    for number in range(KILLS):
        if number % 4 == 3:
            kill_daemon(ana, chance, number, tried, acknowledged)
        else:
            kill_command(ana, chance, number, tried, acknowledged, folder)
        assert not leftovers(ana), f"seed {seed}"
    assert len(acknowledged) > KILLS // 5, "most kills came before anything happened: the test proves nothing"

    assert ana.do("status")["name"] == "ana"
    for person in (ana, ben, ana, ben):
        person.do("sync")  # of Ben through his daemon
    for person in (ana, ben):
        found = person.do("read", "convoy")
        ids = {m["id"]: m["text"] for m in found["messages"]}
        assert len(ids) == len(found["messages"])
        assert {number: text for text, number in acknowledged.items()}.items() <= ids.items(), f"seed {seed}"
        assert set(ids.values()) <= tried
        assert len(set(ids.values())) == len(ids), "a text went out twice"
        assert found["gaps"] == []
    ben.do("down")
    exported = {*on_the_stick(folder / "stick"), *held_by(ben), *held_by(ana)}
    used = list(keys_of(ana, exported))
    assert len(used) > len(acknowledged)
    assert len(set(used)) == len(used), f"a key was used for two bundles; seed {seed}"


def kill_command(
    ana: Person, chance: random.Random, number: int, tried: set[str], acknowledged: dict[str, str], folder: Path
) -> None:
    text = f"text {number}"
    tried.add(text)
    tried.add(f"file{number}")
    picture = folder / f"file{number}"
    picture.write_bytes(chance.randbytes(40_000))
    arguments = chance.choice(
        [
            ("send", "convoy", text),
            ("send", "convoy", text),
            ("send", "convoy", "--file", str(picture)),
            ("sync",),
            ("sync",),
            ("read", "convoy"),
            ("status",),
            ("group", "create", f"group {number}"),
            ("contact", "offer", str(folder / f"offer{number}")),
            ("link", "add", "folder", str(folder / f"other{number % 3}")),
        ]
    )
    process = ana.start("--json", *arguments)
    try:
        out, _ = process.communicate(timeout=chance.uniform(0, DELAY_S_MAX))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
    if arguments[0] == "send" and out.endswith("\n"):
        document = json.loads(out)
        if "id" in document:
            acknowledged[text if len(arguments) == 3 else picture.name] = document["id"]


def kill_daemon(ana: Person, chance: random.Random, number: int, tried: set[str], acknowledged: dict[str, str]) -> None:
    until = time.monotonic() + chance.uniform(0.0, DELAY_S_MAX)
    pid = ana.up()
    client = DaemonClient.connect(ana.home)
    assert client is not None
    sent = 0
    with client:
        while time.monotonic() < until or sent < 1:
            text = f"daemon {number} {sent}"
            tried.add(text)
            try:
                result, _ = client.call(requests.SendText("convoy", text, False))
            except ChasquiError:
                break
            assert isinstance(result, message_results.Sent)
            acknowledged[text] = result.id
            sent += 1
            if sent >= 5:
                break
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, DELAY_S_MAX))  # somewhere in its links
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while running(pid) and time.monotonic() < end:
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def leftovers(person: Person) -> set[str]:
    """Files in the home that nobody knows."""
    known = {"vault", "lock", "lock.header", "daemon.sock"}
    return {path.name for path in person.home.iterdir() if path.name not in known and not path.name.startswith("slot")}


def on_the_stick(stick: Path) -> set[bytes]:
    return {bundle for file in stick.glob("*.chq") for bundle in CourierReader().feed(file.read_bytes())}


def held_by(person: Person) -> set[bytes]:
    with LocalDesk.open(person.home, PASSPHRASE) as desk:
        tx = desk._runner.look()
        found = [tx.load(Space.BUNDLE, bundle, BundleRecord) for bundle in held_ids(tx)]
    return {record.data for record in found if record is not None}


def keys_of(person: Person, bundles: set[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """(epoch, leaf, counter) of every bundle that this person recognises."""
    with LocalDesk.open(person.home, PASSPHRASE) as desk:
        tx = desk._runner.look()
        live = LiveEpochs(tx)
        for data in bundles:
            bundle = parse_bundle(data, day_of(tx.now_s))
            epoch = live.recogniser.find(bundle.mark, bundle.mark_body, bundle.day)
            record = load_epoch(tx, live.group_of(epoch), epoch) if epoch is not None else None
            if epoch is None or record is None:
                continue
            yield epoch, *unmask(bundle, day_chain(record).at(bundle.day).keys)


def test_init_killed_at_any_moment(folder: Path) -> None:
    chance = random.Random(7)
    secret = folder / "passphrase"
    for number in range(8):
        person = Person("uma", folder / f"uma{number}", secret)
        process = person.start("init", "--name", "Uma")
        try:
            process.communicate(timeout=chance.uniform(0.1, 0.9))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        again = person.run("--json", "init", "--name", "Uma")
        assert again.code == 0 or again.document["error"]["code"] == "exists", again
        assert person.do("status")["name"] == "Uma"
