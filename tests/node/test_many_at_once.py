"""Somebody does much at once, by right: nobody loses him for that."""

from __future__ import annotations

import pytest

from chasqui.base.ids import GroupId
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.changes import carry_out
from chasqui.node.groups import load_group
from chasqui.node.records import Space
from tests.node.hostile import head, keep
from tests.node.world import Person, make_group, meet, pair


def founded(size: int) -> tuple[list[Person], GroupId]:
    """A group into which one person lets all others on one evening; the first of them joins before the rest is added,
    the last after it, the others not yet."""
    ana, *others = people = [Person(f"person {number}") for number in range(size)]
    contacts = [pair(ana, other) for other in others]
    group: GroupId = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, contacts[0], Role.MEMBER))
    ana.sync(others[0])
    others[0].do(inputs.JoinGroup(group))
    for contact in contacts[1:]:
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    return people, group


@pytest.mark.must("M-COM-12")
def test_who_lets_many_in_on_one_evening_keeps_those_who_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is settled while most have not joined: so many commits of his stand one on another."""
    monkeypatch.setattr("chasqui.node.commits.UNSETTLED_COMMITS_MAX", 2)
    monkeypatch.setattr("chasqui.node.commits.COMMITS_A_DAY_MAX", 2)
    (ana, first, *_, last), group = founded(6)
    ana.do(inputs.SendText(group, "all are here"))
    ana.sync(first, last)
    last.do(inputs.JoinGroup(group))
    assert head(first, group)[0] == head(ana, group)[0]
    assert first.texts(group) == last.texts(group) == ["all are here"]


@pytest.mark.must("M-COM-12")
def test_even_of_additions_so_many_are_applied_in_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chasqui.node.commits.LETTING_IN_A_DAY_MAX", 2)
    (ana, first, *_), group = founded(5)
    ana.sync(first)
    assert head(first, group)[0] != head(ana, group)[0]
    assert len(list(first.tx().scan_prefix(Space.HELD, group))) == 1
    first.now_s += 86_400
    first.do(inputs.Tick())
    assert head(first, group)[0] == head(ana, group)[0]


@pytest.mark.must("M-COM-12")
def test_a_removal_does_not_wait_for_what_its_maker_has_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chasqui.node.commits.UNSETTLED_COMMITS_MAX", 2)
    ana, ben, caro, dan = (Person(name) for name in ("ana", "ben", "caro", "dan"))
    group = make_group(ana, ben, caro, dan)
    for _ in range(2):
        tx = ana.tx()
        carry_out(tx, group, load_group(tx, group), (), ())
        keep(ana, tx)
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    ana.do(inputs.SendText(group, "without dan"))
    ana.sync(ben)
    assert head(ben, group)[0] == head(ana, group)[0]
    assert ben.texts(group) == ["without dan"]
    tx = ana.tx()
    carry_out(tx, group, load_group(tx, group), (), ())
    keep(ana, tx)
    ana.sync(ben)
    assert head(ben, group)[0] != head(ana, group)[0], "a third renewal waits"
    meet(ana, ben, caro)


def test_who_has_let_many_in_renews_his_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chasqui.node.renewal.UNSETTLED_COMMITS_MAX", 4)
    (ana, *_), group = founded(5)
    before = head(ana, group)[0]
    for person in (ana,):
        person.now_s += 7 * 86_400
        person.do(inputs.Flush())
        person.now_s += 86_400
        person.do(inputs.Flush())
    assert head(ana, group)[0] != before
