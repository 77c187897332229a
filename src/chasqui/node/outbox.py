"""Signs and seals what we say. The number and the key are spent in the same transaction as the bundle is kept."""

from __future__ import annotations

from msgspec import structs

from chasqui.base.codec import write_length
from chasqui.base.days import day_of, minute_of
from chasqui.base.errors import RefusedForSafetyError, UserError
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import BUNDLE_BYTES_MAX, COUNTER_RENEW, MINUTES_PER_DAY, SEQUENCE_MAX
from chasqui.base.secret import Secret
from chasqui.node import receipting
from chasqui.node.authors import note_object
from chasqui.node.epochs import day_chain, head_of, load_chain, load_epoch, save_chain, sealing_day
from chasqui.node.groups import load_group, save_group
from chasqui.node.holding import hold
from chasqui.node.records import EpochRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.node.votes import due_vote, mark_voted, note_spoken
from chasqui.sealed.bundle import OVERHEAD_BYTES, room_beside, seal, step_for
from chasqui.sealed.chain import Chain, advance
from chasqui.sealed.kinds import CLASS_OF_KIND, BundleClass, Kind
from chasqui.sealed.object import SHORT_OVERHEAD_BYTES, Origin, SignedObject, make_object
from chasqui.sealed.receipts import VOTE_BYTES, ReceiptEntry, encode_receipts

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
    within: EpochId | None = None,
) -> tuple[SignedObject, GroupRecord]:
    """Signs an object, seals it in the head (or `within` another epoch) and keeps the bundle. Room in the padding is
    filled with our vote and receipts. `arrival` is the number of a message that people will read.

    Gives the object and the group as it is now. Raises `RefusedForSafetyError` where keys or numbers run out,
    `UserError` for a body that no bundle holds.
    """
    if len(body) > BODY_BYTES_MAX:
        raise UserError("This does not fit into one bundle.", todo="Send it as a file.")
    if record.out:
        raise UserError("You are not in this group any more.", safety="Nothing was sent.")
    if record.stale_s and kind is not Kind.DEMAND:  # whose number was chosen to be a new one
        raise RefusedForSafetyError(
            "This vault is an older copy of itself: it was restored or cloned, and has sent more than it knows.",
            safety="Keys would be used twice, so nothing was sent.",
            todo="Use the newer copy. If it is lost, ask for new keys: `chasqui group rejoin`.",
        )
    head, epoch = head_of(tx, group, record)
    if within is not None and within != head:
        head, epoch = within, load_epoch(tx, group, within) or epoch
    message_key, counter = _next_key(tx, group, record, head, epoch)
    day, minute = _time(tx, epoch)
    receipts = _receipts(tx, group, record, epoch, kind, body) if within is None else b""
    made = make_object(
        group=group,
        author=MemberKey(record.member),
        key=Secret(record.signing_key),
        seq=record.seq + 1,
        minute=minute,
        kind=kind,
        body=body,
        receipts=receipts,
        origin=Origin(head, epoch.own_leaf, counter),
    )
    if len(epoch.roster) > 1:
        bundle = seal(
            made.to_short(),
            message_key=message_key,
            keys=day_chain(epoch).at(day).keys,
            leaf=epoch.own_leaf,
            counter=counter,
            bundle_class=CLASS_OF_KIND[kind] if bundle_class is None else bundle_class,
            day=day,
        )
        hold(tx, bundle, own=True)
        note_spoken(tx, made)
    record = save_group(tx, group, load_group(tx, group), seq=made.seq)
    note_object(tx, group, made, arrival)
    return made, record


def may_seal(tx: Transaction, group: GroupId, within: EpochId) -> bool:
    """Whether keys and numbers are left for a message of ours in an epoch."""
    epoch, seq = load_epoch(tx, group, within), load_group(tx, group).seq + 1
    chain = None if epoch is None else load_chain(tx, within, epoch.own_leaf)
    return epoch is not None and chain is not None and _next_counter(chain, epoch, seq)[1] < COUNTER_RENEW


def _next_counter(chain: Chain | None, epoch: EpochRecord, seq: int) -> tuple[int, int]:
    """Our first number in an epoch, and the counter of the next message there."""
    first = epoch.own_first or (seq - chain.counter if chain is not None else seq)
    return first, max(seq - first, chain.counter) if chain is not None else 0


def _next_key(
    tx: Transaction, group: GroupId, record: GroupRecord, head: EpochId, epoch: EpochRecord
) -> tuple[Secret, int]:
    """The key of our next message in an epoch, which is spent, and its counter: in step with the number, also where
    we have spoken in other epochs meanwhile."""
    chain, seq = load_chain(tx, head, epoch.own_leaf), record.seq + 1
    first, counter = _next_counter(chain, epoch, seq)
    if chain is None or counter >= COUNTER_RENEW or seq > SEQUENCE_MAX:
        raise RefusedForSafetyError(
            "The keys of this group are used up.",
            safety="Nothing was sent.",
            todo="Make a new group with its members.",
        )
    step = advance(chain, counter)
    save_chain(tx, head, epoch.own_leaf, step.chain)
    if first != epoch.own_first:
        tx.save(Space.EPOCH, group + head, structs.replace(epoch, own_first=first))
    return step.message_key, counter


def _time(tx: Transaction, epoch: EpochRecord) -> tuple[int, int]:
    """Today and the minute; a clock behind the epoch's first day is taken as that day's first minute."""
    day = sealing_day(tx, epoch)
    return day, minute_of(tx.now_s) if day == day_of(tx.now_s) else day * MINUTES_PER_DAY


def _receipts(
    tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord, kind: Kind, body: bytes
) -> bytes:
    """As much of what is due as fits: a receipt, or a witness in its place, may take the largest bundle, all else only
    its own padding."""
    used = SHORT_OVERHEAD_BYTES + len(write_length(len(body))) + len(body)
    due = receipting.due_entries(tx, group, record, epoch) if receipting.is_owed(tx, group) else []
    first = receipting.waits_for(tx, group, epoch)
    if kind not in (Kind.RECEIPT, Kind.WITNESS):
        room = room_beside(used)
    elif first is None:
        room = BUNDLE_BYTES_MAX - OVERHEAD_BYTES - used
    else:  # on a slow link it is no larger than it has to be
        least = encode_receipts(_fitting([e for e in due if e.leaf in first], BUNDLE_BYTES_MAX - OVERHEAD_BYTES - used))
        room = step_for(used + len(write_length(len(least))) + len(least)) - OVERHEAD_BYTES - used
    due = _fitting(due, room, first or frozenset())  # before the vote: the order in which people read follows from them
    vote = due_vote(tx, group, record) if room > len(encode_receipts(due)) + VOTE_BYTES else None
    if vote is not None:
        mark_voted(tx, group, record, vote)
    if due:
        receipting.mark_signed(tx, group, record, epoch, due)
    if kind not in (Kind.RECEIPT, Kind.WITNESS):
        receipting.go_on(tx, group)
        receipting.await_receipts(tx, epoch)
    return encode_receipts(due, vote)


def _fitting(due: list[ReceiptEntry], room: int, first: frozenset[int] = frozenset()) -> list[ReceiptEntry]:
    chosen: list[ReceiptEntry] = []
    for entry in sorted(due, key=lambda entry: (entry.leaf not in first, len(entry.bitmap))):
        size = len(encode_receipts((*chosen, entry)))
        if len(write_length(size)) + size > room:
            break
        chosen.append(entry)
    return chosen


