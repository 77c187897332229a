"""What is known of each author's objects: which numbers came, which are missing, and their place in the order."""

from __future__ import annotations

from msgspec import structs

from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.ranges import Ranges
from chasqui.node import order
from chasqui.node.effects import Notice
from chasqui.node.keys import u24
from chasqui.node.records import AuthorRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject

NOBODY = AuthorRecord(0, (), 0, 0)


def load_author(tx: Transaction, group: GroupId, author: MemberKey) -> AuthorRecord:
    """What is known of an author; of one who was never heard: nothing."""
    return tx.load(Space.AUTHOR, group + author, AuthorRecord) or NOBODY


def expect_from_start(tx: Transaction, group: GroupId, author: MemberKey) -> None:
    """From now on every object of this author is ours to read: it joined while we were there."""
    record = load_author(tx, group, author)
    if record.floor != 1:
        tx.save(Space.AUTHOR, group + author, structs.replace(record, floor=1))


def expect_after(tx: Transaction, group: GroupId, author: MemberKey, last: int) -> None:
    """The author's objects up to this number were sealed before our first epoch."""
    record = load_author(tx, group, author)
    tx.save(Space.AUTHOR, group + author, structs.replace(record, sealed_before=last))


def note_object(tx: Transaction, group: GroupId, signed: SignedObject, arrival: int = 0) -> None:
    """Counts a verified object that was opened in its first bundle, and gives it its place in the order."""
    record = load_author(tx, group, signed.author)
    seen = Ranges(record.spans)
    if signed.seq in seen:
        tx.save(Space.AUTHOR, group + signed.author, structs.replace(record, clash=True))
        tx.notify(Notice("clash", group))
        return
    late = signed.seq < max(record.claimed, seen.last)
    # number and counter move in step within an epoch: their difference tells where the author's part of it began
    base = signed.seq - signed.origin.counter
    floor = max(1, base) if record.floor == 0 else min(record.floor, max(1, base))
    changed = structs.replace(
        record,
        floor=floor,
        spans=seen.add(signed.seq).spans,
        claimed=max(record.claimed, signed.seq),
        last_heard_s=tx.now_s,
    )
    tx.save(Space.AUTHOR, group + signed.author, changed)
    order.place(tx, group, signed, arrival)
    if late:
        order.mark_stale(tx, group)


def note_claim(tx: Transaction, group: GroupId, author: MemberKey, last: int) -> None:
    """Somebody has signed for objects of an author up to this number."""
    record = load_author(tx, group, author)
    if last > record.claimed:
        tx.save(Space.AUTHOR, group + author, structs.replace(record, claimed=last))


def gaps_of(record: AuthorRecord) -> tuple[tuple[int, int], ...]:
    """Spans of numbers that exist, are ours to read, and are not here."""
    if record.floor == 0:
        return ()
    return Ranges(record.spans).missing(record.floor, record.claimed)


def stamp_key(group: GroupId, author: MemberKey, seq: int) -> bytes:
    """Where the place of an object is kept."""
    return group + author + u24(seq)
