"""What the search says of who was lifted, and that it finds what it looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import cast

import pytest

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.node import citing, grounds
from chasqui.node.transaction import Transaction
from tests.models.lifted import Few, Lifted, remembering
from tests.models.putting_out import Sets

ONE = Few(4, "d", 4, kinds=("accuse", "lift"), admins="a", only_dishonest_accuse=False)
TWO = replace(ONE, kinds=("accuse", "lift", "confirm"), admins="ab", quorum=2, taken=1)
ALL = replace(ONE, length=5)
VOID = replace(ONE, kinds=("accuse", "lift", "remove"), admins="ab", changes=("accuse c", "lift c", "remove a"))
ROLES = replace(ONE, kinds=("accuse", "lift", "role"), admins="ab", changes=("accuse c", "lift c", "role a"))
BOTH = replace(ONE, admins="ab", taken=1, changes=("accuse c", "accuse a", "lift c", "lift a"))


@pytest.fixture(autouse=True)
def _on_sets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        remembering(patch)
        yield


def judged_by_all_that_is_here(
    sets: Sets, group: GroupId, way: Iterable[bytes], cited: Iterable[bytes], removed: AbstractSet[MemberKey]
) -> bool:
    """The rule as ADR 40 had it: of the LIFTs those that count here, and only of who is current here."""
    lifts = frozenset(map(ObjectId, way)) & sets.roster.counting
    wronged = removed & sets.roster.current
    if not lifts or not wronged:
        return False
    said = lifts.union(map(ObjectId, cited))
    return not wronged <= citing.cited_roster(cast(Transaction, sets), group, said).out


@pytest.mark.must("M-COM-18")
@pytest.mark.parametrize("model", [ONE, TWO], ids=["one admin", "two admins"])
def test_who_was_lifted_stays_and_all_judge_alike(model: Few) -> None:
    for count, wrong in (Lifted(model).without_end(), Lifted(model).honest(), Lifted(model).alike()):
        assert wrong == ""
        assert count > 10, "the search has found the histories"


@pytest.mark.must("M-COM-18")
def test_what_makes_a_lift_void_is_shown_by_who_puts_out() -> None:
    count, wrong = Lifted(replace(VOID, admins="a", changes=("accuse c", "lift c", "remove a"))).honest()
    assert wrong == ""
    assert count > 10


@pytest.mark.long
@pytest.mark.parametrize(
    "model",
    [ALL, VOID, ROLES, BOTH, replace(TWO, length=5)],
    ids=["five", "void", "roles", "both", "two admins"],
)
def test_nor_in_longer_histories(model: Few) -> None:
    for count, wrong in (Lifted(model).without_end(), Lifted(model).honest(), Lifted(model).alike()):
        assert wrong == ""
        assert count > 100


@pytest.mark.must("M-COM-18")
@pytest.mark.parametrize(
    "broken",
    [Lifted(ONE, off=True), Lifted(ONE, uncited=True), Lifted(BOTH, his_alone=True)],
    ids=["unasked", "uncited", "who lifted him was lifted"],
)
def test_without_the_rule_one_alone_puts_him_out_again_and_again(broken: Lifted) -> None:
    assert broken.without_end()[1].startswith("he is put out without end")


@pytest.mark.must("M-COM-18")
def test_who_does_not_show_what_makes_a_lift_void_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounds, "_despite_lifts", lambda tx, group, roster, member, way: roster.grounds(member))
    assert Lifted(VOID).honest()[1].startswith("an honest commit is refused")


@pytest.mark.must("M-COM-18")
def test_judged_by_all_that_is_here_readers_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was: who came before the second LIFT took what all others refuse."""
    monkeypatch.setattr(citing, "forgets_lifts", judged_by_all_that_is_here)
    assert Lifted(ALL).alike()[1].startswith("readers part")
