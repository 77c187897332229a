"""Speech: bytes on air, and how much faster than it is spoken it is coded, heard and resampled. One core."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.sealed import _met
from chasqui.media.burst import Burst, Quality
from chasqui.media.codec2 import decode, encode
from chasqui.media.library import CodecMissingError, codec2_library
from chasqui.media.wav import speech_of, wav_of
from chasqui.node import inputs

SECONDS = 10
ROUNDS = 3
BYTES_MAX = 1_050
FRAME_BYTES = 26  # over a bundle in five frames of a LoRa board: docs/spec/voice.md

Row = dict[str, Any]


def figures() -> list[Row]:
    """Bytes and rates for ten seconds; nothing is measured where the codec is not installed."""
    try:
        codec2_library()
    except CodecMissingError:
        return [_row("speech", None, "", None, "libcodec2 is not installed")]
    samples = array("h", [_hum(at / 8_000) for at in range(SECONDS * 8_000)]).tobytes()
    rows = [
        _row(
            "10 s of speech at 700C, on air",
            _bundle_bytes(encode(Quality.Q700C, samples)) + FRAME_BYTES,
            "bytes",
            f"<= {BYTES_MAX:,}",
            "one signed object, sealed, in five frames of 222, without parity; 875 bytes of it are speech",
        )
    ]
    for quality in Quality:
        burst = Burst(quality, encode(quality, samples))
        coded, heard = _times(partial(encode, quality, samples)), _times(partial(decode, burst))
        rows += [
            _row(f"code speech, {quality.label}", coded, "x real time", None, "libcodec2 through ctypes, packed"),
            _row(f"hear speech, {quality.label}", heard, "x real time", None, "unpacked, libcodec2 through ctypes"),
        ]
    high = array("h", [_hum(at // 2 / 48_000) for at in range(2 * SECONDS * 48_000)]).tobytes()
    recording = wav_of(high).replace(_form(1, 8_000), _form(2, 48_000), 1)
    resampled = _times(partial(speech_of, recording))
    rows.append(_row("resample 48 kHz stereo", resampled, "x real time", None, "plain Python"))
    return rows


def _row(name: str, value: float | None, unit: str, bound: str | None, note: str | None) -> Row:
    return {"name": name, "value": value, "unit": unit, "bound": bound, "peer": None, "note": note}


def _hum(at_s: float) -> int:
    return round(sum(5_000 / n * math.sin(2 * math.pi * 140 * n * at_s) for n in range(1, 12)))


def _form(channels: int, rate: int) -> bytes:
    """The fields of a WAV header that a recording of another kind has."""
    fields = (channels, 2), (rate, 4), (2 * channels * rate, 4), (2 * channels, 2)
    return b"".join(value.to_bytes(width, "little") for value, width in fields)


def _bundle_bytes(speech: bytes) -> int:
    """What a node makes of it, whole."""
    ana, _, group = _met()
    before = set(ana.held())
    ana.do(inputs.SendVoice(group, Quality.Q700C, speech))
    (bundle,) = set(ana.held()) - before
    return len(bundle)


def _times(call: Callable[[], object]) -> float:
    """How often SECONDS go into the time that a call takes: the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return round(SECONDS / best)
