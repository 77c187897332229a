"""Entropy that follows from a seed: two runs on equal seeds are equal."""

from __future__ import annotations

from hashlib import blake2b


class SeededEntropy:
    """`chasqui.base.ports.Entropy` for one device. It goes on through crashes, as a machine's does."""

    def __init__(self, seed: str) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._count = 0

    def __call__(self, n: int, /) -> bytes:
        self._count += 1
        start = self._count.to_bytes(8, "big")
        out = blake2b(start, key=self._key).digest()
        part = 1
        while len(out) < n:
            out += blake2b(start + part.to_bytes(4, "big"), key=self._key).digest()
            part += 1
        return out[:n]
