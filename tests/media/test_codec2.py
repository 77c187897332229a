"""The real codec: what is spoken is heard, whole frames, in order, and nothing of numpy."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.media import codec2, library
from chasqui.media.burst import Burst, Quality, cut, frames_in
from tests.media.sounds import RATE, hum, loudness

MODES = {Quality.Q3200: 0, Quality.Q1300: 4, Quality.Q700C: 8}


@pytest.mark.must("M-VOI-1")
@pytest.mark.parametrize("quality", list(Quality))
def test_frames_are_packed_as_the_spec_says(quality: Quality) -> None:
    """A second implementation: the library alone, and bits as text."""
    pcm, shape = hum(0.5), quality.shape
    raw = ctypes.CDLL(library.codec2_library()._name)
    raw.codec2_create.restype = ctypes.c_void_p
    codec = ctypes.c_void_p(raw.codec2_create(MODES[quality]))
    bits = ""
    for at in range(0, len(pcm), shape.frame_samples):
        block = (pcm[at : at + shape.frame_samples] + array("h", bytes(2 * shape.frame_samples)))[: shape.frame_samples]
        frame = ctypes.create_string_buffer((shape.frame_bits + 7) // 8)
        raw.codec2_encode(codec, frame, (ctypes.c_short * shape.frame_samples)(*block))
        bits += "".join(f"{byte:08b}" for byte in frame.raw)[: shape.frame_bits]
    raw.codec2_destroy(codec)
    bits += "0" * (-len(bits) % 8)
    assert codec2.encode(quality, pcm.tobytes()) == int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize(("quality", "size"), [(Quality.Q700C, 875), (Quality.Q1300, 1625), (Quality.Q3200, 4000)])
def test_ten_seconds(quality: Quality, size: int) -> None:
    pcm = hum(10)
    speech = codec2.encode(quality, pcm.tobytes())
    assert len(speech) == size
    (burst,) = cut(quality, speech) if quality is not Quality.Q3200 else (Burst(quality, speech),)
    assert burst.seconds == 10
    heard = array("h", codec2.decode(burst))
    assert len(heard) == len(pcm)
    assert 0.3 < loudness(heard[RATE:]) / loudness(pcm) < 3


@pytest.mark.parametrize("quality", list(Quality))
def test_what_is_said_first_is_heard_first(quality: Quality) -> None:
    silence = array("h", bytes(2 * RATE))
    for said, loud in ((silence + hum(1) + silence, 1), (hum(1) + silence + silence, 0)):
        heard = array("h", codec2.decode(Burst(quality, codec2.encode(quality, said.tobytes()))))
        levels = [loudness(heard[second * RATE + RATE // 4 : (second + 1) * RATE]) for second in range(3)]
        assert max(levels) == levels[loud]
        assert sorted(levels)[1] < max(levels) / 5


@pytest.mark.must("M-VOI-1")
@pytest.mark.parametrize("quality", list(Quality))
def test_no_burst_needs_the_one_before_it(quality: Quality) -> None:
    said = hum(34)
    _, second = cut(quality, codec2.encode(quality, said.tobytes()))
    heard = [array("h", codec2.decode(second)) for _ in range(2)]
    levels = [loudness(pcm) / loudness(said) for pcm in heard]
    assert 0.3 < min(levels) <= max(levels) < 3
    assert abs(levels[0] - levels[1]) < 0.1, "it sounds the same, whatever was heard before"


@pytest.mark.parametrize("quality", list(Quality))
def test_the_last_frame_is_filled_up(quality: Quality) -> None:
    for samples in (1, 159, 160, 161, 319, 320, 321):
        speech = codec2.encode(quality, bytes(2 * samples))
        assert frames_in(quality, speech) == -(-samples // quality.shape.frame_samples)
    assert codec2.encode(quality, b"") == b""


@settings(max_examples=50)
@given(st.sampled_from(list(Quality)), st.binary(min_size=1, max_size=400))
def test_any_bits_can_be_heard(quality: Quality, speech: bytes) -> None:
    frames = frames_in(quality, speech)
    assert len(codec2.decode(Burst(quality, speech))) == 2 * frames * quality.shape.frame_samples


def test_nothing_of_numpy_is_loaded() -> None:
    code = (
        "import sys; from chasqui.media import codec2; from chasqui.media.burst import Quality;"
        "codec2.encode(Quality.Q1300, bytes(640)); print(sorted({'numpy', 'pycodec2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _nowhere() -> Iterator[str]:
    yield "libcodec2-of-nowhere.so"


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_candidates", _nowhere)
    library.codec2_library.cache_clear()
    codec2._library.cache_clear()
    try:
        with pytest.raises(library.CodecMissingError, match="not installed") as caught:
            codec2.encode(Quality.Q700C, bytes(640))
        assert "pip install" in caught.value.todo
        with pytest.raises(library.CodecMissingError):
            codec2.decode(Burst(Quality.Q700C, bytes(4)))
    finally:
        library.codec2_library.cache_clear()
        codec2._library.cache_clear()
