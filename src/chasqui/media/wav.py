"""WAV files: recordings that people bring, and the ones that are written for them to hear."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import UsageError
from chasqui.base.limits import VOICE_RECORDING_S_MAX
from chasqui.media.burst import SAMPLES_PER_S
from chasqui.media.resample import to_speech_rate

RATES: Final = (8_000, 16_000, 44_100, 48_000)
CHANNELS_MAX: Final = 2
HEADER_ROOM_BYTES: Final = 64 * 1024  # recorders put notes and pictures before the samples
WAV_BYTES_MAX: Final = VOICE_RECORDING_S_MAX * max(RATES) * CHANNELS_MAX * 2 + HEADER_ROOM_BYTES
_ENDLESS: Final = 2**40
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE  # its true format is a GUID that begins with the number of the old kind
_CONVERT: Final = "Convert it, for example: `ffmpeg -i IN -ar 8000 -ac 1 -c:a pcm_s16le OUT.wav`"


@dataclass(frozen=True)
class _Format:
    channels: int
    rate: int


def speech_of(data: bytes) -> bytes:
    """The samples of a recording at 8 kHz, one channel, 16 bits little-endian.

    Raises `UsageError`, with what to do, for a file that is not a WAV of 16 bits at 8, 16, 44.1 or 48 kHz, mono or
    stereo, and for one that is too long. A file that ends early, as pipes give it, is taken as far as it goes.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UsageError("This is not a WAV file.", todo=_CONVERT)
    found: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            found = _format(data[at + 8 : at + 8 + size])
        elif name == b"data":
            if found is None:
                break
            return _speech(found, memoryview(data)[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    raise UsageError("There is no speech in this WAV file.", todo=_CONVERT)


class WavStream:
    """A WAV file that is read as it comes, from a disk or a pipe. Raises `UsageError` as `speech_of` does."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        if self._exactly(12)[8:] != b"WAVE":
            raise UsageError("This is not a WAV file.", todo=_CONVERT)
        found: _Format | None = None
        while True:
            head = self._exactly(8)
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data" and found is not None:
                break
            if len(head) < 8 or size > HEADER_ROOM_BYTES:
                raise UsageError("There is no speech in this WAV file.", todo=_CONVERT)
            data = self._exactly(size + size % 2)
            if name == b"fmt ":
                found = _format(data[:size])
        self._form = found
        self._left = size or _ENDLESS  # a recorder that writes to a pipe does not know its end

    @property
    def rate(self) -> int:
        """Samples in a second."""
        return self._form.rate

    def take(self, count: int) -> array[int]:
        """The next samples, of one channel; fewer at the end, then none."""
        block = 2 * self._form.channels
        data = self._exactly(min(count * block, self._left))
        self._left -= len(data)
        return _mono(self._form, data[: len(data) - len(data) % block])

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (piece := self._read(size - len(data))):
            data += piece
        return bytes(data)


def wav_of(samples: bytes) -> bytes:
    """A WAV file of samples as `speech_of` gives them: 44 bytes that say the format and nothing else, then they."""
    rate = SAMPLES_PER_S
    fields = (16, 4), (_PCM, 2), (1, 2), (rate, 4), (2 * rate, 4), (2, 2), (16, 2)
    head = b"".join(value.to_bytes(width, "little") for value, width in fields)
    size = len(samples).to_bytes(4, "little")
    return b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + head + b"data" + size + samples


def _format(data: bytes) -> _Format:
    if len(data) < 16:
        raise UsageError("This WAV file is damaged.", todo=_CONVERT)
    tag, channels, rate = (int.from_bytes(data[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8)))
    bits = int.from_bytes(data[14:16], "little")
    if tag == _EXTENSIBLE and len(data) >= 26:
        tag = int.from_bytes(data[24:26], "little")
    if tag != _PCM or bits != 16:
        raise UsageError("This WAV file does not hold samples of 16 bits.", todo=_CONVERT)
    if not 1 <= channels <= CHANNELS_MAX:
        raise UsageError(f"This WAV file has {channels} channels; one or two can be read.", todo=_CONVERT)
    if rate not in RATES:
        raise UsageError(f"This WAV file has {rate} samples a second; 8000, 16000, 44100 or 48000 can be read.",
                         todo=_CONVERT)  # fmt: skip
    return _Format(channels, rate)


def _speech(form: _Format, data: memoryview) -> bytes:
    block = 2 * form.channels
    data = data[: len(data) - len(data) % block]
    if len(data) > VOICE_RECORDING_S_MAX * form.rate * block:
        raise UsageError(
            f"The recording is too long: at most {VOICE_RECORDING_S_MAX} seconds can be sent at once.",
            todo="Send it in pieces, or as a file: `--file`.",
        )
    return at_speech_rate(_mono(form, data.tobytes()), form.rate)


def at_speech_rate(pcm: array[int], rate: int) -> bytes:
    """Samples of one channel as the codec takes them."""
    pcm = to_speech_rate(pcm, rate)
    if sys.byteorder == "big":
        pcm = array("h", pcm)
        pcm.byteswap()
    return pcm.tobytes()


def _mono(form: _Format, data: bytes) -> array[int]:
    pcm = array("h", data)
    if sys.byteorder == "big":
        pcm.byteswap()
    if form.channels == CHANNELS_MAX:
        pcm = array("h", [(left + right) // 2 for left, right in zip(pcm[::2], pcm[1::2], strict=True)])
    return pcm
