"""The operations of a group in their order, as its members see them: who changed what, when, and what became of it."""

from __future__ import annotations

from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.history import History
from chasqui.groups.membership import Roster
from chasqui.groups.operation import Accuse, Add, Confirm, Lift, Operation, Rejoin, Remove, Role, SetRole
from chasqui.node.epochs import NOWHERE
from chasqui.node.groups import history_of, load_group, roster_of
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import OperationView


def log_of(tx: Transaction, group: GroupId) -> tuple[OperationView, ...]:
    """All operations that are here, in the linear order; last those whose past is not. Raises `UserError` for who has
    not joined."""
    load_group(tx, group)
    history, roster = history_of(tx, group), roster_of(tx, group)
    return tuple(_view(known, history, roster) for known in (*history.order, *history.deferred))


def _view(known: Operation, history: History, roster: Roster) -> OperationView:
    return OperationView(
        known.id,
        known.minute * 60,
        known.issuer,
        _what(known),
        MemberKey(bytes(getattr(known.change, "member", b""))),
        bytes(known.change.operation) if isinstance(known.change, Confirm) else b"",
        known.change.reason if isinstance(known.change, Remove) else 0,
        _became(known, history, roster),
    )


def _what(known: Operation) -> str:
    match known.change:
        case Add(role=role):
            return "add admin" if role == Role.ADMIN else "add"
        case SetRole(role=role):
            return Role(role).name.lower()
        case Remove(member=member):
            if member != known.issuer:
                return "remove"
            return "second seat" if known.signed.origin.epoch == NOWHERE else "leave"
        case Rejoin():
            return "rejoin"
        case Accuse():
            return "accuse"
        case Lift():
            return "lift"
        case Confirm():
            return "confirm"
    return "found"


def _became(known: Operation, history: History, roster: Roster) -> str:
    """`waiting` for its past, `late` (rule 4), `void` (rule 2), `pending`: too few admins; `none`: its signer had no
    right to it."""
    if known.id not in history.position:
        return "waiting"
    for state, found in (("late", roster.late), ("void", roster.void), ("pending", roster.pending)):
        if known.id in found:
            return state
    return "counts" if known.id in roster.counting else "none"
