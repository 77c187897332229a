"""Bodies of every kind, the welcome among them."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.schema import Body, encode
from chasqui.groups.bodies import (
    read_ask,
    read_commit,
    read_demand,
    read_key_packages,
    read_manifest,
    read_part,
    read_reseal,
    read_welcome,
)
from chasqui.node.messages import read_text

READERS = (read_commit, read_welcome, read_key_packages, read_manifest, read_part, read_ask, read_reseal, read_demand)


def target(data: bytes) -> None:
    """The first byte names the kind."""
    kind, body = data[:1], data[1:]
    try:
        if kind and kind[0] < len(READERS):
            read: Body = READERS[kind[0]](body)
            assert encode(read) == body
        else:
            assert read_text(body).encode() == body
    except PeerError:
        pass
