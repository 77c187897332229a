"""The rule of fork choice and voting (design `groups.md`, "Forks") as a small model, searched exhaustively.

One fork point with n members and a few valid children. An honest member votes once, for the winner of whatever
part of the sets it has seen; a dishonest one votes for anything, more than once. Every reachable set of votes is
visited; removals may be learnt at any time. Asked is one thing: can two siblings ever both count as settled?

`Count.SHRINKING` is the rule as the design has it: the quorum is over the members whom no counting operation
removes. `Count.FIXED` takes all members of the fork point's tree, whatever was learnt since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from typing import TypeVar

T = TypeVar("T")


class Count(Enum):
    """Whose votes make a quorum."""

    SHRINKING = "members who are not removed"
    FIXED = "members of the tree at the fork point"


@dataclass(frozen=True)
class Child:
    """A commit on the fork point, by its maker and the removals that it carries out."""

    name: str
    committer: int
    removes: frozenset[int]


Vote = tuple[int, Child]
Votes = frozenset[Vote]


@dataclass(frozen=True)
class Model:
    """n members, those of them who break every rule, and whose votes make a quorum."""

    n: int
    dishonest: frozenset[int]
    count: Count

    def settled(self, children: Iterable[Child], removed: frozenset[int], votes: Votes) -> frozenset[Child]:
        """Children with more than two thirds of the votes that count."""
        counted = self._electorate(removed)
        return frozenset(
            child
            for child in children
            if 3 * sum(1 for voter, choice in votes if choice == child and voter in counted) > 2 * len(counted)
        )

    def winner(self, children: frozenset[Child], removed: frozenset[int], votes: Votes) -> Child:
        """The child that everybody with these sets follows."""
        done = self.settled(children, removed, votes)
        if done:
            return min(done, key=lambda child: child.name)
        support = {
            child: sum(1 for voter, choice in votes if choice == child and voter not in removed) for child in children
        }
        makers = [child.committer for child in children]
        return min(
            children,
            key=lambda child: (
                -support[child],
                makers.count(child.committer) > 1,
                -len(child.removes & removed),
                (child.committer * 7 + 3) % 5,  # stands for hash(E(f) || committer)
                child.name,
            ),
        )

    def reachable(self, children: frozenset[Child], removals: frozenset[int]) -> Iterator[Votes]:
        """Every set of votes that can come about."""
        seen: set[Votes] = set()
        todo: list[Votes] = [frozenset()]
        while todo:
            votes = todo.pop()
            if votes in seen:
                continue
            seen.add(votes)
            yield votes
            voted = {voter for voter, _ in votes}
            honest = self._choices(children, removals, votes)
            for member in range(self.n):
                if member in self.dishonest:
                    todo += [votes | {(member, child)} for child in children]
                elif member not in voted:
                    todo += [votes | {(member, child)} for child in honest]

    def two_settled(self, children_max: int) -> tuple[frozenset[Child], Votes] | None:
        """A counterexample: children and votes by which two siblings are settled, or None."""
        for children in self._families(children_max):
            removals = frozenset(member for child in children for member in child.removes)
            for votes in self.reachable(children, removals):
                ever = {child for known in _subsets(removals) for child in self.settled(children, known, votes)}
                if len(ever) > 1:
                    return children, votes
        return None

    def _electorate(self, removed: frozenset[int]) -> frozenset[int]:
        members = frozenset(range(self.n))
        return members - removed if self.count is Count.SHRINKING else members

    def _choices(self, children: frozenset[Child], removals: frozenset[int], votes: Votes) -> set[Child]:
        """What an honest member may vote for, given some part of the sets."""
        return {
            self.winner(known, removed, frozenset(vote for vote in heard if vote[1] in known))
            for known in _subsets(children)
            if known
            for removed in _subsets(removals)
            for heard in _subsets(votes)
        }

    def _families(self, children_max: int) -> Iterator[frozenset[Child]]:
        """Two or more children; an honest member makes one at most, a dishonest one two. A child carries out no
        removal or one."""
        members = range(self.n)
        makes = [(maker, frozenset(gone)) for maker in members for gone in ((), *((x,) for x in members if x != maker))]
        for size in range(2, children_max + 1):
            for family in combinations(makes, size):
                makers = [maker for maker, _ in family]
                if all(makers.count(m) <= (2 if m in self.dishonest else 1) for m in members):
                    yield frozenset(Child(f"c{i}", maker, gone) for i, (maker, gone) in enumerate(family))


def _subsets(things: Iterable[T]) -> Iterator[frozenset[T]]:
    pool = list(things)
    for size in range(len(pool) + 1):
        for chosen in combinations(pool, size):
            yield frozenset(chosen)
