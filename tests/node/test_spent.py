"""The hour's airtime holds over whatever happens to process, link and clock: never more than the share in any hour."""

from __future__ import annotations

import random

import pytest

from chasqui.base.ids import GroupId
from chasqui.delivery.airtime import HOUR_MS
from chasqui.node import inputs
from chasqui.node.effects import Answer, Effect, Persist, Transmit, Wake
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.records import Space
from chasqui.node.spent import Book, bequeath, forget_old, inherit, spend, spent
from chasqui.node.transaction import Transaction
from tests.node.world import START_S, Person, make_group

SHARE = 0.01
HOLDS_MS = int(SHARE * HOUR_MS)
PROFILE = LinkProfile("lora", 255, 1760, True, True, 0.1, SHARE, 83)
FRAME_MS = 83 + -(-255 * 8000 // 1760)


class Radio:
    """A board at a device whose process, links and clock have a hard life. Time is that of the world."""

    def __init__(self, person: Person, group: GroupId) -> None:
        self.person, self.group = person, group
        self.at_ms = 0
        self.ahead_s = 0  # of the device's clock
        self.number = 0
        self.left: list[tuple[int, int]] = []  # what really was on the air
        self.under_way: bytes | None = None
        self.wake_ms: int | None = None
        self.add()

    def step(self, event: inputs.Input) -> object:
        answer: object = None
        for effect in self.person.node.step(event, START_S + self.ahead_s + self.at_ms // 1000):
            answer = self._carry_out(effect) or answer
        return answer

    def _carry_out(self, effect: Effect) -> object:
        match effect:
            case Persist(writes):
                self.person.store.apply(writes)
                self.person.store.commit()
            case Wake(_, at_ms):
                self.wake_ms = at_ms
            case Transmit(_, frame):
                assert self.under_way is None
                self.under_way = frame
            case Answer(value):
                return value
        return None

    def say(self, texts: int) -> None:
        for _ in range(texts):
            self.step(inputs.SendText(self.group, "at the bridge", urgent=True))

    def add(self) -> None:
        self.link = str(self.step(inputs.AddLink("rnode", (("place", f"/dev/ttyUSB{self.number}"),))))
        self.open()

    def remove(self) -> None:
        self.step(inputs.RemoveLink(self.link))
        self.close()

    def open(self) -> None:
        self.number += 1
        self.zero_ms = random.Random(self.number).randrange(10**9)  # each process has a clock of its own
        self.step(inputs.BroadcastOpened(self.id, PROFILE, self.clock, self.link))

    @property
    def id(self) -> BroadcastId:
        return BroadcastId(self.number)

    @property
    def clock(self) -> int:
        return self.at_ms - self.zero_ms + 10**9

    def close(self) -> None:
        """The board ends what it has begun."""
        self._leaves()
        self.step(inputs.BroadcastClosed(self.id))
        self.wake_ms = None

    def kill(self) -> None:
        self._leaves()
        self.person.restart()
        self.wake_ms = None
        self.open()

    def _leaves(self) -> bool:
        if self.under_way is None:
            return False
        took_ms = PROFILE.frame_overhead_ms + -(-len(self.under_way) * 8000 // 1760)
        self.under_way = None
        self.at_ms += took_ms
        self.left.append((self.at_ms, took_ms))
        hour = sum(ms for ended_ms, ms in self.left if ended_ms > self.at_ms - HOUR_MS)
        assert hour <= HOLDS_MS, f"{hour} ms within one hour at {self.at_ms}"
        return True

    def run(self, for_ms: int) -> int:
        """Lets time pass; how many frames left."""
        until_ms, before = self.at_ms + for_ms, len(self.left)
        while True:
            if self._leaves():
                self.step(inputs.BroadcastSent(self.id, self.left[-1][1], self.clock))
            elif self.wake_ms is not None and (due := self.at_ms + max(self.wake_ms - self.clock, 0)) <= until_ms:
                self.at_ms, self.wake_ms = due, None
                self.step(inputs.BroadcastDue(self.id, self.clock))
            else:
                self.at_ms = max(self.at_ms, until_ms)
                return len(self.left) - before


def busy() -> Radio:
    """A radio with more to say than an hour holds."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    radio = Radio(ana, group)
    radio.say(60)
    return radio


@pytest.mark.must("M-RAD-1")
@pytest.mark.parametrize("what", ["remove and add", "kill", "kill in the middle of each frame", "set the clock"])
def test_nothing_gives_a_radio_a_new_hour(what: str) -> None:
    radio = busy()
    assert radio.run(1_200_000) * FRAME_MS > HOLDS_MS // 2, "the hour is spent soon"
    for turn in range(12):
        match what:
            case "remove and add":
                radio.remove()
                radio.run(5_000)
                radio.add()
            case "kill":
                radio.kill()
            case "kill in the middle of each frame":
                while radio.wake_ms is not None and radio.under_way is None and radio.wake_ms < radio.clock + 600_000:
                    radio.at_ms += max(radio.wake_ms - radio.clock, 0)
                    radio.wake_ms = None
                    radio.step(inputs.BroadcastDue(radio.id, radio.clock))
                radio.kill()
            case _:
                radio.ahead_s += 7 * 3600 if turn % 2 else -3 * 3600
                radio.run(1_000)
                radio.step(inputs.BroadcastHeard(radio.id, b"\xff", None, radio.clock))  # any step will do
                radio.kill()
        radio.say(10)
        radio.run(400_000)
    radio.say(20)
    assert radio.run(2 * HOUR_MS) > 15, "and it is not silent for ever"


@pytest.mark.must("M-RAD-1")
def test_a_frame_under_way_when_the_process_dies_is_in_the_books() -> None:
    radio = busy()
    radio.step(inputs.BroadcastDue(radio.id, radio.clock + 60_000))
    assert radio.under_way is not None
    size = len(radio.under_way)
    ((_, booked_ms),) = spent(look(radio), Book.FRAMES, radio.link)
    assert booked_ms == PROFILE.frame_overhead_ms + -(-size * 8000 // 1760)


def test_a_frame_that_waited_long_or_took_longer_is_put_right() -> None:
    radio = busy()
    radio.run(20_000)
    before = sum(ms for _, ms in spent(look(radio), Book.FRAMES, radio.link))
    while radio.under_way is None:
        radio.at_ms += 1_000
        radio.step(inputs.BroadcastDue(radio.id, radio.clock))
    expected = sum(ms for _, ms in spent(look(radio), Book.FRAMES, radio.link)) - before
    radio.at_ms += 600_000
    radio.under_way = None
    radio.step(inputs.BroadcastSent(radio.id, expected + 50, radio.clock))
    booked = spent(look(radio), Book.FRAMES, radio.link)
    assert (0, expected + 50) in booked


def look(radio: Radio) -> Transaction:
    return Transaction(radio.person.store, START_S + radio.ahead_s + radio.at_ms // 1000, radio.person.entropy)


def test_removing_and_adding_again_and_again_counts_nothing_twice() -> None:
    tx = look(busy())
    spend(tx, Book.FRAMES, "first", 9_000)
    for name in ("first", "second", "third"):
        bequeath(tx, name)
        inherit(tx, {"first": "second", "second": "third", "third": "last"}[name])
    assert [ms for _, ms in spent(tx, Book.FRAMES, "last")] == [9_000]


def test_tests_of_a_link_are_kept_and_inherited_like_frames() -> None:
    radio = busy()
    radio.step(inputs.BroadcastProbed(radio.id, 1_234, radio.clock))
    radio.kill()
    assert [ms for _, ms in spent(look(radio), Book.PROBES, radio.link)] == [1_234]
    radio.remove()
    radio.add()
    assert [ms for _, ms in spent(look(radio), Book.PROBES, radio.link)] == [1_234]


def test_what_a_link_says_after_its_removal_counts_for_the_next() -> None:
    radio = busy()
    radio.run(2 * HOUR_MS)
    frames = len(radio.left)
    radio.step(inputs.RemoveLink(radio.link))
    radio.say(10)
    radio.run(10_000)
    assert len(radio.left) > frames
    radio.close()
    radio.add()
    booked = [ms for age_ms, ms in spent(look(radio), Book.FRAMES, radio.link) if age_ms == 0]
    assert sum(booked) >= sum(ms for _, ms in radio.left[frames:]) > 5_000


def test_a_clock_that_was_put_back_while_nobody_ran_silences_for_an_hour_and_not_for_longer() -> None:
    radio = busy()
    radio.run(60_000)
    radio.ahead_s = -100 * 86_400
    for _ in range(9):
        radio.kill()
        radio.run(500_000)
    booked = [ms for age_ms, ms in spent(look(radio), Book.FRAMES, radio.link) if age_ms < HOUR_MS]
    assert sum(booked) < HOLDS_MS // 4, "summaries, and not the texts"


def test_the_books_do_not_tell_for_ever_when_a_radio_was_used() -> None:
    radio = busy()
    radio.run(60_000)
    radio.remove()
    assert [key for key, _ in radio.person.store.scan(Space.META) if key.startswith(b"airtime")] == [b"airtime"]
    radio.at_ms += 25 * HOUR_MS
    tx = look(radio)
    forget_old(tx)
    assert not any(key.startswith(b"airtime") for key, _ in tx.scan(Space.META))
    radio.person.now_s = START_S + radio.at_ms // 1000
    radio.step(inputs.Tick())
    assert not any(key.startswith(b"airtime") for key, _ in radio.person.store.scan(Space.META))
