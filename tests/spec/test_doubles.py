"""One person whom two admins add without hearing of each other: "Second seats" in docs/spec/forks.md."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.operation import Add, Reason, Remove, Role
from chasqui.node import handlers, inputs
from chasqui.node.changes import issue
from chasqui.node.epochs import NOWHERE
from chasqui.node.groups import load_group, next_heads, roster_of, tree_keys
from chasqui.node.records import OwnKeyPackageRecord, Space
from chasqui.node.views import list_contacts
from tests.node.hostile import fresh, head, keep
from tests.node.world import Person, meet, pair


def two_admins_add(*, joins_first: bool) -> tuple[list[Person], GroupId, list[MemberKey]]:
    """Ana and Ben each add Caro, and only then hear of each other. Gives who is there and Caro's two keys."""
    ana, ben, caro, dan = crowd = [Person(name) for name in ("ana", "ben", "caro", "dan")]
    with_ben, with_dan = pair(ana, ben), pair(ana, dan)
    group: GroupId = ana.do(inputs.CreateGroup("convoy"))
    ana.do(inputs.AddMember(group, with_ben, Role.ADMIN))
    ana.do(inputs.AddMember(group, with_dan, Role.MEMBER))
    meet(ana, ben, dan)
    for person in (ben, dan):
        person.do(inputs.JoinGroup(group))
    meet(ana, ben, dan)
    keys = [
        adder.do(inputs.AddMember(group, contact, Role.MEMBER))
        for adder, contact in ((ana, pair(ana, caro)), (ben, pair(ben, caro)))
    ]
    if joins_first:
        ana.sync(caro)
        caro.do(inputs.JoinGroup(group))
    return crowd, group, keys


def own_packages(person: Person, *members: MemberKey) -> list[bytes]:
    """Which of these member keys are found among the private keys that a device holds."""
    held = [
        mls.KeyPackageKeys.from_bytes(own.keys)
        for _, own in person.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
        if own.keys
    ]
    there = {mls.read_key_package(keys.key_package).signature_key for keys in held}
    return [member for member in members if member in there]


@pytest.mark.must("M-SEA-9")
@pytest.mark.parametrize("joins_first", [True, False])
def test_the_seat_that_nobody_uses_goes_by_itself(joins_first: bool) -> None:
    crowd, group, keys = two_admins_add(joins_first=joins_first)
    ana, ben, caro, dan = crowd
    meet(*crowd)
    if not joins_first:
        caro.do(inputs.JoinGroup(group))
    meet(*crowd)
    used = caro.key(group)
    (empty,) = set(keys) - {used}
    for _ in range(8):
        for person in crowd:
            person.now_s += 6 * 3600
        meet(*crowd)
    for person in crowd:
        assert roster_of(person.tx(), group).members == {ana.key(group), ben.key(group), dan.key(group), used}
        assert tree_keys(head(person, group)[1]) == roster_of(person.tx(), group).members
        removal = roster_of(person.tx(), group).removals[empty]
        assert removal.change == Remove(removal.change.heads, empty, 1, Reason.LEFT)  # type: ignore[union-attr]
        assert removal.signed.origin.epoch == NOWHERE
    assert not own_packages(caro, empty)
    caro.do(inputs.SendText(group, "one of me"))
    meet(*crowd)
    assert dan.texts(group)[-1] == "one of me"
    said = caro.read(group).messages[-1]
    assert dict(said.receipts).keys() == {ana.key(group), ben.key(group), dan.key(group)}
    assert said.state == "delivered"


def rosters(*people: Person, group: GroupId) -> list[frozenset[MemberKey]]:
    return [roster_of(person.tx(), group).members for person in people]


@pytest.mark.must("M-SEA-10")
def test_a_second_invitation_is_enough_to_know_of_the_second_seat() -> None:
    """Whoever is removed under one key before he hears of the other would have left neither."""
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    before = set(caro.held())
    assert own_packages(caro, keys[1]) == [keys[1]]
    ben.sync(caro)  # the invitation alone: ben's addition in the group is sealed where caro does not sit
    assert not own_packages(caro, keys[1]), "at once: his removal may be on the same stick"
    ana.do(inputs.TakeBundles(fresh(caro, before)))
    assert keys[1] in roster_of(caro.tx(), group).removals
    assert keys[1] in roster_of(ana.tx(), group).members | roster_of(ana.tx(), group).removals.keys()
    for person in crowd:
        person.now_s += 3600
    ana.do(inputs.RemoveMember(group, keys[0]))
    for _ in range(4):
        for person in crowd:
            person.now_s += 26 * 3600
        meet(*crowd)
    assert rosters(ana, ben, dan, group=group) == [{ana.key(group), ben.key(group), dan.key(group)}] * 3


@pytest.mark.must("M-SEA-9")
def test_who_leaves_leaves_every_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, group, _ = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    meet(ana, ben, dan)
    monkeypatch.setattr(handlers, "take_welcome", lambda *_: None)  # the second invitation is not here yet
    caro.do(inputs.TakeBundles(tuple(ana.held())))
    assert len(roster_of(caro.tx(), group).members) == 5
    caro.do(inputs.LeaveGroup(group))
    for _ in range(3):
        meet(*crowd)
    assert rosters(ana, ben, dan, group=group) == [{ana.key(group), ben.key(group), dan.key(group)}] * 3


@pytest.mark.must("M-SEA-9")
def test_nobody_leaves_for_another_nor_the_seat_that_he_uses() -> None:
    """An addition that names a key package of ours for somebody else's key is no seat of ours."""
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, _, caro, dan = crowd
    meet(*crowd)
    spare = next(
        ref
        for ref, own in caro.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
        if own.contact != group and own.keys
    )
    stranger = MemberKey(b"\x07" * 32)
    tx = ana.tx()
    issue(tx, group, load_group(tx, group), Add(next_heads(tx, group, load_group(tx, group)), stranger, spare, 1))
    keep(ana, tx)
    for _ in range(3):
        for person in crowd:
            person.now_s += 3600
        meet(*crowd)
    assert {stranger, caro.key(group)} <= roster_of(dan.tx(), group).members
    assert caro.tx().get(Space.KEY_PACKAGE, spare) is not None
    assert caro.key(group) == keys[0]


@pytest.mark.must("M-SEA-9")
def test_who_was_removed_and_let_in_again_keeps_the_new_seat() -> None:
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    meet(*crowd)
    for _ in range(3):
        for person in crowd:
            person.now_s += 3600
        meet(*crowd)
    with_caro = next(key for key, contact in ((c.id, c) for c in list_contacts(ana.tx())) if contact.name == "caro")
    ana.do(inputs.RemoveMember(group, keys[0]))
    again = ana.do(inputs.AddMember(group, with_caro, Role.MEMBER))
    ana.sync(caro)
    caro.do(inputs.JoinGroup(group))
    for _ in range(3):
        for person in crowd:
            person.now_s += 3600
        meet(*crowd)
    assert caro.key(group) == again
    assert rosters(*crowd, group=group) == [{ana.key(group), ben.key(group), dan.key(group), again}] * 4
