"""The world: a virtual clock, a heap of what is to come, one source of chance, and the story of what happened."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Final

START_S: Final = 20_834 * 86_400  # the midnight at which every world begins, in seconds since 1970
DAY_S: Final = 86_400
HOUR_S: Final = 3_600

Act = Callable[[], None]
Listener = Callable[[int, str], None]


class World:
    """Things happen in the order of their times, those of one time in the order in which they were asked for."""

    def __init__(self, seed: int, listener: Listener | None = None) -> None:
        self.chance = Random(seed)
        self.now_s = 0  # since the beginning of the world
        self.now_ms = 0
        self.steps = 0  # of all nodes
        self.story: list[tuple[int, str]] = []
        self._listener = listener
        self._coming: list[tuple[int, int, Act]] = []
        self._asked = 0

    def at(self, when_s: int, act: Act) -> None:
        """Does something then, or now where that is over."""
        self.at_ms(when_s * 1000, act)

    def at_ms(self, when_ms: int, act: Act) -> None:
        """Does something at a moment of the clock that counts milliseconds."""
        self._asked += 1
        heapq.heappush(self._coming, (max(when_ms, self.now_ms), self._asked, act))

    def after(self, wait_s: int, act: Act) -> None:
        """Does something so many seconds from now."""
        self.at_ms(self.now_ms + wait_s * 1000, act)

    def every(self, period_s: int, act: Act, *, first_s: int, until_s: int) -> None:
        """Does something again and again."""

        def again() -> None:
            act()
            if self.now_s + period_s < until_s:
                self.after(period_s, again)

        if first_s < until_s:
            self.at(first_s, again)

    def run_until(self, end_s: int) -> None:
        """Lets everything happen that comes before a time; it is that time then."""
        coming, end_ms = self._coming, end_s * 1000
        while coming and coming[0][0] < end_ms:
            self.now_ms, _, act = heapq.heappop(coming)
            self.now_s = self.now_ms // 1000
            act()
        self.now_ms = max(self.now_ms, end_ms)
        self.now_s = self.now_ms // 1000

    def tell(self, text: str) -> None:
        """Adds a line to the story."""
        self.story.append((self.now_s, text))
        if self._listener is not None:
            self._listener(self.now_s, text)


def clock_of(seconds: int) -> str:
    """'day 3, 14:05'."""
    day, rest = divmod(seconds, DAY_S)
    return f"day {day}, {rest // HOUR_S:02}:{rest % HOUR_S // 60:02}"
