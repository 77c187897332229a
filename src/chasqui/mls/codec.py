"""The presentation language of RFC 9420, section 2.1: canonical, bounded, and nothing left over.

`Reader` raises PeerError only. Encoding raises UsageError when a value does not fit its field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.limits import FIELD_BYTES_MAX

T = TypeVar("T")



def _packer(form: str) -> Callable[[int], bytes]:
    pack = struct.Struct(form).pack

    def encode(value: int) -> bytes:
        try:
            return pack(value)
        except struct.error as error:
            raise UsageError("a number does not fit its field") from error

    return encode


u8 = _packer(">B")
u16 = _packer(">H")
u32 = _packer(">I")
u64 = _packer(">Q")

_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from
_U64 = struct.Struct(">Q").unpack_from

_ONE_BYTE_LENGTH = tuple(bytes((i,)) for i in range(64))


def vl_header(length: int) -> bytes:
    """The shortest variable-size length header (RFC 2.1.2)."""
    if length < 64:
        return _ONE_BYTE_LENGTH[length]
    if length < 1 << 14:
        return u16(0x4000 | length)
    if length < 1 << 30:
        return u32(0x8000_0000 | length)
    raise UsageError("a vector holds at most 2^30 - 1 bytes")


def vl(data: bytes) -> bytes:
    """`data` as a variable-size vector."""
    length = len(data)
    if length < 64:
        return _ONE_BYTE_LENGTH[length] + data
    return vl_header(length) + data


def vl_join(parts: Iterable[bytes]) -> bytes:
    """A vector whose elements are already encoded."""
    return vl(b"".join(parts))


def optional(encoded: bytes | None) -> bytes:
    """optional<T> (RFC 2.1.1): 00, or 01 and the value."""
    return b"\x00" if encoded is None else b"\x01" + encoded


class Reader:
    """A cursor over bytes from outside. Every method raises PeerError when the bytes do not fit."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end

    def take(self, length: int) -> bytes:
        """Exactly `length` bytes."""
        pos = self.pos
        stop = pos + length
        if stop > self.end:
            raise PeerError(Check.TRUNCATED)
        self.pos = stop
        return self.data[pos:stop]

    def u8(self) -> int:
        pos = self.pos
        if pos >= self.end:
            raise PeerError(Check.TRUNCATED)
        self.pos = pos + 1
        return self.data[pos]

    def u16(self) -> int:
        pos = self.pos
        if pos + 2 > self.end:
            raise PeerError(Check.TRUNCATED)
        self.pos = pos + 2
        value: int = _U16(self.data, pos)[0]
        return value

    def u32(self) -> int:
        pos = self.pos
        if pos + 4 > self.end:
            raise PeerError(Check.TRUNCATED)
        self.pos = pos + 4
        value: int = _U32(self.data, pos)[0]
        return value

    def u64(self) -> int:
        pos = self.pos
        if pos + 8 > self.end:
            raise PeerError(Check.TRUNCATED)
        self.pos = pos + 8
        value: int = _U64(self.data, pos)[0]
        return value

    def length(self) -> int:
        """A vector length, which must be minimal and lie within what is left."""
        pos = self.pos
        end = self.end
        if pos >= end:
            raise PeerError(Check.TRUNCATED)
        data = self.data
        first = data[pos]
        if first < 0x40:
            pos += 1
            length = first
        elif first < 0x80:
            if pos + 2 > end:
                raise PeerError(Check.TRUNCATED)
            length = (first & 0x3F) << 8 | data[pos + 1]
            pos += 2
            if length < 64:
                raise PeerError(Check.LENGTH_NOT_MINIMAL)
        elif first < 0xC0:
            if pos + 4 > end:
                raise PeerError(Check.TRUNCATED)
            length = _U32(data, pos)[0] & 0x3FFF_FFFF
            pos += 4
            if length < 1 << 14:
                raise PeerError(Check.LENGTH_NOT_MINIMAL)
            if length > FIELD_BYTES_MAX:
                raise PeerError(Check.TOO_LARGE)
        else:
            raise PeerError(Check.LENGTH_RESERVED)
        if pos + length > end:
            raise PeerError(Check.TRUNCATED)
        self.pos = pos
        return length

    def vl(self) -> bytes:
        """opaque<V>."""
        length = self.length()
        pos = self.pos
        stop = pos + length
        self.pos = stop
        return self.data[pos:stop]

    def vl_max(self, length_max: int) -> bytes:
        """opaque<V> of at most `length_max` bytes."""
        length = self.length()
        if length > length_max:
            raise PeerError(Check.TOO_LARGE)
        pos = self.pos
        self.pos = pos + length
        return self.data[pos : pos + length]

    def sub(self) -> Reader:
        """A reader of exactly one vector's content; this one moves behind it."""
        length = self.length()
        pos = self.pos
        self.pos = pos + length
        return Reader(self.data, pos, pos + length)

    def many(self, read: Callable[[Reader], T], count_max: int) -> tuple[T, ...]:
        """T<V>: reads elements until the vector is exhausted, at most `count_max` of them."""
        sub = self.sub()
        found: list[T] = []
        while sub.pos < sub.end:
            if len(found) >= count_max:
                raise PeerError(Check.TOO_MANY)
            found.append(read(sub))
        return tuple(found)

    def u16s(self, count_max: int) -> tuple[int, ...]:
        """uint16<V>."""
        length = self.length()
        if length & 1:
            raise PeerError(Check.TRUNCATED)
        if length > 2 * count_max:
            raise PeerError(Check.TOO_MANY)
        pos = self.pos
        self.pos = pos + length
        return struct.unpack_from(f">{length >> 1}H", self.data, pos)

    def u32s(self, count_max: int) -> tuple[int, ...]:
        """uint32<V>."""
        length = self.length()
        if length & 3:
            raise PeerError(Check.TRUNCATED)
        if length > 4 * count_max:
            raise PeerError(Check.TOO_MANY)
        pos = self.pos
        self.pos = pos + length
        return struct.unpack_from(f">{length >> 2}I", self.data, pos)

    def present(self) -> bool:
        """The presence octet of optional<T>."""
        flag = self.u8()
        if flag > 1:
            raise PeerError(Check.OPTIONAL_FLAG)
        return flag == 1

    def finish(self) -> None:
        """Nothing may be left."""
        if self.pos != self.end:
            raise PeerError(Check.TRAILING_BYTES)

    def rest(self) -> bytes:
        """All that is left."""
        pos = self.pos
        self.pos = self.end
        return self.data[pos : self.end]


def decode_all(data: bytes, read: Callable[[Reader], T]) -> T:
    """Decodes one value that fills `data` entirely. Raises PeerError."""
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value
