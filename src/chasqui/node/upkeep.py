"""What is done now and then without anybody asking: receipts that are due, and everything that has to go."""

from __future__ import annotations

from chasqui.base.ids import GroupId
from chasqui.base.limits import SECONDS_PER_DAY
from chasqui.base.schema import decode_own
from chasqui.node.changes import carry_out_due
from chasqui.node.epochs import erase_expired, head_of
from chasqui.node.groups import is_clean, load_group
from chasqui.node.holding import drop_expired
from chasqui.node.keys import u64
from chasqui.node.large import erase_large
from chasqui.node.outbox import say
from chasqui.node.records import GroupRecord, MessageRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

_SWEPT = b"swept"
SWEEP_EVERY_S = 3600  # retention is told to the hour; lifetimes to the day


def send_receipts(tx: Transaction, *, all_of_them: bool) -> None:
    """Sends the receipts that are due, or all that are owed. A group that waits for a removal waits with them."""
    for key, due in list(tx.scan(Space.DUE)):
        if all_of_them or int.from_bytes(due, "big") <= tx.now_s:
            group = GroupId(key)
            record = load_group(tx, group)
            if record.out or not record.head:
                tx.erase(Space.DUE, group)
                continue
            if is_clean(tx, group, head_of(tx, group, record)[1]):
                say(tx, group, record, Kind.RECEIPT, b"")
                tx.erase(Space.DUE, group)
            else:
                tx.put(Space.DUE, group, u64(tx.now_s + SECONDS_PER_DAY))


def carry_out_all(tx: Transaction) -> None:
    """Commits what is ours to commit in every group."""
    for key, _ in list(tx.scan(Space.GROUP)):
        carry_out_due(tx, GroupId(key))


def sweep(tx: Transaction) -> None:
    """Erases what has expired: bundles, keys, and messages that their group keeps no longer. Once an hour."""
    last = int.from_bytes(tx.get(Space.META, _SWEPT) or b"", "big")
    if last <= tx.now_s < last + SWEEP_EVERY_S:
        return
    tx.put(Space.META, _SWEPT, u64(tx.now_s))
    drop_expired(tx)
    for key, data in list(tx.scan(Space.GROUP)):
        group = GroupId(key)
        erase_expired(tx, group)
        retention_s = decode_own(data, GroupRecord).retention_s
        if retention_s:
            erase_old(tx, group, retention_s)


def next_due_s(tx: Transaction) -> int:
    """When the node wants to be stepped again."""
    swept = int.from_bytes(tx.get(Space.META, _SWEPT) or b"", "big")
    return min([swept + SWEEP_EVERY_S, *(int.from_bytes(due, "big") for _, due in tx.scan(Space.DUE))])


def erase_old(tx: Transaction, group: GroupId, retention_s: int) -> int:
    """Erases what was first seen longer ago than the group keeps it; how many messages."""
    erased = 0
    for arrival, record in list(tx.load_prefix(Space.MESSAGE, group, MessageRecord)):
        if record.first_seen_s + retention_s > tx.now_s:
            break
        erase_message(tx, group, arrival, record)
        erased += 1
    return erased


def erase_message(tx: Transaction, group: GroupId, arrival: bytes, record: MessageRecord) -> None:
    """Erases one message; that it existed stays known, so that no gap appears."""
    signed = erase_large(tx, group, record)
    tx.erase(Space.MESSAGE, group + arrival)
    tx.erase(Space.MESSAGE_ID, group + signed.id)
    tx.erase(Space.ORDER, record.order)
