"""Frames of a link in modem frames of a fixed size, and back. Pure. Spec: `docs/spec/sound.md`.

position 4 bits, last position 4 bits | part; all parts together: length u16 | frame | zeroes
"""

from __future__ import annotations

from typing import Final

from chasqui.media.modes import Shape

_HEAD_BYTES: Final = 1
_LENGTH_BYTES: Final = 2


def mtu_of(shape: Shape) -> int:
    """The largest frame that one burst holds."""
    return shape.frames_max * (shape.payload_bytes - _HEAD_BYTES) - _LENGTH_BYTES


def split(frame: bytes, shape: Shape) -> list[bytes]:
    """The payloads of one burst, as few as hold it. Raises `ValueError` for a frame of another size."""
    if not 0 < len(frame) <= mtu_of(shape):
        raise ValueError("not the size of a frame of this link")
    room = shape.payload_bytes - _HEAD_BYTES
    body = len(frame).to_bytes(_LENGTH_BYTES, "big") + frame
    last = (len(body) - 1) // room
    return [
        bytes((position << 4 | last,)) + body[position * room : (position + 1) * room].ljust(room, b"\0")
        for position in range(last + 1)
    ]


class Joiner:
    """Puts the payloads of a burst together. What has a gap or breaks the rules is passed over and counted."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._parts: list[bytes] = []
        self._last = 0
        self.passed_over = 0
        self.over = False  # the burst that was heard last holds nothing more for us

    def hear(self, payload: bytes) -> bytes | None:
        """The frame that this payload completes. Any bytes of the size of a payload are legal."""
        position, last = payload[0] >> 4, payload[0] & 15
        self.over = False
        if position == 0:
            self._drop()
            self._last = last
        if position != len(self._parts) or last != self._last or last >= self._shape.frames_max:
            self._drop()
            self.passed_over += position == 0 or position == last
            self.over = True
            return None
        self._parts.append(payload[_HEAD_BYTES:])
        if position < last:
            return None
        body, self._parts = b"".join(self._parts), []
        self.over = True
        size = int.from_bytes(body[:_LENGTH_BYTES], "big")
        frame, filling = body[_LENGTH_BYTES : _LENGTH_BYTES + size], body[_LENGTH_BYTES + size :]
        if not size or len(frame) < size or any(filling) or len(filling) >= len(payload) - _HEAD_BYTES:
            self.passed_over += 1
            return None
        return frame

    def lost(self) -> None:
        """The burst ended before its last payload."""
        self._drop()

    def _drop(self) -> None:
        if self._parts:
            self.passed_over += 1
        self._parts = []
