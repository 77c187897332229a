"""A node on a broadcast link: what becomes held is said, what is heard is judged."""

from __future__ import annotations

from typing import Any

import pytest

from chasqui.base.days import day_of
from chasqui.base.ids import bundle_id
from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import HOUR_MS
from chasqui.delivery.engine import Engine
from chasqui.delivery.index import Item
from chasqui.delivery.radio_frames import CodedFrame, PackFrame, read_radio_frame, write_radio_frame
from chasqui.node import broadcasts, inputs
from chasqui.node.effects import Effect, Persist, Transmit, Wake
from chasqui.node.link_port import BroadcastId, LinkProfile
from tests.node.world import START_S, Person, make_group, pair

AIR, OTHER = BroadcastId(1), BroadcastId(2)
LORA = LinkProfile("lora", 255, 1760, True, True, 0.1, 0.1, 83)


class Station:
    """A person with a radio: what it says is taken out of its hands at once."""

    def __init__(self, person: Person, profile: LinkProfile = LORA, link: BroadcastId = AIR) -> None:
        self.person, self.link, self.profile = person, link, profile
        self.now_ms = 0
        self.wake_ms: int | None = None
        self.said: list[bytes] = []
        self.step(inputs.BroadcastOpened(link, profile, Uptime(b"boot", 0), f"radio {link}"))

    def step(self, event: inputs.Input) -> list[Effect]:
        effects = self.person.node.step(event, self.person.now_s)
        for effect in effects:
            match effect:
                case Persist(writes):
                    self.person.store.apply(writes)
                    self.person.store.commit()
                case Wake(self.link, at_ms):
                    self.wake_ms = at_ms
                case Transmit(self.link, frame):
                    self.said.append(frame)
        return effects

    def run(self, until_ms: int, listeners: tuple[Station, ...] = ()) -> list[bytes]:
        """Lets time pass; what is said reaches the listeners."""
        heard: list[bytes] = []
        while True:
            if self.said:
                frame = self.said.pop()
                assert not self.said, "two frames at once"
                heard.append(frame)
                self.now_ms += 500
                self.step(inputs.BroadcastSent(self.link, 500, self.now_ms))
                for other in listeners:
                    other.now_ms = max(other.now_ms, self.now_ms)
                    other.step(inputs.BroadcastHeard(other.link, frame, None, other.now_ms))
            elif self.wake_ms is not None and self.wake_ms <= until_ms:
                self.now_ms, self.wake_ms = max(self.now_ms, self.wake_ms), None
                self.step(inputs.BroadcastDue(self.link, self.now_ms))
            else:
                self.now_ms = until_ms
                return heard


def bundles_in(frames: list[bytes]) -> list[bytes]:
    read = [read_radio_frame(frame) for frame in frames]
    return [frame.symbol for frame in read if isinstance(frame, CodedFrame) and frame.symbol]


def both() -> tuple[Station, Station, Any]:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    return Station(ana), Station(ben), group


def test_a_text_goes_over_the_air() -> None:
    ana, ben, group = both()
    ana.step(inputs.SendText(group, "at the bridge"))
    frames = ana.run(60_000, (ben,))
    assert frames
    assert ben.person.texts(group) == ["at the bridge"]


@pytest.mark.must("M-RAD-8")
def test_what_came_by_air_is_not_said_again_there_and_is_said_elsewhere() -> None:
    ana, ben, group = both()
    elsewhere = Station(ben.person, link=OTHER)
    ana.step(inputs.SendText(group, "at the bridge"))
    [bundle] = bundles_in(ana.run(12_000))
    frame = write_radio_frame(PackFrame((bundle,)))
    assert Wake(OTHER, 0) in ben.step(inputs.BroadcastHeard(AIR, frame, None, 12_000))
    elsewhere.wake_ms = 0
    assert bundle not in bundles_in(ben.run(600_000))
    assert bundle in bundles_in(elsewhere.run(600_000))


def test_nothing_is_said_while_a_frame_is_under_way() -> None:
    ana, _, group = both()
    for n in range(3):
        ana.step(inputs.SendText(group, f"{n}", urgent=True))
    ana.step(inputs.BroadcastDue(AIR, 10))
    assert len(ana.said) == 1
    ana.step(inputs.BroadcastDue(AIR, 20_000))
    assert len(ana.said) == 1
    ana.step(inputs.BroadcastSent(AIR, 700, 20_001))
    assert len(ana.said) == 2


TIGHT = LinkProfile("lora", 255, 1760, True, True, 0.1, 0.001, 83)  # 3.6 s an hour


@pytest.mark.must("M-RAD-1")
def test_the_budget_is_kept_and_what_waits_goes_out_later() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    station, listener = Station(ana, TIGHT), Station(ben)
    for n in range(12):
        station.step(inputs.SendText(group, f"{n}"))
    said: list[int] = []
    for at_ms in range(0, 12 * HOUR_MS, 60_000):
        said += [at_ms] * len(station.run(at_ms, (listener,)))
        assert sum(500 for when in said if when > at_ms - HOUR_MS) <= 3_600
    assert sorted(ben.texts(group)) == sorted(map(str, range(12)))


