"""A bounded reader and a writer for fixed, big-endian layouts. Only `PeerError` escapes the reader."""

from __future__ import annotations

from chasqui.base.errors import PeerError


class Reader:
    """Reads a byte string from front to back; every short read is the peer's fault.

    Raises `PeerError` when bytes are missing, and from `end` when bytes are left over.
    """

    __slots__ = ("_data", "_pos")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._pos

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        end = self._pos + n
        if n < 0 or end > len(self._data):
            raise PeerError("The data is cut short.")
        piece = self._data[self._pos : end]
        self._pos = end
        return piece

    def uint(self, n: int) -> int:
        """An unsigned big-endian integer of n bytes."""
        return int.from_bytes(self.take(n), "big")

    def length(self) -> int:
        """A length below 2^15: one byte below 128, else two with the top bit set; the longer form of a short
        length is refused."""
        first = self.uint(1)
        if first < 0x80:
            return first
        value = (first & 0x7F) << 8 | self.uint(1)
        if value < 0x80:
            raise PeerError("A length is not in its shortest form.")
        return value

    def block(self) -> bytes:
        """Bytes behind their `length`."""
        return self.take(self.length())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def end(self) -> None:
        """Refuses bytes left over."""
        if self.left:
            raise PeerError("There are bytes behind the end.")


def write_length(n: int) -> bytes:
    """The encoding that `Reader.length` reads. n is below 2^15."""
    if n < 0x80:
        return bytes((n,))
    if n >= 1 << 15:
        raise ValueError("length out of range")
    return (n | 0x8000).to_bytes(2, "big")


def write_block(data: bytes) -> bytes:
    """Bytes behind their length, as `Reader.block` reads them."""
    return write_length(len(data)) + data
