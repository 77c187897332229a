"""Bodies of bursts: what is written is read, what is cut fits together, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import BUNDLE_STEPS, SEQUENCE_MAX, VOICE_BODY_BYTES_MAX, VOICE_RECORDING_S_MAX
from chasqui.media.burst import (
    PLACE_MAX,
    PLACE_SAMPLES,
    QUALITY_OF_LABEL,
    SAMPLES_PER_S,
    Burst,
    Quality,
    cut,
    frames_in,
    read_burst,
)
from chasqui.sealed.bundle import step_for
from chasqui.sealed.object import SHORT_OVERHEAD_BYTES

QUALITIES = st.sampled_from(list(Quality))


def speech_of(quality: Quality, frames: int, fill: int = 0) -> bytes:
    """So many frames of any bits, and zeroes behind them."""
    bits = frames * quality.shape.frame_bits
    spare = -bits % 8
    value = int.from_bytes(bytes((fill,)) * (bits // 8 + 1), "big") & ((1 << bits) - 1)
    return (value << spare).to_bytes((bits + spare) // 8, "big")


@pytest.mark.must("M-VOI-1")
@pytest.mark.parametrize(
    ("quality", "number", "label", "bits", "samples", "rate"),
    [
        (Quality.Q700C, 1, "700C", 28, 320, 700),
        (Quality.Q1300, 2, "1300", 52, 320, 1300),
        (Quality.Q3200, 3, "3200", 64, 160, 3200),
    ],
)
def test_the_qualities(quality: Quality, number: int, label: str, bits: int, samples: int, rate: int) -> None:
    assert (int(quality), quality.label, quality.bits_per_s) == (number, label, rate)
    assert quality.shape[:2] == (bits, samples)
    assert QUALITY_OF_LABEL[quality.label] is quality
    body = Burst(quality, speech_of(quality, 3, 0xA5), more=True).to_body()
    assert body[0] == 0x80 + number
    assert read_burst(body) == Burst(quality, body[1:], more=True)
    later = Burst(quality, body[1:], first=0x010203, at=0x0405)
    assert later.to_body() == bytes((0x40 + number, 1, 2, 3, 4, 5)) + body[1:]
    assert read_burst(later.to_body()) == later


@pytest.mark.must("M-VOI-2")
@given(
    QUALITIES,
    st.integers(1, 500),
    st.integers(0, 255),
    st.booleans(),
    st.one_of(st.just((0, 0)), st.tuples(st.integers(1, SEQUENCE_MAX), st.integers(1, PLACE_MAX))),
)
def test_what_is_written_is_read(quality: Quality, frames: int, fill: int, more: bool, place: tuple[int, int]) -> None:
    burst = Burst(quality, speech_of(quality, frames, fill), more, *place)
    assert read_burst(burst.to_body()) == burst
    assert frames_in(quality, burst.speech) == frames
    assert burst.seconds == frames * quality.shape.frame_samples / SAMPLES_PER_S


@pytest.mark.must("M-VOI-2")
@given(st.binary(max_size=60))
def test_what_is_read_is_whole(body: bytes) -> None:
    try:
        burst = read_burst(body)
    except PeerError:
        return
    assert burst.to_body() == body
    frames = frames_in(burst.quality, burst.speech)
    spare = len(burst.speech) * 8 - frames * burst.quality.shape.frame_bits
    assert 0 <= spare < 8
    assert frames
    assert not burst.speech[-1] & ((1 << spare) - 1)


@pytest.mark.must("M-VOI-2")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x01",  # no frame
        b"\x00" + bytes(7),  # qualities that are none
        b"\x04" + bytes(8),
        b"\x7f" + bytes(8),
        b"\x84" + bytes(8),
        b"\x01" + bytes(3),  # 700C: less than a frame
        b"\x01" + bytes(5),  # one frame and a byte
        b"\x01" + bytes(6),
        b"\x01" + bytes(3) + b"\x01",  # a bit behind the frame
        b"\x01" + bytes(10) + b"\x08",
        b"\x02" + bytes(6),  # 1300
        b"\x02" + bytes(8),
        b"\x02" + bytes(6) + b"\x0f",
        b"\x03" + bytes(7),  # 3200
        b"\x03" + bytes(9),
        b"\x43" + bytes(5) + bytes(8),  # places that are none
        b"\x43\0\0\1\0\0" + bytes(8),
        b"\x43\0\0\0\0\1" + bytes(8),
        b"\x43\0\0\1" + (PLACE_MAX + 1).to_bytes(2, "big") + bytes(8),
        b"\x43\0\0\1\0\1",
        b"\x43\0\0",
        b"\x03" + bytes(VOICE_BODY_BYTES_MAX // 8 * 8),
    ],
    ids=lambda body: f"{body[:1].hex()}+{len(body) - 1}",
)
def test_hostile_bodies(body: bytes) -> None:
    with pytest.raises(PeerError):
        read_burst(body)


@pytest.mark.parametrize("quality", list(Quality))
def test_a_piece_fills_its_bundle_and_ends_with_a_byte(quality: Quality) -> None:
    shape = quality.shape
    assert shape.burst_frames * shape.frame_bits % 8 == shape.burst_frames * shape.frame_samples % PLACE_SAMPLES == 0
    assert 28 <= shape.burst_frames * shape.frame_samples / SAMPLES_PER_S < 32
    bodies = [Burst(quality, speech_of(quality, shape.burst_frames + n), at=1).to_body() for n in (0, 2)]
    sizes = [step_for(SHORT_OVERHEAD_BYTES + 2 + len(body)) for body in bodies]
    assert sizes[1] == BUNDLE_STEPS[BUNDLE_STEPS.index(sizes[0]) + 1]


@pytest.mark.must("M-VOI-3")
@given(QUALITIES, st.integers(1, 5_000), st.integers(0, 255))
def test_pieces_fit_together(quality: Quality, frames: int, fill: int) -> None:
    speech = speech_of(quality, frames, fill)
    bursts = cut(quality, speech)
    assert b"".join(burst.speech for burst in bursts) == speech
    assert [burst.more for burst in bursts] == [True] * (len(bursts) - 1) + [False]
    assert bursts[0].first == bursts[0].at == 0
    placed = [bursts[0], *(replace(burst, first=7) for burst in bursts[1:])]
    assert all(read_burst(burst.to_body()) == burst for burst in placed)
    assert all(burst.ends == follower.begins for burst, follower in pairwise(bursts))


def test_a_piece_of_a_recording_stands_at_its_place() -> None:
    (burst,) = cut(Quality.Q3200, speech_of(Quality.Q3200, 4), 10, more=True)
    assert (burst.at, burst.more, burst.begins, burst.ends) == (10, True, 3_200, 3_840)
    with pytest.raises(UsageError):
        cut(Quality.Q3200, speech_of(Quality.Q3200, 3), more=True)  # what follows would have no place
    assert cut(Quality.Q700C, speech_of(Quality.Q700C, 1), PLACE_MAX - 1)
    with pytest.raises(UsageError):
        cut(Quality.Q700C, speech_of(Quality.Q700C, 1), PLACE_MAX)


@pytest.mark.parametrize("quality", list(Quality))
def test_recordings_that_are_none(quality: Quality) -> None:
    frames_max = VOICE_RECORDING_S_MAX * SAMPLES_PER_S // quality.shape.frame_samples
    assert cut(quality, speech_of(quality, frames_max))
    for bad in (b"", b"\x01", speech_of(quality, frames_max + 1), speech_of(quality, 2) + b"\x01"):
        with pytest.raises(UsageError):
            cut(quality, bad)
