"""Frames: one form each, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.base.limits import BUNDLE_BYTES_MAX, BUNDLE_STEPS, FRAME_BYTES_MAX, FRAME_IDS_MAX
from chasqui.delivery.frames import (
    REQUEST_IDS_MAX,
    SHORT_ID_BYTES,
    BundleFrame,
    Frame,
    FrameType,
    IdsFrame,
    RequestFrame,
    read_frame,
    short_id,
    write_frame,
)

short_ids = st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=20, unique=True).map(tuple)
frames = st.one_of(
    st.sampled_from(BUNDLE_STEPS).map(lambda size: BundleFrame(bytes(size))),
    st.builds(RequestFrame, short_ids),
    st.builds(IdsFrame, short_ids),
)


@given(frames)
def test_frames_come_back(frame: Frame) -> None:
    assert read_frame(write_frame(frame)) == frame


@given(st.binary(max_size=300))
def test_what_is_read_is_written_alike(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except PeerError:
        return
    assert write_frame(frame) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"\x10" + bytes(127),
        b"\x10" + bytes(BUNDLE_BYTES_MAX + 1),
        b"\x11" + bytes(128),
        b"\x60",
        b"\x60" + bytes(7),
        b"\x60" + bytes(9),
        b"\x60" + b"".join(n.to_bytes(8, "big") for n in range(REQUEST_IDS_MAX + 1)),
        b"\x90" + b"".join(n.to_bytes(8, "big") for n in range(FRAME_IDS_MAX + 1)),
        b"\x60" + bytes(16),  # an id twice: a small request must not draw a large answer
        b"\x90" + bytes(16),
        b"\x90",
        b"\x90" + bytes(15),
        b"\x00" + bytes(8),
        b"\xff" + bytes(8),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_frame(data)


def test_a_bundle_costs_one_byte() -> None:
    assert len(write_frame(BundleFrame(bytes(207)))) == 208


def test_the_largest_frames_fit_a_stream() -> None:
    most = tuple(n.to_bytes(8, "big") for n in range(FRAME_IDS_MAX))
    assert len(write_frame(IdsFrame(most))) <= FRAME_BYTES_MAX
    assert len(write_frame(BundleFrame(bytes(BUNDLE_BYTES_MAX)))) <= FRAME_BYTES_MAX


def test_types_and_short_ids() -> None:
    assert all(not kind & 15 for kind in FrameType)
    bundle = bundle_id(b"any")
    assert short_id(bundle) == bundle[:SHORT_ID_BYTES]
