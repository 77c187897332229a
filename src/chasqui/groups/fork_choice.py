"""Which of several commits on one parent everybody follows: a pure function of sets that only grow.

Votes count over the members of the tree at the fork point, whatever was learnt since (ADR 15): two siblings are then
never both settled unless more than a third vote twice. Spec: `docs/spec/forks.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from chasqui.base import labels
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import CommitId, EpochId, MemberKey

_PAIR = 2  # of two, who lies parts nobody else


@dataclass(frozen=True)
class Child:
    """A valid commit on the fork point. `removes` counts the members whom it puts out and who are out by the
    operations."""

    commit: CommitId
    epoch: EpochId
    committer: MemberKey
    removes: int


@dataclass(frozen=True)
class Fork:
    """An epoch with its children, who sat in its tree, and who of them voted for which child."""

    parent: EpochId
    electorate: frozenset[MemberKey]
    children: tuple[Child, ...]
    votes: Mapping[CommitId, AbstractSet[MemberKey]]

    def support(self, child: Child, out: AbstractSet[MemberKey] = frozenset()) -> int:
        """How many members of the tree voted for a child, those who are `out` left aside."""
        return len((self.votes.get(child.commit, frozenset()) & self.electorate) - out)

    def settled(self) -> Child | None:
        """The child for which more than two thirds of the tree voted; the least id where liars made two.

        Of two members the word of both is final however it is split: the most votes, then an order that nobody can
        choose (ADR 18). Not of three: one who votes for one child here and for another there would part the other two.
        """
        done = [child for child in self.children if 3 * self.support(child) > 2 * len(self.electorate)]
        if done:
            return min(done, key=lambda child: child.commit)
        if len(self.electorate) <= _PAIR and self.silent() == frozenset():
            return min(self.children, key=lambda child: (-self.support(child), self._lot(child), child.commit))
        return None

    def silent(self) -> AbstractSet[MemberKey]:
        """Members of the tree who have not voted."""
        return self.electorate.difference(*self.votes.values())

    def _lot(self, child: Child) -> bytes:
        return labelled_hash(labels.HASH_FORK, self.parent + child.committer)

    def winner(self, out: AbstractSet[MemberKey]) -> Child:
        """The child to follow. `out`: members whom a counting operation has put out."""
        makers = [child.committer for child in self.children]
        return self.settled() or min(
            self.children,
            key=lambda child: (
                -self.support(child, out),
                makers.count(child.committer) > 1,
                -child.removes,
                self._lot(child),
                child.commit,
            ),
        )


def turns(epoch: EpochId, members: AbstractSet[MemberKey]) -> tuple[MemberKey, ...]:
    """In which order members wait before they commit what is not theirs to commit: each after the one before, so that
    most hear a commit that does it and stay silent."""
    return tuple(sorted(members, key=lambda member: labelled_hash(labels.HASH_TURN, epoch + member)))
