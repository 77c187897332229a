"""Typed bodies: msgspec arrays that decode to one frozen struct or are refused; re-encoding gives the input."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from chasqui.base.errors import PeerError


class Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of every struct that is written to the wire or to disk."""


T = TypeVar("T", bound=Body)
_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder(kind: type[Any]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(body: Body) -> bytes:
    """The canonical bytes of a body."""
    return _encoder.encode(body)


def decode(data: bytes, kind: type[T]) -> T:
    """The body of that kind. Raises `PeerError` on anything that is not its canonical encoding."""
    try:
        body: T = _decoder(kind).decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise PeerError(f"The data is not a {kind.__name__}.") from error
    if _encoder.encode(body) != data:
        raise PeerError(f"A {kind.__name__} is not in its canonical form.")
    return body


def decode_union(data: bytes, kinds: Any, name: str) -> Any:
    """As `decode`, for a union of tagged bodies; `name` is what the error calls it."""
    try:
        body = _decoder(kinds).decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise PeerError(f"The data is not an {name}.") from error
    if _encoder.encode(body) != data:
        raise PeerError(f"An {name} is not in its canonical form.")
    return body


def decode_own(data: bytes, kind: type[T]) -> T:
    """As `decode`, for records that this vault wrote under authenticated encryption: no canonical check."""
    body: T = _decoder(kind).decode(data)
    return body
