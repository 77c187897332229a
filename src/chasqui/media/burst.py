"""A voice burst: the body of an object that holds speech. Byte-exact in `docs/spec/voice.md`; knows no codec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import SEQUENCE_MAX, VOICE_BODY_BYTES_MAX, VOICE_RECORDING_S_MAX

SAMPLES_PER_S: Final = 8_000
PLACE_SAMPLES: Final = 320  # the unit of a place in a recording: 40 ms, whole frames of every quality
_MORE: Final = 0x80
_LATER: Final = 0x40
PLACE_MAX: Final = VOICE_RECORDING_S_MAX * SAMPLES_PER_S // PLACE_SAMPLES
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
    Quality.Q700C: Shape(28, 320, 700),  # 28.0 s in a bundle of 2560 bytes
    Quality.Q1300: Shape(52, 320, 770),  # 30.8 s in 5120
    Quality.Q3200: Shape(64, 160, 1_586),  # 31.7 s in 12800
}
_LABELS: Final[dict[Quality, QualityLabel]] = {Quality.Q700C: "700C", Quality.Q1300: "1300", Quality.Q3200: "3200"}
QUALITY_OF_LABEL: Final = {label: quality for quality, label in _LABELS.items()}


@dataclass(frozen=True)
class Burst:
    """Speech of one object. `more`: the same recording goes on in a later object. A burst that is not the first of its
    recording says which object is (`first`, the number of that object) and where it begins (`at`, in units of 40 ms);
    in the first both are 0."""

    quality: Quality
    speech: bytes
    more: bool = False
    first: int = 0
    at: int = 0

    @property
    def samples(self) -> int:
        """How many samples it is when it is heard."""
        return frames_in(self.quality, self.speech) * self.quality.shape.frame_samples

    @property
    def begins(self) -> int:
        """The sample of its recording with which it begins."""
        return self.at * PLACE_SAMPLES

    @property
    def ends(self) -> int:
        """The sample of its recording behind it."""
        return self.begins + self.samples

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples / SAMPLES_PER_S

    def to_body(self) -> bytes:
        """The body of its object."""
        head = bytes((self.quality | (_MORE if self.more else 0) | (_LATER if self.at else 0),))
        place = self.first.to_bytes(3, "big") + self.at.to_bytes(2, "big") if self.at else b""
        return head + place + self.speech


def read_burst(body: bytes) -> Burst:
    """The burst of a body. Raises `PeerError` for an unknown quality, a place that is none, a part of a frame, bits
    behind the last frame that are not zero, no speech, or too much."""
    if not 1 < len(body) <= VOICE_BODY_BYTES_MAX:
        raise PeerError("A burst is empty or too long.")
    number, speech = body[0] & ~(_MORE | _LATER), body[1:]
    if number not in _NUMBERS:
        raise PeerError("A burst is of a quality that is not known.")
    first = at = 0
    if body[0] & _LATER:
        first, at, speech = int.from_bytes(body[1:4], "big"), int.from_bytes(body[4:6], "big"), body[6:]
        if not first or not 0 < at <= PLACE_MAX:
            raise PeerError("A burst has no place in its recording.")
    quality = Quality(number)
    frames = len(speech) * 8 // quality.shape.frame_bits
    spare = len(speech) * 8 - frames * quality.shape.frame_bits
    if not frames or spare >= 8 or speech[-1] & ((1 << spare) - 1):
        raise PeerError("A burst does not end with a whole frame.")
    return Burst(quality, speech, bool(body[0] & _MORE), first, at)


def frames_in(quality: Quality, speech: bytes) -> int:
    """How many frames some speech has."""
    return len(speech) * 8 // quality.shape.frame_bits


def cut(quality: Quality, speech: bytes, at: int = 0, *, more: bool = False) -> tuple[Burst, ...]:
    """A recording as bursts in order; or what comes behind the place `at` of one. `more`: it goes on. Raises
    `UsageError` for one that is empty, too long, or of another quality."""
    shape = quality.shape
    frames = frames_in(quality, speech)
    if not frames:
        raise UsageError("There is no speech in this recording.")
    if at * PLACE_SAMPLES + frames * shape.frame_samples > VOICE_RECORDING_S_MAX * SAMPLES_PER_S:
        raise UsageError(
            f"The recording is too long: at most {VOICE_RECORDING_S_MAX} seconds can be sent at once.",
            todo="Send it in pieces, or as a file: `--file`.",
        )
    if more and frames * shape.frame_samples % PLACE_SAMPLES:
        raise UsageError("What follows this has no place: it has to end with a whole unit of 40 ms.")
    piece = shape.burst_frames * shape.frame_bits // 8  # whole bytes: see the test of the shapes
    places = shape.burst_frames * shape.frame_samples // PLACE_SAMPLES
    pieces = [speech[start : start + piece] for start in range(0, len(speech), piece)]
    last = len(pieces) - 1
    bursts = tuple(
        Burst(quality, part, more or index < last, 0, at + index * places) for index, part in enumerate(pieces)
    )
    try:
        read_burst(replace(bursts[-1], first=SEQUENCE_MAX).to_body())
    except PeerError as error:
        raise UsageError("This is no speech of that quality.") from error
    return bursts


_NUMBERS: Final = frozenset(Quality)
