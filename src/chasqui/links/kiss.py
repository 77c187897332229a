"""KISS (Chepponis and Karn 1987): frames between this machine and a TNC, over a serial line or TCP. Pure.

FEND | port and command | data with FEND and FESC escaped | FEND. Spec: `docs/spec/kiss.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

FEND: Final = 0xC0
FESC: Final = 0xDB
TFEND: Final = 0xDC
TFESC: Final = 0xDD
PORTS: Final = 16
KISS_BYTES_MAX: Final = 2_048  # of one frame without escapes; twice what we send. What is longer is passed over

_FEND_BYTE: Final = bytes((FEND,))
_FESC_BYTE: Final = bytes((FESC,))
_ESCAPED: Final = {TFEND: FEND, TFESC: FESC}


class Command(IntEnum):
    """What chasqui says to a TNC."""

    DATA = 0
    TX_DELAY = 1  # one byte, in units of 10 ms: between keying up and the frame
    TX_TAIL = 4  # the same, after the frame


@dataclass(frozen=True)
class KissFrame:
    """One frame. `command` of a foreign one may be any number of 0 to 15."""

    port: int
    command: int
    data: bytes


def write_kiss(frame: KissFrame) -> bytes:
    """The bytes of a frame. Raises `ValueError` for a port or command that is none."""
    if not (0 <= frame.port < PORTS and 0 <= frame.command < PORTS):
        raise ValueError("no such port or command")
    inside = bytes((frame.port << 4 | frame.command,)) + frame.data
    inside = inside.replace(_FESC_BYTE, bytes((FESC, TFESC))).replace(_FEND_BYTE, bytes((FESC, TFEND)))
    return _FEND_BYTE + inside + _FEND_BYTE


class KissReader:
    """Cuts what a TNC says into frames. Any bytes are legal; what is no frame is passed over and counted.

    It holds at most one frame of `KISS_BYTES_MAX`.
    """

    __slots__ = ("_broken", "_rest", "_synced", "passed_over")

    def __init__(self) -> None:
        self._rest = bytearray()  # escaped, since the last FEND
        self._synced = False  # before the first FEND we may be in the middle of a frame
        self._broken = False
        self.passed_over = 0

    def feed(self, data: bytes) -> list[KissFrame]:
        """The frames that this piece completes."""
        frames: list[KissFrame] = []
        *whole, last = data.split(_FEND_BYTE)
        for piece in whole:
            self._take(piece)
            frame = self._end()
            if frame is not None:
                frames.append(frame)
        self._take(last)
        return frames

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)

    def _take(self, piece: bytes) -> None:
        if self._broken:
            return
        self._rest += piece
        if len(self._rest) > 2 * KISS_BYTES_MAX:
            self._rest.clear()
            self._broken = True

    def _end(self) -> KissFrame | None:
        """A FEND came."""
        inside = None if self._broken else _unescaped(self._rest)
        empty = not self._broken and not self._rest  # several FENDs in a row are one
        torn = not self._synced
        self._rest.clear()
        self._broken, self._synced = False, True
        if empty or torn:
            return None
        if inside is None or len(inside) > KISS_BYTES_MAX:
            self.passed_over += 1
            return None
        return KissFrame(inside[0] >> 4, inside[0] & 15, inside[1:])


def _unescaped(data: bytearray) -> bytes | None:
    """None: an escape that is none."""
    first, *others = bytes(data).split(_FESC_BYTE)
    out = bytearray(first)
    for piece in others:
        if not piece or piece[0] not in _ESCAPED:
            return None
        out.append(_ESCAPED[piece[0]])
        out += piece[1:]
    return bytes(out)
