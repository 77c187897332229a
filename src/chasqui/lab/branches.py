"""The epochs of a group as a tree, with names for people: A1, A2, and after a fork B3."""

from __future__ import annotations

from dataclasses import dataclass, field

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Branch:
    """One epoch: a dot of the picture. `what` says in words what the commit that began it does."""

    epoch: bytes
    parent: bytes
    number: int
    lane: int
    at_s: int
    committer: str
    what: str

    @property
    def name(self) -> str:
        """Lane and number."""
        return f"{lane_name(self.lane)}{self.number}"


@dataclass
class Branches:
    """All epochs of one group that anybody ever opened, in the order of their making."""

    by_epoch: dict[bytes, Branch] = field(default_factory=dict)
    _continued: set[bytes] = field(default_factory=set)  # parents whose lane goes on in a child
    lanes: int = 0

    def learn(self, epoch: bytes, parent: bytes, number: int, at_s: int, committer: str, what: str) -> Branch | None:
        """An epoch was opened; None where it is known. A first child goes on in its parent's lane."""
        if epoch in self.by_epoch:
            return None
        before = self.by_epoch.get(parent)
        if before is not None and parent not in self._continued:
            self._continued.add(parent)
            lane = before.lane
        else:
            lane = self.lanes
            self.lanes += 1
        made = Branch(epoch, parent, number, lane, at_s, committer, what)
        self.by_epoch[epoch] = made
        return made

    def name(self, epoch: bytes) -> str:
        """The short name of an epoch."""
        found = self.by_epoch.get(epoch)
        return found.name if found else "-" if not epoch else "?"


def lane_name(lane: int) -> str:
    """A to Z, then AA, AB and so on."""
    high, low = divmod(lane, len(_LETTERS))
    return (lane_name(high - 1) if high else "") + _LETTERS[low]
