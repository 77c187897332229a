"""Entries: where on a branch a member got the leaf that it has there. Only from there on it reads, whatever sits in the
trees before: a leaf that was made of a key package which its member used up on another branch is nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from chasqui.base.ids import EpochId, MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import Add, Operation, Rejoin
from chasqui.node.commit_tree import Branches


@dataclass(frozen=True)
class Entry:
    """The epoch that a commit began with which a member got a leaf, and the operation by which he did."""

    epoch: EpochId
    operation: Operation


def entry_on(
    branches: Branches, history: History, member: MemberKey, epoch: EpochId, above: EpochId | None = None
) -> Entry | None:
    """The newest entry of a member on the way to an epoch, as far as that is known, or to its end `above`."""
    for at in branches.path(epoch):
        if at == above or at not in branches.made_by:
            return None
        for cited in branches.made_by[at][1].operations:
            index = history.position.get(ObjectId(cited))
            if index is not None and _lets_in(history.order[index]) == member:
                return Entry(at, history.order[index])
    return None


def fork_of(branches: Branches, one: EpochId, other: EpochId) -> EpochId | None:
    """The newest epoch that leads to both, or None where none is known that does."""
    path = frozenset(branches.path(other))
    return next((epoch for epoch in branches.path(one) if epoch in path), None)


def needs_leaf(
    branches: Branches, history: History, member: MemberKey, head: EpochId, given_in: EpochId, *, seated: bool
) -> bool:
    """Whether a member has no leaf in a head's tree, or one of which he has no keys: he has those of the leaf alone
    with which he gave his newest key package. Who does not know where his branch and the head's part cannot judge that
    by commits: he may have entered there himself (`seems_elsewhere`)."""
    fork = fork_of(branches, head, given_in)
    if fork is None:
        return False
    return not seated or any(entry_on(branches, history, member, at, fork) is not None for at in (head, given_in))


def seems_elsewhere(branches: Branches, head: EpochId, given_in: EpochId, spoke_in: EpochId) -> bool:
    """Whether no commit that is known leads from where a member gave his newest key package, or spoke last, to where
    the head comes from. Where all others have got new leaves, nobody knows more, and he would stay alone for ever."""
    return all(fork_of(branches, head, at) is None for at in (given_in, spoke_in))


def elders(
    branches: Branches, history: History, seated: AbstractSet[MemberKey], entry: EpochId, head: EpochId
) -> frozenset[MemberKey]:
    """Of those who sat in the tree of somebody's entry, who got no leaf after it on the way to his head. They can know
    what lies before it; who came in later sees no more of that than he does, and may only stay because he stays."""
    return frozenset(member for member in seated if entry_on(branches, history, member, head, entry) is None)


def is_home(
    branches: Branches, entry: EpochId, last: Mapping[MemberKey, EpochId], elder: AbstractSet[MemberKey]
) -> bool:
    """Whether the group is where this entry leads: of those who were heard, more than half spoke last there; or of the
    elders who were, more than half and two at least."""
    below = frozenset(branches.below(entry))
    there = frozenset(member for member, at in last.items() if at in below)
    known, of = len(there & elder), len(last.keys() & elder)
    return 2 * len(there) > len(last) or (known > 1 and 2 * known > of)


def _lets_in(operation: Operation) -> bytes:
    """Whom a commit gives a leaf that cites this operation."""
    match operation.change:
        case Rejoin():
            return operation.issuer
        case Add(member=member):
            return member
    return b""
