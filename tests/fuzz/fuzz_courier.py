"""Courier files: in one piece and in many, with the same result."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.delivery.courier_file import CourierReader, CourierReport


def target(data: bytes) -> None:
    """However the bytes come, what is read is the same."""
    whole = _read(data, max(1, len(data)))
    assert whole == _read(data, 7)
    if whole is not None:
        assert all(len(bundle) in BUNDLE_STEPS for bundle in whole[0])


def _read(data: bytes, piece: int) -> tuple[list[bytes], CourierReport] | None:
    reader = CourierReader()
    found: list[bytes] = []
    try:
        for start in range(0, len(data), piece):
            found += reader.feed(data[start : start + piece])
    except PeerError:
        return None
    return found, reader.finish()
