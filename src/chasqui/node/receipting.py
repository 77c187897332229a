"""Receipts: what we sign for, and what others have signed for."""

from __future__ import annotations

from collections.abc import Mapping

from chasqui.base.ids import MEMBER_KEY_BYTES, GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.node.authors import load_author, merged, named, note_claim
from chasqui.node.derived import derived
from chasqui.node.epochs import load_epoch, member_at
from chasqui.node.keys import u64
from chasqui.node.records import EpochRecord, GroupRecord, HaveRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import ReceiptEntry, entry_for

_KEY = MEMBER_KEY_BYTES
RECEIPT_DELAY_S = 2  # lets a burst of messages share one receipt; jitter comes on top
RECEIPT_JITTER_S = 4


def have(tx: Transaction, group: GroupId, member: MemberKey, author: MemberKey) -> Ranges:
    """The objects of an author that a member has signed for."""
    record = tx.load(Space.HAVE, group + member + author, HaveRecord)
    return Ranges(record.spans) if record else Ranges()


def owe(tx: Transaction, group: GroupId, kind: Kind) -> None:
    """Something came that deserves a receipt. Receipts and witnesses do not, or they would never end."""
    if kind not in (Kind.RECEIPT, Kind.WITNESS) and tx.get(Space.DUE, group) is None:
        jitter = tx.entropy(1)[0] % RECEIPT_JITTER_S
        tx.put(Space.DUE, group, u64(tx.now_s + RECEIPT_DELAY_S + jitter))


def is_owed(tx: Transaction, group: GroupId) -> bool:
    """Whether something came that was not signed for yet."""
    return tx.get(Space.DUE, group) is not None


def take_in(tx: Transaction, signed: SignedObject) -> None:
    """Notes what the author of a verified object has signed for in it."""
    for author, entry in named(signed, load_epoch(tx, signed.group, signed.origin.epoch)):
        _note(tx, signed.group, signed.author, author, entry.have, signed.seq)
        note_claim(tx, signed.group, author, entry.last)


@derived(Space.HAVE)
def told(tx: Transaction, group: GroupId) -> Mapping[MemberKey, int]:
    """For each author the highest number that some member has signed for.

    A member's word counts until the author has signed for the object that gave it: all that the author had said by
    then has smaller numbers than this answer, which shows by itself what is missing. So no lie lasts.
    """
    words = {
        (MemberKey(key[:_KEY]), MemberKey(key[_KEY:])): word
        for key, word in tx.load_prefix(Space.HAVE, group, HaveRecord)
    }
    highest: dict[MemberKey, int] = {}
    for (member, author), word in words.items():
        answer = words.get((author, member))
        if answer is None or answer.spans[-1][1] < word.at:
            highest[author] = max(highest.get(author, 0), word.spans[-1][1])
    return highest


def due_entries(tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord) -> list[ReceiptEntry]:
    """What we have and did not sign for yet, by author."""
    own = MemberKey(record.member)
    entries: list[ReceiptEntry] = []
    for leaf, key in epoch.roster:
        author = MemberKey(key)
        seen = Ranges(load_author(tx, group, author).spans)
        signed_for = have(tx, group, own, author)
        if author == own or signed_for.union(seen) == signed_for:
            continue
        entry = entry_for(leaf, seen)
        if signed_for.union(entry.have) == signed_for:  # what is new lies beyond its bitmap
            new = next(index for index, span in enumerate(seen.spans) if signed_for.missing(*span))
            entry = entry_for(leaf, Ranges(seen.spans[new:]))
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
            _note(tx, group, own, author, entry.have, record.seq + 1)
    if not due_entries(tx, group, record, epoch) and tx.get(Space.WITNESS, group) is None:
        tx.erase(Space.DUE, group)


def _note(tx: Transaction, group: GroupId, member: MemberKey, author: MemberKey, numbers: Ranges, at: int) -> None:
    """The member's object `at` has signed for these numbers of the author."""
    old = tx.load(Space.HAVE, group + member + author, HaveRecord) or HaveRecord((), at)
    known = Ranges(old.spans)
    if numbers.last >= known.last:
        at = at if numbers.last > known.last else min(old.at, at)
    else:
        at = old.at
    tx.save(Space.HAVE, group + member + author, HaveRecord(merged(known, numbers).spans, at))
