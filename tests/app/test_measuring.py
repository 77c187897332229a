"""`link test` of a radio: real drivers and nodes on a radio in memory that loses frames."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from chasqui.app import links, requests
from chasqui.app.desk import Surroundings
from chasqui.app.errors import LinkFailedError
from chasqui.app.live_broadcasts import LiveBroadcasts
from chasqui.app.measuring import Measured, Measurement, Prober, judge, lasts_s
from chasqui.app.radios import radio_link
from chasqui.app.uptime import uptime
from chasqui.base.ids import GroupId
from chasqui.base.ports import Uptime
from chasqui.links.probe import PROBE_TYPE, PROBES, Heard, Probe, StationId, read_probe, write_probe
from chasqui.node import inputs
from chasqui.node.broadcast_end import PROBES_SHARE
from chasqui.node.effects import Transmit
from chasqui.node.link_port import BroadcastId
from chasqui.node.records import LinkRecord
from chasqui.node.spent import AHEAD_MS
from chasqui.node.transaction import Transaction
from tests.links.ether import Ether, MemoryRadio
from tests.links.stations import Station, with_stations
from tests.node.world import Person

GAP_S = 0.02


class Listener(Ether):
    """An ether that keeps what went over it."""

    def __init__(self, loss: float = 0.0) -> None:
        super().__init__(loss)
        self.frames: list[bytes] = []

    def carry(self, sender: MemoryRadio | None, frame: bytes) -> None:
        self.frames.append(frame)
        super().carry(sender, frame)


def prober(station: Station) -> Prober:
    found = station.broadcasts.prober(station.link)
    assert found is not None
    return found


def measured(ether: Ether, testing: int, *, share: float = 1.0, gap_s: float = GAP_S) -> list[Measured]:
    """What the first so many of three find out."""
    found: list[Measured] = []

    async def body(stations: Sequence[Station], _: GroupId) -> None:
        runs = (Measurement(prober(station), gap_s).run() for station in stations[:testing])
        found.extend(await asyncio.gather(*runs))
        assert not any(station.broadcasts.prober(station.link).tested for station in stations)  # type: ignore[union-attr]

    with_stations(lambda: [MemoryRadio(ether, share) for _ in range(3)], body, timeout_s=30)
    return found


def test_two_who_test_learn_how_well_they_hear_each_other() -> None:
    for found in measured(Listener(), 2, gap_s=0.1):
        assert found.sent == PROBES
        (other,) = found.others
        assert other.reached is not None
        assert min(other.arrived, other.reached) > 0.4, "only what came while the other spoke was missed"
        words, stations = judge(found)
        assert words.startswith(("Good", "Poor"))
        shares = f"{other.arrived:.0%} of its frames arrived here, {other.reached:.0%} of yours there"
        assert f"Station 1: {shares}, 10 dB above the noise." in words
        assert [station.arrived for station in stations] == [other.arrived]


def test_loss_shows() -> None:
    found = [other for one in measured(Listener(0.4), 3) for other in one.others]
    assert 4 <= len(found) <= 6
    assert 0.3 < sum(other.arrived for other in found) / len(found) < 0.85


@pytest.mark.must("M-PRB-1")
def test_nobody_answers_who_does_not_test() -> None:
    ether = Listener()
    (found,) = measured(ether, 1)
    assert found.others == ()
    assert len(ether.frames) == PROBES
    assert len({read_probe(frame).station for frame in ether.frames}) == 1
    with pytest.raises(LinkFailedError, match="no other station"):
        judge(found)


@pytest.mark.must("M-PRB-2")
def test_tests_and_node_share_the_airtime() -> None:
    ether = Listener()
    share = 10 * 12 / 3_600_000  # of which probes may take 12 ms; one takes 2, and 3 are asked for
    (found,) = measured(ether, 1, share=share)
    assert found.sent == len(ether.frames) == 5

    async def body(stations: Sequence[Station], _: GroupId) -> None:
        air = prober(stations[0]).air
        assert air.airtime_share_max == pytest.approx(share * (1 - PROBES_SHARE))

    with_stations(lambda: [MemoryRadio(Ether(), share), MemoryRadio(Ether())], body, timeout_s=10)


@pytest.mark.must("M-PRB-2")
def test_a_link_that_begins_again_has_no_new_airtime_for_tests() -> None:
    share = 10 * 12 / 3_600_000  # as above

    async def body(stations: Sequence[Station], _: GroupId) -> None:
        assert (await Measurement(prober(stations[0]), GAP_S).run()).sent == 5
        again = MemoryRadio(Ether(), share)
        task = asyncio.create_task(stations[0].broadcasts.run(again, "radio"))  # of this name, as after a restart
        while (found := stations[0].broadcasts.prober(again)) is None:
            await asyncio.sleep(0.01)
        assert (await Measurement(found, GAP_S).run()).sent == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_stations(lambda: [MemoryRadio(Ether(), share), MemoryRadio(Ether())], body, timeout_s=30)


def test_texts_go_on_during_a_test_and_probes_do_not_reach_the_node() -> None:
    ether = Listener()

    async def body(stations: Sequence[Station], group: GroupId) -> None:
        tests = asyncio.gather(*(Measurement(prober(station), GAP_S).run() for station in stations))
        for number in range(20):
            await stations[0].do(inputs.SendText(group, f"text {number}", urgent=True))
        found = await tests
        while len(await stations[1].states(group)) < 15:  # some came while it sent a probe itself
            await asyncio.sleep(0.01)
        assert [len(one.others) for one in found] == [1, 1]

    with_stations(lambda: [MemoryRadio(ether), MemoryRadio(ether)], body, timeout_s=30)
    assert sum(frame[0] == PROBE_TYPE for frame in ether.frames) == 2 * PROBES


def test_a_device_that_goes_ends_no_test_half_way() -> None:
    ether = Listener()
    radios = [MemoryRadio(ether), MemoryRadio(ether)]

    async def body(stations: Sequence[Station], _: GroupId) -> None:
        test = asyncio.create_task(Measurement(prober(stations[0]), GAP_S).run())
        while len(ether.frames) < 3:
            await asyncio.sleep(0.001)
        radios[0].plug(False)
        found = await test
        assert 3 <= found.sent < PROBES
        assert stations[0].broadcasts.prober(radios[0]) is None

    with_stations(lambda: radios, body, timeout_s=20)


def test_a_node_made_anew_during_a_probe_goes_on() -> None:
    ether = Listener()

    async def body(stations: Sequence[Station], group: GroupId) -> None:
        test = asyncio.create_task(Measurement(prober(stations[0]), GAP_S).run())
        for _ in range(30):
            stations[0].broadcasts.begin_again()
            await asyncio.sleep(0.01)
        assert (await test).sent == PROBES
        await stations[0].do(inputs.SendText(group, "after it", urgent=True))
        while "after it" not in await stations[1].states(group):
            await asyncio.sleep(0.01)

    with_stations(lambda: [MemoryRadio(ether), MemoryRadio(ether)], body, timeout_s=20)


@pytest.mark.parametrize(
    ("arrived", "reached", "word"),
    [
        (1.0, 0.95, "Good:"),
        (1.0, 0.7, "Good enough for texts"),
        (0.4, 1.0, "Poor:"),
        (1.0, 0.1, None),
        (1.0, None, None),
    ],
)
def test_the_verdict_goes_by_the_worse_direction(arrived: float, reached: float | None, word: str | None) -> None:
    found = Measured(12, (Heard(StationId(b"xx"), arrived, reached, None),), 1_400, 2_000)
    if word is None:
        with pytest.raises(LinkFailedError, match="too weak"):
            judge(found)
    else:
        assert judge(found)[0].startswith(word)


def test_no_room_for_tests_is_said() -> None:
    with pytest.raises(LinkFailedError, match="Nothing could be sent"):
        judge(Measured(0, (), 1, 1))


class HearingNode:
    """In place of the node's thread: keeps what the node would be told."""

    def __init__(self) -> None:
        self.told: list[inputs.Input] = []
        self._person = Person("ana")

    def submit(self, job: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(job(self))
        return done

    def look(self) -> Transaction:
        return Transaction(self._person.store, self._person.now_s, self._person.entropy)

    def uptime(self) -> Uptime:
        return uptime()

    def step(self, event: inputs.Input) -> None:
        self.told.append(event)


@pytest.mark.must("M-PRB-2")
def test_the_node_is_told_of_its_share_and_of_frames_that_are_no_probes() -> None:
    async def run() -> None:
        ether, node = Ether(), HearingNode()
        links = LiveBroadcasts(node)  # type: ignore[arg-type]
        radio, other = MemoryRadio(ether, 0.5), MemoryRadio(ether)
        task = asyncio.create_task(links.run(radio, "radio"))
        while (found := links.prober(radio)) is None:
            await asyncio.sleep(0)
        (opened,) = node.told
        assert isinstance(opened, inputs.BroadcastOpened)
        assert opened.profile.airtime_share_max == pytest.approx(0.5 * (1 - PROBES_SHARE))
        test = Measurement(found, GAP_S)
        found.listen(test)
        assert await found.probe(write_probe(Probe(StationId(b"us"), 1, ()), 50))
        ether.carry(other, write_probe(Probe(StationId(b"xx"), 1, ()), 50))
        told, probed = node.told
        assert told == opened
        assert isinstance(probed, inputs.BroadcastSpent), "its airtime, and neither that it left nor what came"
        ether.carry(other, b"a frame")
        assert isinstance(node.told[-1], inputs.BroadcastHeard)
        found.listen(None)
        ether.carry(other, write_probe(Probe(StationId(b"xx"), 2, ()), 50))
        assert len(node.told) == 4, "while nobody tests, a probe is a frame like any other"
        found.end.transmit(Transmit(BroadcastId(1), b"a frame", node.uptime().ms + AHEAD_MS))
        while len(node.told) == 4:
            await asyncio.sleep(0)
        assert isinstance(node.told[-1], inputs.BroadcastSent)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("state", "words", "todo"),
    [
        ("ready; 7 frames heard", "being tested already", "Wait"),
        ("no board (it was unplugged); trying again", "cannot be used now: no board (it was unplugged)", "cable"),
    ],
)
def test_a_link_that_is_tested_already_is_not_said_to_be_broken(state: str, words: str, todo: str) -> None:
    around = Surroundings(Path(), 1, lambda: {"ab": state}, lambda _: None)
    record = LinkRecord("kiss", (("place", "127.0.0.1:8001"),))
    ask: Any = lambda _: ("ab", record)  # noqa: E731
    with pytest.raises(LinkFailedError) as failed:
        links.test(ask, requests.TestLink("ab"), around)
    assert words in str(failed.value)
    assert failed.value.safety
    assert todo in failed.value.todo


@pytest.mark.parametrize(
    ("kind", "settings", "minutes"),
    [
        ("kiss", {"place": "127.0.0.1:8001"}, 1.84),
        ("sound", {"mode": "datac3"}, 9),
        ("sound", {"mode": "datac13"}, 31),
    ],
)
def test_how_long_a_test_takes_is_said_before(kind: str, settings: dict[str, str], minutes: float) -> None:
    """What the how-tos say of it."""
    assert lasts_s(radio_link(kind, settings).profile) / 60 == pytest.approx(minutes, rel=0.05)
