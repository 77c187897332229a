"""What the search says of the telling of those who were removed elsewhere, and that it finds what it looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.models.membership import Model
from tests.models.telling import Telling

ONE = Telling(Model(3, "", 3, kinds=("remove", "rejoin", "add")))
LIAR = Telling(Model(4, "d", 3, kinds=("remove", "rejoin")))
TAKEN = Telling(Model(4, "", 3, kinds=("accuse", "rejoin"), only_dishonest_accuse=False, admins="a"))
ALL_ACCUSE = replace(TAKEN, model=replace(TAKEN.model, length=4))
TWO = Telling(Model(4, "", 3, kinds=("remove", "rejoin", "confirm"), quorum=2))


@pytest.mark.must("M-TEL-2", "M-TEL-3")
@pytest.mark.parametrize(("model", "least"), [(ONE, 300), (LIAR, 300), (TAKEN, 10)], ids=["one", "liar", "taken"])
def test_who_is_told_is_out_and_hears_nothing_that_was_said_when_that_was_known(model: Telling, least: int) -> None:
    count, wrong = model.search()
    assert wrong == ""
    assert count > least, "the search has found the histories"


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [
        TWO,
        ALL_ACCUSE,
        Telling(Model(3, "", 4, kinds=("remove", "rejoin", "add"))),
        Telling(Model(3, "b", 4, kinds=("remove", "rejoin", "add"))),
        Telling(Model(4, "", 3, kinds=("remove", "rejoin", "role", "add"))),
    ],
    ids=["two admins", "all accuse", "four operations", "four and a liar", "four members"],
)
def test_nor_in_longer_histories(model: Telling) -> None:
    assert model.search()[1] == ""


@pytest.mark.must("M-TEL-2")
@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(ONE, alone=True), "he does not know that he is out"),
        (replace(ONE, all_known=True), "he is told what was said when he was known to be out"),
        (replace(ALL_ACCUSE, all_accusers=True), "he is told what was said when he was known to be out"),
    ],
    ids=["without its past", "all that is known", "all accusers"],
)
def test_a_broken_rule_is_found(broken: Telling, what: str) -> None:
    assert broken.search()[1].startswith(what)
