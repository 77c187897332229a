"""No name, text, key or id of a group in any byte of a home, of a stick, or of what passes over the LAN (issue 2)."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chasqui.app.local import LocalDesk
from chasqui.base.schema import decode_own
from chasqui.node.records import EpochRecord, GroupRecord, Space
from tests.app.people import PASSPHRASE, Person, go_around, pair, use_folder

PORT = 30_000 + os.getpid() % 10_000
WORDS = ("Anahuac", "Benedikta", "quetzalcoatl-convoy", "the bridge at dawn", "telegrama.txt", "inside the file")


class Watcher:
    """Takes down every byte on the loopback interface."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind(("lo", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**23)
        self._socket.settimeout(0.1)
        self.bytes = bytearray()
        self._on = True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while self._on:
            try:
                self.bytes += self._socket.recv(70_000)
            except TimeoutError:
                continue

    def stop(self) -> bytes:
        self._on = False
        self._thread.join()
        self._socket.close()
        return bytes(self.bytes)


def secrets_of(person: Person) -> set[bytes]:
    """Ids and keys of all groups of a person, raw and in hex."""
    raw: set[bytes] = set()
    with LocalDesk.open(person.home, PASSPHRASE) as desk:
        tx = desk._runner.look()
        for key, data in tx.scan(Space.GROUP):
            record = decode_own(data, GroupRecord)
            raw |= {key, record.member, record.signing_key, record.head}
        for key, data in tx.scan(Space.EPOCH):
            epoch = decode_own(data, EpochRecord)
            raw |= {key[:16], epoch.mark_key, epoch.head_key, epoch.mls_state}
            raw |= {member for _, member in epoch.roster}
    raw = {value for value in raw if len(value) >= 16}
    return raw | {value.hex().encode() for value in raw} | {value.hex().upper().encode() for value in raw}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Person, Person]]:
    people = Person.make(tmp_path, "Anahuac"), Person.make(tmp_path, "Benedikta")
    yield people
    for person in people:
        person.run("down")


def test_nothing_shows_anywhere(two: tuple[Person, Person], tmp_path: Path) -> None:
    ana, ben = two
    offers, stick = tmp_path / "offers", tmp_path / "stick"
    offers.mkdir()
    pair(ana, ben, offers)
    use_folder(stick, ana, ben)
    ana.do("group", "create", "quetzalcoatl-convoy")
    go_around(ana, ben, ana)
    ana.do("group", "add", "quetzalcoatl-convoy", "Benedikta")
    go_around(ana, ben)
    ben.do("group", "join", "quetzalcoatl-convoy")
    ben.send("quetzalcoatl-convoy", "the bridge at dawn")
    go_around(ben, ana)
    file = tmp_path / "telegrama.txt"
    file.write_text("inside the file " * 500)
    try:
        watcher: Watcher | None = Watcher()
    except (PermissionError, AttributeError, OSError):
        watcher = None
    for person in (ana, ben):
        person.up()
        person.do("link", "add", "lan", "--address", "127.0.0.1", "--port", str(PORT))
    ana.do("send", "quetzalcoatl-convoy", "--file", str(file))
    ana.send("quetzalcoatl-convoy", "the bridge at dawn, again")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        texts = {m["text"]: m["state"] for m in ben.do("read", "quetzalcoatl-convoy")["messages"]}
        if len(texts) == 3 and set(texts.values()) <= {"received", "delivered"}:
            break
        time.sleep(0.2)
    assert len(texts) == 3
    places = {f"live home {path}": path.read_bytes() for path in ana.home.iterdir() if path.is_file()}
    for person in (ana, ben):
        person.do("down")
    taken = watcher.stop() if watcher else b""
    if watcher:
        assert PORT.to_bytes(2, "big") in taken
        assert len(taken) > 8_000
        places["LAN"] = taken
    places |= {str(path): path.read_bytes() for home in (ana.home, ben.home, stick) for path in home.iterdir()}
    hidden = {word.encode() for word in WORDS} | {word.encode("utf-16-le") for word in WORDS}
    hidden |= secrets_of(ana) | secrets_of(ben)
    hidden |= {PASSPHRASE}
    for place, data in places.items():
        shown = [value[:20] for value in hidden if value in data]
        assert not shown, (place, shown)
    names = {path.name for folder in (ana.home, ben.home, stick) for path in folder.iterdir()}
    assert not any(word in name for word in WORDS for name in names)
    if watcher is None:
        pytest.skip("no right to watch the network: homes and stick were searched, the LAN was not")


def test_bundles_pass_as_random(tmp_path: Path) -> None:
    """Every byte value about as often as any other in what a stick holds, headers of files and bundles apart."""
    from chasqui.delivery.courier_file import CourierReader

    ana, ben = Person.make(tmp_path, "ana"), Person.make(tmp_path, "ben")
    pair(ana, ben, tmp_path)
    use_folder(tmp_path / "stick", ana, ben)
    (tmp_path / "zeros").write_bytes(bytes(300_000))
    ana.do("send", "ben", "--file", str(tmp_path / "zeros"))
    ana.do("sync")
    data = b"".join(
        bundle[2:] for file in (tmp_path / "stick").glob("*.chq") for bundle in CourierReader().feed(file.read_bytes())
    )
    assert len(data) > 300_000
    expected = len(data) / 256
    chi_square = sum((data.count(value) - expected) ** 2 / expected for value in range(256))
    assert 150 < chi_square < 400  # 255 degrees of freedom: beyond one time in a million either way
