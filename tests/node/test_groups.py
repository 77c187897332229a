"""Changes of membership by the node alone: additions that wait, leaving, concurrent commits, holding sends."""

from __future__ import annotations

import pytest

from chasqui.base.errors import RefusedForSafetyError, UserError
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.views import list_groups
from tests.node.world import Person, make_group, meet, pair


def test_an_addition_waits_for_a_key_package() -> None:
    ana, ben = Person("ana"), Person("ben")
    offer = ana.do(inputs.MakeOffer())
    accepted = ben.do(inputs.AcceptPairing(offer, "ana"))
    group = ben.do(inputs.CreateGroup("relief"))
    assert ben.do(inputs.AddMember(group, accepted.contact, Role.MEMBER)) == b""
    assert [(p.op, p.member) for p in ben.show(group).pending] == [("add", "ana")]
    ana.do(inputs.AcceptPairing(accepted.reply, None))
    meet(ana, ben)
    assert not ben.show(group).pending
    assert ana.show(group).state == "invited"
    ana.do(inputs.JoinGroup(group))
    meet(ana, ben)
    assert {m.name: m.state for m in ben.show(group).members} == {"ana": "current", "ben": "current"}


def test_what_was_sent_before_joining_appears_after_it() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.SendText(group, "to myself"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    ana.do(inputs.SendText(group, "welcome"))
    meet(ana, ben)
    with pytest.raises(UserError):
        ben.read(group)
    ben.do(inputs.JoinGroup(group))
    assert ben.texts(group) == ["welcome"]
    assert not ben.read(group).gaps


def test_one_who_leaves_is_put_out_by_the_first_admin_and_stops_nobody() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    caro.do(inputs.LeaveGroup(group))
    assert caro.show(group).state == "left"
    caro.sync(ben)
    assert ben.show(group).state == "removal-pending"
    caro.sync(ana)
    assert ana.show(group).state == "current"
    ben.do(inputs.SendText(group, "no need to wait"))
    assert ben.show(group).state == "current"
    meet(ana, ben, caro)
    assert ana.show(group).head == ben.show(group).head
    assert ana.texts(group) == ben.texts(group) == ["no need to wait"]
    assert caro.texts(group) == []


def test_who_wants_to_send_carries_a_known_removal_out_himself() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    fresh = [bundle for bundle in ana.held() if bundle not in before]
    assert len(fresh) == 2
    operation, commit = sorted(fresh, key=len)
    ben.do(inputs.TakeBundles((operation,)))
    view = ben.show(group)
    assert view.state == "removal-pending"
    assert [(p.op, p.member) for p in view.pending] == [("remove", "caro")]
    ben.do(inputs.SendText(group, "without caro"))
    assert [m.name for m in ben.show(group).members if m.state == "current"] == ["ana", "ben"]
    ben.do(inputs.TakeBundles((commit,)))
    assert ben.show(group).state == "fork-pending", "one of two has not voted yet"
    meet(ana, ben, caro)
    assert ana.show(group).head == ben.show(group).head
    assert ana.show(group).state == "current", "all who are not out have voted"
    assert ana.texts(group) == ben.texts(group) == ["without caro"]
    assert caro.texts(group) == []


def test_a_commit_waits_for_its_operation() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    operation, commit = sorted((bundle for bundle in ana.held() if bundle not in before), key=len)
    ben.do(inputs.TakeBundles((commit,)))
    ben.restart()
    assert ben.show(group).state == "removal-pending"
    with pytest.raises(RefusedForSafetyError):
        ben.do(inputs.SendText(group, "too early"))
    assert [m.name for m in ben.show(group).members if m.state == "current"] == ["ana", "ben", "caro"]
    ben.do(inputs.TakeBundles((operation,)))
    assert [m.name for m in ben.show(group).members if m.state == "current"] == ["ana", "ben"]


def test_two_commits_on_one_parent_are_noticed_followed_and_shown() -> None:
    ana, ben, caro, dora = (Person(name) for name in ("ana", "ben", "caro", "dora"))
    contact_b = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, contact_b, Role.ADMIN))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    ana.do(inputs.AddMember(group, pair(ana, caro), Role.MEMBER))
    ben.do(inputs.AddMember(group, pair(ben, dora), Role.MEMBER))
    heard = tuple(ana.held()), tuple(ben.held())
    for person, bundles in zip((ben, ana), heard, strict=True):
        person.do(inputs.TakeBundles(bundles))
        view = person.show(group)
        assert view.state == "fork-pending"
        assert len(view.forks) == 1
        assert set(view.forks[0].committers) == {ana.key(group), ben.key(group)}
        assert not view.forks[0].by_one_member
        person.restart()
        assert person.show(group).state == "fork-pending"
    assert ana.show(group).head == ben.show(group).head, "the same branch, without a word"
    meet(ana, ben, caro, dora)
    for person in (ana, ben):
        assert (person.show(group).state, person.show(group).forks) == ("current", ()), "both have voted"
    ana.do(inputs.SendText(group, "to all of this branch"))
    meet(ana, ben)
    assert ben.texts(group) == ["to all of this branch"]


