"""Sketches: the field by the book, and differences from syndromes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.base.ids import BundleId
from chasqui.delivery import field32
from chasqui.delivery.index import Index, Item, fingerprint, short_id
from chasqui.delivery.sketch import elements_from, summed, syndromes_of

elements = st.integers(1, 2**32 - 1)


def slow_product(one: int, other: int) -> int:
    total = 0
    while other:
        if other & 1:
            total ^= one
        one <<= 1
        if one >> 32:
            one ^= 1 << 32 | 0x8D
        other >>= 1
    return total


@given(elements, elements)
def test_products_by_the_book(one: int, other: int) -> None:
    wanted = slow_product(one, other)
    assert field32.gathered(field32.times(field32.spread(one), field32.spread(other))) == wanted
    lanes = field32.product(field32.slices_of([one, 7, other]), field32.slices_of([other, 1, one]))
    assert field32.elements_of(lanes, 3) == [wanted, 7, wanted]
    assert field32.gathered(field32.square(field32.spread(one))) == slow_product(one, one)
    assert field32.elements_of(field32.squares(field32.slices_of([one])), 1) == [slow_product(one, one)]
    inverse = field32.gathered(field32.inverse(field32.spread(one)))
    assert slow_product(one, inverse) == 1


@pytest.mark.must("M-RAD-6")
def test_syndromes_by_the_book() -> None:
    dice = random.Random(1)
    some = [dice.randrange(1, 2**32) for _ in range(5)]
    wanted = []
    for power in (1, 3, 5, 7):
        total = 0
        for element in some:
            value = 1
            for _ in range(power):
                value = slow_product(value, element)
            total ^= value
        wanted.append(total)
    assert syndromes_of(some, 4) == tuple(wanted)


@pytest.mark.must("M-RAD-6")
def test_short_ids_and_fingerprints_are_fixed() -> None:
    bundle = BundleId(bytes(range(16)))
    assert f"{short_id(b'ab', bundle):08x}" == "723ab672"
    assert fingerprint(b"ab", 3, 2**64 + 5).hex() == fingerprint(b"ab", 3, 5).hex() == "4189"


@settings(deadline=None, max_examples=40)
@given(st.sets(elements, max_size=12), st.sets(elements, min_size=3, max_size=60), st.integers(0, 3))
def test_differences_come_back(apart: set[int], common: set[int], spare: int) -> None:
    one, other = common | set(sorted(apart)[::2]), (common | set(sorted(apart)[1::2])) - set(sorted(apart)[::2])
    count = len(one ^ other) + spare
    sum_of_both = summed(syndromes_of(sorted(one), count), syndromes_of(sorted(other), count))
    assert elements_from(sum_of_both) == sorted(one ^ other)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=14))
def test_any_syndromes_give_a_set_that_has_them_or_nothing(syndromes: list[int]) -> None:
    found = elements_from(syndromes)
    if found is not None:
        assert syndromes_of(found, len(syndromes)) == tuple(syndromes)


def test_a_set_that_is_too_large_is_seldom_taken_for_another() -> None:
    dice = random.Random(5)
    wrong = [elements_from(syndromes_of(dice.sample(range(1, 2**32), 12), 8)) for _ in range(40)]
    assert sum(found is not None for found in wrong) <= 1


def test_zero_is_no_element() -> None:
    for bad in ([0], [2**32]):
        with pytest.raises(ValueError):
            syndromes_of(bad, 2)
    assert syndromes_of([], 3) == (0, 0, 0)


def test_the_index_follows() -> None:
    index = Index(100)
    items = [Item(BundleId(bytes((n,)) * 16), 207, 1, 90 + n % 2) for n in range(6)]
    for item in items:
        index.add(item)
        index.add(item)
    assert len(index) == 6
    assert index.days == [90, 91]
    full = index.entry(b"xy", (90, 91))
    assert full == (6, fingerprint(b"xy", 6, sum(int.from_bytes(item.id[:8], "big") for item in items)))
    for split in (0, 1, 2):
        assert all(not short % (1 << split) for short in index.short_ids(b"xy", 90, split))
    for item in items:
        index.remove(item.id)
        index.remove(item.id)
    assert index.entry(b"xy", (90, 91)) == index.entry(b"xy", ()) == (0, fingerprint(b"xy", 0, 0))
    assert index.days == []
