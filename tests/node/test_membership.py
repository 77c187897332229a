"""Operations beside additions and removals, and witnesses, on nodes."""

from __future__ import annotations

import pytest

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Reason, Role
from chasqui.node import inputs
from chasqui.node.groups import history_of, load_group, roster_of, witnesses_of
from chasqui.node.records import Space
from tests.node.world import Person, make_group, meet


def states(person: Person, group: GroupId) -> dict[str, str]:
    return {m.name: m.state for m in person.show(group).members}


@pytest.mark.must("M-COM-6", "M-GRP-3")
def test_two_who_accuse_quarantine_and_the_keys_are_renewed_without_the_taken_one() -> None:
    people = ana, ben, caro, dora = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    taken = caro.key(group)
    ben.do(inputs.Accuse(group, taken))
    meet(ana, ben, dora)
    assert states(ana, group)["caro"] == "current"
    dora.do(inputs.Accuse(group, taken))
    with pytest.raises(UserError):
        dora.do(inputs.Accuse(group, ben.key(group)))
    meet(ana, ben, dora)
    for person in (ana, ben, dora):
        assert states(person, group)["caro"] == "quarantined"
        assert person.show(group).state == "current"
    ben.do(inputs.SendText(group, "without caro"))
    meet(*people)
    assert dora.texts(group) == ["without caro"]
    assert caro.texts(group) == []
    record = load_group(caro.tx(), group)
    assert record.out == Reason.TAKEN
    assert record.signing_key  # or it could not come back
    assert not list(caro.tx().scan_prefix(Space.EPOCH, group))
    with pytest.raises(UserError, match="quarantined"):
        caro.do(inputs.SendText(group, "hello?"))
    ana.do(inputs.Lift(group, taken))
    meet(ana, ben, dora)
    for person in (ana, ben, dora):
        assert states(person, group)["caro"] == "current"
        assert not list(person.tx().scan_prefix(Space.REMOVED, group))


def test_roles_are_given_by_admins() -> None:
    people = ana, ben, caro = [Person(name) for name in ("ana", "ben", "caro")]
    group = make_group(*people)
    with pytest.raises(UserError):
        ben.do(inputs.SetRole(group, caro.key(group), Role.ADMIN))
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    for person in people:
        assert {m.name: m.role for m in person.show(group).members} == {
            "ana": "admin",
            "ben": "admin",
            "caro": "member",
        }
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    meet(*people)
    assert states(ana, group) == {"ana": "current", "ben": "current", "caro": "removed"}


def test_what_became_void_is_confirmed() -> None:
    people = ana, ben, caro = [Person(name) for name in ("ana", "ben", "caro")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.MEMBER))
    ben.do(inputs.SetRole(group, caro.key(group), Role.ADMIN))
    meet(*people)
    (void,) = roster_of(ana.tx(), group).void
    with pytest.raises(UserError):
        ben.do(inputs.Confirm(group, void))
    ana.do(inputs.Confirm(group, void))
    meet(*people)
    for person in people:
        roster = roster_of(person.tx(), group)
        assert roster.admins == (ana.key(group), caro.key(group))
        assert not roster.void


@pytest.mark.must("M-WIT-2")
def test_everybody_witnesses_a_removal_once_and_then_it_is_quiet() -> None:
    people = ana, ben, caro, dora = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    meet(ana, ben, dora)
    for person in (ana, ben, dora):
        said = witnesses_of(person.tx(), group)
        assert {w.member for w in said} == {p.key(group) for p in (ana, ben, dora)}
        assert all(set(w.heads) <= set(history_of(person.tx(), group).position) for w in said)
    meet(ana, ben, dora)
    before = [len(person.held()) for person in (ana, ben, dora)]
    meet(ana, ben, dora)
    assert [len(person.held()) for person in (ana, ben, dora)] == before
