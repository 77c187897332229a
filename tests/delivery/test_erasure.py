"""The erasure code: any K symbols give back all, and fewer give nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.delivery.erasure import PARITY_FIRST, coefficient, parity_symbol, repair


def slow_product(one: int, other: int) -> int:
    """GF(256) by the book."""
    total = 0
    while other:
        if other & 1:
            total ^= one
        one <<= 1
        if one & 0x100:
            one ^= 0x11D
        other >>= 1
    return total


@pytest.mark.must("M-RAD-3")
def test_coefficients_and_parity_by_the_book() -> None:
    for parity, source in ((192, 0), (255, 191), (200, 7)):
        assert slow_product(coefficient(parity, source), parity ^ source) == 1
    sources = [b"\x01\x02", b"\x03", b"\xff\xfe"]
    by_hand = [0, 0]
    for at, symbol in enumerate(sources):
        for place, value in enumerate(symbol):
            by_hand[place] ^= slow_product(coefficient(210, at), value)
    assert parity_symbol(210, sources, 2) == bytes(by_hand)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_as_many_parity_symbols_as_were_lost_are_enough(count: int, seed: int) -> None:
    dice = random.Random(seed)
    sources = [dice.randbytes(11) for _ in range(count)]
    lost = dice.sample(range(count), dice.randint(0, count))
    numbers = dice.sample(range(PARITY_FIRST, 256), len(lost))
    there = {at: source for at, source in enumerate(sources) if at not in lost}
    parity = {number: (count, parity_symbol(number, sources, 11)) for number in numbers}
    assert repair(there, parity, 11) == {at: sources[at] for at in lost}
    if lost:
        parity.popitem()
        assert repair(there, parity, 11) == {}


@given(st.integers(0, 2**32))
def test_a_generation_that_grew_meanwhile(seed: int) -> None:
    dice = random.Random(seed)
    sources = [dice.randbytes(5) for _ in range(12)]
    parity = {}
    for number in range(PARITY_FIRST, PARITY_FIRST + 8):
        count = dice.randint(4, 12)
        parity[number] = (count, parity_symbol(number, sources[:count], 5))
    lost = dice.sample(range(12), 4)
    found = repair({at: s for at, s in enumerate(sources) if at not in lost}, parity, 5)
    assert all(sources[at] == source for at, source in found.items())


def test_nothing_lost_and_nothing_there() -> None:
    assert repair({}, {}, 5) == {}
    assert repair({0: b"a"}, {192: (1, b"a")}, 1) == {}
