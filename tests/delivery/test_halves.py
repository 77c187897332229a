"""Sketches that are too small: more of them, then the half of the day; long ones without count and fingerprint."""

from __future__ import annotations

import math

import pytest

from chasqui.base.ids import BundleId
from chasqui.delivery.index import Index, Item
from chasqui.delivery.radio_frames import (
    MoreFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.reconciler import Findings, Reconciler
from chasqui.delivery.sketch import syndromes_of
from tests.delivery.place import TODAY, seeded

WIDE = 508


def ids(name: str, count: int) -> list[BundleId]:
    draw = seeded(name)
    return [BundleId(draw(16)) for _ in range(count)]


class Side:
    """One that holds a set, and what it learns of the other's."""

    def __init__(self, name: str, held: list[BundleId], room: int = WIDE) -> None:
        self.index = Index(TODAY)
        for bundle in held:
            self.index.add(Item(bundle, 207, 1, TODAY))
        self.reconciler = Reconciler(room, 1000, self.index, seeded(name), 0)
        self.they_lack: set[BundleId] = set()
        self.they_want: set[BundleId] = set()

    def hear(self, frame: RadioFrame, now_ms: int) -> None:
        found = Findings()
        if isinstance(frame, SumFrame):
            found = self.reconciler.heard_sum(frame, now_ms)
        elif isinstance(frame, MoreFrame):
            found = self.reconciler.heard_more(frame, now_ms)
        elif isinstance(frame, WantFrame):
            self.they_want |= {item.id for item in self.reconciler.heard_want(frame, now_ms).they_lack}
        self.they_lack |= {item.id for item in found.they_lack}

    def say(self, now_ms: int) -> list[RadioFrame]:
        said: list[RadioFrame] = []
        planned = self.reconciler._planned
        for key in [key for key, one in planned.items() if one.due_ms <= now_ms]:
            frame = planned.pop(key).frame(now_ms)
            if frame is not None:
                said.append(read_radio_frame(write_radio_frame(frame)))
        return said


def exchange(ours: Side, theirs: Side, first: SumFrame, rounds: int = 60) -> int:
    """Until nobody has anything to say; the bytes of sketches and of what asks for more of them."""
    spent = len(write_radio_frame(first))
    now_ms = 10_000
    theirs.hear(first, now_ms)
    for _ in range(rounds):
        now_ms += 5_000
        for sayer, hearer in ((ours, theirs), (theirs, ours)):
            for frame in sayer.say(now_ms):
                hearer.hear(frame, now_ms)
                spent += 0 if isinstance(frame, WantFrame) else len(write_radio_frame(frame))
    return spent


@pytest.mark.parametrize("room", [222, WIDE])
def test_a_hundred_differences_take_two_halves_and_nothing_that_was_said_is_lost(room: int) -> None:
    common, ours, theirs = ids("common", 3_000), ids("ours", 50), ids("theirs", 50)
    one, other = Side("one", common + ours, room), Side("other", common + theirs, room)
    first = one.reconciler._sum(TODAY, 64, 0)
    spent = exchange(one, other, first)
    assert other.they_lack == set(theirs)
    assert one.they_want == set(ours)
    assert spent <= 2 * (3 + 4 * 64) + 4 * 10, "two sketches of 64, and questions"


@pytest.mark.must("M-RAD-15")
def test_a_small_sketch_grows_before_it_is_halved() -> None:
    common, ours, theirs = ids("common", 500), ids("ours", 20), ids("theirs", 20)
    one, other = Side("one", common + ours), Side("other", common + theirs)
    first = one.reconciler._sum(TODAY, 2, None)
    assert first.count == 520
    spent = exchange(one, other, first)
    assert other.they_lack == set(theirs)
    assert one.they_want == set(ours)
    assert spent <= 4 * 48 + 8 + 5 * 10
    assert all(known.split == 0 for known in one.reconciler._sums.values())


@pytest.mark.must("M-RAD-15")
def test_what_is_far_too_much_is_halved_again_and_a_part_of_it_found() -> None:
    common, ours, theirs = ids("common", 500), ids("ours", 150), ids("theirs", 150)
    one, other = Side("one", common + ours), Side("other", common + theirs)
    exchange(one, other, one.reconciler._sum(TODAY, 64, None))
    found = len(other.they_lack) + len(one.they_want)
    assert 60 <= found < 300
    assert other.they_lack <= set(theirs)
    assert one.they_want <= set(ours)


def test_half_of_one_and_whole_of_another_give_nothing_wrong() -> None:
    common = ids("common", 300)
    one, two = Side("one", common + ids("a", 90)), Side("two", common + ids("b", 90))
    hearer = Side("hearer", common)
    whole = one.reconciler._said(b"s\0", TODAY, 0, tuple(one.index.short_ids(b"s\0", TODAY)), 64)
    half = two.reconciler._said(b"s\0", TODAY, 1, tuple(two.index.short_ids(b"s\0", TODAY, 1)), 64)
    hearer.hear(whole, 10_000)
    hearer.hear(half, 20_000)
    wanted = set().union(*hearer.reconciler._wanted.values())
    assert wanted <= set(two.index.short_ids(b"s\0", TODAY, 1))
    assert not hearer.they_lack


@pytest.mark.must("M-RAD-7")
def test_a_long_sketch_that_is_too_small_gives_nothing() -> None:
    for seed in range(20):
        common = ids(f"common {seed}", 100)
        one, hearer = Side("one", common + ids(f"a {seed}", 17)), Side("hearer", common)
        hearer.hear(one.reconciler._said(b"s\0", TODAY, 0, tuple(one.index.short_ids(b"s\0", TODAY)), 16), 10_000)
        assert not hearer.reconciler._wanted
        assert not hearer.they_lack


def test_every_sketch_is_within_the_goal() -> None:
    for count in range(1, 65):
        bound = (32 * count - math.lgamma(count + 1) / math.log(2)) / 8
        side = Side("one", ids("held", 100))
        said = side.reconciler._sum(TODAY, count, 0)
        assert len(said.syndromes) == count
        assert len(write_radio_frame(said)) <= 1.15 * bound + 8


def test_what_is_left_by_a_half_is_taken_only_of_sketches_long_enough_to_be_sure() -> None:
    for seed in range(30):
        common = ids(f"common {seed}", 20)
        one, hearer = Side("one", common + ids(f"a {seed}", 12)), Side("hearer", common)
        every = tuple(one.index.short_ids(b"ab", TODAY))
        even = tuple(short for short in every if not short & 1)
        hearer.hear(one.reconciler._said(b"ab", TODAY, 0, every, 3), 10_000)
        hearer.hear(one.reconciler._said(b"ab", TODAY, 1, even, 15), 20_000)
        assert set().union(*hearer.reconciler._wanted.values()) == set(even) - set(
            hearer.index.short_ids(b"ab", TODAY)
        ), "and never what merely fits three syndromes"


def test_a_sketch_with_what_cannot_be_in_it_is_not_acted_on() -> None:
    common = ids("common", 50)
    hearer = Side("hearer", common)
    ours = tuple(hearer.index.short_ids(b"s\0", TODAY, 1))
    said = SumFrame(TODAY % 256, b"s\0", 1, None, b"", syndromes_of((*ours, 0x1235), 16))
    hearer.hear(said, 10_000)
    assert not hearer.reconciler._wanted
    fits = SumFrame(TODAY % 256, b"s\0", 1, None, b"", syndromes_of((*ours, 0x1234), 16))
    hearer.hear(fits, 20_000)
    assert hearer.reconciler._wanted == {b"s\0": {0x1234}}
