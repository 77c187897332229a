"""Airtime: what a frame costs on a broadcast link, and the budget of a sliding hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

HOUR_MS: Final = 3_600_000
_GRAIN_MS: Final = 10_000  # what left within one grain is one entry: a fast link keeps 360 of them and not millions


@dataclass(frozen=True)
class Air:
    """What a broadcast link says of the medium below it."""

    mtu_bytes: int
    bit_rate_bps: int
    frame_overhead_ms: int  # keying up, preamble, headers: what a frame costs before its first byte
    airtime_share_max: float  # of any hour; 1.0 where neither law nor its owner bounds it

    def airtime_ms(self, frame_bytes: int) -> int:
        """What a frame of this size is expected to take, rounded up."""
        return self.frame_overhead_ms + -(-frame_bytes * 8000 // self.bit_rate_bps)

    @property
    def hour_ms(self) -> int:
        """What may be sent within any hour."""
        return int(self.airtime_share_max * HOUR_MS)


def part_of(air: Air, share: float) -> Air:
    """The same medium with a part of its budget, of at least two of the largest frames."""
    least = min(2 * air.airtime_ms(air.mtu_bytes) / HOUR_MS, air.airtime_share_max)
    return replace(air, airtime_share_max=max(air.airtime_share_max * share, least))


class AirtimeLedger:
    """When this node was on the air during the last hour. Times are of one clock that never goes back.

    What left is counted until the end of its grain is an hour old, so that no window of an hour holds more than the
    budget, wherever it begins.
    """

    def __init__(self, air: Air) -> None:
        self._air = air
        self._entries: deque[tuple[int, int]] = deque()  # end of a grain, airtime in it
        self._used_ms = 0

    def add(self, now_ms: int, airtime_ms: int) -> None:
        """A frame has just left."""
        end_ms = (now_ms // _GRAIN_MS + 1) * _GRAIN_MS
        if self._entries and self._entries[-1][0] == end_ms:
            airtime_ms_before = self._entries.pop()[1]
            self._entries.append((end_ms, airtime_ms_before + airtime_ms))
        else:
            self._entries.append((end_ms, airtime_ms))
        self._used_ms += airtime_ms

    def used_ms(self, now_ms: int) -> int:
        """On the air within the last hour."""
        while self._entries and self._entries[0][0] <= now_ms - HOUR_MS:
            self._used_ms -= self._entries.popleft()[1]
        return self._used_ms

    def free_at_ms(self, now_ms: int, airtime_ms: int) -> int | None:
        """The first moment at which so much more fits into the budget; None: never."""
        if airtime_ms > self._air.hour_ms:
            return None
        excess_ms = self.used_ms(now_ms) + airtime_ms - self._air.hour_ms
        if excess_ms <= 0:
            return now_ms
        at_ms = now_ms
        for end_ms, spent_ms in self._entries:
            at_ms = end_ms + HOUR_MS
            excess_ms -= spent_ms
            if excess_ms <= 0:
                break
        return at_ms

    def restore(self, entries: Iterable[tuple[int, int]]) -> None:
        """Puts in what was kept elsewhere: until when it left, and how much, the oldest first."""
        for end_ms, spent_ms in entries:
            self._entries.append((end_ms, spent_ms))
            self._used_ms += spent_ms
