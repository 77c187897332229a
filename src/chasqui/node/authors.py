"""What is known of each author's objects: which numbers came, which are missing, and whose word says so."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import AUTHOR_SPANS_MAX, CLAIMED_AHEAD_MAX
from chasqui.base.ranges import Ranges
from chasqui.node import order
from chasqui.node.effects import Notice
from chasqui.node.epochs import NOWHERE, load_epoch, member_at
from chasqui.node.records import AuthorRecord, EpochRecord, GroupRecord, Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import ReceiptEntry, decode_receipts

NOBODY = AuthorRecord(0, (), 0, 0)


def load_author(tx: Transaction, group: GroupId, author: MemberKey) -> AuthorRecord:
    """What is known of an author; of one who was never heard: nothing."""
    return tx.load(Space.AUTHOR, group + author, AuthorRecord) or NOBODY


def expect_from_start(tx: Transaction, group: GroupId, author: MemberKey) -> None:
    """Every object of this author is ours to read, as it joins while we are there; of our own, it reads what comes
    from now on."""
    record = load_author(tx, group, author)
    if record.floor != 1:
        own = tx.load(Space.GROUP, group, GroupRecord)
        _save(tx, group, author, structs.replace(record, floor=1, ours_from=own.seq + 1 if own else 1))


def expect_after(tx: Transaction, group: GroupId, author: MemberKey, last: int) -> None:
    """The author's objects up to this number were sealed before our first epoch, and so was the first in any case:
    a founder's is the genesis, everybody else says it on joining, in the epoch that lets him in."""
    record = load_author(tx, group, author)
    _save(tx, group, author, structs.replace(record, floor=0, sealed_before=max(last, 1), ours_from=1))


def expect_still(tx: Transaction, group: GroupId, author: MemberKey) -> None:
    """We enter by a new leaf: what the author said before that may have been sealed to our leaf before, and to one on a
    branch that we cannot read, before he first said anything where we were. What was not for us he says himself when he
    is asked."""
    record = load_author(tx, group, author)
    if not 0 < record.floor <= record.sealed_before + 1:
        _save(tx, group, author, structs.replace(record, floor=record.sealed_before + 1))


def note_object(tx: Transaction, group: GroupId, signed: SignedObject, arrival: int = 0) -> None:
    """Counts a verified object that was opened in its first bundle, and gives it its place in the order.

    Raises `PeerError` where the numbers of its author are scattered too widely.
    """
    record = load_author(tx, group, signed.author)
    epoch = load_epoch(tx, group, signed.origin.epoch)
    seen = Ranges(record.spans)
    changes: dict[str, object] = {"clash": True}
    if signed.seq in seen:
        tx.notify(Notice("clash", group))
    else:
        changes = {
            "floor": _floor(record, signed, epoch),
            "spans": merged(seen, Ranges(((signed.seq, signed.seq),))).spans,
            "claimed": max(record.claimed, signed.seq),
            "last_heard_s": tx.now_s,
        }
        if signed.seq > seen.last and signed.origin.epoch != NOWHERE:
            changes["at"] = signed.origin.epoch
    _save(tx, group, signed.author, structs.replace(record, **changes))
    before = [(signed.author, seen.last_up_to(signed.seq - 1))]
    had: list[tuple[int, int]] = []
    for author, entry in named(signed, epoch):
        known = load_author(tx, group, author)
        if not known.index:
            known = _save(tx, group, author, known)
        had.append((known.index, entry.last))
        before.append((author, Ranges(known.spans).last_up_to(entry.last)))
    order.place(tx, signed, arrival, [(author, seq) for author, seq in before if seq], tuple(had))
    if signed.seq <= record.claimed:
        order.mark_stale(tx, group)


def named(signed: SignedObject, epoch: EpochRecord | None) -> Iterator[tuple[MemberKey, ReceiptEntry]]:
    """What an object of this epoch says its author had, by author; its own numbers never count."""
    if not signed.receipts or epoch is None:
        return
    for entry in decode_receipts(signed.receipts)[0]:
        author = member_at(epoch, entry.leaf)
        if author is not None and author != signed.author and entry.last:
            yield author, entry


def note_numbers(tx: Transaction, group: GroupId, author: MemberKey, numbers: Ranges, *, up_to: int) -> None:
    """Numbers of an author, below `up_to`, of which he says himself that nothing more will come, or that came under
    another number. Raises `PeerError` for others, and where they are scattered too widely."""
    if numbers.last >= up_to:
        raise PeerError("A member says of numbers that he has not given yet that they are empty.")
    record = load_author(tx, group, author)
    _save(tx, group, author, structs.replace(record, spans=merged(Ranges(record.spans), numbers).spans))


def note_claim(tx: Transaction, group: GroupId, author: MemberKey, last: int) -> None:
    """Somebody has signed for objects of an author up to this number."""
    record = load_author(tx, group, author)
    if last > record.claimed:
        _save(tx, group, author, structs.replace(record, claimed=last))


def merged(numbers: Ranges, others: Ranges) -> Ranges:
    """All numbers of both. Raises `PeerError` where they are scattered too widely to be kept."""
    both = numbers.union(others)
    if len(both.spans) > max(AUTHOR_SPANS_MAX, len(numbers.spans)):
        raise PeerError("A member scatters the numbers of objects.")
    return both


def gaps_of(record: AuthorRecord, told: int) -> tuple[tuple[int, int], ...]:
    """Spans of numbers that are not here and may be ours to read, up to the author's newest here, or to what we are
    `told` where that is not beyond all measure."""
    first = record.floor or record.sealed_before + 1
    last = max(Ranges(record.spans).last, record.sealed_before)
    return Ranges(record.spans).missing(first, max(last, min(told, last + CLAIMED_AHEAD_MAX)))


def _floor(record: AuthorRecord, signed: SignedObject, epoch: EpochRecord | None) -> int:
    """Number and counter move in step within an epoch, so their difference is the author's first number in it. In
    our first epoch, which has no parent here, that is the first one that was ever ours to read."""
    if epoch is None or epoch.parent:
        return record.floor
    first = max(1, signed.seq - signed.origin.counter)
    return min(record.floor or first, first)


def _save(tx: Transaction, group: GroupId, author: MemberKey, record: AuthorRecord) -> AuthorRecord:
    if not record.index:
        record = structs.replace(record, index=tx.count(Space.AUTHOR, group, prefix_end(group)) + 1)
    tx.save(Space.AUTHOR, group + author, record)
    return record