def test_a_removal_on_the_other_branch_is_carried_out_on_this_one() -> None:
    ana, ben, caro, dora = (Person(name) for name in ("ana", "ben", "caro", "dora"))
    group = ana.do(inputs.CreateGroup("relief"))
    for person, role in ((ben, Role.ADMIN), (caro, Role.MEMBER)):
        ana.do(inputs.AddMember(group, pair(ana, person), role))
    meet(ana, ben, caro)
    for person in (ben, caro):
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, caro)
    contact = pair(ben, dora)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    ben.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    assert caro.key(group) not in {key for _, key in _head_roster(ben, group)}
    assert ben.show(group).state == "current", "both who are in have voted"
    ben.do(inputs.SendText(group, "without caro"))
    meet(ana, ben, caro)
    assert "without caro" not in caro.texts(group)


def _head_roster(person: Person, group: object) -> tuple[tuple[int, bytes], ...]:
    from chasqui.base.ids import GroupId
    from chasqui.node.epochs import head_of
    from chasqui.node.groups import load_group

    assert isinstance(group, bytes)
    tx = person.tx()
    return head_of(tx, GroupId(group), load_group(tx, GroupId(group)))[1].roster


def test_operations_leave_before_the_commits_that_carry_them_out() -> None:
    """A stick that is pulled out early then says too much rather than too little: sends are held."""
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    fresh = [bundle for bundle in ana.held() if bundle not in before]
    assert fresh == sorted(fresh, key=len)


def test_a_message_that_nobody_got_is_never_called_delivered() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.SendText(group, "alone"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    ana.do(inputs.SendText(group, "ben never got this"))
    ben.do(inputs.SendText(group, "never left ben"))
    ben.do(inputs.LeaveGroup(group))
    assert [m.state for m in ben.read(group).messages] == ["waiting"]
    assert dict(ben.read(group).messages[0].receipts) == {ana.key(group): False}
    ana.do(inputs.RemoveMember(group, next(m.key for m in ana.show(group).members if m.name == "ben")))
    assert [m.state for m in ana.read(group).messages] == ["waiting", "waiting"]


def test_a_contact_can_be_added_again_and_again_without_ever_joining() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    for n in range(20):
        group = ana.do(inputs.CreateGroup(f"group {n}"))
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        meet(ana, ben)
        assert not ana.show(group).pending, n
    assert sum(line.state == "invited" for line in list_groups(ben.tx())) == 20


def test_one_who_is_invited_again_finds_his_group_under_its_name() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    group = ana.do(inputs.CreateGroup("relief"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    ben.do(inputs.SendText(group, "from ben"))
    meet(ana, ben)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben)
    assert [(line.id, line.state) for line in list_groups(ben.tx()) if line.name == "relief"] == [(group, "invited")]
    ben.do(inputs.JoinGroup(group))
    assert ben.show(group).name == "relief"
    assert ben.read(group).messages[0].own
