"""Who was heard on the network, and when each may be dialled. No socket, no clock: bounded memory only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from chasqui.links.announcement import Announcement, RunId
from chasqui.links.lan_limits import NEIGHBOURS_MAX, NEIGHBOURS_PER_ADDRESS_MAX, LanPace
from chasqui.links.places import Place

_FAILURES_MAX: Final = 16  # beyond it the pause does not grow


@dataclass
class Neighbour:
    """Somebody whose announcement was heard. Times are those of the event loop, in seconds."""

    run_id: RunId
    place: Place
    address: str
    port: int
    heard_at: float
    dial_at: float
    failures: int = 0


class Neighbours:
    """The memory of announcements. `busy` says whether a run id has a session or a dial under way;
    `draw(n)` is a random number below n, `jitter(s)` a random time around s."""

    def __init__(
        self,
        pace: LanPace,
        *,
        busy: Callable[[RunId], bool],
        draw: Callable[[int], int],
        jitter: Callable[[float], float],
    ) -> None:
        self._pace = pace
        self._busy = busy
        self._draw = draw
        self._jitter = jitter
        self._known: dict[RunId, Neighbour] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(self._known.values())

    def heard(self, place: Place, address: str, announcement: Announcement, now: float) -> bool:
        """Takes an announcement in; whether it is of somebody new."""
        run_id, port = announcement.run_id, announcement.port
        known = self._known.get(run_id)
        if known is None:
            if not self._make_room(address):
                return False
            self._known[run_id] = Neighbour(run_id, place, address, port, now, now)
            return True
        if now - known.heard_at > 1.6 * self._pace.announce_max_s:
            known.dial_at, known.failures = now, 0  # was away and is back: no reason to wait
        known.heard_at = now
        if not self._busy(run_id):  # else it is only another way to one whom we have
            known.place, known.address, known.port = place, address, port
        return False

    def due(self, now: float, above: RunId, limit: int) -> list[Neighbour]:
        """At most `limit` neighbours with a higher run id whom to dial now. The order is random: under a flood of
        forged announcements the true ones have their chance."""
        due = [
            one
            for one in self._known.values()
            if one.dial_at <= now and one.run_id > above and not self._busy(one.run_id)
        ]
        if len(due) > 1:
            turn = self._draw(len(due))
            due = due[turn:] + due[:turn]
        return due[:limit]

    def dialled(self, run_id: RunId, lasted_s: float, now: float) -> None:
        """A dial failed, or its session ended: longer and longer pauses, unless it had been a good one."""
        one = self._known.get(run_id)
        if one is None:
            return
        good = lasted_s > self._pace.redial_max_s
        one.failures = 1 if good else min(one.failures + 1, _FAILURES_MAX)
        pause_s = min(self._pace.redial_first_s * 2 ** (one.failures - 1), self._pace.redial_max_s)
        one.dial_at = now + self._jitter(pause_s)

    def hurry(self, place: Place, now: float) -> None:
        """A network works again: everybody there may be dialled."""
        for one in self._known.values():
            if one.place == place:
                one.dial_at = now

    def forget_silent(self, now: float) -> None:
        """Forgets who was not heard for long."""
        for one in list(self._known.values()):
            if now - one.heard_at > self._pace.forget_s and not self._busy(one.run_id):
                del self._known[one.run_id]

    def forget_place(self, place: Place) -> None:
        """Forgets everybody who was heard there."""
        self._known = {run_id: one for run_id, one in self._known.items() if one.place != place}

    def clear(self) -> None:
        """Forgets everybody."""
        self._known.clear()

    def _make_room(self, address: str) -> bool:
        """Forgets somebody at random where there are too many: a flood pushes out itself, too."""
        rivals = [one for one in self._known.values() if one.address == address]
        if len(rivals) < NEIGHBOURS_PER_ADDRESS_MAX:
            if len(self._known) < NEIGHBOURS_MAX:
                return True
            rivals = list(self._known.values())
        idle = [one.run_id for one in rivals if not self._busy(one.run_id)]
        if idle:
            del self._known[idle[self._draw(len(idle))]]
        return bool(idle)
