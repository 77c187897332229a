"""A radio in memory: the double that the suite and the daemon's driver are tried on. Frames take a moment, a station
that sends hears nothing, devices can be pulled out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from chasqui.node.link_port import BroadcastEvents, LinkProfile
from tests.links.conformance_broadcast import Recorder, say

MTU_BYTES = 222


class Ether:
    """What the stations of one place share."""

    def __init__(self, loss: float = 0.0, seed: int = 0) -> None:
        self.stations: list[MemoryRadio] = []
        self.loss = loss
        self.bytes_on_air = 0
        self._dice = random.Random(seed)

    def carry(self, sender: MemoryRadio | None, frame: bytes) -> None:
        """Everybody else hears it, or not."""
        self.bytes_on_air += len(frame)
        for station in self.stations:
            if station is not sender and self._dice.random() >= self.loss:
                station.hear(frame)


class MemoryRadio:
    """A `BroadcastLink` without hardware."""

    def __init__(self, ether: Ether, airtime_share_max: float = 1.0) -> None:
        self._ether = ether
        self._events: BroadcastEvents | None = None
        self._sending: asyncio.Task[None] | None = None
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._pulled = asyncio.Event()
        self.free = asyncio.Event()  # the channel: until it is, a frame stays under way
        self.free.set()
        self.profile = LinkProfile(
            kind="memory_radio",
            mtu_bytes=MTU_BYTES,
            bit_rate_bps=1_000_000,
            broadcast=True,
            needs_daemon=True,
            loss_expected=ether.loss,
            airtime_share_max=airtime_share_max,
            frame_overhead_ms=1,
        )
        ether.stations.append(self)

    async def run(self, events: BroadcastEvents) -> None:
        try:
            while True:
                await self._plugged.wait()
                self._pulled.clear()
                self._events = events
                events.opened()
                await self._pulled.wait()
                self._close()
        finally:
            self._close()

    def send(self, frame: bytes) -> None:
        if not 0 < len(frame) <= MTU_BYTES:
            raise ValueError("not the size of a frame")
        if self._events is not None:
            assert self._sending is None, "a frame is under way"
            self._sending = asyncio.create_task(self._send(frame))

    @property
    def state(self) -> str:
        return "ready" if self._events is not None else "no device"

    def plug(self, there: bool) -> None:
        """Puts the device in or pulls it out."""
        if there:
            self._plugged.set()
        else:
            self._plugged.clear()
            self._pulled.set()

    def hear(self, frame: bytes) -> None:
        """Something came out of the air."""
        if self._events is not None and self._sending is None:
            self._events.heard(frame, 10.0)

    async def _send(self, frame: bytes) -> None:
        await asyncio.sleep(0)
        await self.free.wait()
        self._ether.carry(self, frame)
        self._sending = None
        if self._events is not None:
            self._events.sent(1 + len(frame) * 8 // 1000)

    def _close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        if self._events is not None:
            events, self._events = self._events, None
            events.closed()


class EtherPair:
    """Two stations, as the suites want them."""

    def __init__(self) -> None:
        self.ether = Ether()
        self.links = [MemoryRadio(self.ether), MemoryRadio(self.ether)]
        self.events = [Recorder(), Recorder()]
        self.sizes: Sequence[int] = (1, 2, 14, 128, 208, MTU_BYTES)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def profiles(self) -> Sequence[LinkProfile]:
        return [link.profile for link in self.links]

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(link.run(e)) for link, e in zip(self.links, self.events, strict=True)]
        for events in self.events:
            await events.until(lambda events=events: events.there)  # type: ignore[misc]

    async def stop(self, end: int) -> None:
        self._tasks[end].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[end]

    async def carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        await say(self.links[start], self.events[start], payloads)
        return self.events[1 - start].take()

    def offer_illegal(self, start: int, payload: bytes) -> None:
        self.links[start].send(payload)

    async def restart(self, end: int) -> None:
        await self.stop(end)
        self.events[end] = Recorder()
        self._tasks[end] = asyncio.create_task(self.links[end].run(self.events[end]))
        await self.events[end].until(lambda: self.events[end].there)

    async def disturb(self, dice: random.Random) -> None:
        for size in (1, 14, 100, MTU_BYTES):
            self.ether.carry(None, dice.randbytes(size))
        for events in self.events:
            events.take()

    async def cut(self) -> None:
        await self.stop(1)  # whoever sends into the air is told of nothing: what is noticed is one's own device
        await self.unplug(0)

    async def unplug(self, end: int) -> None:
        self.links[end].plug(False)
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        self.links[end].plug(True)
        await self.events[end].until(lambda: self.events[end].there)


@asynccontextmanager
async def ether_pair() -> Any:
    """A pair that hears each other."""
    pair = EtherPair()
    await pair.start()
    try:
        yield pair
    finally:
        for end in (0, 1):
            await pair.stop(end)
