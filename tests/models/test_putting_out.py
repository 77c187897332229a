"""What the search says of commits that put somebody out, and that it finds what it looks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chasqui.node import citing, grounds
from tests.groups.reference import ADMIN, Change, Op, Witness
from tests.models.membership import Model
from tests.models.putting_out import PuttingOut, without_store

TWO = ("remove", "add", "confirm")
LIAR = PuttingOut(Model(4, "d", 2))
FEW = PuttingOut(Model(3, "c", 2, kinds=("remove", "add", "accuse")))
OLD_DAYS = PuttingOut(Model(4, "a", 2, kinds=TWO, quorum=2, deep=True))


@pytest.fixture(autouse=True)
def _on_sets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        without_store(patch)
        yield


@pytest.mark.must("M-COM-2", "M-COM-14")
@pytest.mark.parametrize(
    "model",
    [
        LIAR,
        PuttingOut(Model(3, "c", 2, kinds=("remove", "add", "role"))),
        PuttingOut(Model(4, "c", 2, kinds=("accuse", "remove", "lift"), admins="a")),
        PuttingOut(Model(4, "d", 2, kinds=TWO, quorum=2)),
        FEW,
    ],
    ids=["void and late", "roles", "taken", "two admins", "few"],
)
def test_nobody_refuses_what_puts_out_whom_nothing_valid_lets_sit_there(model: PuttingOut) -> None:
    count, wrong = model.search()
    assert wrong == ""
    assert count > 800, "the search has found the histories"


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [
        OLD_DAYS,
        PuttingOut(Model(4, "a", 2, deep=True)),
        PuttingOut(Model(3, "", 3)),
        PuttingOut(Model(3, "c", 3)),
        replace(LIAR, model=replace(LIAR.model, length=3)),
        replace(FEW, model=replace(FEW.model, length=3)),
        PuttingOut(Model(3, "c", 3, kinds=TWO, quorum=2)),
        PuttingOut(Model(4, "a", 2, kinds=("remove", "role", "confirm"), quorum=2, deep=True)),
    ],
    ids=[
        "old days",
        "founder",
        "three",
        "a liar of three",
        "a liar of four",
        "few",
        "two admins, a liar",
        "roles of old days",
    ],
)
def test_nor_in_longer_histories(model: PuttingOut) -> None:
    assert model.search()[1] == ""


@pytest.mark.must("M-COM-2", "M-COM-14")
@pytest.mark.parametrize(
    ("broken", "what"),
    [(replace(LIAR, alone=True), "[''] are put out"), (replace(LIAR, unwitnessed=True), "[''] are put out")],
    ids=["only the addition", "no witnesses"],
)
def test_a_broken_rule_is_found(broken: PuttingOut, what: str) -> None:
    assert broken.search()[1].startswith(what)


@pytest.mark.must("M-COM-2")
def test_of_few_who_are_left_one_accuser_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody else who was let in meanwhile, what a commit cites need say nothing; of who is not there any more, it
    has to."""
    longer = replace(FEW, model=replace(FEW.model, length=3))
    assert replace(longer, strict=True).search()[1].startswith("somebody is kept who is out by what is cited")
    monkeypatch.setattr(grounds, "_with_who_is_out", lambda tx, group, roster, member: roster.grounds(member))
    assert longer.search()[1].startswith("[''] are put out")


@pytest.mark.long
@pytest.mark.must("M-COM-14")
def test_without_what_made_other_admins_old_days_divide_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(citing, "promotions", lambda *_: iter(()))
    assert OLD_DAYS.search()[1].startswith("somebody is kept who is out by what is cited")


@pytest.mark.must("M-COM-2", "M-COM-14")
def test_what_a_removal_makes_late_that_is_late_itself_is_shown_by_it() -> None:
    """Ana's removal of Ben makes his addition of P late, and then, since P is no witness any more, is late itself. Both
    are late (rule 4), so the commit that puts P out cites a late removal."""
    model = Model(3, "c", 3)
    ops = frozenset(
        {
            *model.base,
            Op("x0", "b", 1, frozenset({"2"}), Change("add", "p", ADMIN)),
            Op("x1", "a", 4, frozenset({"2"}), Change("remove", "b")),
            Op("x2", "c", 1, frozenset({"x0"}), Change("remove", "a")),
        }
    )
    lies = Witness("c", "x1", frozenset({"2"}), 9, "w")
    honest = [Witness("a", "x1", frozenset({"2"}), 9, "w")]
    honest += [Witness(m, "x2", frozenset({"x0"}), 9, "w") for m in "bc"]
    assert model.judge(ops, (lies, *honest)).late() == {"x0", "x1"}
    assert PuttingOut(model).judged(ops, (lies, *honest)) == ""
    broken = PuttingOut(model, lasting=True).judged(ops, (lies, *honest))
    assert broken.startswith("['', 'a'] are put out"), "P is not"
