"""A member's signed word on what it has: per author, a run of numbers without a hole, and a bitmap beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chasqui.base.codec import Reader
from chasqui.base.errors import PeerError
from chasqui.base.limits import RECEIPT_BITMAP_BYTES_MAX, SEQUENCE_MAX
from chasqui.base.ranges import Ranges

_FIRST_FOLLOWS = 0x8000  # in the two bytes of the leaf
_VOTE = 0x7FFF  # in place of a leaf: no tree is that large
VOTE_BYTES = 4
VOTE_REACH = 255  # commits that one vote can pass over, and commits that it can name


class Vote(NamedTuple):
    """The signer's choice among siblings, on the path of commits that leads to the epoch which sealed the object:
    `skip` of them, the newest first, are left for later, and the `named` before those are voted for."""

    skip: int
    named: int


class ReceiptEntry(NamedTuple):
    """What the signer has of one author. `leaf` is the author's leaf in the epoch that sealed the object."""

    leaf: int
    contiguous: int  # every object from `first` up to this one; 0 for none
    bitmap: bytes  # bit i (least significant first) says: contiguous + 2 + i is there too
    first: int = 1

    @property
    def have(self) -> Ranges:
        """The numbers that the entry names, as ranges."""
        run = ((self.first, self.contiguous),) if self.contiguous >= self.first else ()
        return Ranges((*run, *self._beyond()))

    @property
    def last(self) -> int:
        """The largest number that the entry names, or 0."""
        if not self.bitmap:
            return self.contiguous
        return self.contiguous + 1 + (len(self.bitmap) - 1) * 8 + self.bitmap[-1].bit_length()

    def _beyond(self) -> Iterable[tuple[int, int]]:
        bits, number = int.from_bytes(self.bitmap, "little"), self.contiguous + 2
        while bits:
            zeroes = (bits & -bits).bit_length() - 1
            bits >>= zeroes
            ones = (~bits & bits + 1).bit_length() - 1
            bits >>= ones
            yield number + zeroes, number + zeroes + ones - 1
            number += zeroes + ones


def entry_for(leaf: int, have: Ranges) -> ReceiptEntry:
    """The entry for an author: from the first number that is here, as far as a bitmap reaches."""
    if not have.spans:
        return ReceiptEntry(leaf, 0, b"")
    (first, contiguous), *others = have.spans
    bits = 0
    for start, end in others:
        low = start - contiguous - 2
        high = min(end - contiguous - 1, RECEIPT_BITMAP_BYTES_MAX * 8)
        if low >= high:
            break
        bits |= (1 << high) - (1 << low)
    return ReceiptEntry(leaf, contiguous, bits.to_bytes(-(-bits.bit_length() // 8), "little"), first)


def encode_receipts(entries: Iterable[ReceiptEntry], vote: Vote | None = None) -> bytes:
    """leaf 2, contiguous 3, bitmap length 1, bitmap; in the order of the leaves. Where the run does not begin at 1,
    the top bit of the leaf is set and first 3 stands behind it. A vote comes last: 7fff, skip 1, count 1."""
    said = b"".join(
        _head(entry) + entry.contiguous.to_bytes(3, "big") + bytes((len(entry.bitmap),)) + entry.bitmap
        for entry in sorted(entries)
    )
    return said if vote is None else said + _VOTE.to_bytes(2, "big") + bytes(vote)


def _head(entry: ReceiptEntry) -> bytes:
    if entry.first == 1:
        return entry.leaf.to_bytes(2, "big")
    return (entry.leaf | _FIRST_FOLLOWS).to_bytes(2, "big") + entry.first.to_bytes(3, "big")


def decode_receipts(data: bytes) -> tuple[tuple[ReceiptEntry, ...], Vote | None]:
    """Raises `PeerError` unless the entries are in strict order of their leaves, in shortest form, and name only
    numbers that an object can have, and a vote, if there is one, is the last and names a commit."""
    reader = Reader(data)
    entries: list[ReceiptEntry] = []
    while reader.left:
        head = reader.uint(2)
        if head == _VOTE:
            vote = Vote(reader.uint(1), reader.uint(1))
            reader.end()
            if not vote.named:
                raise PeerError("A vote is for nothing.")
            return tuple(entries), vote
        leaf, first = head & ~_FIRST_FOLLOWS, 1
        if head & _FIRST_FOLLOWS:
            first = reader.uint(3)
            if first <= 1:
                raise PeerError("A receipt is not in its shortest form.")
        contiguous = reader.uint(3)
        bitmap = reader.take(reader.uint(1))
        if entries and leaf <= entries[-1].leaf:
            raise PeerError("Receipts are out of order.")
        if (bitmap and bitmap[-1] == 0) or (first > 1 and contiguous < first):
            raise PeerError("A receipt is not in its shortest form.")
        entry = ReceiptEntry(leaf, contiguous, bitmap, first)
        if entry.last > SEQUENCE_MAX:
            raise PeerError("A receipt names an object that cannot be.")
        entries.append(entry)
    return tuple(entries), None
