"""What somebody says, cut into pieces while he goes on. Pure: no device, no codec."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import log10
from typing import Final

from chasqui.base.limits import VOICE_RECORDING_S_MAX
from chasqui.media.burst import SAMPLES_PER_S, Burst, Quality
from chasqui.node.cost import bundles_of_speech

METER_CELLS: Final = 10
_FLOOR_DB: Final = 50.0  # below full scale: quieter than a whisper
_TOP_DB: Final = 6.0  # below full scale: louder would soon be distorted
_FULL: Final = 32_768.0


@dataclass(frozen=True)
class Piece:
    """Samples that become one burst. `at`: its place in the recording, in units of 40 ms."""

    samples: array[int]
    at: int
    more: bool


def units_at_once(quality: Quality, seconds: float) -> int:
    """How many units of 40 ms a burst has whose speaker goes on: at most so many seconds, whole bytes, and as large a
    bundle as a first burst of that length has, without its place."""
    per_unit = 320 // quality.shape.frame_samples
    units = min(int(seconds * SAMPLES_PER_S) // 320, quality.shape.burst_frames // per_unit)
    units -= units % 2
    first, later = (bundles_of_speech([_silent(quality, units * per_unit, at)]) for at in (0, 1))
    while later > first and units > 2:
        units -= 2
        later = bundles_of_speech([_silent(quality, units * per_unit, 1)])
    return max(2, units)


class Speaking:
    """One recording that is being spoken. Keeps what is not yet a piece."""

    def __init__(self, unit_samples: int, units: int) -> None:
        self._unit_samples = unit_samples
        self._units = units
        self._kept: array[int] = array("h")
        self._at = 0

    @property
    def units(self) -> int:
        """How much was said, in units of 40 ms."""
        return self._at + -(-len(self._kept) // self._unit_samples)

    @property
    def kept_units(self) -> int:
        """How much of it is not yet in a piece."""
        return self.units - self._at

    @property
    def is_full(self) -> bool:
        """Whether a recording can hold no more."""
        return self.units * 320 >= VOICE_RECORDING_S_MAX * SAMPLES_PER_S

    def hear(self, samples: array[int]) -> Piece | None:
        """Takes what was said; gives a piece once something follows it, so that no recording ends with nothing."""
        piece = None
        if len(self._kept) >= self._units * self._unit_samples and samples:
            piece = self._piece(more=True)
        self._kept.extend(samples)
        return piece

    def end(self) -> Piece | None:
        """The last piece; None where nothing was said."""
        return self._piece(more=False) if self._kept else None

    def discard(self) -> None:
        """Forgets what is not yet a piece."""
        wipe(self._kept)
        self._kept = array("h")

    def _piece(self, *, more: bool) -> Piece:
        piece = Piece(self._kept, self._at, more)
        self._at = self.units
        self._kept = array("h")
        return piece


def wipe(samples: array[int]) -> None:
    """Overwrites speech that is not needed any more."""
    samples[:] = array("h", bytes(2 * len(samples)))


def level(samples: array[int]) -> int:
    """How loud some sound is, from 0 to `METER_CELLS`."""
    if not samples:
        return 0
    mean = sum(sample * sample for sample in samples) / len(samples)
    below_db = -20 * log10(max(1.0, mean**0.5) / _FULL)
    return max(0, min(METER_CELLS, round(METER_CELLS * (_FLOOR_DB - below_db) / (_FLOOR_DB - _TOP_DB))))


def _silent(quality: Quality, frames: int, at: int) -> Burst:
    return Burst(quality, bytes(-(-frames * quality.shape.frame_bits // 8)), at=at)
