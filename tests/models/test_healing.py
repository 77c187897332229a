"""What the search says of the tree of commits, and that it finds what it looks for. A bound on `states` samples."""

from __future__ import annotations

import pytest

from tests.models.healing import Commit, Device, Healing

NOBODY: frozenset[int] = frozenset()
LIAR = frozenset({3})


@pytest.mark.parametrize(
    "model",
    [
        Healing(2),  # in full
        Healing(2, removals=2, all_in=True),  # in full
        Healing(3, states=4000),
        Healing(3, removals=2, all_in=True, states=4000),
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
        Healing(3, commits=3, removals=2, depth=3, all_in=True, states=150_000),
        Healing(4, removals=2, states=100_000),
        Healing(4, LIAR, commits=3, removals=2, states=150_000),
    ],
    ids=str,
)
def test_the_same_at_length(model: Healing) -> None:
    assert model.search()[1] == ""


@pytest.mark.parametrize("model", [Healing(2, removals=0), Healing(4, removals=0, states=4000)], ids=str)
def test_votes_that_split_settle_nothing_for_ever(model: Healing) -> None:
    """A weakness: all are there, all are honest, each side of a cut has voted for its own."""
    assert "nothing is settled" in model.search(must_settle=True)[1]


@pytest.mark.parametrize(
    "model",
    [Healing(2, removals=0, all_in=True), Healing(2, all_in=True), Healing(3, removals=0, all_in=True, states=4000)],
    ids=str,
)
def test_up_to_three_all_votes_settle_what_has_most(model: Healing) -> None:
    """The change that is proposed. It looks neither at removals nor at second commits, which come late."""
    assert model.search(must_settle=True)[1] == ""


def test_with_four_of_whom_one_votes_twice_all_votes_must_not_settle() -> None:
    """Why it ends at three: two and two, and the liar's second vote is seen by some and not by others."""
    left, right = Commit("R", 0, NOBODY), Commit("R", 1, NOBODY)
    once = frozenset({(0, "R", left.name), (3, "R", left.name), (1, "R", right.name), (2, "R", right.name)})
    model = Healing(4, LIAR)
    some = Device(frozenset({left, right}), once)
    others = Device(frozenset({left, right}), once | {(3, "R", right.name)})
    assert model.winner(some, "R") == left
    assert model.settled(some, "R") == []
    assert model.settled(others, "R") == [right]


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Healing(2, removals=2, shrinking=True), "two siblings are settled"),
        (Healing(3, removals=0, vote_twice=True, states=30_000), "two siblings are settled"),
        (Healing(3, lazy=True), "somebody removed is in the tree"),
        (Healing(4, frozenset({2, 3}), removals=0, states=60_000), "two siblings are settled"),
    ],
    ids=["shrinking electorate", "votes twice", "lazy", "half are liars"],
)
def test_a_broken_rule_is_found(model: Healing, what: str) -> None:
    assert what == model.search()[1]
