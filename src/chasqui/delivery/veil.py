"""The neighbourhood key: frames of those who share it look random to others, and nobody else can make one.

It protects airtime, not content: bundles are sealed without it. Byte-exact in `docs/spec/radio.md`.
"""

from __future__ import annotations

from hashlib import blake2s
from itertools import count
from typing import Final

from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.secret import Secret

MAC_BYTES: Final = 4
KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 32


def veil(key: Secret, frame: bytes) -> bytes:
    """A frame as it goes out: four bytes longer."""
    mac = blake2s(frame, key=key, person=labels.VEIL_MAC, digest_size=MAC_BYTES).digest()
    return mac + _masked(key, mac, frame)


def unveil(key: Secret, data: bytes) -> bytes:
    """The frame. Raises `PeerError` for what was not made under this key."""
    mac, frame = data[:MAC_BYTES], _masked(key, data[:MAC_BYTES], data[MAC_BYTES:])
    if blake2s(frame, key=key, person=labels.VEIL_MAC, digest_size=MAC_BYTES).digest() != mac:
        raise PeerError("A frame is of another neighbourhood.")
    return frame


def _masked(key: Secret, mac: bytes, data: bytes) -> bytes:
    mask = b""
    for block in count():
        if len(mask) >= len(data):
            break
        mask += blake2s(mac + block.to_bytes(2, "big"), key=key, person=labels.VEIL_MASK).digest()
    size = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")
