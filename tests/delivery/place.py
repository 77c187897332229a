"""A place where engines hear one another: one channel, frames that take their time, frames that get lost. No node."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import count

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item

LORA_SF9 = Air(mtu_bytes=222, bit_rate_bps=1760, frame_overhead_ms=83, airtime_share_max=1.0)
TODAY = 20_780


def seeded(seed: str) -> Callable[[int], bytes]:
    """Entropy that follows from a seed."""
    numbers = count()

    def entropy(n: int, /) -> bytes:
        out = b""
        while len(out) < n:
            out += blake2b(f"{seed} {next(numbers)}".encode()).digest()
        return out[:n]

    return entropy


def bundle_of(seed: object, size: int = 207, rank: int = 1, day: int = TODAY) -> bytes:
    """Bytes that look like a bundle to a carrier."""
    body = random.Random(f"bundle {seed}").randbytes(size - 2)
    return bytes((0x40 | rank << 4 | (10 if rank == 3 else 12), day % 256)) + body


class Station:
    """An engine with the bundles that it may fetch."""

    def __init__(self, place: Place, name: str, air: Air, settings: Settings) -> None:
        self.place, self.name = place, name
        self.held: dict[BundleId, bytes] = {}
        self.index = Index(TODAY)
        self.engine = Engine(air, settings, self.index, seeded(f"{place.seed} {name}"), 0)
        self.air = air
        self.wake_ms: int | None = None
        self.busy = False
        self.bytes_sent = 0
        self.frames_sent = 0
        self.by_type: dict[int, int] = {}
        self.queued: bytes | None = None
        self.turns = 0

    def hold(self, bundles: Iterable[bytes], *, news: bool) -> None:
        """Bundles become held; news are sent."""
        items = []
        for bundle in bundles:
            item = Item(bundle_id(bundle), len(bundle), bundle[0] >> 4 & 3, TODAY - (TODAY - bundle[1]) % 256)
            if item.id not in self.held:
                self.held[item.id] = bundle
                self.index.add(item)
                items.append(item)
        if news:
            self.engine.gained(items, self.place.now_ms)
            self.turn()

    def turn(self) -> None:
        self.turns += 1
        turn = self.engine.turn(self.place.now_ms, self.held.get)
        if turn.frame is not None:
            self.queued = turn.frame
            self.place.contend(self)
        elif turn.wake_ms is not None:
            self.place.wake(self, turn.wake_ms)


class Place:
    """Everybody hears everybody, unless `reaches` says no. One frame at a time: who wants to send waits for a free
    channel. `loss` of frames, at each receiver by itself."""

    def __init__(
        self,
        names: Iterable[str],
        loss: float = 0.0,
        seed: int = 0,
        air: Air = LORA_SF9,
        settings: Settings | None = None,
        reaches: Callable[[str, str], bool] = lambda sender, receiver: True,
    ) -> None:
        self.seed, self.loss, self.reaches = seed, loss, reaches
        self.now_ms = 0
        self.dice = random.Random(seed)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = count()
        self._free_ms = 0
        self.stations = {name: Station(self, name, air, settings or Settings()) for name in names}
        self.log: list[tuple[int, str, bytes]] = []
        for station in self.stations.values():
            station.turn()

    @property
    def bytes_on_air(self) -> int:
        return sum(station.bytes_sent for station in self.stations.values())

    def at(self, at_ms: int, call: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(at_ms, self.now_ms), next(self._count), call))

    def wake(self, station: Station, at_ms: int) -> None:
        station.wake_ms = at_ms

        def due() -> None:
            if station.wake_ms == at_ms and station.queued is None:
                station.wake_ms = None
                station.turn()

        self.at(at_ms, due)

    def contend(self, station: Station) -> None:
        """Sends as soon as the channel is free."""
        start_ms = max(self.now_ms, self._free_ms)
        if start_ms > self.now_ms:
            self.at(start_ms + self.dice.randrange(1, 50), lambda: self.contend(station))
            return
        frame = station.queued
        assert frame is not None
        took_ms = station.air.airtime_ms(len(frame))
        self._free_ms = self.now_ms + took_ms
        self.at(self._free_ms, lambda: self._arrive(station, frame, took_ms))

    def _arrive(self, sender: Station, frame: bytes, took_ms: int) -> None:
        sender.bytes_sent += len(frame)
        sender.frames_sent += 1
        sender.by_type[frame[0] >> 4] = sender.by_type.get(frame[0] >> 4, 0) + len(frame)
        sender.queued = None
        self.log.append((self.now_ms, sender.name, frame))
        for station in self.stations.values():
            if station is sender or not self.reaches(sender.name, station.name) or self.dice.random() < self.loss:
                continue
            try:
                brought = station.engine.heard(frame, 10.0, self.now_ms)
            except PeerError:
                brought = []
            station.hold(brought, news=False)
            if station.queued is None:
                station.turn()
        sender.engine.sent(took_ms, self.now_ms)
        sender.turn()

    def run(self, until_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Until then, or until it is done."""
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, call = heapq.heappop(self._events)
            call()
            if done():
                return True
        self.now_ms = max(self.now_ms, until_ms)
        return done()
