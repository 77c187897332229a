"""A real picture of about 200 KB, the same every time: dawn over mountains, as a PNG from the standard library."""

from __future__ import annotations

import math
import random
import zlib
from typing import Final

WIDTH: Final = 496
HEIGHT: Final = 372
_RIDGES: Final = (
    (0.52, 26.0, 0.011, (121, 104, 138)),
    (0.66, 20.0, 0.019, (78, 72, 104)),
    (0.80, 14.0, 0.031, (38, 41, 64)),
)


def draw_picture() -> bytes:
    """The bytes of the PNG file (RFC 2083: colour type 2, eight bits)."""
    grain = random.Random(7183)  # the same grain in every picture: nothing secret
    rows = []
    for y in range(HEIGHT):
        row = bytearray(b"\x00")  # filter: none
        for x in range(WIDTH):
            noise = grain.getrandbits(5) - 16
            row += bytes(min(255, max(0, channel + noise)) for channel in _colour(x, y))
        rows.append(bytes(row))
    header = WIDTH.to_bytes(4, "big") + HEIGHT.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    body = zlib.compress(b"".join(rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _colour(x: int, y: int) -> tuple[int, int, int]:
    for base, height, pitch, colour in reversed(_RIDGES):
        ridge = HEIGHT * base - height * (math.sin(x * pitch + base * 9) + 0.4 * math.sin(x * pitch * 3.7))
        if y > ridge:
            return colour
    if math.hypot(x - WIDTH * 0.68, y - HEIGHT * 0.38) < 24:
        return 255, 244, 214
    down = y / HEIGHT
    return int(88 + 240 * down), int(120 + 90 * down), int(178 - 30 * down)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
