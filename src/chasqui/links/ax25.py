"""AX.25 2.2 UI frames without a path: who sends, to everybody, and what. Pure. Spec: `docs/spec/kiss.md`.

The TNC adds and checks the flags, the stuffed bits and the check sequence; none of them is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import PeerError

ADDRESS_BYTES: Final = 7
HEADER_BYTES: Final = 2 * ADDRESS_BYTES + 2
_CONTROL_UI: Final = 0x03  # with the poll bit clear
_PID_NONE: Final = 0xF0  # no layer above
_SHAPE: Final = re.compile(r"([A-Z0-9]{1,6})(?:-([0-9]|1[0-5]))?")


@dataclass(frozen=True)
class Callsign:
    """A station's name on the air. The blank one names nobody."""

    name: str = ""
    ssid: int = 0

    def __str__(self) -> str:
        return f"{self.name}-{self.ssid}" if self.ssid else self.name


BLANK: Final = Callsign()
EVERYBODY: Final = Callsign("QST")  # what UI frames to all have been addressed to since AX.25 began


def read_callsign(text: str) -> Callsign:
    """`DL1ABC` or `DL1ABC-7`; the empty text is the blank one. Raises `ValueError`."""
    if not text:
        return BLANK
    shape = _SHAPE.fullmatch(text.upper())
    if shape is None:
        raise ValueError("not a callsign")
    return Callsign(shape[1], int(shape[2] or 0))


def write_ui(source: Callsign, info: bytes) -> bytes:
    """The frame that `source` sends to everybody."""
    return _address(EVERYBODY, command=True) + _address(source, last=True) + bytes((_CONTROL_UI, _PID_NONE)) + info


def read_ui(frame: bytes) -> bytes:
    """What a frame to everybody brings. Raises `PeerError` for any other frame: they are somebody else's.

    The source is not looked at: nobody vouches for it.
    """
    destination, tail = frame[:ADDRESS_BYTES], frame[2 * ADDRESS_BYTES : HEADER_BYTES]
    if len(frame) <= HEADER_BYTES or destination[:6] != _EVERYBODY_NAME or destination[6] & _SSID_MASK:
        raise PeerError("Not a frame to everybody.")
    if not frame[2 * ADDRESS_BYTES - 1] & 1 or destination[6] & 1 or tail != bytes((_CONTROL_UI, _PID_NONE)):
        raise PeerError("A frame with a path, or of another protocol.")
    return frame[HEADER_BYTES:]


def _address(call: Callsign, *, command: bool = False, last: bool = False) -> bytes:
    name = bytes(ord(letter) << 1 for letter in call.name.ljust(6))
    return name + bytes((command << 7 | 0b11 << 5 | call.ssid << 1 | last,))


_SSID_MASK: Final = 0x1E
_EVERYBODY_NAME: Final = _address(EVERYBODY)[:6]
