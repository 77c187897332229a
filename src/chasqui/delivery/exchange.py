"""Two neighbours make their sets of bundles equal: ids first, then what is missing, a window at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeVar

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_IDS_MAX, REQUEST_TIMEOUT_S, REQUESTS_OVERDUE_MAX, SESSION_REQUESTS_MAX
from chasqui.delivery.frames import REQUEST_IDS_MAX, SHORT_ID_BYTES, IdsFrame, RequestFrame

T = TypeVar("T")
WINDOW_BUNDLES: Final = REQUEST_IDS_MAX  # asked for and not yet come


@dataclass(frozen=True)
class Session:
    """One neighbour, from our side. What it announced is asked for in the order of the announcement.

    `link` is where the neighbour is. `wanted` are ids one after the other. `awaited` gives when each was asked for,
    the oldest first. `overdue` was asked for and is awaited no more: it may still come, but is not asked for again
    here. A session that is `late` reserves nothing: what it was asked for is asked of others, too, until it
    answers.
    """

    link: str = ""
    wanted: bytes = b""
    awaited: Mapping[bytes, int] = field(default_factory=dict)
    overdue: Mapping[bytes, None] = field(default_factory=dict)
    late: bool = False

    def announced(self, short_ids: Iterable[bytes]) -> Session:
        """The neighbour holds these and we do not. What exceeds the bound is passed over."""
        room = SESSION_REQUESTS_MAX - len(self.wanted) // SHORT_ID_BYTES
        return replace(self, wanted=self.wanted + b"".join(islice(short_ids, room)))

    def answered(self, short: bytes) -> Session:
        """The neighbour sent this. Raises `PeerError` where nobody asked it."""
        if short in self.awaited:
            return replace(self, awaited=_without(self.awaited, short), late=False)
        if short in self.overdue:
            return replace(self, overdue=_without(self.overdue, short))
        raise PeerError("A neighbour sent what nobody asked for.")

    def came_elsewhere(self, short: bytes) -> Session:
        """It is here: no longer awaited, and no breach if it comes once more."""
        if short not in self.awaited:
            return self
        return replace(self, awaited=_without(self.awaited, short), overdue=_newest(self.overdue, (short,)))

    def at(self, now_s: int) -> Session:
        """Without what was asked for too long ago; a clock that was put back counts as too long."""
        in_time = range(now_s - REQUEST_TIMEOUT_S + 1, now_s + 1)
        awaited = {short: asked_s for short, asked_s in self.awaited.items() if asked_s in in_time}
        if len(awaited) == len(self.awaited):
            return self
        overdue = [short for short in self.awaited if short not in awaited]
        return replace(self, awaited=awaited, overdue=_newest(self.overdue, overdue), late=True)

    @property
    def due_s(self) -> int | None:
        """When the oldest question has waited too long."""
        return min(self.awaited.values()) + REQUEST_TIMEOUT_S if self.awaited else None

    def ask(self, now_s: int, taken: set[bytes], held: Callable[[bytes], bool]) -> tuple[Session, RequestFrame | None]:
        """What to ask for now, without what is `held` and what others were asked for (`taken`, which grows)."""
        room = WINDOW_BUNDLES - len(self.awaited)
        chosen: dict[bytes, int] = {}
        passed: list[bytes] = []  # others were asked for it: our turn may come
        place = 0
        while place < len(self.wanted) and len(chosen) < room:
            short = self.wanted[place : place + SHORT_ID_BYTES]
            place += SHORT_ID_BYTES
            if short in taken:
                passed.append(short)
            elif not (short in self.awaited or short in self.overdue or short in chosen or held(short)):
                chosen[short] = now_s
        if place == len(passed) * SHORT_ID_BYTES:
            return self, None
        wanted = b"".join(passed) + self.wanted[place:]
        if not chosen:
            return replace(self, wanted=wanted), None
        if not self.late:
            taken.update(chosen)
        return replace(self, wanted=wanted, awaited={**self.awaited, **chosen}), RequestFrame(tuple(chosen))


def announcements(short_ids: Iterable[bytes]) -> list[IdsFrame]:
    """Frames that announce what is held."""
    ids = tuple(short_ids)
    return [IdsFrame(ids[i : i + FRAME_IDS_MAX]) for i in range(0, len(ids), FRAME_IDS_MAX)]


def _without(ids: Mapping[bytes, T], short: bytes) -> dict[bytes, T]:
    return {other: value for other, value in ids.items() if other != short}


def _newest(ids: Mapping[bytes, None], more: Iterable[bytes]) -> dict[bytes, None]:
    """Both, the oldest forgotten beyond the bound."""
    every = dict.fromkeys((*ids, *more))
    return dict(islice(every.items(), max(0, len(every) - REQUESTS_OVERDUE_MAX), None))
