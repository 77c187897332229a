"""GF(2^32) = GF(2)[x] / (x^32 + x^7 + x^3 + x^2 + 1), the field of sketches, many elements at once.

A `Slices` holds bit i of all its elements in integer i (one element a lane), so that a product of ten thousand
elements is a thousand AND of whole integers: 20 ns an element. Single elements go through spread bits: a product of
polynomials over GF(2) is a product of integers whose bits stand so far apart that no sum carries over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

BITS: Final = 32
ELEMENT_MAX: Final = 2**BITS - 1
Slices = list[int]

_GAP: Final = 6  # sums of up to 32 ones fit into 6 bits
_TAPS: Final = (0, 2, 3, 7)  # x^32 = x^7 + x^3 + x^2 + 1


# -- many ---------------------------------------------------------------------------------------------------


def slices_of(elements: Sequence[int]) -> Slices:
    """Element n becomes lane n."""
    packed = b"".join(element.to_bytes(4, "little") for element in reversed(elements))
    slices = []
    for byte in range(4):
        plane = packed[byte::4]
        slices += [int(plane.translate(_BIT_AS_DIGIT[bit]) or b"0", 2) for bit in range(8)]
    return slices


_BIT_AS_DIGIT: Final = [bytes(0x30 | value >> bit & 1 for value in range(256)) for bit in range(8)]


def elements_of(slices: Slices, lanes: int) -> list[int]:
    """The inverse of `slices_of`."""
    rows = [format(piece, f"0{lanes}b") for piece in reversed(slices)]
    return [int("".join(digits), 2) for digits in zip(*rows, strict=True)][::-1]


def product(one: Slices, other: Slices) -> Slices:
    """Lane by lane."""
    return _reduced(_carryless(one, other))


def _carryless(one: Slices, other: Slices) -> Slices:
    """Karatsuba down to 8 bits: 576 AND in place of 1024."""
    n = len(one)
    total = [0] * (2 * n - 1)
    if n <= 8:
        for i, a in enumerate(one):
            if a:
                for j, b in enumerate(other, i):
                    total[j] ^= a & b
        return total
    half = n // 2
    low = _carryless(one[:half], other[:half])
    high = _carryless(one[half:], other[half:])
    middle = _carryless(
        [a ^ b for a, b in zip(one[:half], one[half:], strict=True)],
        [a ^ b for a, b in zip(other[:half], other[half:], strict=True)],
    )
    for at, (a, b, c) in enumerate(zip(low, middle, high, strict=True)):
        total[at] ^= a
        total[at + half] ^= a ^ b ^ c
        total[at + n] ^= c
    return total


def squares(one: Slices) -> Slices:
    """Lane by lane: squaring only moves bits."""
    spread = [0] * (2 * BITS - 1)
    spread[::2] = one
    return _reduced(spread)


def _reduced(total: Slices) -> Slices:
    for at in range(len(total) - 1, BITS - 1, -1):
        for tap in _TAPS:
            total[at - BITS + tap] ^= total[at]
    return total[:BITS]


def lane_sum(slices: Slices) -> int:
    """The sum of all lanes, one element."""
    return sum((piece.bit_count() & 1) << bit for bit, piece in enumerate(slices))


# -- one ----------------------------------------------------------------------------------------------------


def _spread_table() -> list[int]:
    return [sum((value >> bit & 1) << _GAP * bit for bit in range(8)) for value in range(256)]


_SPREAD: Final = _spread_table()
_LOW: Final = sum(1 << _GAP * bit for bit in range(2 * BITS))
_HALF: Final = _GAP * BITS


def spread(element: int) -> int:
    """The form in which `times` takes an element."""
    a, b, c, d = element.to_bytes(4, "little")
    return _SPREAD[a] | _SPREAD[b] << 8 * _GAP | _SPREAD[c] << 16 * _GAP | _SPREAD[d] << 24 * _GAP


def gathered(value: int) -> int:
    """The inverse of `spread`."""
    return int(format(value, f"0{_HALF}b")[_GAP - 1 :: _GAP], 2)


def times(one: int, other: int) -> int:
    """A product of two spread elements."""
    value = one * other & _LOW
    high = value >> _HALF
    value = (value & _LOW_HALF) ^ high ^ high << 2 * _GAP ^ high << 3 * _GAP ^ high << 7 * _GAP
    high = value >> _HALF
    return (value & _LOW_HALF) ^ high ^ high << 2 * _GAP ^ high << 3 * _GAP ^ high << 7 * _GAP


_LOW_HALF: Final = (1 << _HALF) - 1


def inverse(one: int) -> int:
    """Of a spread element other than zero: its power 2^32 - 2, in nine products (Itoh and Tsujii)."""
    power, doubled = one, 1  # power = one^(2^doubled - 1)
    result = 0
    done = 0
    left = BITS - 1
    while left:
        if left & 1:
            result = times(_raised(result, doubled), power) if done else power
            done += doubled
        power, doubled = times(_raised(power, doubled), power), 2 * doubled
        left >>= 1
    return times(result, result)


def square(one: int) -> int:
    """Of a spread element."""
    return _raised(one, 1)


@cache
def _raising(doublings: int) -> list[list[int]]:
    """Tables of the linear map x -> x^(2^doublings), byte by byte of spread elements."""
    images = []
    for bit in range(BITS):
        image = 1 << _GAP * bit
        for _ in range(doublings):
            image = times(image, image)
        images.append(image)
    return [
        [total_of(images[8 * byte + bit] for bit in range(8) if value >> bit & 1) for value in range(256)]
        for byte in range(4)
    ]


def _raised(one: int, doublings: int) -> int:
    tables = _raising(doublings)
    a, b, c, d = gathered(one).to_bytes(4, "little")
    return tables[0][a] ^ tables[1][b] ^ tables[2][c] ^ tables[3][d]


def total_of(elements: Iterable[int]) -> int:
    """The sum of elements, spread or not."""
    total = 0
    for element in elements:
        total ^= element
    return total
