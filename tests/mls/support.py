"""What the tests of chasqui.mls share: official vectors, replayable entropy, groups of any size."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(
    os.environ.get("CHASQUI_MLS_VECTORS", Path(__file__).parents[3] / "shared" / "mls-vectors")
)
HOW = (
    "no MLS vectors: clone https://github.com/mlswg/mls-implementations and set CHASQUI_MLS_VECTORS "
    "to its folder test-vectors"
)
SUITES = (1, 3)
"""Those with official vectors."""

ALL_SUITES = (1, 3, 0xF04D)


@cache
def load(name: str) -> list[Any]:
    """All cases of an official vector file."""
    path = VECTORS / f"{name}.json"
    if not path.exists():
        pytest.skip(HOW)
    cases: list[Any] = json.loads(path.read_text())
    return cases


def cases(name: str) -> Iterator[Any]:
    """The cases of the suites that we implement; never none."""
    found = [case for case in load(name) if case["cipher_suite"] in SUITES]
    assert found
    return iter(found)


def h(text: str) -> bytes:
    return bytes.fromhex(text)


class Rng:
    """Entropy that replays: SHA-256 in counter mode from a seed."""

    def __init__(self, seed: object) -> None:
        self.seed = repr(seed).encode()
        self.count = 0

    def __call__(self, length: int) -> bytes:
        out = b""
        while len(out) < length:
            self.count += 1
            out += hashlib.sha256(self.seed + self.count.to_bytes(8, "big")).digest()
        return out[:length]

    def below(self, bound: int) -> int:
        return int.from_bytes(self(8), "big") % bound
