"""WAV files: recordings that people bring, and the ones that are written for them to hear."""

from __future__ import annotations

import sys
from array import array
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
    pcm = array("h", data.tobytes())
    if sys.byteorder == "big":
        pcm.byteswap()
    if form.channels == CHANNELS_MAX:
        pcm = array("h", [(left + right) // 2 for left, right in zip(pcm[::2], pcm[1::2], strict=True)])
    pcm = to_speech_rate(pcm, form.rate)
    if sys.byteorder == "big":
        pcm.byteswap()
    return pcm.tobytes()
