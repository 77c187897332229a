"""What the search says of the rules of membership, and that it finds what it looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.groups.reference import Rules
from tests.models.histories import agree
from tests.models.membership import Model

AS_THEY_ARE = Rules()
NO_FLOOR = replace(AS_THEY_ARE, smallest_electorate=1)
TAKEN = ("accuse", "remove", "lift")
TWO = Model(4, "d", 2, kinds=("remove", "add", "confirm"), quorum=2)
OLD_DAYS = replace(TWO, dishonest="a", deep=True)


@pytest.mark.parametrize(
    "model",
    [
        Model(3, "", 2),
        Model(3, "c", 2),
        Model(4, "d", 2),
        Model(3, "c", 2, kinds=("remove", "readd", "role")),
        Model(4, "c", 2, kinds=TAKEN, admins="a"),
        TWO,
    ],
    ids=str,
)
def test_the_rules_hold(model: Model) -> None:
    assert model.search()[1] is None


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [
        Model(4, "a", 2),
        Model(3, "", 3),
        Model(4, "d", 3),  # 219,047 sets; minutes
        Model(4, "a", 2, deep=True),
        Model(4, "b", 2, deep=True),
        Model(3, "c", 3, kinds=TAKEN, admins="a"),
        Model(4, "d", 2, kinds=("accuse", "lift", "confirm"), quorum=2, only_dishonest_accuse=False),
        replace(TWO, size=3, dishonest="c", length=3),  # the second confirmation, and what is confirmed too late
        replace(TWO, admins="abd"),
        OLD_DAYS,
    ],
    ids=str,
)
def test_the_rules_hold_at_length(model: Model) -> None:
    assert model.search()[1] is None


def agreed(model: Model) -> int:
    """How many sets of a search `chasqui`, the reference, and the reference with a memory say the same of."""
    count = 0
    for ops in model.histories():
        for said in model.witnessings(ops):
            count += 1
            assert agree(ops, said) == model.judge(ops, said).judged()
    return count


def test_of_every_small_history_both_implementations_say_the_same() -> None:
    assert agreed(Model(3, "c", 2)) > 500


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [Model(4, "d", 2), Model(4, "c", 2, kinds=TAKEN, admins="a"), Model(3, "c", 3, kinds=("remove",), deep=True), TWO],
    ids=str,
)
def test_and_of_longer_ones(model: Model) -> None:
    assert agreed(model) > 1000


def found(model: Model) -> str:
    counterexample = model.search()[1]
    assert counterexample is not None
    return counterexample.what


def test_a_removed_founder_who_goes_back_to_the_beginning_signs_nothing_more() -> None:
    """Without the least electorate he would be all there is to witness in the past that he cites: what removed him
    would be as late as what he signs, and neither taken out."""
    model = Model(4, "a", 2, kinds=("remove",), deep=True)
    assert "counts though" in found(replace(model, rules=NO_FLOOR))
    assert model.search()[1] is None


def test_honest_people_make_no_circle_though_one_of_them_is_all_of_an_electorate() -> None:
    """c leaves, and a and b, of whom one knows that, remove each other."""
    model = Model(3, "", 3, kinds=("remove",))
    assert "counts though" in found(replace(model, rules=NO_FLOOR))
    assert model.search()[1] is None


def test_who_is_out_does_not_quarantine() -> None:
    """If the group grew smaller by his removal, his word alone would become enough."""
    model = Model(4, "c", 3, kinds=("accuse", "remove"), admins="a", taken=3)
    assert "too few" in found(replace(model, rules=replace(AS_THEY_ARE, departed_count=False)))


@pytest.mark.parametrize(
    ("model", "rules"),
    [
        (TWO, replace(AS_THEY_ARE, signers_needed=1)),
        (OLD_DAYS, replace(AS_THEY_ARE, quorum_looks_aside=False)),  # who cites the days when he was the only one
    ],
    ids=["one is enough", "old days"],
)
def test_where_two_are_needed_one_changes_nothing(model: Model, rules: Rules) -> None:
    assert "one admin alone" in found(replace(model, rules=rules))


@pytest.mark.parametrize(
    ("rules", "kinds", "what"),
    [
        (replace(AS_THEY_ARE, late_counts=True), ("remove", "add"), "counts though"),
        (replace(AS_THEY_ARE, concurrent_is_void=False), ("remove", "add"), "being removed"),
        (replace(AS_THEY_ARE, removal_is_for_ever=False), ("remove", "readd"), "in again"),
        (replace(AS_THEY_ARE, witnesses_needed=(1, 4)), ("remove",), "all honest"),
        (replace(AS_THEY_ARE, accusers_needed=1), ("accuse",), "too few"),
    ],
)
def test_a_broken_rule_is_found(rules: Rules, kinds: tuple[str, ...], what: str) -> None:
    assert what in found(Model(4, "d", 2, kinds=kinds, rules=rules))
