"""Any msgpack against a body with a field of each type."""

from __future__ import annotations

import contextlib

from chasqui.base.errors import PeerError
from chasqui.base.schema import Body, decode, decode_union, encode


class Everything(Body, frozen=True):
    """A field of each type that bodies have."""

    number: int
    name: str
    data: bytes
    many: tuple[bytes, ...]
    spans: tuple[tuple[int, int], ...]


class One(Body, frozen=True, tag=1):
    """One of two."""

    many: tuple[bytes, ...]


class Two(Body, frozen=True, tag=2):
    """The other."""

    name: str


def target(data: bytes) -> None:
    """What is accepted is canonical."""
    with contextlib.suppress(PeerError):
        assert encode(decode(data, Everything)) == data
    with contextlib.suppress(PeerError):
        assert encode(decode_union(data, One | Two, "thing")) == data
