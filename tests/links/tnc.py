"""A double of TNCs that share a channel without loss: over TCP, and at pseudo-terminals. Whatever a TNC is told to
send, all others hear; everything that it was told is kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from chasqui.links.ax25 import read_callsign
from chasqui.links.kiss import FEND, KissFrame, KissReader, write_kiss
from chasqui.links.kiss_link import KissLink, KissSettings
from tests.links.link_pair import LinkPair
from tests.links.pty_port import PtyPort

BIT_RATE_BPS = 10_000_000
MTU_BYTES = 300


class Tnc(Protocol):
    """One of them."""

    told: list[KissFrame]

    @property
    def place(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """It is gone, and whoever talks to it notices."""
        ...

    def tell(self, data: bytes) -> None:
        """Bytes to whoever talks to it."""
        ...


class Channel:
    """What they share."""

    def __init__(self) -> None:
        self.stations: list[Tnc] = []

    def carry(self, sender: Tnc, frame: KissFrame) -> None:
        sender.told.append(frame)
        for station in self.stations:
            if station is not sender and frame.command == 0:
                station.tell(write_kiss(frame))


class TcpTnc:
    """Answers at a TCP port, like Direwolf."""

    def __init__(self, channel: Channel) -> None:
        self.told: list[KissFrame] = []
        self._channel = channel
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        channel.stations.append(self)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    def tell(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        frames = KissReader()
        frames.feed(bytes((FEND,)))
        try:
            while data := await reader.read(4096):
                for frame in frames.feed(data):
                    self._channel.carry(self, frame)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


class PtyTnc:
    """Answers at a pseudo-terminal, like a TNC at a serial line."""

    def __init__(self, channel: Channel, place: Path) -> None:
        self.told: list[KissFrame] = []
        self._channel = channel
        self.port = PtyPort(place, self._read)
        self._frames = KissReader()
        channel.stations.append(self)

    @property
    def place(self) -> str:
        return self.port.place

    async def start(self) -> None:
        self._frames = KissReader()
        self._frames.feed(bytes((FEND,)))
        self.port.start()

    async def stop(self) -> None:
        self.port.stop()

    def tell(self, data: bytes) -> None:
        self.port.tell(data)

    def _read(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            self._channel.carry(self, frame)


class KissPair(LinkPair[KissLink]):
    """Two links, each with its TNC, as the suites want them."""

    sizes: Sequence[int] = (1, 2, 14, 192, 256, MTU_BYTES)

    def __init__(self, make: Callable[[Channel, int], Tnc]) -> None:
        super().__init__()
        self.channel = Channel()
        self.tncs = [make(self.channel, end) for end in (0, 1)]

    async def start(self, wait: bool = True) -> None:
        for tnc in self.tncs:
            await tnc.start()
        await super().start(wait)

    async def end(self) -> None:
        for end in (0, 1):
            await self.stop(end)
            await self.tncs[end].stop()

    async def disturb(self, dice: random.Random) -> None:
        for tnc, link, events in zip(self.tncs, self.links, self.events, strict=True):
            for size in (1, 15, 100, 3_000, 70_000):
                tnc.tell(dice.randbytes(size))
            before = link.heard_frames
            tnc.tell(b"\xc0")
            tnc.tell(write_kiss(KissFrame(5, 0, b"of another radio")))
            while not link.passed_over or link.heard_frames != before:
                before = link.heard_frames
                await asyncio.sleep(0.01)
            events.take()

    async def unplug(self, end: int) -> None:
        await self.tncs[end].stop()
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        await self.tncs[end].start()
        await self.events[end].until(lambda: self.events[end].there)

    def _new(self, end: int) -> KissLink:
        call = read_callsign(("", "N0CALL-7")[end])
        return KissLink(
            KissSettings(
                self.tncs[end].place, callsign=call, bit_rate_bps=BIT_RATE_BPS, mtu_bytes=MTU_BYTES, tx_delay_ms=0
            )
        )


@asynccontextmanager
async def tcp_pair() -> AsyncIterator[KissPair]:
    """Two stations over TCP."""
    pair = KissPair(lambda channel, _: TcpTnc(channel))
    try:
        await pair.start()
        yield pair
    finally:
        await pair.end()


def pty_pairs(folder: Path) -> Callable[[], object]:
    """Two stations at serial lines."""

    @asynccontextmanager
    async def pair() -> AsyncIterator[KissPair]:
        made = KissPair(lambda channel, end: PtyTnc(channel, folder / f"tty{end}"))
        try:
            await made.start()
            yield made
        finally:
            await made.end()

    return pair
