"""Speech to frames and back, by libcodec2 (David Rowe's codec2, LGPL-2.1). Samples are 16 bits, little-endian, 8 kHz,
one channel; frames are packed without gaps as in `docs/spec/voice.md`.

The codec reads a fixed number of bits per frame and has no other input, so hostile speech is noise and nothing else;
still, only a command that a person gave to hear it runs the decoder, never the daemon.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from chasqui.base.errors import MachineError
from chasqui.media.burst import Burst, Quality, frames_in
from chasqui.media.library import CodecMissingError, codec2_library

_MODE: Final = {Quality.Q3200: 0, Quality.Q1300: 4, Quality.Q700C: 8}  # codec2.h


def encode(quality: Quality, samples: bytes) -> bytes:
    """Speech for samples; the last frame is filled up with silence. Raises `CodecMissingError`."""
    shape, library = quality.shape, _library()
    pcm = _native(samples)
    pcm.extend([0] * (-len(pcm) % shape.frame_samples))
    frame = ctypes.create_string_buffer(_frame_bytes(quality))
    packed = _Bits()
    with _codec(library, quality) as codec:
        for at in range(0, len(pcm), shape.frame_samples):
            block = (ctypes.c_short * shape.frame_samples).from_buffer(pcm, at * pcm.itemsize)
            library.codec2_encode(codec, frame, block)
            packed.add(int.from_bytes(frame.raw, "big") >> (-shape.frame_bits % 8), shape.frame_bits)
    return packed.end()


def decode(burst: Burst) -> bytes:
    """The samples of a burst that was read: bounded by what a body holds. Raises `CodecMissingError`."""
    shape, library = burst.quality.shape, _library()
    frames, spare = frames_in(burst.quality, burst.speech), -shape.frame_bits % 8
    out = array("h", bytes(2 * frames * shape.frame_samples))
    whole, mask = int.from_bytes(burst.speech, "big"), (1 << shape.frame_bits) - 1
    whole >>= len(burst.speech) * 8 - frames * shape.frame_bits
    with _codec(library, burst.quality) as codec:
        for at in range(frames):
            bits = (whole >> (frames - 1 - at) * shape.frame_bits & mask) << spare
            block = (ctypes.c_short * shape.frame_samples).from_buffer(out, at * shape.frame_samples * out.itemsize)
            library.codec2_decode(codec, block, bits.to_bytes(_frame_bytes(burst.quality), "big"))
    return _little_endian(out)


class _Bits:
    """Frames of any number of bits, one behind the other, zero bits up to the last byte's end."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._rest = self._bits = 0

    def add(self, value: int, bits: int) -> None:
        self._rest, self._bits = self._rest << bits | value, self._bits + bits
        if self._bits % 8 == 0:
            self._done += self._rest.to_bytes(self._bits // 8, "big")
            self._rest = self._bits = 0

    def end(self) -> bytes:
        spare = -self._bits % 8
        return bytes(self._done) + (self._rest << spare).to_bytes((self._bits + spare) // 8, "big")


@cache
def _library() -> ctypes.CDLL:
    library = codec2_library()
    handle, samples = ctypes.c_void_p, ctypes.POINTER(ctypes.c_short)
    library.codec2_create.restype, library.codec2_create.argtypes = handle, [ctypes.c_int]
    library.codec2_destroy.restype, library.codec2_destroy.argtypes = None, [handle]
    for ask in (library.codec2_bits_per_frame, library.codec2_samples_per_frame):
        ask.restype, ask.argtypes = ctypes.c_int, [handle]
    library.codec2_encode.restype, library.codec2_encode.argtypes = None, [handle, ctypes.c_char_p, samples]
    library.codec2_decode.restype, library.codec2_decode.argtypes = None, [handle, samples, ctypes.c_char_p]
    return library


@contextmanager
def _codec(library: ctypes.CDLL, quality: Quality) -> Iterator[int]:
    """A codec of its own for each burst: nothing of one is left in another."""
    codec = library.codec2_create(_MODE[quality])
    if not codec:
        raise CodecMissingError(
            "The libcodec2 of this device is of another version.", todo="`pip install 'chasqui[voice]'`"
        )
    try:
        shape = quality.shape
        found = library.codec2_bits_per_frame(codec), library.codec2_samples_per_frame(codec)
        if found != (shape.frame_bits, shape.frame_samples):  # else it would write beyond our buffers
            raise MachineError("The libcodec2 of this device does not know this quality.")
        yield codec
    finally:
        library.codec2_destroy(codec)


def _frame_bytes(quality: Quality) -> int:
    return -(-quality.shape.frame_bits // 8)


def _native(samples: bytes) -> array[int]:
    pcm = array("h", samples)
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm


def _little_endian(pcm: array[int]) -> bytes:
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm.tobytes()
