"""Draws from entropy that is an argument."""

from __future__ import annotations

import math

from chasqui.base.ports import Entropy


def below(entropy: Entropy, bound: int) -> int:
    """A number from 0 to bound - 1, evenly but for one part in 2^32 at most."""
    return int.from_bytes(entropy(8), "big") * bound >> 64


def exponential(entropy: Entropy, mean: float) -> float:
    """The time to the next event of a Poisson process."""
    return -math.log(1 - int.from_bytes(entropy(6), "big") / 2**48) * mean
