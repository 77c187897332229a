"""The commits of a group as a device has them: which epoch grew from which, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chasqui.base.ids import CommitId, EpochId, ObjectId
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

    def has_cited(self, epoch: EpochId, operation: ObjectId) -> bool:
        """Whether a commit on the way to this epoch, as far as that is known, has cited an operation."""
        made = (self.made_by[at][1] for at in self.path(epoch) if at in self.made_by)
        return any(operation in commit.operations for commit in made)

    def below(self, epoch: EpochId) -> Iterator[EpochId]:
        """This epoch and all that grew from it."""
        todo = [epoch]
        while todo:
            yield todo[-1]
            todo += [EpochId(commit.child) for _, commit in self.children.get(todo.pop(), ())]
