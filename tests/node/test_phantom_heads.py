"""A word on a removal that names what nobody has can be cited by nobody: so nobody goes by it, and nobody who keeps to
the rules says one."""

from __future__ import annotations

import pytest

from chasqui.base.ids import GroupId, ObjectId
from chasqui.groups.operation import Rejoin, Remove, Role
from chasqui.node import inputs
from chasqui.node.changes import issue
from chasqui.node.groups import history_of, load_group, next_heads, roster_of, witnesses_of
from tests.node.hostile import fresh, head, keep, utter_word
from tests.node.world import Person, make_group, meet

NOWHERE = ObjectId(b"\x77" * 16)


def rejoins(person: Person, group: GroupId, heads: tuple[ObjectId, ...]) -> tuple[bytes, ...]:
    """Somebody signs something harmless on top of what he likes."""
    tx, before = person.tx(), set(person.held())
    issue(tx, group, load_group(tx, group), Rejoin(tuple(sorted(heads)), bytes(32)))
    keep(person, tx)
    return fresh(person, before)


def removals_by(person: Person, other: Person, group: GroupId) -> list[ObjectId]:
    by = other.key(group)
    return [o.id for o in history_of(person.tx(), group).order if isinstance(o.change, Remove) and o.issuer == by]


def found(*people: Person) -> GroupId:
    group = make_group(*people)
    people[0].do(inputs.SetRole(group, people[1].key(group), Role.ADMIN))
    meet(*people)
    return group


def back_dates(ben: Person, caro: Person, dora: Person, group: GroupId) -> tuple[bytes, ...]:
    """Ben removes Caro as if he had not heard that he is out, and Dora signs something on top of that."""
    before = set(ben.held())
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    said = fresh(ben, before)
    dora.do(inputs.TakeBundles(said))
    heads = {*removals_by(dora, ben, group), *next_heads(dora.tx(), group, load_group(dora.tx(), group))}
    return (*said, *rejoins(dora, group, tuple(heads)))


@pytest.mark.must("M-WIT-5")
def test_nobody_makes_honest_words_useless_by_what_waits_for_ever() -> None:
    """Before he is removed, Ben signs something on top of what does not exist."""
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = found(*people)
    said = rejoins(ben, group, (NOWHERE,))
    for person in (ana, caro, dora):
        person.do(inputs.TakeBundles(said))
        assert len(history_of(person.tx(), group).deferred) == 1
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    said = back_dates(ben, caro, dora, group)
    for person in (ana, caro):
        person.do(inputs.TakeBundles(said))
        assert removals_by(person, ben, group)[0] in roster_of(person.tx(), group).late
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    ana.do(inputs.SendText(group, "among ourselves"))
    meet(ana, caro)
    assert caro.texts(group) == ["among ourselves"]
    assert head(ana, group)[0] == head(caro, group)[0]


@pytest.mark.must("M-COM-14")
def test_a_word_that_no_commit_can_cite_decides_nothing() -> None:
    """Finn is away, and of the four others of five Dora names what does not exist."""
    people = [Person(name) for name in ("ana", "ben", "caro", "dora", "eve", "finn")]
    group = found(*people)
    ana, ben, caro, dora, eve, _ = people
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    (removal,) = removals_by(ana, ana, group)
    utter_word(dora, group, removal, tuple(sorted((removal, NOWHERE))))
    meet(ana, caro, dora, eve)
    assert {word.member for word in witnesses_of(eve.tx(), group)} == {p.key(group) for p in (ana, caro, dora, eve)}
    said = back_dates(ben, caro, dora, group)
    for person in (ana, eve):
        person.do(inputs.TakeBundles(said))
        assert not roster_of(person.tx(), group).late
    ana.do(inputs.SendText(group, "among ourselves"))
    meet(ana, eve)
    assert eve.texts(group) == ["among ourselves"]
    assert head(ana, group)[0] == head(eve, group)[0]
