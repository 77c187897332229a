"""A folder path alone, no network: five homes, copies carried by hand, shuffled, doubled, some lost (issue 2)."""

from __future__ import annotations

import random
import shutil
from hashlib import blake2b
from pathlib import Path

import pytest

from chasqui.delivery.courier_file import CourierReader, courier_chunks
from tests.app.people import Person, go_around, pair, use_folder

SEED = 20261122


class Courier:
    """Carries copies of what lies on one desk to another. Not a careful one."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)

    def desk(self, person: Person) -> Path:
        return self.folder / f"desk-{person.name}"

    def carry(self, source: Person, target: Person, *, lost: float = 0.0) -> None:
        files = sorted(self.desk(source).glob("*.chq"))
        self.random.shuffle(files)
        for file in files:
            if self.random.random() < lost:
                continue
            for copy in range(self.random.choice((1, 1, 2))):
                data = file.read_bytes()
                if self.random.random() < lost / 2:
                    data = data[: self.random.randrange(len(data) + 1)]  # pulled out too early
                digest = blake2b(data, digest_size=8).hexdigest()
                place = self.desk(target) / f"{digest}{copy}.chq"
                if not place.exists():
                    place.write_bytes(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stick")


def test_five_people_and_a_careless_courier(folder: Path) -> None:
    people = [Person.make(folder, name) for name in ("ana", "ben", "caro", "dan", "eve")]
    ana, ben, caro, dan, eve = people
    courier = Courier(folder, SEED)
    for person in people:
        use_folder(courier.desk(person), person)
    for person in people[1:]:
        pair(ana, person, folder)
    everyone(courier, people, lost=0.0)
    ana.do("group", "create", "convoy")
    for person in people[1:]:
        assert ana.do("group", "add", "convoy", person.name)["state"] == "invited"
    everyone(courier, people, lost=0.0)
    for person in people[1:]:
        person.do("group", "join", "convoy")
    everyone(courier, people, lost=0.0)

    said = [(person, person.send("convoy", f"{person.name} says {number}")) for number in range(3) for person in people]
    for _ in range(2):
        everyone(courier, people, lost=0.4)
    for person in people:  # nothing is pretended: what is missing and known of shows as a gap, what came is real
        found = person.do("read", "convoy")
        assert {m["id"] for m in found["messages"]} <= {number for _, number in said}
        own = {m["id"] for m in found["messages"] if m["own"]}
        assert own == {number for sender, number in said if sender is person}
    everyone(courier, people, lost=0.0)
    everyone(courier, people, lost=0.0)
    conversations = [person.do("read", "convoy") for person in people]
    assert all(found["gaps"] == [] for found in conversations)
    for found in conversations:
        assert {m["id"] for m in found["messages"]} == {number for _, number in said}
        for person in people:  # per author in order
            mine = [m["text"] for m in found["messages"] if m["text"].startswith(person.name)]
            assert mine == [f"{person.name} says {number}" for number in range(3)]

    key = next(m["key"] for m in ana.do("group", "show", "convoy")["members"] if m["name"] == "eve")
    assert ana.do("group", "remove", "convoy", "eve")["member"] == key
    secret = ana.send("convoy", "without eve")
    everyone(courier, people, lost=0.3)
    everyone(courier, people, lost=0.0)
    later = ben.send("convoy", "nor this")
    everyone(courier, people, lost=0.0)
    for person in (ana, ben, caro, dan):
        ids = [m["id"] for m in person.do("read", "convoy")["messages"]]
        assert {secret, later} <= set(ids)
        states = {m["name"].lower(): m["state"] for m in person.do("group", "show", "convoy")["members"]}
        assert list(states.values()).count("removed") == 1
    assert eve.do("group", "show", "convoy")["state"] == "removed"
    assert [m["id"] for m in eve.do("read", "convoy")["messages"]] == [m["id"] for m in conversations[4]["messages"]]
    assert eve.fail(1, "send", "convoy", "let me in")
    assert "removed" in eve.run("read", "convoy").out


def everyone(courier: Courier, people: list[Person], *, lost: float) -> None:
    """Everybody syncs with his own desk, a courier walks from each desk to ana's and from hers to each, twice."""
    for _ in range(2):
        for person in people:
            person.sync()
        for source in people:
            for target in people:
                if (source is not target and source.name in ("ana", target.name)) or target.name == "ana":
                    courier.carry(source, target, lost=lost)
    for person in people:
        person.sync()


