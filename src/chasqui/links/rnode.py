"""The serial protocol of RNode boards: KISS frames whose first byte is a code. Pure. Spec: `docs/spec/rnode.md`.

Written from what the boards do on the wire (firmware 1.86).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chasqui.links.kiss import KissFrame, KissReader, write_kiss
from chasqui.links.lora import PACKET_BYTES_MAX, Lora, frequency_text

FRAME_BYTES_MAX: Final = 508
HALF_BYTES: Final = PACKET_BYTES_MAX - 1  # a byte of the board's own stands before them; a longer frame is two packets
DETECT_ASK: Final = b"\x73"
DETECT_ANSWER: Final = b"\x46"
ON: Final = b"\x01"
OFF: Final = b"\x00"
ASK_STATE: Final = b"\xff"
ERROR_QUEUE_FULL: Final = b"\x04"
ERROR_MEMORY_LOW: Final = b"\x05"  # a warning
_PREAMBLE_SYMBOLS_MIN: Final = 18
_PREAMBLE_MS_MIN: Final = 24  # boards make it shorter on fast settings; airtime is never reckoned too low
_FREQUENCY_HZ_OFF: Final = 100  # chips have steps of 61 Hz, and some boards tell what became of it
_LOCK_OFF: Final = 1  # boards keep the share as a fraction


class Code(IntEnum):
    """The first byte of a frame."""

    DATA = 0x00
    FREQUENCY = 0x01
    BANDWIDTH = 0x02
    POWER = 0x03
    SPREADING = 0x04
    CODING = 0x05
    STATE = 0x06
    DETECT = 0x08
    SHARE = 0x0C  # of the airtime within an hour, in hundredths of a percent; 0: all
    READY = 0x0F
    SIGNAL_TO_NOISE = 0x24  # of the frame that follows, in quarters of a decibel
    RESET = 0x55
    ERROR = 0x90


@dataclass(frozen=True)
class Heard:
    """A frame came out of the air."""

    frame: bytes
    signal_to_noise_db: float | None


@dataclass(frozen=True)
class Reply:
    """Anything else that a board says, known or not."""

    code: int
    data: bytes


@dataclass(frozen=True)
class Wanted:
    """A value that a board is set to, and what it has to answer. `name` and `unit` are for people."""

    code: Code
    data: bytes
    name: str
    unit: str = ""
    tolerance: int = 0
    needed: bool = True  # else a board that does not know it may be silent

    def met_by(self, answer: bytes) -> bool:
        """Whether the board is set to this."""
        off = int.from_bytes(answer, "big") - int.from_bytes(self.data, "big")
        return len(answer) == len(self.data) and abs(off) <= self.tolerance

    def words(self, data: bytes) -> str:
        """The value for people."""
        if len(data) != len(self.data):
            return "nothing that can be read"
        value = int.from_bytes(data, "big")
        if self.code == Code.FREQUENCY:
            return frequency_text(value)
        if self.code == Code.BANDWIDTH:
            return f"{value / 1000:g} kHz"
        if self.code == Code.SHARE:
            return f"{value / 100:g} %"
        return f"{value}{self.unit}"


def write_command(code: Code, data: bytes) -> bytes:
    """The bytes that tell a board something."""
    return write_kiss(KissFrame(code >> 4, code & 15, data))


def wanted_of(lora: Lora, airtime_share_max: float) -> tuple[Wanted, ...]:
    """What a board has to be set to, in this order."""
    share = 0 if airtime_share_max >= 1 else max(1, int(airtime_share_max * 10_000))
    return (
        Wanted(Code.FREQUENCY, lora.frequency_hz.to_bytes(4, "big"), "frequency", tolerance=_FREQUENCY_HZ_OFF),
        Wanted(Code.BANDWIDTH, lora.bandwidth_hz.to_bytes(4, "big"), "bandwidth"),
        Wanted(Code.POWER, bytes((lora.power_dbm,)), "power", " dBm"),
        Wanted(Code.SPREADING, bytes((lora.spreading,)), "spreading factor"),
        Wanted(Code.CODING, bytes((lora.coding,)), "coding rate"),
        Wanted(Code.SHARE, share.to_bytes(2, "big"), "share of airtime", tolerance=_LOCK_OFF, needed=False),
    )


class RNodeReader:
    """Cuts what a board says into replies and frames that it heard. Any bytes are legal; it holds at most one frame."""

    __slots__ = ("_kiss", "_signal_to_noise_db")

    def __init__(self) -> None:
        self._kiss = KissReader()
        self._signal_to_noise_db: float | None = None

    @property
    def passed_over(self) -> int:
        """How much was no frame."""
        return self._kiss.passed_over

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return self._kiss.held_bytes

    def feed(self, data: bytes) -> list[Heard | Reply]:
        """What this piece completes."""
        said: list[Heard | Reply] = []
        for frame in self._kiss.feed(data):
            code = frame.port << 4 | frame.command
            if code == Code.SIGNAL_TO_NOISE and len(frame.data) == 1:
                self._signal_to_noise_db = int.from_bytes(frame.data, "big", signed=True) / 4
            elif code == Code.DATA:
                said.append(Heard(frame.data, self._signal_to_noise_db))
                self._signal_to_noise_db = None
            else:
                said.append(Reply(code, frame.data))
        return said


def preamble_of(lora: Lora) -> int:
    """Symbols of the preamble that boards send."""
    return max(_PREAMBLE_SYMBOLS_MIN, math.ceil(_PREAMBLE_MS_MIN / lora.symbol_ms))


def airtime_ms(lora: Lora, frame_bytes: int) -> float:
    """How long a board is on the air with a frame."""
    preamble = preamble_of(lora)
    parts = [min(frame_bytes, HALF_BYTES)]
    if frame_bytes > HALF_BYTES:
        parts.append(frame_bytes - HALF_BYTES)
    return sum(lora.packet_ms(1 + part, preamble) for part in parts)


def rate_of(lora: Lora, mtu_bytes: int) -> tuple[int, int]:
    """Bits a second, and milliseconds that each frame takes beside: see `Modulation.rate_of`."""
    return lora.modulation.rate_of(lambda size: airtime_ms(lora, size), mtu_bytes)
