"""Who comes next on a link: urgent ones up to their share, then ranks by weight; within a rank each group alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import Final, TypeVar

from chasqui.delivery.airtime import HOUR_MS

T = TypeVar("T")
WEIGHTS: Final = (60, 60, 30, 10)  # of airtime, by rank, while several ranks wait
URGENT_SHARE: Final = 0.3  # as long as urgent ones have not had more than that they go before everything


def in_turns(lines: Iterable[Iterable[T]]) -> Iterator[T]:
    """The first of each line, then the second of each, and so on."""
    for turn in zip_longest(*(((one,) for one in line) for line in lines), fillvalue=()):
        yield from chain(*turn)


class Shares:
    """Who comes next while several ranks wait, by the airtime that each has had of late."""

    def __init__(self, now_ms: int) -> None:
        self._used = [0.0, 0.0, 0.0, 0.0]
        self._halved_ms = now_ms

    def choose(self, ranks: Iterable[int], now_ms: int) -> int:
        """One of the ranks that wait."""
        while now_ms - self._halved_ms >= HOUR_MS // 2:
            self._used = [used / 2 for used in self._used]
            self._halved_ms += HOUR_MS // 2
        waiting = set(ranks)
        if 0 in waiting and (waiting == {0} or self._used[0] <= URGENT_SHARE * sum(self._used)):
            return 0
        return min(waiting, key=lambda rank: (self._used[rank] / WEIGHTS[rank], rank))

    def add(self, rank: int, airtime_ms: int) -> None:
        """This rank was on the air."""
        self._used[rank] += airtime_ms


class Flows:
    """Who comes next of those who share a rank: whose bundles had the least airtime since they began to wait. Who had
    nothing to send has saved up nothing, and owes nothing."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}  # of those who wait
        self._level = 0.0  # what the one had that came last

    def choose(self, waiting: Iterable[str]) -> str:
        """One of those who wait; the first of those who had as much."""
        self._used = {flow: self._used.get(flow, self._level) for flow in waiting}
        chosen = min(self._used, key=lambda flow: self._used[flow])
        self._level = self._used[chosen]
        return chosen

    def add(self, flow: str, airtime_ms: int) -> None:
        """This one was on the air."""
        self._used[flow] = self._used.get(flow, self._level) + airtime_ms
