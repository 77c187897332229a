"""Bodies: one encoding each; hostile msgpack is the peer's fault, quickly and in little memory."""

from __future__ import annotations

import contextlib
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.schema import Body, decode, decode_union, encode


class Small(Body, frozen=True):
    """Any body."""

    number: int
    name: str
    data: bytes
    many: tuple[bytes, ...]


class One(Body, frozen=True, tag=1):
    """One of two."""

    number: int


class Two(Body, frozen=True, tag=2):
    """The other."""

    number: int


bodies = st.builds(
    Small, st.integers(-(2**63), 2**64 - 1), st.text(), st.binary(), st.lists(st.binary(max_size=9)).map(tuple)
)


@given(bodies)
def test_bodies_come_back(body: Small) -> None:
    assert decode(encode(body), Small) == body


@given(bodies, st.data())
def test_what_is_accepted_is_canonical(body: Small, data: st.DataObject) -> None:
    """Change, cut or add bytes: either it is refused, or it is the encoding of what was read."""
    raw = bytearray(encode(body))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        read = decode(bytes(raw), Small)
    except PeerError:
        return
    assert encode(read) == bytes(raw)


HOSTILE = {
    "empty": b"",
    "nested a hundred thousand deep": b"\x91" * 100_000,
    "nested maps": b"\x81\xa1a" * 50_000,
    "array of 2^32-1": b"\xdd\xff\xff\xff\xff",
    "inner array of 2^32-1": b"\x94\x00\xa0\xc4\x00\xdd\xff\xff\xff\xff",
    "inner array of 2^28": b"\x94\x00\xa0\xc4\x00\xdd\x10\x00\x00\x00",
    "string of 2^32-1": b"\x94\x00\xdb\xff\xff\xff\xff",
    "bytes of 2^32-1": b"\x94\x00\xa0\xc6\xff\xff\xff\xff",
    "map of 2^32-1": b"\xdf\xff\xff\xff\xff",
    "longer integer": b"\x94\xcc\x01\xa0\xc4\x00\x90",
    "longer array": b"\xdc\x00\x04\x01\xa0\xc4\x00\x90",
    "longer string": b"\x94\x01\xd9\x00\xc4\x00\x90",
    "longer bytes": b"\x94\x01\xa0\xc5\x00\x00\x90",
    "float for integer": b"\x94\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa0\xc4\x00\x90",
    "string for bytes": b"\x94\x01\xa0\xa0\x90",
    "bytes for string": b"\x94\x01\xc4\x00\xc4\x00\x90",
    "surrogate in a string": b"\x94\x01\xa3\xed\xa0\x80\xc4\x00\x90",
    "one field more": b"\x95\x01\xa0\xc4\x00\x90\x00",
    "one field less": b"\x93\x01\xa0\xc4\x00",
    "map instead of array": b"\x81\xa6number\x01",
    "bytes behind it": b"\x94\x01\xa0\xc4\x00\x90\x00",
    "extension": b"\x94\xd4\x01\x01\xa0\xc4\x00\x90",
    "timestamp": b"\x94\xd6\xff\x00\x00\x00\x00\xa0\xc4\x00\x90",
    "nil": b"\xc0",
    "reserved byte": b"\xc1",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_bytes_are_refused(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(PeerError):
        decode(data, Small)
    with pytest.raises(PeerError):
        decode_union(data, One | Two, "thing")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_the_tag_tells_which() -> None:
    assert decode_union(encode(One(7)), One | Two, "thing") == One(7)
    assert decode_union(encode(Two(7)), One | Two, "thing") == Two(7)
    with pytest.raises(PeerError):
        decode_union(msgspec.msgpack.encode([3, 7]), One | Two, "thing")
    with pytest.raises(PeerError):
        decode_union(b"\x92\xcc\x01\x07", One | Two, "thing")


@given(st.binary(max_size=200))
def test_only_the_peer_is_to_blame(data: bytes) -> None:
    for read in (lambda: decode(data, Small), lambda: decode_union(data, One | Two, "thing")):
        with contextlib.suppress(PeerError):
            read()
