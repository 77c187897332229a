"""Recordings of people: the ones that are taken, resampled, and the ones that are refused with what to do."""

from __future__ import annotations

from array import array
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import UsageError
from chasqui.base.limits import VOICE_RECORDING_S_MAX
from chasqui.media.wav import RATES, speech_of, wav_of
from tests.media.sounds import RATE, loudness, tone, wav


def heard(data: bytes) -> array[int]:
    return array("h", speech_of(data))


@pytest.mark.parametrize("rate", RATES)
def test_speech_stays_and_what_would_fold_back_goes(rate: int) -> None:
    low = heard(wav(tone(1_000, 1, rate), rate))
    assert abs(len(low) - RATE) <= 1
    middle = low[800:-800]
    assert abs(loudness(middle) / loudness(tone(1_000, 1)) - 1) < 0.02
    expected = tone(1_000, 1)[800:-800]
    assert max(abs(a - b) for a, b in zip(middle, expected, strict=False)) < 150, "in time and of one shape"
    if rate > RATE:
        for hz in (5_000, 7_000):
            assert loudness(heard(wav(tone(hz, 1, rate), rate))[800:-800]) < loudness(tone(hz, 1, rate)) / 300


def test_loud_recordings_are_cut_and_never_turn_over() -> None:
    square = array("h", ([32_767] * 20 + [-32_768] * 20) * 500)
    assert max(heard(wav(square, 16_000))) == 32_767


def test_both_channels_are_heard() -> None:
    left, right = tone(500, 0.5), tone(900, 0.5)
    both = array("h", [x for pair in zip(left, right, strict=True) for x in pair])
    assert heard(wav(both, channels=2)) == array("h", [(a + b) // 2 for a, b in zip(left, right, strict=True)])


def test_samples_at_8_khz_stay_as_they_are_and_what_is_written_is_read() -> None:
    pcm = tone(300, 0.2)
    assert heard(wav(pcm)) == pcm
    written = wav_of(pcm.tobytes())
    assert speech_of(written) == pcm.tobytes()
    assert written == wav(pcm), "the plain header of 44 bytes and nothing else"


def test_files_as_recorders_write_them() -> None:
    pcm = tone(300, 0.1)
    notes = b"LIST" + (5).to_bytes(4, "little") + b"hello\0"
    assert heard(wav(pcm, before=notes)) == pcm
    guid = bytes.fromhex("0100 0000 0000 1000 8000 00aa00389b71")
    extension = (22).to_bytes(2, "little") + (16).to_bytes(2, "little") + bytes(4) + guid
    assert heard(wav(pcm, tag=0xFFFE, extension=extension)) == pcm
    for size in (0xFFFFFFFF, 0x7FFFFFFF, len(pcm) * 2 + 10):
        assert heard(wav(pcm, size=size)) == pcm, "a pipe does not know how long it will be"
    assert heard(wav(pcm.tobytes() + b"x", size=0x80000000)) == pcm, "cut in the middle of a sample"
    assert heard(wav(pcm, size=100)) == pcm[:50]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a WAV"),
        (b"ID3" + bytes(50), "not a WAV"),
        (b"RIFF\0\0\0\0WAVE", "no speech"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\0\0\0\0", "damaged"),
        (b"RIFF\0\0\0\0WAVEdata\x02\0\0\0\0\0", "no speech"),
        (wav(bytes(80), bits=8), "16 bits"),
        (wav(bytes(90), bits=24), "16 bits"),
        (wav(bytes(80), tag=3, bits=32), "16 bits"),
        (wav(bytes(80), tag=7), "16 bits"),
        (wav(bytes(90), channels=6), "6 channels"),
        (wav(bytes(90), channels=0), "0 channels"),
        (wav(bytes(80), 22_050), "22050 samples"),
        (wav(bytes(80), 0), "0 samples"),
        (wav(bytes(2 * RATE * VOICE_RECORDING_S_MAX + 2)), "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_says_what_to_do(data: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        speech_of(data)
    assert "ffmpeg" in caught.value.todo or "--file" in caught.value.todo


@given(st.binary(max_size=80), st.integers(0, 60))
def test_hostile_files(junk: bytes, keep: int) -> None:
    for data in (junk, wav(tone(300, 0.01))[:keep] + junk, b"RIFF\0\0\0\0WAVE" + junk):
        with suppress(UsageError):
            speech_of(data)
