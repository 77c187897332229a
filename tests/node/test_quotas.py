"""How much is held for others, of which link, and what goes first."""

from __future__ import annotations

from itertools import count

import pytest

from chasqui.base.days import day_of
from chasqui.base.ids import bundle_id
from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.frames import BundleFrame, IdsFrame, short_id, write_frame
from chasqui.delivery.radio_frames import PackFrame, write_radio_frame
from chasqui.node import holding, inputs
from chasqui.node.link_port import BroadcastId, LinkProfile, SessionId
from chasqui.node.records import Space
from chasqui.sealed.kinds import BundleClass
from tests.node.world import START_S, Person, make_group

RADIO = LinkProfile("kiss", 255, 9600, True, True, 0.1, 1.0, 300)
SIZE = 128
KEY = Secret(b"k" * 32)


def bundle(n: int, bundle_class: BundleClass = BundleClass.TEXT, days: int = 0) -> bytes:
    """Of a group that nobody here knows."""
    lifetime = 10 if bundle_class is BundleClass.FILE else 12
    head = bytes((0x40 | bundle_class << 4 | lifetime, (day_of(START_S) + days) % 256))
    return head + bytes(SIZE - 10) + n.to_bytes(8, "big")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 30 bundles from known links and for 20 from the rest."""
    monkeypatch.setattr(holding, "CARRIED_OF_KNOWN_BYTES_MAX", 30 * SIZE)
    monkeypatch.setattr(holding, "CARRIED_OF_STRANGERS_BYTES_MAX", 20 * SIZE)


class Node:
    """A person, and what links bring to her."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._radios: dict[str, BroadcastId] = {}
        self._sessions: dict[str, SessionId] = {}
        self._numbers = count(1)

    def stick(self, *bundles: bytes, name: str = "stick") -> None:
        self.person.do(inputs.TakeBundles(bundles, name))

    def radio(self, *bundles: bytes, name: str = "radio", key: Secret = NO_SECRET) -> None:
        link = self._radios.get(name)
        if link is None:
            link = self._radios[name] = BroadcastId(next(self._numbers))
            self.person.do(inputs.BroadcastOpened(link, RADIO, Uptime(b"boot", 0), name))
            self.person.node._broadcasts._links[link].keyed = bool(key)
        for data in bundles:
            self.person.do(inputs.BroadcastHeard(link, write_radio_frame(PackFrame((data,))), None, 1))

    def lan(self, *bundles: bytes, name: str = "lan") -> None:
        session = SessionId(next(self._numbers))
        self.person.do(inputs.SessionOpened(session, 65_535, name))
        for data in bundles:
            ids = IdsFrame((short_id(bundle_id(data)),))
            self.person.do(inputs.FrameReceived(session, write_frame(ids)))
            self.person.do(inputs.FrameReceived(session, write_frame(BundleFrame(data))))
        self.person.do(inputs.SessionClosed(session))

    def held(self, bundles: list[bytes]) -> list[bytes]:
        held = set(self.person.held())
        return [data for data in bundles if data in held]


def some(first: int, number: int, bundle_class: BundleClass = BundleClass.TEXT) -> list[bytes]:
    return [bundle(n, bundle_class) for n in range(first, first + number)]


@pytest.mark.must("M-HLD-1")
@pytest.mark.parametrize("by", ["radio", "lan"])
def test_a_flood_of_strangers_drives_out_nothing_but_what_its_link_brought(small: None, by: str) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    ana.do(inputs.SendText(group, "at the bridge"))
    node = Node(ana)
    ours = ana.held()
    from_stick, other = some(0, 15), some(1_000, 10)
    node.stick(*from_stick)
    (node.lan if by == "radio" else node.radio)(*other)
    flood = some(2_000, 100)
    for data in flood:
        ana.now_s += 1
        (node.radio if by == "radio" else node.lan)(data)
        assert len(node.held(flood)) <= 10
    assert len(node.held(flood)) >= 8, "what it takes it takes"
    assert flood[-1] in ana.held()
    assert node.held(from_stick) == from_stick
    assert node.held(other) == other
    assert node.held(ours) == ours


