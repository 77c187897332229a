"""A member's signed word on what it has: per author, a run of numbers without a hole, and a bitmap beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chasqui.base.codec import Reader
from chasqui.base.errors import PeerError
from chasqui.base.limits import RECEIPT_BITMAP_BYTES_MAX, SEQUENCE_MAX
from chasqui.base.ranges import Ranges

_FIRST, _BITMAP, _VOTE = 1, 2, 4  # in the lowest bits of an entry's head
_FLAG_BITS = 3
_NUMBER_BYTES_MAX = 4
_LEAF_MAX = 2**16 - 1
VOTE_BYTES = 3
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
    """In the order of the leaves: head, first - 2 where it is not 1, contiguous or how far it is from first, bitmap
    length and bitmap where there is one. Head: leaves left out since the last << 3, 1 for first, 2 for a bitmap. A vote
    comes last: 4, skip 1, count 1."""
    out, last = b"", -1
    for entry in sorted(entries):
        begins = _FIRST if entry.first > 1 else 0
        head = (entry.leaf - last - 1) << _FLAG_BITS | begins | (_BITMAP if entry.bitmap else 0)
        run = (entry.first - 2, entry.contiguous - entry.first) if begins else (entry.contiguous,)
        out += b"".join(_number(number) for number in (head, *run))
        if entry.bitmap:
            out += bytes((len(entry.bitmap),)) + entry.bitmap
        last = entry.leaf
    return out if vote is None else out + bytes((_VOTE, *vote))


def decode_receipts(data: bytes) -> tuple[tuple[ReceiptEntry, ...], Vote | None]:
    """Raises `PeerError` unless the entries are in shortest form and name only numbers that an object can have, and a
    vote, if there is one, is the last and names a commit."""
    reader = Reader(data)
    entries: list[ReceiptEntry] = []
    leaf = -1
    while reader.left:
        head = _read_number(reader)
        if head == _VOTE:
            vote = Vote(reader.uint(1), reader.uint(1))
            reader.end()
            if not vote.named:
                raise PeerError("A vote is for nothing.")
            return tuple(entries), vote
        leaf += 1 + (head >> _FLAG_BITS)
        first = _read_number(reader) + 2 if head & _FIRST else 1
        contiguous = _read_number(reader) + (first if head & _FIRST else 0)
        bitmap = reader.take(reader.uint(1)) if head & _BITMAP else b""
        if head & _VOTE or leaf > _LEAF_MAX or (head & _BITMAP and not bitmap) or (bitmap and bitmap[-1] == 0):
            raise PeerError("A receipt is not in its shortest form.")
        entry = ReceiptEntry(leaf, contiguous, bitmap, first)
        if entry.last > SEQUENCE_MAX:
            raise PeerError("A receipt names an object that cannot be.")
        entries.append(entry)
    return tuple(entries), None


def _number(value: int) -> bytes:
    """Seven bits a byte, the highest first; the top bit says that more follow."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _read_number(reader: Reader) -> int:
    value = 0
    for at in range(_NUMBER_BYTES_MAX):
        byte = reader.uint(1)
        if at == 0 and byte == 0x80:
            break
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value
    raise PeerError("A receipt is not in its shortest form.")
