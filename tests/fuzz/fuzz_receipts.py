"""Receipts: canonical, and every number in them fits the store."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.limits import SEQUENCE_MAX
from chasqui.sealed.receipts import decode_receipts, encode_receipts


def target(data: bytes) -> None:
    """Reads, and writes again what was read."""
    try:
        entries, vote = decode_receipts(data)
    except PeerError:
        return
    assert encode_receipts(entries, vote) == data
    assert all(entry.have.last <= SEQUENCE_MAX for entry in entries)
