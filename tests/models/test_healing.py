"""What the search says of the tree of commits, and that it finds what it looks for. A bound on `states` samples."""

from __future__ import annotations

import pytest

from tests.models.healing import Healing

LIAR_OF_THREE = frozenset({2})
LIAR = frozenset({3})


@pytest.mark.parametrize(
    "model",
    [
        Healing(2),  # in full
        Healing(2, removals=2),  # in full
        Healing(3, states=4000),
        Healing(3, removals=2, states=4000),
        Healing(3, LIAR_OF_THREE, removals=0, states=4000),
        Healing(4, LIAR, states=4000),
    ],
    ids=str,
)
def test_one_head_with_the_right_tree_nothing_settled_twice_and_nothing_unread(model: Healing) -> None:
    assert model.search()[1] == ""


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [
        Healing(2, commits=3, removals=2, depth=3),
        Healing(3, states=150_000),
        Healing(3, commits=3, removals=2, depth=3, states=150_000),
        Healing(4, removals=2, states=100_000),
        Healing(4, LIAR, commits=3, removals=2, states=150_000),
    ],
    ids=str,
)
def test_the_same_at_length(model: Healing) -> None:
    assert model.search()[1] == ""


@pytest.mark.parametrize("model", [Healing(2, removals=0), Healing(2)], ids=str)
def test_of_two_who_have_both_voted_the_votes_settle(model: Healing) -> None:
    """It looks neither at removals nor at second commits, which come late."""
    assert model.search(must_settle=True)[1] == ""


@pytest.mark.parametrize(
    "model",
    [Healing(2, removals=0, all_in=0), Healing(3, removals=0, states=4000), Healing(4, removals=0, states=4000)],
    ids=str,
)
def test_other_votes_that_split_settle_nothing_for_ever(model: Healing) -> None:
    """A weakness: all are there, all are honest, and each side of a cut has voted for its own. All follow one."""
    assert "nothing is settled" in model.search(must_settle=True)[1]


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Healing(2, removals=2, shrinking=True), "two siblings are settled"),
        (Healing(3, removals=0, vote_twice=True, states=30_000), "two siblings are settled"),
        (Healing(3, lazy=True), "somebody removed is in the tree"),
        (Healing(3, LIAR_OF_THREE, removals=0, all_in=3, states=60_000), "two siblings are settled"),
        (Healing(4, frozenset({2, 3}), removals=0, states=60_000), "two siblings are settled"),
    ],
    ids=["shrinking electorate", "votes twice", "lazy", "all of three", "half are liars"],
)
def test_a_broken_rule_is_found(model: Healing, what: str) -> None:
    assert what == model.search()[1]
