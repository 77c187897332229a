"""Draws from entropy that is an argument."""

from __future__ import annotations

import math
from typing import Final

from chasqui.base.ports import Entropy

LATENESS: Final = 4.7  # 1 + ln(40)


def below(entropy: Entropy, bound: int) -> int:
    """A number from 0 to bound - 1, evenly but for one part in 2^32 at most."""
    return int.from_bytes(entropy(8), "big") * bound >> 64


def mostly_late(entropy: Entropy, span: int) -> int:
    """A number below `span`, small ones rarely: of forty who draw at once one or two draw an early one, whom the others
    hear, and so it is with four hundred (Nonnenmacher and Biersack, 1999: truncated exponential timers)."""
    share = int.from_bytes(entropy(6), "big") / 2**48
    return int(span * math.log1p(share * math.expm1(LATENESS)) / LATENESS)


def exponential(entropy: Entropy, mean: float) -> float:
    """The time to the next event of a Poisson process."""
    return -math.log(1 - int.from_bytes(entropy(6), "big") / 2**48) * mean
