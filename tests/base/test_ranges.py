"""Sets of numbers as spans, against Python's own sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.ranges import Ranges

numbers = st.sets(st.integers(1, 60))
spans = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=8
)


def ranges_of(model: set[int]) -> Ranges:
    ranges = Ranges()
    for number in model:
        ranges = ranges.add(number)
    return ranges


def numbers_of(ranges: Ranges) -> set[int]:
    return {number for first, last in ranges.spans for number in range(first, last + 1)}


def is_normal(ranges: Ranges) -> bool:
    flat = [edge for span in ranges.spans for edge in span]
    apart = all(a[1] + 1 < b[0] for a, b in pairwise(ranges.spans))
    return flat == sorted(flat) and apart


@given(numbers)
def test_it_is_the_set(model: set[int]) -> None:
    ranges = ranges_of(model)
    assert is_normal(ranges)
    assert numbers_of(ranges) == model
    assert [n in ranges for n in range(-1, 80)] == [n in model for n in range(-1, 80)]
    assert ranges.last == max(model, default=0)


@given(st.permutations(list(range(1, 12))), numbers)
def test_the_order_of_adding_does_not_count(order: list[int], model: set[int]) -> None:
    chosen = [n for n in order if n in model]
    ranges = Ranges()
    for n in chosen:
        ranges = ranges.add(n)
    assert ranges == ranges_of(set(chosen))


@given(numbers, numbers)
def test_union(a: set[int], b: set[int]) -> None:
    both = ranges_of(a).union(ranges_of(b))
    assert is_normal(both)
    assert both == ranges_of(a | b)


@given(spans, numbers)
def test_union_tames_spans_that_overlap(foreign: list[tuple[int, int]], model: set[int]) -> None:
    """Spans from outside may overlap and be in any order."""
    both = ranges_of(model).union(Ranges(tuple(foreign)))
    assert is_normal(both)
    assert numbers_of(both) == model | {n for first, last in foreign for n in range(first, last + 1)}


@given(numbers, st.integers(1, 70))
def test_end_of_run(model: set[int], start: int) -> None:
    end = start - 1
    while end + 1 in model:
        end += 1
    assert ranges_of(model).end_of_run(start) == end


@given(numbers, st.integers(1, 70), st.integers(0, 70))
def test_missing(model: set[int], start: int, end: int) -> None:
    holes = Ranges(ranges_of(model).missing(start, end))
    assert is_normal(holes)
    assert numbers_of(holes) == set(range(start, end + 1)) - model
