"""What the search says of the rule by which commits cite, and that it finds what it looks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.models.citing import Citing
from tests.models.membership import Model

LIFTED = Citing(Model(3, "", 3, kinds=("remove", "accuse", "lift"), taken=1, only_dishonest_accuse=False, admins="a"))
LATE = Citing(Model(4, "d", 3, kinds=("remove",)))
KEPT = "somebody is kept who is out by what is cited"


@pytest.mark.must("M-COM-14")
@pytest.mark.parametrize("model", [LIFTED, Citing(Model(3, "c", 2))], ids=["lifted", "removed"])
def test_nobody_refuses_what_an_honest_member_commits(model: Citing) -> None:
    count, wrong = model.search()
    assert wrong == ""
    assert count > 500, "the search has found the histories"


@pytest.mark.long
@pytest.mark.parametrize("model", [Citing(Model(4, "d", 2)), LATE], ids=["two", "three"])
def test_nor_on_top_of_what_is_late(model: Citing) -> None:
    assert model.search()[1] == ""


@pytest.mark.must("M-COM-14")
@pytest.mark.parametrize(
    "broken", [replace(LIFTED, strict=True), replace(LATE, witnesses=False)], ids=["accused", "late"]
)
def test_a_broken_rule_is_found(broken: Citing) -> None:
    assert KEPT in broken.search()[1]
