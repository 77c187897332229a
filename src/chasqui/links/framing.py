"""Frames on a byte stream: u16 length, then the frame; length 0 keeps the session alive. Pure."""

from __future__ import annotations

from typing import Final

from chasqui.base.errors import PeerError
from chasqui.links.announcement import RUN_ID_BYTES, RunId

LENGTH_BYTES: Final = 2
KEEPALIVE: Final = bytes(LENGTH_BYTES)
HELLO_VERSION: Final = 1


def framed(frame: bytes) -> bytes:
    """The frame as it goes on the stream."""
    return len(frame).to_bytes(LENGTH_BYTES, "big") + frame


class FrameReader:
    """Cuts a stream back into frames. It holds at most one frame beyond the piece that was fed."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that this piece completes; a keepalive is an empty one. Any bytes are legal."""
        rest = self._rest
        rest += data
        frames: list[bytes] = []
        start, size = 0, len(rest)
        while size - start >= LENGTH_BYTES:
            end = start + LENGTH_BYTES + (rest[start] << 8 | rest[start + 1])
            if end > size:
                break
            frames.append(bytes(rest[start + LENGTH_BYTES : end]))
            start = end
        del rest[:start]
        return frames

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)


def hello(run_id: RunId) -> bytes:
    """The first frame of each side: version, run id."""
    return bytes((HELLO_VERSION,)) + run_id


def read_hello(frame: bytes) -> RunId:
    """The run id of a hello. Raises `PeerError`."""
    if len(frame) != 1 + RUN_ID_BYTES:
        raise PeerError("Not a hello.")
    if frame[0] != HELLO_VERSION:
        raise PeerError("The neighbour speaks a version of the LAN link that is not known here.")
    return RunId(frame[1:])
