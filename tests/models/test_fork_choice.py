"""What the model says of the rule, before anything is built on it (ADR: votes count over the fork point's tree)."""

from __future__ import annotations

import pytest

from tests.models.fork_choice import Count, Model

NOBODY: frozenset[int] = frozenset()


@pytest.mark.parametrize(("n", "dishonest"), [(2, NOBODY), (3, NOBODY)])
def test_no_two_siblings_are_settled_when_the_electorate_is_fixed(n: int, dishonest: frozenset[int]) -> None:
    assert Model(n, dishonest, Count.FIXED).two_settled(children_max=2) is None


@pytest.mark.long
def test_nor_with_four_members_one_of_them_dishonest_nor_with_three_children() -> None:
    assert Model(4, NOBODY, Count.FIXED).two_settled(children_max=2) is None
    assert Model(4, frozenset({3}), Count.FIXED).two_settled(children_max=2) is None
    assert Model(3, NOBODY, Count.FIXED).two_settled(children_max=3) is None


@pytest.mark.parametrize(("n", "dishonest"), [(2, NOBODY), (4, frozenset({3}))])
def test_the_design_s_shrinking_electorate_settles_two(n: int, dishonest: frozenset[int]) -> None:
    """The search can find what it looks for: with two who remove each other each side is its own quorum of one;
    with four, one who votes twice is enough once removals shrink the count."""
    assert Model(n, dishonest, Count.SHRINKING).two_settled(children_max=2) is not None
