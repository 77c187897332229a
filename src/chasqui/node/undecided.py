"""What waits for a decision of people: changes that one admin signed where two are needed, and what is said of members
whose devices may have been taken."""

from __future__ import annotations

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.membership import Roster
from chasqui.groups.operation import Add, Genesis, Lift, Operation, Remove, Role, SetRole
from chasqui.node.deciding import is_too_old, waiting_changes
from chasqui.node.groups import history_of
from chasqui.node.invitations import is_expired
from chasqui.node.records import ProposedRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import AccusedView, PendingView


def expired_additions(tx: Transaction, group: GroupId) -> frozenset[ObjectId]:
    """Additions that were confirmed too late: their key packages have expired."""
    proposed = tx.load_prefix(Space.PROPOSED, group, ProposedRecord)
    return frozenset(ObjectId(key) for key, record in proposed if is_expired(tx, record))


def waiting_views(tx: Transaction, group: GroupId, roster: Roster) -> tuple[PendingView, ...]:
    """The changes that wait for an admin, without the names of whom they concern."""
    history, expired = history_of(tx, group), expired_additions(tx, group)
    by_id = {operation.id: operation for operation in history.order}
    found = (by_id[known] for known in waiting_changes(history, roster))
    return tuple(_waiting_view(tx, operation, expired=operation.id in expired) for operation in found)


def accusers_needed(history: History, roster: Roster) -> int:
    """How many members, if they say that somebody's device was taken, shut him out, as many as there are now."""
    founded = history.order[0].change if history.order else None
    wanted = founded.taken if isinstance(founded, Genesis) else 1
    return max(1, min(wanted, len(roster.members) - 1))


def accused_views(roster: Roster) -> tuple[AccusedView, ...]:
    """Members of whom others say that their device was taken, as long as no admin has decided it."""
    return tuple(
        AccusedView(seat.member, tuple(said.issuer for said in against), seat.member in roster.quarantined)
        for seat in roster.seats
        if (against := roster.accusations.get(seat.member))
    )


def _waiting_view(tx: Transaction, operation: Operation, *, expired: bool) -> PendingView:
    change = operation.change
    if not isinstance(change, Add | Remove | SetRole | Lift):
        raise AssertionError("nobody has to confirm this")
    member = MemberKey(change.member)
    what = type(change).__name__.lower() if not isinstance(change, SetRole) else Role(change.role).name.lower()
    too_old = expired or is_too_old(operation, tx.now_s)
    return PendingView(
        "confirm?", "", operation.minute * 60, operation.id, what, member, operation.issuer, too_old
    )
