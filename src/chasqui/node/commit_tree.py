"""The commits of a group as a device has them: which epoch grew from which, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chasqui.base.ids import CommitId, EpochId
from chasqui.node.records import CommitRecord


@dataclass(frozen=True)
class Branches:
    """The commits that were applied and are still known, by their parents and by the epochs that they made."""

    children: Mapping[EpochId, tuple[tuple[CommitId, CommitRecord], ...]]
    made_by: Mapping[EpochId, tuple[CommitId, CommitRecord]]

    def path(self, epoch: EpochId) -> tuple[EpochId, ...]:
        """The epochs that lead to this one, itself first, as far as commits are known."""
        found = [epoch]
        while found[-1] in self.made_by:
            found.append(EpochId(self.made_by[found[-1]][1].parent))
        return tuple(found)

    def below(self, epoch: EpochId) -> Iterator[EpochId]:
        """This epoch and all that grew from it."""
        todo = [epoch]
        while todo:
            yield todo[-1]
            todo += [EpochId(commit.child) for _, commit in self.children.get(todo.pop(), ())]
