"""Signs and seals what we say. The number and the key are spent in the same transaction as the bundle is kept."""

from __future__ import annotations

from chasqui.base.codec import write_length
from chasqui.base.days import day_of, minute_of
from chasqui.base.errors import RefusedForSafetyError, UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import BUNDLE_BYTES_MAX, COUNTER_RENEW, MINUTES_PER_DAY, SEQUENCE_MAX
from chasqui.base.secret import Secret
from chasqui.node import receipting
from chasqui.node.authors import note_object
from chasqui.node.epochs import day_chain, head_of, load_chain, save_chain, sealing_day
from chasqui.node.groups import save_group
from chasqui.node.holding import hold
from chasqui.node.records import EpochRecord, GroupRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import OVERHEAD_BYTES, room_beside, seal
from chasqui.sealed.chain import advance
from chasqui.sealed.kinds import CLASS_OF_KIND, BundleClass, Kind
from chasqui.sealed.object import SHORT_OVERHEAD_BYTES, Origin, SignedObject, make_object
from chasqui.sealed.receipts import ReceiptEntry, encode_receipts

BODY_BYTES_MAX = BUNDLE_BYTES_MAX - OVERHEAD_BYTES - SHORT_OVERHEAD_BYTES - 2  # two bytes of length


def say(
    tx: Transaction,
    group: GroupId,
    record: GroupRecord,
    kind: Kind,
    body: bytes,
    *,
    bundle_class: BundleClass | None = None,
    arrival: int = 0,
) -> tuple[SignedObject, GroupRecord]:
    """Signs an object, seals it in the head and keeps the bundle. Room in the padding is filled with receipts.
    `arrival` is the number of a message that people will read.

    Gives the object and the group as it is now. Raises `RefusedForSafetyError` where keys or numbers run out,
    `UserError` for a body that no bundle holds.
    """
    if len(body) > BODY_BYTES_MAX:
        raise UserError("This does not fit into one bundle.", todo="Send it as a file.")
    if record.out:
        raise UserError("You are not in this group any more.", safety="Nothing was sent.")
    if record.stale_s:
        raise RefusedForSafetyError(
            "This vault is an older copy of itself: it was restored or cloned, and has sent more than it knows.",
            safety="Keys would be used twice, so nothing was sent.",
            todo="Use the newer copy. If it is lost, leave the group and let an admin invite you again.",
        )
    head, epoch = head_of(tx, group, record)
    chain = load_chain(tx, head, epoch.own_leaf)
    if chain is None or chain.counter >= COUNTER_RENEW or record.seq >= SEQUENCE_MAX:
        raise RefusedForSafetyError(
            "The keys of this group are used up.",
            safety="Nothing was sent.",
            todo="Make a new group with its members.",
        )
    step = advance(chain, chain.counter)
    save_chain(tx, head, epoch.own_leaf, step.chain)
    day, minute = _time(tx, epoch)
    receipts = _receipts(tx, group, record, epoch, kind, body)
    made = make_object(
        group=group,
        author=MemberKey(record.member),
        key=Secret(record.signing_key),
        seq=record.seq + 1,
        minute=minute,
        kind=kind,
        body=body,
        receipts=receipts,
        origin=Origin(head, epoch.own_leaf, chain.counter),
    )
    if len(epoch.roster) > 1:
        bundle = seal(
            made.to_short(),
            message_key=step.message_key,
            keys=day_chain(epoch).at(day).keys,
            leaf=epoch.own_leaf,
            counter=chain.counter,
            bundle_class=CLASS_OF_KIND[kind] if bundle_class is None else bundle_class,
            day=day,
        )
        hold(tx, bundle, own=True)
    record = save_group(tx, group, record, seq=made.seq)
    note_object(tx, group, made, arrival)
    return made, record


def _time(tx: Transaction, epoch: EpochRecord) -> tuple[int, int]:
    """Today and the minute; a clock behind the epoch's first day is taken as that day's first minute."""
    day = sealing_day(tx, epoch)
    return day, minute_of(tx.now_s) if day == day_of(tx.now_s) else day * MINUTES_PER_DAY


def _receipts(
    tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord, kind: Kind, body: bytes
) -> bytes:
    """As much of what is due as fits: a receipt may take the largest bundle, all else only its own padding."""
    if not receipting.is_owed(tx, group):
        return b""
    due = receipting.due_entries(tx, group, record, epoch)
    if not due:
        return b""
    used = SHORT_OVERHEAD_BYTES + len(write_length(len(body))) + len(body)
    due = _fitting(due, BUNDLE_BYTES_MAX - OVERHEAD_BYTES - used if kind is Kind.RECEIPT else room_beside(used))
    receipting.mark_signed(tx, group, record, epoch, due)
    return encode_receipts(due)


def _fitting(due: list[ReceiptEntry], room: int) -> list[ReceiptEntry]:
    chosen: list[ReceiptEntry] = []
    for entry in sorted(due, key=lambda entry: len(entry.bitmap)):
        size = len(encode_receipts((*chosen, entry)))
        if len(write_length(size)) + size > room:
            break
        chosen.append(entry)
    return chosen


