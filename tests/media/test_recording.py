"""Stretches of a recording: in their order, with what is missing, and without what lies over others."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chasqui.media.burst import Burst, Quality
from chasqui.media.recording import Layout, in_order, lay_out


def test_stretches_in_any_order() -> None:
    assert lay_out([(20, 30), (0, 10), (10, 20)]) == Layout((1, 2, 0), (), ())
    assert lay_out([(20, 30), (0, 10)]) == Layout((1, 0), ((10, 20),), ())
    assert lay_out([(5, 9)]) == Layout((0,), ((0, 5),), ())


def test_what_lies_over_another_is_left_out() -> None:
    assert lay_out([(0, 10), (0, 10), (9, 12), (10, 20)]) == Layout((0, 3), (), (1, 2))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])), min_size=1))
def test_every_place_is_taken_once(stretches: list[tuple[int, int]]) -> None:
    layout = lay_out(stretches)
    assert sorted((*layout.order, *layout.over)) == list(range(len(stretches)))
    taken = sorted([*layout.holes, *(stretches[number] for number in layout.order)])
    assert taken[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(taken))


def test_bursts_in_order() -> None:
    one, two, over = (Burst(Quality.Q3200, bytes(16), first=first, at=at) for first, at in ((0, 0), (1, 1), (1, 1)))
    assert in_order([two, over, one]) == (one, two)