@pytest.mark.must("M-RAD-1")
def test_neither_a_new_process_nor_a_new_device_has_a_new_budget() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    station = Station(ana, TIGHT)
    for n in range(12):
        station.step(inputs.SendText(group, f"{n}", urgent=True))
    used = len(station.run(600_000))
    assert used * 500 > 2_000
    ana.now_s += 600
    ana.restart()
    again = Station(ana, TIGHT)
    again.step(inputs.SendText(group, "again", urgent=True))
    assert (used + len(again.run(HOUR_MS - 700_000))) * 500 <= 3_600
    ana.now_s -= 86_400  # a clock that is put back makes nothing younger than it is
    ana.restart()
    again = Station(ana, TIGHT)
    again.step(inputs.SendText(group, "and again", urgent=True))
    assert (used + len(again.run(HOUR_MS - 700_000))) * 500 <= 3_600
    assert again.run(2 * HOUR_MS)


def test_junk_and_a_closed_link_do_nothing() -> None:
    ana, ben, group = both()
    for junk in (b"", b"\xff", b"\x10" + bytes(128), bytes(255)):
        before = dict(ben.person.store.scan(14))
        assert not [e for e in ben.step(inputs.BroadcastHeard(AIR, junk, None, 5)) if isinstance(e, Transmit)]
        assert dict(ben.person.store.scan(14)) == before
    ana.step(inputs.BroadcastClosed(AIR))
    ana.step(inputs.SendText(group, "x"))
    for event in (inputs.BroadcastDue(AIR, 9), inputs.BroadcastSent(AIR, 9, 9), inputs.BroadcastHeard(AIR, b"", 1, 9)):
        assert not [e for e in ana.step(event) if isinstance(e, Transmit)]


def test_a_step_that_raises_keeps_the_air_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, group = both()
    ana.step(inputs.SendText(group, "one", urgent=True))
    ana.step(inputs.BroadcastDue(AIR, 10))

    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as broken:
        broken.setattr(broadcasts, "take_bundles", fail)
        with pytest.raises(RuntimeError):
            ana.step(inputs.BroadcastHeard(AIR, ana.said[0], None, 11))
    ana.step(inputs.SendText(group, "two", urgent=True))
    ana.step(inputs.BroadcastDue(AIR, 12))
    assert len(ana.said) == 1, "the first frame is still under way"
    ana.run(60_000, (ben,))
    assert sorted(ben.person.texts(group)) == ["one", "two"]


def test_the_index_holds_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, _, group = both()

    def known() -> int:
        return len(ana.person.node._broadcasts._index)

    assert known() == len(ana.person.held()) > 0
    ana.step(inputs.SendText(group, "one"))
    assert known() == len(ana.person.held())

    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "turn", fail)
        with pytest.raises(RuntimeError):
            ana.step(inputs.BroadcastHeard(AIR, write_radio_frame(PackFrame((STRANGERS,))), None, 11))
    ana.step(inputs.BroadcastDue(AIR, 12))
    assert known() == len(ana.person.held())
    ana.person.now_s += 200 * 86_400
    ana.step(inputs.Tick())
    assert known() == len(ana.person.held())
    assert not ana.person.tx().count(14) - known()


STRANGERS = bytes((0x5C, day_of(START_S) % 256)) + bytes(126)


@pytest.mark.must("M-RAD-14")
def test_each_group_is_one_on_the_air_and_what_a_link_brought_of_others_is_one() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    one, two = make_group(ana, ben), pair(ana, caro)
    station = Station(ana)

    def flows_of(before: set[bytes]) -> set[str]:
        index = ana.node._broadcasts._index
        new = [bundle_id(bundle) for bundle in ana.held() if bundle not in before]
        return {item.flow for bundle in new if (item := index.item(bundle)) is not None}

    said: list[set[str]] = []
    for group in (one, two, one):
        before = set(ana.held())
        station.step(inputs.SendText(group, "at the bridge"))
        said.append(flows_of(before))
    assert said[0] == said[2] != said[1]
    assert all(len(flows) == 1 for flows in said)
    before = set(ana.held())
    station.step(inputs.TakeBundles((STRANGERS, STRANGERS[:-1] + b"x"), "stick"))
    assert flows_of(before) == {"link stick"}
    known = {item.id: item.flow for day in station.person.node._broadcasts._index.days for item in _of(ana, day)}
    ana.restart()
    again = Station(ana)
    assert {item.id: item.flow for day in again.person.node._broadcasts._index.days for item in _of(ana, day)} == known


def _of(person: Person, day: int) -> list[Item]:
    return list(person.node._broadcasts._index.of_day(day).values())
