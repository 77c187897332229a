"""A double of LoRa boards that speak the RNode protocol: pseudo-terminals that share one channel with airtime,
collisions, loss and half duplex. Written from the facts of the protocol; airtime is reckoned here anew, so that a
mistake of ours in the formula shows."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeLink, RNodeSettings
from tests.links.link_pair import LinkPair
from tests.links.lora_air import LoraAir
from tests.links.pty_port import PtyPort

FEND, FESC, TFEND, TFESC = 0xC0, 0xDB, 0xDC, 0xDD
QUEUE_FRAMES, QUEUE_BYTES, FRAME_BYTES = 200, 6_144, 508
FAST = Lora(868_100_000, 500_000, 7, 5, 14)


def packet_s(size: int, spreading: int, bandwidth: int, coding: int) -> float:
    """AN1200.13 by its letter, with the preamble of the firmware."""
    symbol_s = (1 << spreading) / bandwidth
    preamble = max(18, math.ceil(0.024 / symbol_s))
    low_rate = 1 if symbol_s > 0.016 else 0
    payload = 8 + max(math.ceil((8 * size - 4 * spreading + 28 + 16) / (4 * (spreading - 2 * low_rate))) * coding, 0)
    return (preamble + 4.25 + payload) * symbol_s


class Board:
    """One board. `quirks` change what it answers to a code."""

    def __init__(self, air: LoraAir, place: Path) -> None:
        self.air = air
        self.port = PtyPort(place, self.feed)
        self.quirks: dict[int, Callable[[bytes], bytes | None]] = {}
        self.power_max = 22
        self.full = False  # its queue is, whatever it holds
        self.on_air_s = 0.0
        self.sent_frames = 0
        self.asked: list[tuple[int, bytes]] = []
        self.dropped = 0
        self._sender: asyncio.Task[None] | None = None
        self.boot()
        air.boards.append(self)

    def boot(self) -> None:
        """What it is after it got power."""
        self.frequency = self.bandwidth = self.spreading = self.power = 0
        self.coding = 5
        self.on = False
        self.queue: list[bytes] = []
        self.sending_since: float | None = None
        self.sent_until = 0.0
        self._half: tuple[int, bytes] | None = None
        self._inside: bytearray | None = None
        if self._sender is not None:
            self._sender.cancel()
        self._sender = None

    @property
    def settings(self) -> tuple[int, int, int]:
        return self.frequency, self.bandwidth, self.spreading

    @property
    def symbol_s(self) -> float:
        return (1 << self.spreading) / self.bandwidth

    def start(self) -> None:
        self.boot()
        self.port.start()

    def stop(self) -> None:
        self.boot()
        self.port.stop()

    def feed(self, data: bytes) -> None:
        """Bytes from the machine."""
        for byte in data:
            if byte == FEND:
                inside, self._inside = self._inside, bytearray()
                if inside:
                    plain = inside.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                    self.command(plain[0], bytes(plain[1 : 1 + FRAME_BYTES]))
            elif self._inside is not None:
                self._inside.append(byte)

    def say(self, code: int, data: bytes) -> None:
        quirk = self.quirks.get(code)
        said = data if quirk is None else quirk(data)
        if said is not None:
            inside = said.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
            self.port.tell(bytes((FEND, code)) + inside + bytes((FEND,)))

    def command(self, code: int, data: bytes) -> None:
        if code != 0:
            self.asked.append((code, data))
        number = int.from_bytes(data, "big")
        match code:
            case 0x00:
                self.enqueue(data)
            case 0x01:
                self.frequency = number or self.frequency
                self.say(code, self.frequency.to_bytes(4, "big"))
            case 0x02:
                self.bandwidth = number or self.bandwidth
                self.say(code, self.bandwidth.to_bytes(4, "big"))
            case 0x03:
                self.power = min(number, self.power_max)
                self.say(code, bytes((self.power,)))
            case 0x04:
                self.spreading = min(max(number, 5), 12)
                self.say(code, bytes((self.spreading,)))
            case 0x05:
                self.coding = min(max(number, 5), 8)
                self.say(code, bytes((self.coding,)))
            case 0x06:
                if number != 0xFF:
                    self.on = bool(number and self.frequency and self.bandwidth and self.spreading)
                self.say(code, bytes((self.on,)))
            case 0x08 if data == b"\x73":
                self.say(code, b"\x46")
            case 0x0B | 0x0C:
                self.say(code, data)
            case 0x0F:
                self.say(code, bytes((not self.full and self.has_room(0),)))

    def has_room(self, size: int) -> bool:
        return len(self.queue) < QUEUE_FRAMES and sum(map(len, self.queue)) + size <= QUEUE_BYTES

    def enqueue(self, frame: bytes) -> None:
        if not self.on:
            self.say(0x90, b"\x02")
        elif self.full or not frame or not self.has_room(len(frame)):
            self.dropped += 1
        else:
            self.queue.append(frame)
            if self._sender is None:
                self._sender = asyncio.get_running_loop().create_task(self._send())

    def catch(self, header: int, part: bytes) -> None:
        """A packet came out of the air."""
        if header & 1:
            half, self._half = self._half, None
            if half is None or half[0] != header:
                self._half = header, part
                return
            part = half[1] + part
        else:
            self._half = None
        self.say(0x23, bytes((157 - 90,)))
        self.say(0x24, bytes((round(-3.5 * 4) & 255,)))
        self.say(0x00, part)

    async def _send(self) -> None:
        loop, air = asyncio.get_running_loop(), self.air
        while self.queue:
            while air.busy(self, loop.time()):
                await asyncio.sleep(0.024 * (1 + air.dice.randrange(15)) / air.speed)
            frame = self.queue.pop(0)
            header = air.dice.randrange(16) << 4 | (len(frame) > 254)
            for part in (frame[:254], frame[254:]) if len(frame) > 254 else (frame,):
                seconds = packet_s(1 + len(part), self.spreading, self.bandwidth, self.coding)
                self.sending_since = loop.time()
                packet = air.begin(self, seconds)
                await asyncio.sleep(seconds / air.speed)
                self.on_air_s += seconds
                self.sending_since, self.sent_until = None, loop.time()
                air.end(packet, header, part)
            self.sent_frames += 1
        self._sender = None


@contextmanager
def boards_elsewhere(folder: Path, number: int, speed: float = 1.0) -> Iterator[tuple[LoraAir, Sequence[Board], Any]]:
    """Boards that go on while whoever uses them is not on this event loop; and a way to do something on theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    air = LoraAir(speed)
    boards = [Board(air, folder / f"tty{end}") for end in range(number)]

    def do(call: Callable[[], None]) -> None:
        async def step() -> None:
            call()

        asyncio.run_coroutine_threadsafe(step(), loop).result(10)

    try:
        for board in boards:
            do(board.start)
        yield air, boards, do
    finally:
        for board in boards:
            do(board.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class RNodePair(LinkPair[RNodeLink]):
    """Two links, each with its board, as the suites want them."""

    sizes: Sequence[int] = (1, 2, 14, 129, 254, 255, FRAME_BYTES)

    def __init__(self, folder: Path, speed: float, lora: Lora = FAST, **settings: Any) -> None:
        super().__init__()
        self.air = LoraAir(speed)
        self.boards = [Board(self.air, folder / f"tty{end}") for end in (0, 1)]
        self._lora, self._settings = lora, {"mtu_bytes": FRAME_BYTES, **settings}

    async def start(self, wait: bool = True) -> None:
        for board in self.boards:
            board.start()
        await super().start(wait)

    async def end(self) -> None:
        for end in (0, 1):
            await self.stop(end)
            self.boards[end].stop()

    async def disturb(self, dice: random.Random) -> None:
        for board, link, events in zip(self.boards, self.links, self.events, strict=True):
            for size in (1, 15, 100, 508):  # what others send on this frequency
                board.catch(0, dice.randbytes(size))
            for code in range(0x23, 0x2D):  # what boards tell of themselves
                board.say(code, dice.randbytes(8))
            board.say(0x00, b"")
            board.say(0x00, dice.randbytes(1_500))
            board.port.tell(b"\xc0\x00half a fra\xc0\xc0\xc0\x00\xdbx\xc0" + bytes(5_000) + b"\xc0")
            while link.passed_over < 4:
                await asyncio.sleep(0.01)
            link.passed_over = 0
            events.take()

    async def unplug(self, end: int) -> None:
        self.boards[end].stop()
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        self.boards[end].start()
        await self.events[end].until(lambda: self.events[end].there)

    def _new(self, end: int) -> RNodeLink:
        settings = {"airtime_share_max": 1.0, **self._settings}
        return RNodeLink(RNodeSettings(self.boards[end].port.place, self._lora, **settings))


@asynccontextmanager
async def rnode_pair(folder: Path, speed: float = 2_000, **settings: Any) -> AsyncIterator[RNodePair]:
    """Two stations with boards."""
    pair = RNodePair(folder, speed, **settings)
    try:
        async with asyncio.timeout(20):
            await pair.start()
        yield pair
    finally:
        await pair.end()
