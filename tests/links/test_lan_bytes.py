"""The bytes of the LAN link: announcements, frames and hellos, true and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.links.announcement import (
    ANNOUNCEMENT_BYTES,
    Announcement,
    RunId,
    open_announcement,
    seal_announcement,
)
from chasqui.links.framing import KEEPALIVE, FrameReader, framed, hello, read_hello

run_ids = st.binary(min_size=16, max_size=16).map(RunId)
nonces = st.binary(min_size=16, max_size=16)


@pytest.mark.must("M-LAN-2")
def test_the_bytes_of_the_spec() -> None:
    datagram = seal_announcement(Announcement(RunId(bytes(range(16))), 0xC001), bytes(range(16, 32)))
    assert datagram.hex() == (  # computed with hashlib alone, from docs/spec/lan.md
        "101112131415161718191a1b1c1d1e1f52e500331886f2285f6db073f07af4d980119e6b13a04ac7"
    )


@given(run_ids, st.integers(1, 65535), nonces)
def test_an_announcement_comes_back(run_id: RunId, port: int, nonce: bytes) -> None:
    datagram = seal_announcement(Announcement(run_id, port), nonce)
    assert len(datagram) == ANNOUNCEMENT_BYTES
    assert open_announcement(datagram) == Announcement(run_id, port)


@pytest.mark.must("M-LAN-2")
@given(run_ids, st.lists(nonces, min_size=2, max_size=6, unique=True))
def test_two_announcements_of_one_daemon_have_nothing_in_common(run_id: RunId, nonces: list[bytes]) -> None:
    sent = [seal_announcement(Announcement(run_id, 50_000), nonce) for nonce in nonces]
    for offset in range(16, ANNOUNCEMENT_BYTES - 3):
        pieces = [datagram[offset : offset + 4] for datagram in sent]
        assert len(set(pieces)) == len(pieces)


@pytest.mark.must("M-LAN-3")
@given(run_ids, nonces, st.integers(0, ANNOUNCEMENT_BYTES * 8 - 1))
def test_one_flipped_bit_is_refused(run_id: RunId, nonce: bytes, bit: int) -> None:
    datagram = bytearray(seal_announcement(Announcement(run_id, 1), nonce))
    datagram[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PeerError):
        open_announcement(bytes(datagram))


def fuzz_datagram(data: bytes) -> None:
    """Entry point for a fuzzer: only `PeerError` may escape."""
    try:
        announcement = open_announcement(data)
    except PeerError:
        return
    assert 0 < announcement.port < 65536


def fuzz_stream(data: bytes) -> None:
    """Entry point for a fuzzer: any bytes are a stream, cut anywhere gives the same, memory is bounded."""
    whole, pieces = FrameReader(), FrameReader()
    frames = whole.feed(data)
    again: list[bytes] = []
    for start in range(0, len(data), 7):
        again += pieces.feed(data[start : start + 7])
    assert frames == again
    assert whole.held_bytes <= FRAME_BYTES_MAX + 2
    assert b"".join(framed(frame) for frame in frames) + data[len(data) - whole.held_bytes :] == data
    for frame in frames:
        try:
            assert framed(hello(read_hello(frame))) == framed(frame)
        except PeerError:
            continue


@pytest.mark.must("M-LAN-3")
@given(st.one_of(st.binary(max_size=100), st.binary(min_size=40, max_size=40)))
def test_hostile_datagrams(data: bytes) -> None:
    fuzz_datagram(data)


@pytest.mark.must("M-LAN-13")
@given(st.one_of(st.binary(max_size=400), st.lists(st.binary(max_size=30)).map(lambda f: b"".join(map(framed, f)))))
def test_hostile_streams(data: bytes) -> None:
    fuzz_stream(data)


@pytest.mark.must("M-LAN-8")
@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 999))
def test_frames_come_back_in_any_pieces(frames: list[bytes], piece: int) -> None:
    stream = b"".join(map(framed, frames))
    reader = FrameReader()
    got: list[bytes] = []
    for start in range(0, len(stream), piece):
        got += reader.feed(stream[start : start + piece])
    assert got == frames
    assert reader.held_bytes == 0


@pytest.mark.parametrize("piece", [1, 16_384, 200_000])
def test_the_largest_frames_in_pieces(piece: int) -> None:
    frames = [bytes([n]) * FRAME_BYTES_MAX for n in range(3)]
    stream = b"".join(map(framed, frames))
    reader = FrameReader()
    got: list[bytes] = []
    for start in range(0, len(stream), piece):
        got += reader.feed(stream[start : start + piece])
    assert got == frames


def test_a_keepalive_is_an_empty_frame() -> None:
    assert FrameReader().feed(KEEPALIVE) == [b""]


@pytest.mark.must("M-LAN-6")
@pytest.mark.parametrize("frame", [b"", b"\x01", b"\x01" + bytes(15), b"\x01" + bytes(17), b"\x02" + bytes(16)])
def test_what_is_no_hello(frame: bytes) -> None:
    with pytest.raises(PeerError):
        read_hello(frame)


@given(run_ids)
def test_a_hello_comes_back(run_id: RunId) -> None:
    assert read_hello(hello(run_id)) == run_id
