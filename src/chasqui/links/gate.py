"""Who may come in: counts of connections that came and have not greeted yet, all of them and by address."""

from __future__ import annotations

from collections import Counter

from chasqui.links.lan_limits import (
    ACCEPTS_PER_SECOND_MAX,
    ACCEPTS_PER_SECOND_PER_ADDRESS_MAX,
    UNGREETED_MAX,
    UNGREETED_PER_ADDRESS_MAX,
)


class Gate:
    """Bounds what strangers cost before they have said hello."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._this_second: Counter[str] = Counter()
        self._second = 0

    @property
    def waiting(self) -> int:
        """Connections that have not greeted yet."""
        return self._waiting.total()

    def enter(self, address: str, now: float) -> bool:
        """Counts one more connection from there, or refuses it."""
        if int(now) != self._second:
            self._second = int(now)
            self._this_second.clear()
        if (
            self._this_second.total() >= ACCEPTS_PER_SECOND_MAX
            or self._this_second[address] >= ACCEPTS_PER_SECOND_PER_ADDRESS_MAX
            or self._waiting.total() >= UNGREETED_MAX
            or self._waiting[address] >= UNGREETED_PER_ADDRESS_MAX
        ):
            return False
        self._this_second[address] += 1
        self._waiting[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One of them greeted or is gone."""
        self._waiting[address] -= 1
        if self._waiting[address] <= 0:
            del self._waiting[address]
