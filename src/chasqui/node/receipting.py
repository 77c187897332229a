"""Receipts: what we sign for, and what others have signed for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chasqui.base import labels
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import MEMBER_KEY_BYTES, EpochId, GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.node.authors import load_author, merged, named, note_claim
from chasqui.node.derived import derived
from chasqui.node.epochs import load_epoch, member_at
from chasqui.node.groups import load_group
from chasqui.node.keys import u64
from chasqui.node.records import EpochRecord, GroupRecord, HaveRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import ReceiptEntry, entry_for

_KEY = MEMBER_KEY_BYTES
RECEIPT_DELAY_S = 2  # lets a burst of messages share one receipt; jitter comes on top
RECEIPT_JITTER_S = 4
_SLOW_FRAMES = 50  # of the largest size, without anything new: a receipt costs the airtime of two thirds of a text
_PLACE_S = 4  # and a frame: by then whoever comes next has heard the one before him, and goes on with what that began
_SLOW_FRAMES_MAX = 800  # a conversation that does not end keeps nobody from signing for it: a quarter of an hour
_SLOW_S_MAX = 6 * 3600


def have(tx: Transaction, group: GroupId, member: MemberKey, author: MemberKey) -> Ranges:
    """The objects of an author that a member has signed for."""
    record = tx.load(Space.HAVE, group + member + author, HaveRecord)
    return Ranges(record.spans) if record else Ranges()


class Due(NamedTuple):
    """When a receipt is due. Whatever else comes or is said puts it off by `calm_s`, up to `latest_s`; 0: it is not put
    off, and signs for everything. One that was put off signs for what deserves a receipt, and for the rest where there
    is padding."""

    at_s: int
    latest_s: int = 0
    calm_s: int = 0

    @classmethod
    def read(cls, value: bytes) -> Due:
        """What stands in the record."""
        return cls(*(int.from_bytes(value[at : at + 8], "big") for at in range(0, len(value), 8)))

    def written(self) -> bytes:
        """The record."""
        return b"".join(map(u64, self))

    def put_off(self, now_s: int, within_s: int) -> Due:
        """The conversation goes on; for so long it may keep us from signing. (A clock that was ahead has set `latest_s`
        too far off.)"""
        if not self.latest_s:
            return self
        latest_s = min(self.latest_s, now_s + within_s)
        return self._replace(at_s=min(now_s + self.calm_s, latest_s), latest_s=latest_s)


def owe(tx: Transaction, group: GroupId, kind: Kind, came: SignedObject | None = None) -> None:
    """Something came, or was done here, that deserves a receipt. Receipts and witnesses do not, or they would never
    end. What a slow link brought is signed for when no more comes."""
    if kind in (Kind.RECEIPT, Kind.WITNESS):
        return
    if came is not None:
        key = group + came.author
        tx.put(Space.OWED, key, max(tx.get(Space.OWED, key) or b"", u64(came.seq)))
    value = tx.get(Space.DUE, group)
    known = None if value is None else Due.read(value)
    if tx.frame_ms and came is not None:
        due = _slow(tx, known, came)
    elif known is None or known.latest_s:
        due = Due(tx.now_s + RECEIPT_DELAY_S + tx.entropy(1)[0] % RECEIPT_JITTER_S)
    else:
        return
    tx.put(Space.DUE, group, due.written())


def go_on(tx: Transaction, group: GroupId) -> None:
    """We say something ourselves: what is to be signed for takes the next room, and waits for more."""
    value = tx.get(Space.DUE, group)
    if value is not None:
        tx.put(Space.DUE, group, Due.read(value).put_off(tx.now_s, _SLOW_S_MAX).written())


def await_receipts(tx: Transaction, epoch: EpochRecord) -> None:
    """Something was said, or came, for which all but its author will sign."""
    tx.signers = max(tx.signers, len(epoch.roster) - 1)


def round_ms(frame_ms: int) -> tuple[int, int]:
    """How long after the last of what deserves a receipt the first of those who heard it on a slow link signs for it;
    and how long after him the next."""
    return _SLOW_FRAMES * frame_ms + 1000 * RECEIPT_DELAY_S, frame_ms + 1000 * _PLACE_S


def put_off(tx: Transaction, group: GroupId, by_s: int) -> None:
    """What is due cannot be said now."""
    known = Due.read(tx.get(Space.DUE, group) or u64(tx.now_s))
    tx.put(Space.DUE, group, known._replace(at_s=tx.now_s + by_s).written())


def hurry(tx: Transaction, group: GroupId) -> None:
    """A stick is about to leave: nothing is put off."""
    if tx.get(Space.DUE, group) is not None:
        tx.put(Space.DUE, group, Due(tx.now_s).written())


def _slow(tx: Transaction, known: Due | None, came: SignedObject) -> Due:
    """By the airtime of a frame, one member after the other, so that each goes on with the generation of the one before
    him. The order is another for each object: nobody is known by his place."""
    record = load_group(tx, came.group)
    epoch = load_epoch(tx, came.group, EpochId(record.head)) if record.head else None
    if epoch is not None:
        await_receipts(tx, epoch)
    if known is not None and known.at_s <= known.latest_s:
        return known.put_off(tx.now_s, _at_most_s(tx, known.calm_s))
    if known is not None and not known.latest_s:
        return known
    others = [key for _, key in epoch.roster if key != came.author] if epoch is not None else []
    drawn = [labelled_hash(labels.HASH_PLACE, came.id, key) for key in (record.member, *others)]
    place = sum(each < drawn[0] for each in drawn)
    begins_ms, place_ms = round_ms(tx.frame_ms)
    calm_s = min(-(-(begins_ms + place * place_ms) // 1000), _SLOW_S_MAX)
    return Due(tx.now_s + calm_s, tx.now_s + _at_most_s(tx, calm_s), calm_s)


def _at_most_s(tx: Transaction, calm_s: int) -> int:
    """For how long a conversation keeps whoever has this place from signing."""
    return min(_SLOW_FRAMES_MAX * tx.frame_ms // 1000 + calm_s, _SLOW_S_MAX)


def is_owed(tx: Transaction, group: GroupId) -> bool:
    """Whether something came that was not signed for yet."""
    return tx.get(Space.DUE, group) is not None


def waits_for(tx: Transaction, group: GroupId, epoch: EpochRecord) -> frozenset[int] | None:
    """The leaves of those who said what deserves a receipt, where a receipt signs for no more than it has to; None
    where it signs for everything."""
    value = tx.get(Space.DUE, group)
    if value is None or not Due.read(value).latest_s:
        return None
    return frozenset(leaf for leaf, key in epoch.roster if tx.get(Space.OWED, group + key) is not None)


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


def lacks_receipt(tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord) -> bool:
    """Whether a receipt is due that has something to sign for."""
    if not is_owed(tx, group):
        return False
    due, first = due_entries(tx, group, record, epoch), waits_for(tx, group, epoch)
    return any(first is None or entry.leaf in first for entry in due)


def mark_signed(
    tx: Transaction, group: GroupId, record: GroupRecord, epoch: EpochRecord, entries: list[ReceiptEntry]
) -> None:
    """Remembers what we have signed for; nothing is due any more once all of it is that has to be."""
    own = MemberKey(record.member)
    for entry in entries:
        author = member_at(epoch, entry.leaf)
        if author is not None:
            _note(tx, group, own, author, entry.have, record.seq + 1)
            owed = tx.get(Space.OWED, group + author)
            if owed is not None and int.from_bytes(owed, "big") in have(tx, group, own, author):
                tx.erase(Space.OWED, group + author)
    if tx.get(Space.WITNESS, group) is not None:
        return
    if not lacks_receipt(tx, group, record, epoch):
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
