"""The broadcast engine: what one node says on one broadcast link, and when. Pure: frames and times in, frames out.

It holds no bundle: it knows ids and asks for bytes when they are sent. What it forgets when it is made anew costs
airtime and nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId
from chasqui.base.ports import Entropy
from chasqui.delivery.airtime import Air, AirtimeLedger
from chasqui.delivery.frames import BundleFrame, read_frame, write_frame

JITTER_MS: Final = 4_000  # before what is not urgent: two nodes that got one bundle at once must not answer at once
Fetch = Callable[[BundleId], bytes | None]


@dataclass(frozen=True)
class Item:
    """What the engine knows of a bundle that is held. `rank`: its class, the most urgent lowest."""

    id: BundleId
    size: int
    rank: int
    day: int

    @property
    def urgent(self) -> bool:
        """Whether it goes before everything else and is not delayed."""
        return self.rank == 0


@dataclass(frozen=True)
class Turn:
    """What to do now: send `frame`, and come back at `wake_ms`. While a frame is under way there is no turn."""

    frame: bytes | None = None
    wake_ms: int | None = None


class Engine:
    """One node's end of one broadcast link."""

    def __init__(self, air: Air, entropy: Entropy) -> None:
        self._air = air
        self._entropy = entropy
        self._ledger = AirtimeLedger(air)
        self._queue: list[tuple[int, int, int, Item]] = []  # rank, not before, order of arrival
        self._queued = 0
        self._under_way_ms: int | None = None  # what the frame under way is expected to take

    def anew(self) -> Engine:
        """An engine that knows nothing but what has been on the air and what is under way."""
        other = Engine(self._air, self._entropy)
        other._ledger, other._under_way_ms = self._ledger, self._under_way_ms
        return other

    # -- what happens ---------------------------------------------------------------------------------------

    def gained(self, items: Iterable[Item], now_ms: int) -> None:
        """Bundles have become held that this link did not bring: they are sent."""
        for item in items:
            at_ms = now_ms if item.urgent else now_ms + self._jitter_ms()
            self._queued += 1
            heapq.heappush(self._queue, (item.rank, at_ms, self._queued, item))

    def heard(self, frame: bytes, strength_db: float | None, now_ms: int) -> list[bytes]:
        """The bundles that a frame brings, not judged yet. Raises `PeerError` for what is no frame."""
        read = read_frame(frame)
        if isinstance(read, BundleFrame):
            return [read.bundle]
        raise PeerError("A frame has no place on a broadcast link.")

    def sent(self, airtime_ms: int | None, now_ms: int) -> None:
        """The frame under way has left. None: it took what was expected."""
        expected_ms, self._under_way_ms = self._under_way_ms, None
        if expected_ms is not None:
            self._ledger.add(now_ms, expected_ms if airtime_ms is None else airtime_ms)

    def turn(self, now_ms: int, fetch: Fetch) -> Turn:
        """What to do now. `fetch` gives the bytes of a bundle that is still held."""
        if self._under_way_ms is not None:
            return Turn()
        later: list[tuple[int, int, int, Item]] = []
        found: tuple[bytes | None, int | None] = None, None
        while self._queue:
            entry = heapq.heappop(self._queue)
            _, at_ms, _, item = entry
            if at_ms > now_ms:
                later.append(entry)
                continue
            bundle = fetch(item.id)
            if bundle is None or len(bundle) >= self._air.mtu_bytes:
                continue
            frame = write_frame(BundleFrame(bundle))
            free_ms = self._ledger.free_at_ms(now_ms, self._air.airtime_ms(len(frame)))
            if free_ms is None:
                continue
            if free_ms > now_ms:
                later.append(entry)
                found = None, free_ms
            else:
                found = frame, None
            break
        for entry in later:
            heapq.heappush(self._queue, entry)
        frame_now, wake_ms = found
        if frame_now is not None:
            self._under_way_ms = self._air.airtime_ms(len(frame_now))
            return Turn(frame_now)
        if wake_ms is None and later:
            wake_ms = min(at_ms for _, at_ms, _, _ in later)
        return Turn(wake_ms=wake_ms)

    def _jitter_ms(self) -> int:
        return int.from_bytes(self._entropy(2), "big") * JITTER_MS >> 16
