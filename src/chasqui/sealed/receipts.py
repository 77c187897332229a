"""A member's signed word on what it has: per author, everything up to a number, and a bitmap beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chasqui.base.codec import Reader
from chasqui.base.errors import PeerError
from chasqui.base.limits import RECEIPT_BITMAP_BYTES_MAX, SEQUENCE_MAX
from chasqui.base.ranges import Ranges


class ReceiptEntry(NamedTuple):
    """What the signer has of one author. `leaf` is the author's leaf in the epoch that sealed the object."""

    leaf: int
    contiguous: int  # every object up to this one; 0 for none
    bitmap: bytes  # bit i (least significant first) says: contiguous + 2 + i is there too

    @property
    def have(self) -> Ranges:
        """The numbers that the entry names, as ranges."""
        start = self.contiguous + 2
        bits = [
            start + 8 * index + bit for index, byte in enumerate(self.bitmap) for bit in range(8) if byte >> bit & 1
        ]
        first = ((1, self.contiguous),) if self.contiguous else ()
        return Ranges().union(Ranges((*first, *((number, number) for number in bits))))

    @property
    def last(self) -> int:
        """The largest number that the entry names, or 0."""
        if not self.bitmap:
            return self.contiguous
        return self.contiguous + 1 + (len(self.bitmap) - 1) * 8 + self.bitmap[-1].bit_length()


def entry_for(leaf: int, have: Ranges, floor: int) -> ReceiptEntry:
    """The entry for an author whose objects below `floor` this member was never entitled to."""
    contiguous = have.end_of_run(floor)
    bits = bytearray()
    for first, last in have.spans:
        for number in range(max(first, contiguous + 2), last + 1):
            index, bit = divmod(number - contiguous - 2, 8)
            if index >= RECEIPT_BITMAP_BYTES_MAX:
                return ReceiptEntry(leaf, contiguous, bytes(bits))
            bits.extend(bytes(index + 1 - len(bits)))
            bits[index] |= 1 << bit
    return ReceiptEntry(leaf, contiguous, bytes(bits))


def encode_receipts(entries: Iterable[ReceiptEntry]) -> bytes:
    """leaf 2, contiguous 3, bitmap length 1, bitmap; in the order of the leaves."""
    return b"".join(
        entry.leaf.to_bytes(2, "big")
        + entry.contiguous.to_bytes(3, "big")
        + bytes((len(entry.bitmap),))
        + entry.bitmap
        for entry in sorted(entries)
    )


def decode_receipts(data: bytes) -> tuple[ReceiptEntry, ...]:
    """Raises `PeerError` unless the entries are in strict order of their leaves, in shortest form, and name only
    numbers that an object can have."""
    reader = Reader(data)
    entries: list[ReceiptEntry] = []
    while reader.left:
        leaf, contiguous = reader.uint(2), reader.uint(3)
        bitmap = reader.take(reader.uint(1))
        if entries and leaf <= entries[-1].leaf:
            raise PeerError("Receipts are out of order.")
        if bitmap and bitmap[-1] == 0:
            raise PeerError("A receipt is not in its shortest form.")
        entry = ReceiptEntry(leaf, contiguous, bitmap)
        if entry.last > SEQUENCE_MAX:
            raise PeerError("A receipt names an object that cannot be.")
        entries.append(entry)
    return tuple(entries)