def test_a_gap_is_shown_until_it_is_closed(folder: Path) -> None:
    one, two = Person.make(folder, "uma"), Person.make(folder, "vic")
    pair(one, two, folder)
    stick, hidden = folder / "gap-stick", folder / "hidden"
    hidden.mkdir()
    use_folder(stick, one, two)
    go_around(one, two, one, two)
    before = set(stick.iterdir())
    one.send("vic", "first")
    one.do("sync")
    (lost,) = set(stick.iterdir()) - before
    shutil.move(lost, hidden / lost.name)
    one.send("vic", "second")
    one.do("link", "list")
    kept = folder / "kept"
    shutil.copytree(stick, kept)
    one.do("sync")  # it writes the first again: hide that, too, and leave only the second
    first = bundles_of(hidden / lost.name)
    for file in set(stick.iterdir()) - before:
        rest = [bundle for bundle in bundles_of(file) if bundle not in first]
        file.unlink()
        (stick / "second.chq").write_bytes(b"".join(courier_chunks(rest, 20_000)))
    two.do("sync")
    found = two.do("read", "uma")
    assert [m["text"] for m in found["messages"]] == ["second"]
    (gap,) = found["gaps"]
    assert gap.keys() == {"author", "author_name", "from", "to", "asked"}
    assert (gap["author_name"], gap["from"]) == ("uma", gap["to"])
    screen = two.run("read", "uma").out
    assert "1 message of uma has not arrived" in screen
    assert screen.index("has not arrived") < screen.index("second")
    shutil.move(hidden / lost.name, stick / lost.name)
    two.do("sync")
    found = two.do("read", "uma")
    assert ([m["text"] for m in found["messages"]], found["gaps"]) == (["first", "second"], [])


def test_a_removal_that_is_known_and_not_carried_out_holds_the_send(folder: Path) -> None:
    xia, yan, zoe = (Person.make(folder, name) for name in ("xia", "yan", "zoe"))
    stick = folder / "hold-stick"
    use_folder(stick, xia, yan, zoe)
    pair(xia, yan, folder)
    pair(xia, zoe, folder)
    go_around(xia, yan, zoe, xia)
    xia.do("group", "create", "trio")
    xia.do("group", "add", "trio", "yan")
    xia.do("group", "add", "trio", "zoe")
    go_around(xia, yan, zoe)
    yan.do("group", "join", "trio")
    zoe.do("group", "join", "trio")
    go_around(yan, zoe, xia, yan)
    before = set(stick.iterdir())
    xia.do("group", "remove", "trio", "zoe")
    xia.do("sync")
    bundles = [bundle for file in set(stick.iterdir()) - before for bundle in bundles_of(file)]
    codes = []
    for number, bundle in enumerate(bundles):
        for file in stick.iterdir():
            file.unlink()
        (stick / "one.chq").write_bytes(b"".join(courier_chunks([bundle], 20_000)))
        copy = Person("yan", folder / f"yan{number}", yan.passphrase_file)
        shutil.copytree(yan.home, copy.home)
        copy.do("sync")
        state = copy.do("group", "show", "trio")["state"]
        done = copy.run("--json", "send", "trio", "hello")
        codes.append((state, done.code))
        if done.code == 4:
            assert done.document["error"]["code"] == "refused"
            assert "NOT YET PRIVATE" in copy.run("read", "trio").out
            assert "NOT YET PRIVATE" in copy.run("group", "show", "trio").out
    assert ("removal-pending", 4) in codes, codes


def bundles_of(file: Path) -> list[bytes]:
    """The bundles of a courier file."""
    return CourierReader().feed(file.read_bytes())
