"""Packet radio against the real thing: Direwolf stations on one noisy channel, with collisions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chasqui.base.ids import GroupId
from chasqui.links.ax25 import read_callsign
from chasqui.links.kiss_link import KissLink, KissSettings
from tests.app.people import Person, pair, until_ready, wait_until
from tests.links.conformance import CHECKS, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, Recorder, run_broadcast_check, say
from tests.links.direwolf import Direwolfs, direwolfs, require_direwolf
from tests.links.link_pair import LinkPair
from tests.links.stations import Station, say_until_delivered, with_stations


@pytest.fixture(autouse=True)
def _there() -> None:
    require_direwolf()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Direwolfs]:
    with direwolfs(tmp_path / "air", 3, noise_rms=1_500) as stations:
        yield stations


def links_of(stations: Direwolfs, **settings: Any) -> list[KissLink]:
    calls = ("", "N0CALL-1", "N0CALL-2")
    return [
        KissLink(KissSettings(f"127.0.0.1:{port}", callsign=read_callsign(call), **settings))
        for port, call in zip(stations.kiss_ports, calls, strict=False)
    ]


def test_a_text_crosses_the_air_to_two_others_and_their_receipts_come_back(three: Direwolfs) -> None:
    links = links_of(three)

    async def body(stations: Sequence[Station], group: GroupId) -> None:
        await say_until_delivered(stations, group, apart_s=12)

    with_stations(lambda: links, body, timeout_s=300)
    assert all(spoken > 0.5 for spoken in three.air.on_air_s), "everybody was on the air"


@pytest.mark.long
@pytest.mark.parametrize("modem", ["1200", "9600", "300"])
def test_every_size_arrives_through_real_modems(tmp_path: Path, modem: str) -> None:
    with direwolfs(tmp_path / "air", 2, noise_rms=300, modem=modem) as stations:

        async def run() -> None:
            links = links_of(stations, bit_rate_bps=int(modem), mtu_bytes=1_000)
            events = [Recorder(), Recorder()]
            tasks = [asyncio.create_task(link.run(told)) for link, told in zip(links, events, strict=True)]
            dice = random.Random(5)
            sizes = (1, 14, 129, 241, 500, 1_000) if modem != "300" else (1, 129)
            frames = [dice.randbytes(size) for size in sizes] + [bytes(200), b"\xc0" * 90, b"\xdb" * 90]
            for told in events:
                await told.until(lambda told=told: told.there)  # type: ignore[misc]
            await say(links[0], events[0], frames)
            async with asyncio.timeout(20):
                await events[1].until(lambda: len(events[1].frames) == len(frames))
            assert events[1].take() == frames
            assert not events[0].frames
            for task in tasks:
                task.cancel()
            on_air_ms = stations.air.on_air_s[0] * 1000
            profile = links[0].profile
            assert profile.bit_rate_bps is not None
            said_ms = sum(profile.frame_overhead_ms + len(f) * 8000 / profile.bit_rate_bps for f in frames)
            assert 0.75 * said_ms < on_air_ms < 1.15 * said_ms, "the airtime that is counted is that of the air"

        asyncio.run(run())


@pytest.mark.long
def test_real_daemons_over_the_air(tmp_path: Path) -> None:
    ana, ben = Person.make(tmp_path, "ana"), Person.make(tmp_path, "ben")
    pair(ana, ben, tmp_path)
    with direwolfs(tmp_path / "air", 2, noise_rms=1_500) as stations:
        try:
            for person, port in zip((ana, ben), stations.kiss_ports, strict=True):
                person.up()
                person.do("link", "add", "kiss", f"127.0.0.1:{port}")
            until_ready(ana, ben)
            ana.send("ben", "over the hill")
            wait_until(lambda: ben.texts("ana") == ["over the hill"])
            wait_until(lambda: ana.do("read", "ben")["messages"][0]["state"] == "delivered")
            stations.stop(0)
            wait_until(lambda: "no TNC" in ana.do("link", "list")["links"][0]["state"])
            stations.start(0)
            wait_until(lambda: ana.do("link", "list")["links"][0]["state"].startswith("ready"))
            ana.send("ben", "and back again")
            wait_until(lambda: "and back again" in ben.texts("ana"))
        finally:
            for person in (ana, ben):
                person.run("down")


class DirewolfPair(LinkPair[KissLink]):
    """Two links at real Direwolfs, as the suites want them. 9600 bit/s, so that 500 frames take half a minute."""

    sizes: Sequence[int] = (1, 14, 129, 256)
    carry_timeout_s = 60

    def __init__(self, stations: Direwolfs) -> None:
        super().__init__()
        self._stations = stations

    def _new(self, end: int) -> KissLink:
        place = f"127.0.0.1:{self._stations.kiss_ports[end]}"
        return KissLink(KissSettings(place, bit_rate_bps=9_600, tx_delay_ms=30))

    async def disturb(self, dice: random.Random) -> None:
        for port in self._stations.kiss_ports:  # whoever reaches the TNC's port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\xc0" + bytes(byte for byte in dice.randbytes(300) if byte != 0xC0) + b"\xc0")
            await writer.drain()
            await asyncio.sleep(2)
            writer.close()
        for events in self.events:
            events.take()

    async def unplug(self, end: int) -> None:
        self._stations.stop(end)
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        await asyncio.to_thread(self._stations.start, end)
        await self.events[end].until(lambda: self.events[end].there)


@pytest.mark.long
@pytest.mark.parametrize("check", [*CHECKS, *BROADCAST_CHECKS], ids=lambda check: check.__name__)
def test_the_suites_at_real_direwolfs(check: Callable[[Any], object], tmp_path: Path) -> None:
    @asynccontextmanager
    async def factory() -> AsyncIterator[DirewolfPair]:
        with direwolfs(tmp_path / "air", 2, noise_rms=50, modem="9600", tx_delay=3) as stations:
            made = DirewolfPair(stations)
            try:
                await made.start()
                yield made
            finally:
                for end in (0, 1):
                    await made.stop(end)

    run: Any = run_broadcast_check if check in BROADCAST_CHECKS else run_check
    run(factory, check, timeout_s=240)


