"""Entries: where on a branch a member got the leaf that it has there. Only from there on it reads, whatever sits in the
trees before: a leaf that was made of a key package which its member used up on another branch is nobody's."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.ids import EpochId, MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import Add, Operation, Rejoin
from chasqui.node.branches import Branches


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


def _lets_in(operation: Operation) -> bytes:
    """Whom a commit gives a leaf that cites this operation."""
    match operation.change:
        case Rejoin():
            return operation.issuer
        case Add(member=member):
            return member
    return b""
