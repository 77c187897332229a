"""For how long a group has nothing for us to do by itself: until then, only a change of its records can wake it."""

from __future__ import annotations

from typing import NamedTuple

_FOREVER_S = 1 << 62


class Pause(NamedTuple):
    """Nothing is to do at any time from `since_s` on and before `until_s`, as long as no record changes that this
    follows from. A clock that is put back before `since_s` is a change, too."""

    since_s: int
    until_s: int

    def covers(self, now_s: int) -> bool:
        """Whether nothing is to do now."""
        return self.since_s <= now_s < self.until_s

    def and_(self, other: Pause) -> Pause:
        """When neither of two has anything to do."""
        return Pause(max(self.since_s, other.since_s), min(self.until_s, other.until_s))


ASLEEP = Pause(0, _FOREVER_S)
AWAKE = Pause(0, 0)


def since(start_s: int) -> Pause:
    """Nothing to do at a time or later."""
    return Pause(start_s, _FOREVER_S)


def until(due_s: int) -> Pause:
    """Nothing to do before a time."""
    return Pause(0, due_s)
