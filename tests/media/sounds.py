"""Recordings made of numbers: something like a voice, tones, WAV files of any kind."""

from __future__ import annotations

import math
import struct
from array import array

RATE = 8_000


def tone(hz: float, seconds: float, rate: int = RATE, level: int = 10_000) -> array[int]:
    """One pure tone."""
    return array("h", [round(level * math.sin(2 * math.pi * hz * i / rate)) for i in range(round(seconds * rate))])


def hum(seconds: float, hz: float = 140, rate: int = RATE) -> array[int]:
    """A voice that says 'aaa': a fundamental with the overtones that codecs are made for."""
    parts = [(n, 6_000 / n) for n in range(1, 20) if n * hz < 3_400]
    angles = (2 * math.pi * hz * i / rate for i in range(int(seconds * rate)))
    return array("h", [round(sum(level * math.sin(n * angle) for n, level in parts)) for angle in angles])


def loudness(pcm: array[int]) -> float:
    """Root of the mean square."""
    return math.sqrt(sum(x * x for x in pcm) / max(1, len(pcm)))


def wav(pcm: array[int] | bytes, rate: int = RATE, *, channels: int = 1, bits: int = 16, tag: int = 1,
        before: bytes = b"", size: int | None = None, extension: bytes = b"") -> bytes:  # fmt: skip
    """A WAV file, right or wrong."""
    data = pcm if isinstance(pcm, bytes) else pcm.tobytes()
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extension
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + before
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body
