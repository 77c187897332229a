"""What the search says of second seats, and that it finds what it looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.models.second_seats import SecondSeats, Twice

THREE = SecondSeats(Twice(3, "", 3, admins="ab"))


@pytest.mark.must("M-SEA-9")
def test_who_leaves_her_second_seat_has_one_and_changes_nothing_else() -> None:
    count, wrong = THREE.search()
    assert wrong == ""
    assert count > 100, "the search has found the histories"


@pytest.mark.long
@pytest.mark.parametrize("model", [Twice(3, "", 4, admins="ab"), Twice(4, "", 4, admins="abc")], ids=["three", "four"])
def test_nor_in_longer_histories(model: Twice) -> None:
    assert SecondSeats(model).search()[1] == ""


@pytest.mark.must("M-SEA-9")
@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(THREE, stays=True), "she is there twice"),
        (replace(THREE, any_of_them=True), "she is out by her own doing"),
    ],
    ids=["stays", "leaves when she is out"],
)
def test_a_broken_rule_is_found(broken: SecondSeats, what: str) -> None:
    assert broken.search()[1].startswith(what)


def test_whose_addition_turns_out_void_has_left_the_one_that_was_sound() -> None:
    """A weakness (ADR 35): she joined by the word of somebody who was being removed, and left the other seat before
    she heard of it. An admin confirms the addition, or lets her in again."""
    assert replace(THREE, sound=True).search()[1].startswith("she is out by her own doing")
