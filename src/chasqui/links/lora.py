"""LoRa: what a transmitter is set to, and how long a packet is on the air. Pure. Spec: `docs/spec/rnode.md`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

BANDWIDTHS_HZ: Final = (31_250, 62_500, 125_000, 250_000, 500_000)  # those that all chips have, to the hertz
FREQUENCY_HZ_MIN: Final = 137_000_000  # of the chips SX1261 to SX1279; what the law allows is another matter
FREQUENCY_HZ_MAX: Final = 1_020_000_000
POWER_DBM_MAX: Final = 37  # 5 W; a board that does not go so far says so
PACKET_BYTES_MAX: Final = 255
_SLOW_SYMBOL_MS: Final = 16  # a chip that takes longer over a symbol sends fewer bits in it
_UNITS: Final = {"mhz": 1_000_000, "khz": 1_000, "hz": 1}


@dataclass(frozen=True)
class Modulation:
    """What of a transmitter's settings says how long it is on the air."""

    bandwidth_hz: int
    spreading: int
    coding: int  # 5 to 8: so many bits on the air for four

    @property
    def symbol_ms(self) -> float:
        """How long one symbol takes."""
        return (1 << self.spreading) * 1000 / self.bandwidth_hz

    def packet_ms(self, size: int, preamble: int) -> float:
        """Airtime of a packet with a header and a check sequence: Semtech AN1200.13; SX1276 data sheet, 4.1.1.7.

        `preamble`: symbols, without the four and a quarter that every chip adds.
        """
        bits = 8 * size - 4 * self.spreading + 28 + 16
        bits_in_four = 4 * (self.spreading - 2 * (self.symbol_ms > _SLOW_SYMBOL_MS))
        return self.symbol_ms * (preamble + 4.25 + 8 + max(math.ceil(bits / bits_in_four), 0) * self.coding)

    def rate_of(self, airtime_ms: Callable[[int], float], mtu_bytes: int) -> tuple[int, int]:
        """Bits a second, and milliseconds that each frame takes beside: together never less than the airtime of any
        frame up to this size, and for the largest of a packet hardly more."""
        near, far = self.packet_ms(PACKET_BYTES_MAX - 240, 0), self.packet_ms(PACKET_BYTES_MAX, 0)
        bit_rate_bps = max(1, math.floor(240 * 8000 / (far - near)))
        beside_ms = (airtime_ms(size) - size * 8000 / bit_rate_bps for size in range(1, mtu_bytes + 1))
        return bit_rate_bps, math.ceil(max(beside_ms))


@dataclass(frozen=True)
class Lora:
    """What a transmitter is set to. Who is to hear one another has all but the power in common. Raises `ValueError`
    for what no chip does."""

    frequency_hz: int
    bandwidth_hz: int
    spreading: int  # 7 to 12
    coding: int  # 5 to 8: so many bits on the air for four
    power_dbm: int

    def __post_init__(self) -> None:
        good = (
            FREQUENCY_HZ_MIN <= self.frequency_hz <= FREQUENCY_HZ_MAX
            and self.bandwidth_hz in BANDWIDTHS_HZ
            and 7 <= self.spreading <= 12
            and 5 <= self.coding <= 8
            and 0 <= self.power_dbm <= POWER_DBM_MAX
        )
        if not good:
            raise ValueError("no LoRa chip can be set to this")

    @property
    def modulation(self) -> Modulation:
        """What of it says how long a packet is on the air."""
        return Modulation(self.bandwidth_hz, self.spreading, self.coding)

    @property
    def symbol_ms(self) -> float:
        """See `Modulation`."""
        return self.modulation.symbol_ms

    def packet_ms(self, size: int, preamble: int) -> float:
        """See `Modulation`."""
        return self.modulation.packet_ms(size, preamble)


def read_frequency(text: str) -> int:
    """`868.1MHz` in hertz. The unit has to be said. Raises `ValueError`."""
    shape = re.fullmatch(r"([0-9]{1,10}(?:\.[0-9]{1,6})?) ?([kM]?Hz)", text, re.ASCII | re.IGNORECASE)
    if shape is None:
        raise ValueError("not a frequency with its unit")
    hertz = Decimal(shape[1]) * _UNITS[shape[2].lower()]
    if hertz != int(hertz) or not FREQUENCY_HZ_MIN <= hertz <= FREQUENCY_HZ_MAX:
        raise ValueError("not a frequency of a LoRa chip")
    return int(hertz)


def frequency_text(frequency_hz: int) -> str:
    """As `read_frequency` reads it."""
    return f"{(Decimal(frequency_hz) / 1_000_000).normalize():f}MHz"
