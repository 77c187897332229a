"""The FreeDV data modes: what each is, without the library that does them; and samples as bytes. Pure."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from enum import Enum
from typing import Final

RATE_HZ: Final = 8_000


@dataclass(frozen=True)
class Shape:
    """What a mode is. Samples as libcodec2 1.2 makes them."""

    number: int  # freedv_api.h
    payload_bytes: int  # of one modem frame, without its CRC
    frame_samples: int
    preamble_samples: int
    postamble_samples: int
    frames_max: int  # of one burst; the receiver looks for another after so many


class Mode(Enum):
    """Net bit/s, and the weakest signal in 3 kHz that it is made for."""

    DATAC1 = "datac1"  # 927 bit/s, 3 dB
    DATAC3 = "datac3"  # 296 bit/s, -2 dB
    DATAC0 = "datac0"  # 170 bit/s, -2 dB: the shortest burst
    DATAC4 = "datac4"  # 80 bit/s, -8 dB
    DATAC13 = "datac13"  # 51 bit/s, -8 dB

    @property
    def shape(self) -> Shape:
        """Its numbers."""
        return _SHAPES[self]


_SHAPES: Final = {
    Mode.DATAC1: Shape(10, 510, 33_440, 880, 880, 2),
    Mode.DATAC3: Shape(12, 126, 25_520, 880, 880, 3),
    Mode.DATAC0: Shape(14, 14, 3_520, 880, 880, 16),
    Mode.DATAC4: Shape(18, 54, 41_360, 880, 880, 5),
    Mode.DATAC13: Shape(19, 14, 15_840, 880, 880, 16),
}


def samples_of(data: bytes) -> array[int]:
    """Little-endian bytes, as devices and files have them; an odd one at the end is left out."""
    samples = array("h", data[: len(data) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def bytes_of(samples: array[int]) -> bytes:
    """The other way."""
    return samples_of(samples.tobytes()).tobytes()
