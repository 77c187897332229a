"""The reader and writer of fixed layouts: one encoding per value, and no way past the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.codec import Reader, write_block, write_length
from chasqui.base.errors import PeerError


@given(st.integers(0, 2**15 - 1))
def test_lengths_come_back(n: int) -> None:
    data = write_length(n)
    reader = Reader(data)
    assert reader.length() == n
    reader.end()
    assert len(data) == (1 if n < 128 else 2)


def test_every_two_bytes_are_one_length_or_refused() -> None:
    """Of all two-byte strings that begin with the long form, the canonical ones are those that writing gives."""
    for high in range(0x80, 0x100):
        for low in range(0x100):
            data = bytes((high, low))
            value = (high & 0x7F) << 8 | low
            if value < 0x80:
                with pytest.raises(PeerError):
                    Reader(data).length()
            else:
                assert Reader(data).length() == value
                assert write_length(value) == data


@pytest.mark.parametrize("n", [2**15, 2**16, 2**40])
def test_a_length_beyond_the_bound_is_our_own_mistake(n: int) -> None:
    with pytest.raises(ValueError):
        write_length(n)


@given(st.binary(max_size=400), st.binary(max_size=20))
def test_blocks_come_back_and_leave_the_rest(block: bytes, rest: bytes) -> None:
    reader = Reader(write_block(block) + rest)
    assert reader.block() == block
    assert reader.left == len(rest)
    assert reader.rest() == rest
    reader.end()


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_block_that_is_cut_is_refused(block: bytes, data: st.DataObject) -> None:
    whole = write_block(block)
    with pytest.raises(PeerError):
        Reader(whole[: data.draw(st.integers(0, len(whole) - 1))]).block()


def test_bytes_behind_the_end_are_refused() -> None:
    with pytest.raises(PeerError):
        Reader(b"x").end()


@pytest.mark.parametrize("n", [-1, -(2**63), 3, 2**63])
def test_no_read_leaves_the_data(n: int) -> None:
    reader = Reader(b"ab")
    with pytest.raises(PeerError):
        reader.take(n)
    assert reader.take(2) == b"ab"


@given(st.integers(0, 2**24 - 1))
def test_numbers_are_big_endian(n: int) -> None:
    assert Reader(n.to_bytes(3, "big")).uint(3) == n


@given(st.binary(max_size=60), st.lists(st.sampled_from(["length", "block", "uint", "take", "rest", "end"])))
def test_only_the_peer_is_to_blame(data: bytes, calls: list[str]) -> None:
    reader = Reader(data)
    try:
        for call in calls:
            if call in ("uint", "take"):
                getattr(reader, call)(3)
            else:
                getattr(reader, call)()
    except PeerError:
        pass
    assert 0 <= reader.left <= len(data)