@pytest.mark.must("M-HLD-1")
def test_many_links_of_strangers_together_take_their_part_and_no_more(small: None) -> None:
    node = Node(Person("ana"))
    from_stick = some(0, 15)
    node.stick(*from_stick)
    floods = [some(1_000 * n, 9) for n in range(1, 6)]
    for number, flood in enumerate(floods):
        node.person.now_s += 1
        (node.lan if number % 2 else node.radio)(*flood, name=f"link {number}")
    taken = [data for flood in floods for data in node.held(flood)]
    assert 16 <= len(taken) <= 20
    assert node.held(floods[-1]) == floods[-1], "the longest held went"
    assert node.held(from_stick) == from_stick


@pytest.mark.must("M-HLD-1")
def test_known_links_have_more_room_and_drive_out_only_each_other(small: None) -> None:
    node = Node(Person("ana"))
    strangers = some(0, 10)
    node.radio(*strangers)
    node.radio(*some(1_000, 40), name="keyed", key=KEY)
    assert 13 <= len(node.held(some(1_000, 40))) <= 15
    node.stick(*some(2_000, 14))
    node.stick(*some(3_000, 14), name="another")
    known = node.held([*some(1_000, 40), *some(2_000, 14), *some(3_000, 14)])
    assert 25 <= len(known) <= 30
    assert node.held(strangers) == strangers


def test_a_radio_with_a_key_is_known(small: None) -> None:
    ana = Person("ana")
    for number, key in ((1, NO_SECRET), (2, KEY)):
        ana.do(inputs.BroadcastOpened(BroadcastId(number), RADIO, Uptime(b"boot", 0), str(number), key))
    assert [link.keyed for link in ana.node._broadcasts._links.values()] == [False, True]


@pytest.mark.must("M-HLD-2")
def test_files_go_first_and_urgent_ones_last_and_of_each_the_oldest(small: None) -> None:
    node = Node(Person("ana"))
    classes = [BundleClass.URGENT, BundleClass.TEXT, BundleClass.BULK, BundleClass.FILE]
    held = {one: [] for one in classes}  # type: dict[BundleClass, list[bytes]]
    for n in range(2):
        for one in classes:
            node.person.now_s += 1
            data = bundle(100 * one + n, one)
            held[one].append(data)
            node.radio(data)
    order: list[bytes] = []
    everything = [data for one in classes for data in held[one]]
    for n in range(10):
        node.person.now_s += 1
        before = node.held(everything)
        node.radio(bundle(5_000 + n, BundleClass.URGENT))
        gone = [data for data in before if data not in node.held(everything)]
        order += sorted(gone, key=lambda data: (-(data[0] >> 4 & 3), data))
    assert order[:6] == [*held[BundleClass.FILE], *held[BundleClass.BULK], *held[BundleClass.TEXT]]


@pytest.mark.must("M-HLD-2")
def test_what_has_expired_goes_before_all_that_lives(small: None) -> None:
    node = Node(Person("ana"))
    urgent = some(0, 4, BundleClass.URGENT)
    node.radio(*urgent)
    (ends_s,) = {int.from_bytes(key[:8], "big") for key, _ in node.person.store.scan(Space.EXPIRY)}
    node.person.now_s = ends_s - 3_600
    today = day_of(node.person.now_s) - day_of(START_S)
    files = [bundle(n, BundleClass.FILE, today) for n in range(1_000, 1_006)]
    node.radio(*files)
    node.person.now_s = ends_s + 1
    node.radio(bundle(5_000, BundleClass.FILE, today))
    assert node.held(urgent) == []
    assert node.held(files) == files


def test_what_is_counted_is_what_is_held(small: None) -> None:
    node = Node(Person("ana"))
    node.radio(*some(0, 30))
    node.lan(*some(100, 30))
    node.stick(*some(200, 30))
    tx = node.person.tx()
    by_sort = {known: sum(r.size for _, r in holding.foreign(tx) if r.known == known) for known in (True, False)}
    assert all(holding._carried(tx, known=known) == size > 0 for known, size in by_sort.items())
    node.person.now_s += 400 * 86_400
    node.person.do(inputs.Flush())
    assert node.person.held() == []
    counted = [value for key, value in node.person.store.scan(Space.META) if b" bytes" in key]
    assert len(counted) == 5
    assert set(counted) == {bytes(8)}
