"""A voice burst: the body of an object that holds speech. Byte-exact in `docs/spec/voice.md`; knows no codec."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import VOICE_BODY_BYTES_MAX, VOICE_RECORDING_S_MAX

SAMPLES_PER_S: Final = 8_000
_MORE: Final = 0x80
QualityLabel = Literal["700C", "1300", "3200"]


class Quality(IntEnum):
    """How speech is coded, by its number on the wire; the names are the modes of codec2."""

    Q700C = 1
    Q1300 = 2
    Q3200 = 3

    @property
    def label(self) -> QualityLabel:
        """As people write it."""
        return _LABELS[self]

    @property
    def shape(self) -> Shape:
        """What its frames are like."""
        return _SHAPES[self]

    @property
    def bits_per_s(self) -> int:
        """Of speech alone."""
        return self.shape.frame_bits * SAMPLES_PER_S // self.shape.frame_samples


class Shape(NamedTuple):
    """Of one quality. `burst_frames` is where a sender cuts: about half a minute, and its bundle is full then."""

    frame_bits: int
    frame_samples: int
    burst_frames: int


_SHAPES: Final = {
    Quality.Q700C: Shape(28, 320, 702),  # 28.1 s in a bundle of 2560 bytes
    Quality.Q1300: Shape(52, 320, 770),  # 30.8 s in 5120
    Quality.Q3200: Shape(64, 160, 1_587),  # 31.7 s in 12800
}
_LABELS: Final[dict[Quality, QualityLabel]] = {Quality.Q700C: "700C", Quality.Q1300: "1300", Quality.Q3200: "3200"}
QUALITY_OF_LABEL: Final = {label: quality for quality, label in _LABELS.items()}


@dataclass(frozen=True)
class Burst:
    """Speech of one object. `more`: the same recording goes on in the author's next object."""

    quality: Quality
    speech: bytes
    more: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return frames_in(self.quality, self.speech) * self.quality.shape.frame_samples / SAMPLES_PER_S

    def to_body(self) -> bytes:
        """The body of its object."""
        return bytes((self.quality | (_MORE if self.more else 0),)) + self.speech


def read_burst(body: bytes) -> Burst:
    """The burst of a body. Raises `PeerError` for an unknown quality, a part of a frame, bits behind the last frame
    that are not zero, no speech, or too much."""
    if not 1 < len(body) <= VOICE_BODY_BYTES_MAX:
        raise PeerError("A burst is empty or too long.")
    number, speech = body[0] & ~_MORE, body[1:]
    if number not in _NUMBERS:
        raise PeerError("A burst is of a quality that is not known.")
    quality = Quality(number)
    frames = len(speech) * 8 // quality.shape.frame_bits
    spare = len(speech) * 8 - frames * quality.shape.frame_bits
    if not frames or spare >= 8 or speech[-1] & ((1 << spare) - 1):
        raise PeerError("A burst does not end with a whole frame.")
    return Burst(quality, speech, bool(body[0] & _MORE))


def frames_in(quality: Quality, speech: bytes) -> int:
    """How many frames some speech has."""
    return len(speech) * 8 // quality.shape.frame_bits


def cut(quality: Quality, speech: bytes) -> tuple[Burst, ...]:
    """A recording as bursts in order. Raises `UsageError` for one that is empty, too long, or of another quality."""
    shape = quality.shape
    frames = frames_in(quality, speech)
    if not frames:
        raise UsageError("There is no speech in this recording.")
    if frames * shape.frame_samples > VOICE_RECORDING_S_MAX * SAMPLES_PER_S:
        raise UsageError(
            f"The recording is too long: at most {VOICE_RECORDING_S_MAX} seconds can be sent at once.",
            todo="Send it in pieces, or as a file: `--file`.",
        )
    piece = shape.burst_frames * shape.frame_bits // 8  # whole bytes: see the test of the shapes
    pieces = [speech[at : at + piece] for at in range(0, len(speech), piece)]
    bursts = tuple(Burst(quality, part, at < len(pieces) - 1) for at, part in enumerate(pieces))
    try:
        read_burst(bursts[-1].to_body())
    except PeerError as error:
        raise UsageError("This is no speech of that quality.") from error
    return bursts


_NUMBERS: Final = frozenset(Quality)
