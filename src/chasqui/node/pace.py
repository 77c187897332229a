"""How many operations of one member are taken in: so many at once, then one now and then. What is more stays sealed,
and is tried again; what others cite is always taken.

A member in debt owes time: each operation costs some of it, and it is paid off as time goes by.
Spec: `docs/spec/membership.md`, "How many"; why this divides nobody, ADR 29.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import (
    CHANGE_EVERY_S,
    CHANGES_AT_ONCE_MAX,
    OPERATIONS_TO_INVITE_MAX,
    OWN_AFFAIR_EVERY_S,
    OWN_AFFAIRS_AT_ONCE_MAX,
)
from chasqui.groups.operation import Accuse, Operation, Rejoin, Remove
from chasqui.node.asking import citers_of
from chasqui.node.derived import derived
from chasqui.node.groups import history_of
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.records import PaceRecord, Space
from chasqui.node.transaction import Transaction

_CITED: Final = 2  # times as many, where something of his own that waits cites them


def charge(tx: Transaction, group: GroupId, operation: Operation) -> None:
    """Counts an operation that came. Raises `PeerError` where its issuer signs too many and nobody else cites it."""
    issuer = operation.issuer
    citers = citers_of(tx, group, operation.id)
    if citers - {issuer}:
        return
    known = tx.load(Space.PACE, group + issuer, PaceRecord) or PaceRecord(0, 0)
    own = is_own_affair(operation)
    every_s = OWN_AFFAIR_EVERY_S if own else CHANGE_EVERY_S
    most_s = every_s * (OWN_AFFAIRS_AT_ONCE_MAX if own else CHANGES_AT_ONCE_MAX)
    owed_s = (known.own_affairs_s if own else known.changes_s) - tx.now_s
    if not 0 <= owed_s <= _CITED * most_s:
        owed_s = 0  # it is paid, or our clock was ahead when it was noted
    if owed_s + every_s > (_CITED * most_s if citers else most_s):
        raise PeerError("A member signs too many operations.")
    until_s = tx.now_s + owed_s + every_s
    record = PaceRecord(known.changes_s, until_s) if own else PaceRecord(until_s, known.own_affairs_s)
    tx.save(Space.PACE, group + issuer, record)


def filled(tx: Transaction, group: GroupId) -> tuple[int, MemberKey, int] | None:
    """Where the group has half of the operations after which nobody is let in: how many, who has signed the most, and
    how many that one."""
    history = history_of(tx, group)
    if len(history.order) < OPERATIONS_TO_INVITE_MAX // 2:
        return None
    ((most, times),) = Counter(operation.issuer for operation in history.order).most_common(1)
    return len(history.order), most, times


def is_own_affair(operation: Operation) -> bool:
    """Whether it is what every member may sign, and not only admins."""
    change = operation.change
    leaves = isinstance(change, Remove) and change.member == operation.issuer
    return leaves or isinstance(change, Rejoin | Accuse)


def retry_refused(tx: Transaction, group: GroupId) -> None:
    """What was too much may be taken now; who owes nothing any more is forgotten."""
    for member, record in list(tx.load_prefix(Space.PACE, group, PaceRecord)):
        if max(record.changes_s, record.own_affairs_s) <= tx.now_s:
            tx.erase(Space.PACE, group + member)
        elif any(owed_s - tx.now_s > most_s // 2 for owed_s, most_s in _debts(record)):
            tx.retry_refused.add(group)


@derived(Space.PACE)
def until_retry(tx: Transaction, group: GroupId) -> Pause:
    """Ends `retry_refused`'s pause while somebody has signed something of late."""
    return AWAKE if any(tx.scan_prefix(Space.PACE, group)) else ASLEEP


def _debts(record: PaceRecord) -> Iterable[tuple[int, int]]:
    return (
        (record.changes_s, CHANGE_EVERY_S * CHANGES_AT_ONCE_MAX),
        (record.own_affairs_s, OWN_AFFAIR_EVERY_S * OWN_AFFAIRS_AT_ONCE_MAX),
    )
