"""Frames of broadcast links: one form each, and nothing else is read; the veil of a neighbourhood."""

from __future__ import annotations

from hashlib import blake2s

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.base.secret import Secret
from chasqui.delivery.radio_frames import (
    BatchFrame,
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    PackFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.veil import MAC_BYTES, unveil, veil

byte = st.integers(0, 255)
two = st.binary(min_size=2, max_size=2)
word = st.integers(0, 2**32 - 1)
words = st.lists(word, max_size=12).map(tuple)
entry = st.tuples(byte, two)
bundle = st.sampled_from(BUNDLE_STEPS[:4]).map(bytes)
number = st.tuples(st.integers(1, 192), st.booleans()).flatmap(
    lambda drawn: st.tuples(
        st.just(drawn[0]),
        st.one_of(st.integers(0, drawn[0] - 1), st.integers(192, 255)),
        st.just(drawn[1] or drawn[0] > 64),  # so many sources are parts
    )
)
frames = st.one_of(
    st.lists(bundle, min_size=1, max_size=3).map(lambda some: PackFrame(tuple(some))),
    st.builds(
        lambda source, generation, pair, symbol, flags: CodedFrame(
            source, generation, pair[0], pair[1], symbol, pair[2], flags[0], flags[1]
        ),
        byte,
        byte,
        number,
        st.binary(max_size=20),
        st.tuples(st.booleans(), st.booleans()),
    ),
    st.builds(
        lambda names, first, some, behind, followed, asked: BatchFrame(
            names[0], names[1], first + len(some) + behind, first, tuple(some), followed, asked
        ),
        st.tuples(byte, byte),
        st.integers(0, 52),
        bundle.flatmap(lambda one: st.lists(st.just(one), min_size=2, max_size=4)),
        st.integers(0, 8),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(SumFrame, byte, two, st.integers(0, 15), st.integers(0, 65_535), two, words),
    st.builds(
        lambda day, salt, split, some: SumFrame(day, bytes((salt, 0)), split, None, b"", tuple(some)),
        byte,
        byte,
        st.integers(0, 15),
        st.lists(word, min_size=16, max_size=20),
    ),
    st.builds(MoreFrame, byte, two, byte, words),
    st.builds(WantFrame, two, st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=9, unique=True).map(tuple)),
    st.builds(NeedFrame, byte, byte, st.integers(1, 192)),
    st.builds(DaysFrame, byte, two, entry, st.lists(entry, max_size=9).map(tuple)),
)


@pytest.mark.must("M-RAD-2")
@given(frames)
def test_frames_come_back(frame: RadioFrame) -> None:
    assert read_radio_frame(write_radio_frame(frame)) == frame


@pytest.mark.must("M-RAD-2")
@given(st.binary(max_size=300))
def test_what_is_read_is_written_alike(data: bytes) -> None:
    try:
        frame = read_radio_frame(data)
    except PeerError:
        return
    assert write_radio_frame(frame) == data


@pytest.mark.must("M-RAD-2")
def test_frames_byte_by_byte() -> None:
    small, large = b"s" * 128, b"l" * 160
    for frame, data in (
        (PackFrame((small,)), b"\x10" + small),
        (PackFrame((large, small)), b"\x20\x01" + large + b"\x00" + small),
        (BatchFrame(1, 2, 9, 4, (large, large), False), b"\x21\x01\x02\x09\x04\x01" + large + large),
        (BatchFrame(1, 2, 9, 4, (small, small), True, True), b"\x27\x01\x02\x09\x04\x00" + small + small),
        (CodedFrame(1, 2, 4, 2, b"sym", False, False), b"\x30\x01\x02\x04\x02sym"),
        (CodedFrame(1, 2, 4, 3, b"sym", False, False), b"\x38\x01\x02\x04sym"),
        (CodedFrame(1, 2, 4, 3, b"", True, True, True), b"\x3f\x01\x02\x04"),
        (CodedFrame(1, 2, 4, 192, b"", True, True, True), b"\x37\x01\x02\x04\xc0"),
        (SumFrame(9, b"sa", 2, 258, b"fp", (1, 2**31)), b"\x42\x09sa\x01\x02fp\0\0\0\x01\x80\0\0\0"),
        (SumFrame(9, b"s\0", 2, None, b"", (5,) * 16), b"\x42\x09s" + b"\0\0\0\x05" * 16),
        (MoreFrame(9, b"sa", 7, (5,)), b"\x50\x09sa\x07\0\0\0\x05"),
        (WantFrame(b"sa", (5, 6)), b"\x60sa\0\0\0\x05\0\0\0\x06"),
        (NeedFrame(1, 2, 3), b"\x70\x01\x02\x03"),
        (DaysFrame(9, b"sa", (1, b"ol"), ((2, b"da"),)), b"\x80\x09sa\x01ol\x02da"),
    ):
        assert write_radio_frame(frame) == data
        assert read_radio_frame(data) == frame


@pytest.mark.must("M-RAD-2")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x90" + bytes(8),
        b"\x11" + bytes(128),
        b"\x10" + bytes(127),
        b"\x20\x00" + bytes(128),
        b"\x20\x15" + bytes(15_360) + b"\x00" + bytes(128),
        b"\x20\x00" + bytes(128) + b"\x00" + bytes(127),
        b"\x30\x01\x02\x04\x03sym",
        b"\x38\x01\x02\x00sym",
        b"\x22\x01\x02\x09\x04\x00" + bytes(256),
        b"\x29\x01\x02\x09\x04\x00" + bytes(256),
        b"\x21\x01\x02\x09\x04\x00" + bytes(128),
        b"\x21\x01\x02\x09\x04\x15" + bytes(256),
        b"\x21\x01\x02\x09\x08\x00" + bytes(256),
        b"\x21\x01\x02\xc1\x04\x00" + bytes(256),
        b"\x21\x01\x02\x09\x04\x00" + bytes(255),
        b"\x30\x01\x02\x00\xc0",
        b"\x30\x01\x02\xc1\x03sym",
        b"\x30\x01\x02\x04\x04sym",
        b"\x30\x01\x02\x04",
        b"\x40\x09sa\x01\x02f",
        b"\x40\x09sa\x01\x02fp\0\0\0",
        b"\x40\x09sa\x01\x02fp" + bytes(4 * 16),
        b"\x40\x09s" + bytes(4 * 15),
        b"\x51\x09sa\x07",
        b"\x50\x09sa",
        b"\x60sa",
        b"\x60sa\0\0\0\0",
        b"\x60sa\0\0\0\x01\0\0\0\x01",
        b"\x70\x01\x02\x00",
        b"\x70\x01\x02\xc1",
        b"\x70\x01\x02\x03\x04",
        b"\x80\x09sa",
        b"\x80\x09sa\x01o",
        b"\x80\x09sa" + bytes(3 * 257),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_radio_frame(data)


# -- neighbourhoods ---------------------------------------------------------------------------------------------

KEY, OTHER = Secret(b"k" * 32), Secret(b"o" * 32)


@pytest.mark.must("M-RAD-9")
@given(st.binary(max_size=100))
def test_a_veiled_frame_by_the_book(frame: bytes) -> None:
    mac = blake2s(frame, key=KEY, person=b"chq1 vmc", digest_size=4).digest()
    mask = b"".join(blake2s(mac + block.to_bytes(2, "big"), key=KEY, person=b"chq1 vms").digest() for block in range(4))
    veiled = mac + bytes(a ^ b for a, b in zip(frame, mask, strict=False))
    assert veil(KEY, frame) == veiled
    assert unveil(KEY, veiled) == frame


@pytest.mark.must("M-RAD-9")
@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000))
def test_a_changed_frame_is_refused(frame: bytes, place: int) -> None:
    veiled = bytearray(veil(KEY, frame))
    veiled[place % len(veiled)] ^= 1 + place % 255
    for key, data in ((KEY, bytes(veiled)), (OTHER, veil(KEY, frame)), (KEY, frame[:3])):
        with pytest.raises(PeerError):
            unveil(key, data)
    assert len(veiled) == len(frame) + MAC_BYTES
