"""Receipts: what we sign for, and what others have signed for."""

from __future__ import annotations

from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.node.authors import load_author, note_claim
from chasqui.node.epochs import load_epoch, member_at
from chasqui.node.keys import u64
from chasqui.node.records import EpochRecord, GroupRecord, HaveRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import ReceiptEntry, decode_receipts, entry_for

RECEIPT_DELAY_S = 2  # lets a burst of messages share one receipt; jitter comes on top
RECEIPT_JITTER_S = 4


def have(tx: Transaction, group: GroupId, member: MemberKey, author: MemberKey) -> Ranges:
    """The objects of an author that a member has signed for."""
    record = tx.load(Space.HAVE, group + member + author, HaveRecord)
    return Ranges(record.spans) if record else Ranges()


def owe(tx: Transaction, group: GroupId, kind: Kind) -> None:
    """Something came that deserves a receipt. Receipts do not, or they would never end."""
    if kind is not Kind.RECEIPT and tx.get(Space.DUE, group) is None:
        jitter = tx.entropy(1)[0] % RECEIPT_JITTER_S
        tx.put(Space.DUE, group, u64(tx.now_s + RECEIPT_DELAY_S + jitter))


def is_owed(tx: Transaction, group: GroupId) -> bool:
    """Whether something came that was not signed for yet."""
    return tx.get(Space.DUE, group) is not None


def take_in(tx: Transaction, signed: SignedObject) -> None:
    """Notes what the author of a verified object has signed for in it."""
    if not signed.receipts:
        return
    epoch = load_epoch(tx, signed.group, signed.origin.epoch)
    for entry in decode_receipts(signed.receipts):
        author = member_at(epoch, entry.leaf) if epoch else None
        if author is None or author == signed.author:
            continue
        spans = have(tx, signed.group, signed.author, author).union(entry.have)
        tx.save(Space.HAVE, signed.group + signed.author + author, HaveRecord(spans.spans))
        note_claim(tx, signed.group, author, spans.last)


def due_entries(
    tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord
) -> list[ReceiptEntry]:
    """What we have and did not sign for yet, by author."""
    own = MemberKey(record.member)
    entries: list[ReceiptEntry] = []
    for leaf, key in epoch.roster:
        author = MemberKey(key)
        if author == own:
            continue
        known = load_author(tx, group, author)
        seen = Ranges(known.spans)
        if not seen.spans or known.floor == 0:
            continue
        entry = entry_for(leaf, seen, known.floor)
        signed_for = have(tx, group, own, author)
        if signed_for.union(entry.have) != signed_for:
            entries.append(entry)
    return entries


def mark_signed(
    tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord, entries: list[ReceiptEntry]
) -> None:
    """Remembers what we have signed for; nothing is due any more once all of it is."""
    own = MemberKey(record.member)
    for entry in entries:
        author = member_at(epoch, entry.leaf)
        if author is not None:
            spans = have(tx, group, own, author).union(entry.have)
            tx.save(Space.HAVE, group + own + author, HaveRecord(spans.spans))
    if not due_entries(tx, group, record, epoch):
        tx.erase(Space.DUE, group)
