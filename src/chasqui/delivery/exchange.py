"""Two neighbours make their sets of bundles equal: ids first, then what is missing, a window at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_IDS_MAX, SESSION_REQUESTS_MAX
from chasqui.delivery.frames import REQUEST_IDS_MAX, IdsFrame, RequestFrame

WINDOW_BUNDLES = REQUEST_IDS_MAX  # asked for and not yet come


@dataclass
class Session:
    """One neighbour, from our side. What it announced is asked for in the order of the announcement."""

    wanted: dict[bytes, None] = field(default_factory=dict)
    asked: set[bytes] = field(default_factory=set)

    def announced(self, short_ids: Iterable[bytes]) -> None:
        """The neighbour holds these and we do not. Raises `PeerError` where it announces without end."""
        for short in short_ids:
            if short not in self.asked:
                self.wanted[short] = None
        if len(self.wanted) > SESSION_REQUESTS_MAX:
            raise PeerError("A neighbour announces more bundles than anybody can hold.")

    def arrived(self, short: bytes) -> None:
        """A bundle came, from this neighbour or another."""
        self.asked.discard(short)
        self.wanted.pop(short, None)

    def requests(self, taken: set[bytes]) -> list[RequestFrame]:
        """What to ask for now, without what is asked for elsewhere (`taken`, which grows)."""
        chosen: list[bytes] = []
        for short in self.wanted:
            if len(self.asked) + len(chosen) >= WINDOW_BUNDLES:
                break
            if short not in taken:
                chosen.append(short)
        for short in chosen:
            del self.wanted[short]
        self.asked.update(chosen)
        taken.update(chosen)
        return [RequestFrame(tuple(chosen))] if chosen else []


def announcements(short_ids: Iterable[bytes]) -> list[IdsFrame]:
    """Frames that announce what is held."""
    ids = tuple(short_ids)
    return [IdsFrame(ids[i : i + FRAME_IDS_MAX]) for i in range(0, len(ids), FRAME_IDS_MAX)]
