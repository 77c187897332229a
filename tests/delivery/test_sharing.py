"""Who comes next on a link, and what goes along in one frame."""

from __future__ import annotations

import pytest

from chasqui.base.ids import bundle_id
from chasqui.delivery.airtime import HOUR_MS, Air
from chasqui.delivery.incoming import Incoming
from chasqui.delivery.index import Item
from chasqui.delivery.outgoing import Outgoing
from chasqui.delivery.radio_frames import BatchFrame, CodedFrame, NeedFrame, read_radio_frame
from chasqui.delivery.sharing import Flows
from tests.delivery.place import TODAY, Place, bundle_of, seeded

WIDE = Air(mtu_bytes=510, bit_rate_bps=980, frame_overhead_ms=300, airtime_share_max=1.0)  # like FreeDV DATAC1


class Sender:
    """What waits on one link, of several groups."""

    def __init__(self, room: int = 222) -> None:
        self.outgoing = Outgoing(room, Incoming(1_000, set(), seeded("s")), seeded("s"), 0)
        self.held: dict[bytes, bytes] = {}
        self.group: dict[bytes, str] = {}
        self.now_ms = 0

    def add(self, group: str, count: int, rank: int = 1, size: int = 207) -> None:
        items = []
        for n in range(count):
            bundle = bundle_of((group, len(self.held), n), size, rank)
            self.held[bundle_id(bundle)] = bundle
            self.group[bundle] = group
            items.append(Item(bundle_id(bundle), size, rank, TODAY, group))
        self.outgoing.add_news(items, self.now_ms - 5_000)

    def say(self, rank: int = 1) -> str | None:
        """Whose the next frame was."""
        frame = self.outgoing.next(rank, self.now_ms, lambda one: self.held.get(one))
        if frame is None:
            return None
        self.now_ms += 1_000
        self.outgoing.took(rank, self.outgoing.turn, 1_000)
        assert isinstance(frame, CodedFrame)
        return self.group.get(frame.symbol, self.outgoing.turn.flow)


@pytest.mark.must("M-RAD-14")
def test_a_group_that_floods_does_not_keep_another_waiting() -> None:
    sender = Sender()
    sender.add("flood", 400)
    for _ in range(10):
        assert sender.say() == "flood"
    sender.add("other", 5)
    said = [sender.say() for _ in range(20)]
    assert said.count("other") == 5
    assert said[:2].count("other") == 1, "it does not wait for what was begun"
    assert said[:10].count("other") >= 4


@pytest.mark.must("M-RAD-14")
def test_groups_that_wait_at_once_take_turns() -> None:
    sender = Sender()
    sender.add("flood", 100)
    sender.add("one", 10)
    sender.add("two", 10)
    said = [sender.say() for _ in range(30)]
    assert said.count("one") == said.count("two") == 10


@pytest.mark.must("M-RAD-14")
def test_a_flood_of_large_ones_and_of_repairs_is_counted_too() -> None:
    sender = Sender()
    sender.add("flood", 20, size=15_360)
    for _ in range(5):
        sender.say()
    sender.add("other", 3)
    assert [sender.say() for _ in range(8)].count("other") == 3
    quiet = Sender()
    quiet.add("flood", 30)
    sent = [quiet.say() for _ in range(30)]
    assert sent.count("flood") == 30
    (key,) = quiet.outgoing._kept
    quiet.outgoing.needed(NeedFrame(*key, 30), quiet.now_ms)
    assert [quiet.say() for _ in range(5)] == ["flood"] * 5
    quiet.add("other", 3)
    assert [quiet.say() for _ in range(8)].count("other") == 3


def test_who_was_silent_has_saved_nothing_up() -> None:
    flows = Flows()
    for _ in range(50):
        assert flows.choose(["busy"]) == "busy"
        flows.add("busy", 1_000)
    turns = []
    for _ in range(20):
        flow = flows.choose(["busy", "late"])
        flows.add(flow, 1_000)
        turns.append(flow)
    assert 9 <= turns.count("late") <= 11


def test_each_group_alike_on_the_air() -> None:
    place = Place("ab", seed=2)
    sender, receiver = place.stations["a"], place.stations["b"]

    def gain(group: str, count: int) -> None:
        bundles = [bundle_of((group, n)) for n in range(count)]
        sender.held |= {bundle_id(one): one for one in bundles}
        items = [Item(bundle_id(one), 207, 1, TODAY, group) for one in bundles]
        for item in items:
            sender.index.add(item)
        sender.engine.gained(items, place.now_ms)
        sender.turn()

    gain("flood", 600)
    place.run(60_000)
    gain("other", 6)
    place.run(60_000 + 20_000)
    assert {bundle_id(bundle_of(("other", n))) for n in range(6)} <= set(receiver.held)
    assert len(receiver.held) < 100


# -- several in one frame ---------------------------------------------------------------------------------------


def receipts(place: Place, count: int) -> None:
    place.stations["a"].hold([bundle_of(("receipt", n), 128) for n in range(count)], news=True)
    assert place.run(HOUR_MS, lambda: all(len(station.held) == count for station in place.stations.values()))


def test_small_ones_that_wait_go_together() -> None:
    place = Place("ab", seed=1, air=WIDE)
    receipts(place, 9)
    frames = [read_radio_frame(data) for _, _, data in place.log]
    batches = [frame for frame in frames if isinstance(frame, BatchFrame)]
    assert [len(frame.bundles) for frame in batches] == [3, 3, 3]
    assert [frame.followed for frame in batches] == [True, True, False]
    assert all(len(data) <= WIDE.mtu_bytes for _, _, data in place.log)
    narrow = Place("ab", seed=1, air=Air(222, 980, 300, 1.0))
    receipts(narrow, 9)
    air_ms = [sum(one.stations["a"].air.airtime_ms(len(data)) for _, _, data in one.log) for one in (place, narrow)]
    assert air_ms[0] < 0.85 * air_ms[1]


def test_what_is_lost_of_a_pack_is_made_good_like_the_rest() -> None:
    for seed in range(4):
        place = Place("abcdef", loss=0.2, seed=seed, air=WIDE)
        receipts(place, 12)
        assert place.bytes_on_air < 3 * 12 * 128


def test_what_does_not_fit_together_goes_alone() -> None:
    place = Place("ab", seed=1, air=WIDE)
    place.stations["a"].hold([bundle_of("one", 480), bundle_of("two", 480), bundle_of("three", 128)], news=True)
    place.run(60_000)
    assert not any(isinstance(read_radio_frame(data), BatchFrame) for _, _, data in place.log)
    assert len(place.stations["b"].held) == 3
