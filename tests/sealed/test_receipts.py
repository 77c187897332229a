"""Receipts: canonical, bounded, and saying only what is so."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import RECEIPT_BITMAP_BYTES_MAX, SEQUENCE_MAX
from chasqui.base.ranges import Ranges
from chasqui.sealed.receipts import ReceiptEntry, decode_receipts, encode_receipts, entry_for

numbers = st.sets(st.integers(1, 400))
bitmaps = st.one_of(st.just(b""), st.builds(lambda a, b: a + bytes((b,)), st.binary(max_size=20), st.integers(1, 255)))
leaves = st.integers(0, 2**16 - 1)
entries = st.one_of(
    st.builds(ReceiptEntry, leaves, st.integers(0, 500), bitmaps, st.just(1)),
    st.builds(
        lambda leaf, n, bitmap, first: ReceiptEntry(leaf, first + n, bitmap, first),
        leaves,
        st.integers(0, 500),
        bitmaps,
        st.integers(2, 2**20),
    ),
)


def ranges_of(model: set[int]) -> Ranges:
    return Ranges().union(Ranges(tuple((n, n) for n in model)))


@given(st.lists(entries, max_size=6, unique_by=lambda entry: entry.leaf))
def test_receipts_come_back(some: list[ReceiptEntry]) -> None:
    data = encode_receipts(some)
    assert decode_receipts(data) == (tuple(sorted(some)), None)
    assert encode_receipts(reversed(some)) == data


@given(st.binary(max_size=60))
def test_what_is_accepted_is_canonical(data: bytes) -> None:
    try:
        read = decode_receipts(data)
    except PeerError:
        return
    assert encode_receipts(*read) == data


@pytest.mark.parametrize(
    "data",
    [
        b"\2\1\1\0",  # ends in a zero byte
        b"\2\1\2\1\0",
        b"\2\1\0",  # a bitmap of nothing
        b"\0",  # cut
        b"\0\x81",
        b"\2\1",
        b"\2\1\5\1",
        b"\1\1",
        b"\0\x80\1",  # longer than it has to be
        b"\x80\0\1",
        b"\0\x81\x80\x80\x80\0",  # too long a number
        b"\2\x87\xff\xff\x7f\1\1",  # object 2^24 + 1
        b"\2\x87\xff\xff\x7e\1\1",  # object 2^24
        b"\2\x87\xff\xff\0\xff" + b"\1" * 255,
        b"\0\x88\x80\x80\0",  # object 2^24 in a run
        b"\1\x87\xff\xff\x7e\0",  # a run that begins there
        b"\xa0\x80\0\1",  # leaf 2^16
        b"\5\0\0",  # a vote that is something else, too
        b"\6\1\1\1",
        b"\x0c\0\1",
    ],
)
@pytest.mark.must("M-REC-1")
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        decode_receipts(data)


def test_the_largest_number_is_named() -> None:
    (entry,), _ = decode_receipts(b"\2\x87\xff\xff\x7d\1\1")
    assert entry.last == entry.have.last == SEQUENCE_MAX
    (entry,), _ = decode_receipts(b"\0\x87\xff\xff\x7f")
    assert entry.last == SEQUENCE_MAX


@given(entries)
def test_last_is_the_last(entry: ReceiptEntry) -> None:
    assert entry.last == entry.have.last


@given(entries)
def test_what_is_named_is_the_run_and_the_bits(entry: ReceiptEntry) -> None:
    bits = {8 * at + bit for at, byte in enumerate(entry.bitmap) for bit in range(8) if byte >> bit & 1}
    model = set(range(entry.first, entry.contiguous + 1)) | {entry.contiguous + 2 + bit for bit in bits}
    assert entry.have == ranges_of(model)


@given(numbers)
def test_an_entry_says_what_there_is(model: set[int]) -> None:
    """Never more than there is, and all of it as far as a bitmap reaches."""
    entry = entry_for(3, ranges_of(model))
    assert entry.have == ranges_of(model)
    assert entry.contiguous + 1 not in model
    assert entry.first == min(model, default=1)
    assert decode_receipts(encode_receipts([entry])) == ((entry,), None)


def test_the_first_number_stands_there_only_where_it_is_needed() -> None:
    assert encode_receipts([entry_for(3, Ranges(((1, 5),)))]) == bytes.fromhex("18 05")
    assert encode_receipts([entry_for(3, Ranges(((2, 5), (7, 7))))]) == bytes.fromhex("1b 00 03 01 01")


def test_ten_authors_take_twenty_bytes() -> None:
    """Beside a text of 100 bytes there is room for one or two; the smallest bundle has room for a dozen."""
    assert len(encode_receipts(ReceiptEntry(leaf, 100, b"") for leaf in range(10))) == 20
    assert len(encode_receipts(ReceiptEntry(leaf, 10_000, b"") for leaf in range(10))) == 30


def test_far_beyond_the_bitmap_nothing_is_said() -> None:
    end = 10 + 2 + RECEIPT_BITMAP_BYTES_MAX * 8 - 1
    inside = entry_for(0, ranges_of(set(range(4, 11)) | {end}))
    assert inside.have.last == end
    assert len(inside.bitmap) == RECEIPT_BITMAP_BYTES_MAX
    beyond = entry_for(0, ranges_of(set(range(1, 11)) | {end + 1}))
    assert beyond == ReceiptEntry(0, 10, b"")
    across = entry_for(0, Ranges(((1, 10), (end - 3, SEQUENCE_MAX))))
    assert across.have == Ranges(((1, 10), (end - 3, end)))
    huge = entry_for(0, Ranges(((1, 10), (5000, SEQUENCE_MAX))))
    assert huge == ReceiptEntry(0, 10, b"")


def test_the_worst_receipts_are_read_quickly() -> None:
    """A bundle full of bitmaps with every second bit: an insider must not be able to stop us with it."""
    worst = (b"\2\1\xff" + b"\x55" * 255) * 58
    began = time.process_time()
    spans = sum(len(entry.have.spans) for entry in decode_receipts(worst)[0])
    assert spans == 58 * 1021
    assert time.process_time() - began < 2
