"""Members who break the rules: what they sign and seal is refused, and their victims go on."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import OPERATIONS_IDLE_MAX
from chasqui.groups.operation import Add, Remove, Role
from chasqui.groups.pairing import SUITE
from chasqui.node import inputs
from chasqui.node.changes import carry_out, issue
from chasqui.node.epochs import head_of
from chasqui.node.groups import history_of, load_group, roster_of
from chasqui.node.records import Space
from tests.node.world import START_S, Person, SeededEntropy, make_group, meet, pair


def tree(person: Person, group: GroupId) -> set[bytes]:
    """Who holds the keys of a person's head."""
    tx = person.tx()
    return {key for _, key in head_of(tx, group, load_group(tx, group))[1].roster}


@pytest.mark.must("M-GRP-4", "M-GRP-5")
def test_operations_without_a_right_neither_enter_the_set_nor_crowd_out_a_removal() -> None:
    ana, ben, eve = Person("ana"), Person("ben"), Person("eve")
    group = make_group(ana, eve)
    ana.do(inputs.AddMember(group, pair(ana, ben), Role.ADMIN))
    meet(ana, ben, eve)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben, eve)
    tx = eve.tx()
    history, record = history_of(tx, group), load_group(tx, group)
    root = history.order[1].id
    for n in range(40):
        change = Add((root,), bytes([n]) * 32, bytes(32), Role.MEMBER)
        _, record = issue(tx, group, record, change)
    for effect in tx.outcome():
        eve._carry_out(effect, None)
    eve.restart()
    eve.sync(ben, ana)
    assert len(history_of(ben.tx(), group).order) == len(history.order) + OPERATIONS_IDLE_MAX
    assert roster_of(ben.tx(), group).members == roster_of(ana.tx(), group).members
    ben.do(inputs.RemoveMember(group, eve.key(group)))
    assert eve.key(group) not in tree(ben, group)
    meet(ana, ben, eve)
    assert eve.key(group) not in tree(ana, group)


@pytest.mark.must("M-COM-1", "M-GRP-3")
def test_a_contact_never_grows_whatever_its_founder_signs() -> None:
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    keys = mls.make_key_package(SUITE, b"eve", SeededEntropy("eve"), START_S, 86_400)
    package = mls.read_key_package(keys.key_package)
    tx = ben.tx()
    history = history_of(tx, contact)
    change = Add((history.order[0].id,), package.signature_key, package.ref, Role.MEMBER)
    signed, record = issue(tx, contact, load_group(tx, contact), change)
    carry_out(tx, contact, record, (signed.id,), (mls.AddProposal(keys.key_package),))
    for effect in tx.outcome():
        ben._carry_out(effect, None)
    ben.restart()
    ben.sync(ana)
    assert len(tree(ana, contact)) == 2
    assert not list(ana.tx().scan_prefix(Space.HELD, contact))


@pytest.mark.must("M-COM-1")
def test_a_commit_that_uses_another_key_package_than_its_operation_is_refused() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    keys = mls.make_key_package(SUITE, b"eve", SeededEntropy("eve"), START_S, 86_400)
    package = mls.read_key_package(keys.key_package)
    tx = ana.tx()
    history = history_of(tx, group)
    change = Add(history.heads, package.signature_key, bytes(32), Role.MEMBER)
    signed, record = issue(tx, group, load_group(tx, group), change)
    carry_out(tx, group, record, (signed.id,), (mls.AddProposal(keys.key_package),))
    for effect in tx.outcome():
        ana._carry_out(effect, None)
    ana.restart()
    before = tree(ben, group)
    ana.sync(ben)
    assert tree(ben, group) == before


@pytest.mark.must("M-COM-1")
def test_a_commit_without_its_operation_changes_nobody() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    tx = ana.tx()
    epoch = head_of(tx, group, load_group(tx, group))[1]
    leaf = next(leaf for leaf, key in epoch.roster if key == caro.key(group))
    carry_out(tx, group, load_group(tx, group), (), (mls.RemoveProposal(leaf),))
    for effect in tx.outcome():
        ana._carry_out(effect, None)
    ana.restart()
    ana.sync(ben)
    assert MemberKey(caro.key(group)) in tree(ben, group)
    assert ben.show(group).state == "current"


@pytest.mark.must("M-GRP-5")
def test_a_member_without_rights_cannot_remove() -> None:
    ana, ben, eve = Person("ana"), Person("ben"), Person("eve")
    group = make_group(ana, ben, eve)
    tx = eve.tx()
    history = history_of(tx, group)
    change = Remove(history.heads, ana.key(group), 0, 2)
    issue(tx, group, load_group(tx, group), change)
    for effect in tx.outcome():
        eve._carry_out(effect, None)
    eve.restart()
    eve.sync(ben)
    assert ben.show(group).state == "current"
    ben.do(inputs.SendText(group, "still here"))
