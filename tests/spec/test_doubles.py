"""One person whom two admins add without hearing of each other: "Second seats" in docs/spec/forks.md."""

from __future__ import annotations

import pytest
from msgspec import structs

from chasqui import mls
from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.bodies import read_welcome
from chasqui.groups.operation import Add, Reason, Remove, Role
from chasqui.node import handlers, inputs
from chasqui.node.changes import issue
from chasqui.node.effects import Notice
from chasqui.node.epochs import NOWHERE
from chasqui.node.groups import (
    history_of,
    is_clean,
    load_group,
    next_heads,
    roster_of,
    save_group,
    save_operations,
    tree_keys,
)
from chasqui.node.joining import encode_welcome, take_welcome
from chasqui.node.records import InvitationRecord, OwnKeyPackageRecord, Space
from chasqui.node.views import list_contacts
from tests.node.hostile import fresh, head, keep
from tests.node.test_upkeep import heard_of
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


def second_welcome_comes_too_late() -> tuple[list[Person], GroupId, list[MemberKey]]:
    """Caro has joined as ana's guest and has heard that ana removes dan, but is not in turn to carry that out: she can
    say nothing. Then ben's welcome comes."""
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    tell(ana, caro, group)
    assert not is_clean(caro.tx(), group, head(caro, group)[1])
    caro.do(inputs.TakeBundles(tuple(ben.held())))
    assert caro.tx().get(Space.INVITATION, group) is None
    return crowd, group, keys


def tell(teller: Person, listener: Person, group: GroupId) -> None:
    """All operations, without the bundles in which they travel."""
    tx = listener.tx()
    save_operations(tx, group, (known.signed for known in history_of(teller.tx(), group).order))
    keep(listener, tx)


def kept_aside(person: Person, group: GroupId) -> list[MemberKey]:
    """For which second seats a device has kept a welcome."""
    return [MemberKey(key[len(group) :]) for key, _ in person.tx().scan_prefix(Space.SECOND, group)]


@pytest.mark.must("M-SEA-11")
def test_who_is_removed_before_he_could_leave_his_second_seat_is_invited_to_it() -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    ana, ben, caro, _ = crowd
    assert kept_aside(caro, group) == [keys[1]]
    ana.do(inputs.RemoveMember(group, keys[0]))
    tell(ana, caro, group)
    caro.do(inputs.Flush())
    assert {Notice("removed", group), Notice("invited", group)} <= set(caro.notices)
    assert not kept_aside(caro, group)
    assert caro.show(group).state == "invited"
    assert own_packages(caro, keys[1]) == [keys[1]]
    caro.do(inputs.JoinGroup(group))
    assert caro.key(group) == keys[1]
    assert not own_packages(caro, keys[1])
    for _ in range(6):
        for person in crowd:
            person.now_s += 26 * 3600
        meet(*crowd)
    members = {ana.key(group), ben.key(group), keys[1]}
    assert rosters(ana, ben, caro, group=group) == [members] * 3
    assert [tree_keys(head(person, group)[1]) for person in (ana, ben, caro)] == [members] * 3
    caro.do(inputs.SendText(group, "in again"))
    meet(*crowd)
    assert ana.texts(group)[-1] == ben.texts(group)[-1] == "in again"


@pytest.mark.must("M-SEA-10")
def test_a_welcome_that_was_kept_aside_goes_when_the_seat_is_left() -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    caro = crowd[2]
    caro.do(inputs.Flush())  # she carries dan's removal out: a stick waits for nobody
    assert not kept_aside(caro, group)
    assert not own_packages(caro, keys[1])
    assert keys[1] in roster_of(caro.tx(), group).removals
    assert caro.tx().get(Space.INVITATION, group) is None


@pytest.mark.must("M-SEA-11")
@pytest.mark.parametrize("how", ["leaves", "an older copy leaves", "taken", "removed from both"])
def test_who_is_out_otherwise_keeps_neither_the_welcome_nor_its_keys(how: str) -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    ana, ben, caro, _ = crowd
    assert kept_aside(caro, group) == own_packages(caro, keys[1]) == [keys[1]]
    if how == "an older copy leaves":
        tx = caro.tx()
        save_group(tx, group, load_group(tx, group), stale_s=1)
        keep(caro, tx)
    if "leaves" in how:
        caro.do(inputs.LeaveGroup(group))
    elif how == "taken":
        for person in (ana, ben):
            person.sync(ana, ben)
            person.do(inputs.Accuse(group, keys[0]))
            tell(person, caro, group)
    else:
        ana.sync(ben)
        ben.sync(ana)
        for key in reversed(keys):
            ana.do(inputs.RemoveMember(group, key))
        tell(ana, caro, group)
    caro.do(inputs.Flush())
    assert load_group(caro.tx(), group).out
    assert not kept_aside(caro, group)
    assert not own_packages(caro, keys[1])
    assert caro.tx().get(Space.INVITATION, group) is None


@pytest.mark.must("M-SEA-10")
def test_an_older_copy_says_nothing_of_its_second_seat() -> None:
    crowd, group, keys = two_admins_add(joins_first=True)
    _, ben, caro, _ = crowd
    tx = caro.tx()
    save_group(tx, group, load_group(tx, group), stale_s=1)
    keep(caro, tx)
    spoken = load_group(caro.tx(), group).seq
    caro.do(inputs.TakeBundles(tuple(ben.held())))
    assert load_group(caro.tx(), group).seq == spoken
    assert kept_aside(caro, group) == own_packages(caro, keys[1]) == [keys[1]]


@pytest.mark.must("M-SEA-11")
def test_a_welcome_is_kept_aside_as_long_as_an_invitation() -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    caro = crowd[2]
    tx = caro.tx()
    save_group(tx, group, load_group(tx, group), stale_s=1)  # it can say nothing, and so cannot leave
    keep(caro, tx)
    for days in (172, 2):
        assert kept_aside(caro, group) == [keys[1]]
        caro.now_s += days * 86_400
        heard_of(caro)
        caro.do(inputs.Tick())
    assert not kept_aside(caro, group)
    assert own_packages(caro, keys[1]) == [keys[1]], "with them it can still leave"


@pytest.mark.must("M-SEA-11")
def test_of_several_welcomes_the_newest_alone_is_kept_aside() -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    _, ben, caro, _ = crowd
    with_caro = next(contact.id for contact in list_contacts(ben.tx()) if contact.name == "caro")
    ben.do(inputs.RemoveMember(group, keys[1]))
    third = ben.do(inputs.AddMember(group, with_caro, Role.MEMBER))
    caro.do(inputs.TakeBundles(tuple(ben.held())))
    assert kept_aside(caro, group) == [third]


@pytest.mark.must("M-SEA-11")
@pytest.mark.parametrize("welcome_first", [True, False])
def test_no_welcome_is_kept_that_opens_what_was_read_here(welcome_first: bool) -> None:
    """Ben adds her again though he sees her first seat: she reads, under the one key, the epoch into which the other
    is welcomed. With the welcome and its private keys, disk and traffic would open what she has read there."""
    crowd, group, _ = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    for _ in range(3):
        for person in crowd:
            person.now_s += 3600
        meet(*crowd)
    with_caro = next(contact.id for contact in list_contacts(ben.tx()) if contact.name == "caro")
    before, dans = set(ben.held()), dan.key(group)
    second = ben.do(inputs.AddMember(group, with_caro, Role.MEMBER))
    brought = fresh(ben, before)
    ben.do(inputs.SendText(group, "to both"))
    said = fresh(ben, before | set(brought))
    ana.do(inputs.RemoveMember(group, dans))
    tell(ana, caro, group)
    kept = []
    for bundle in sorted(brought, key=brought.index, reverse=welcome_first):
        caro.do(inputs.TakeBundles((bundle,)))
        kept += kept_aside(caro, group)
    assert set(kept) == ({second} if welcome_first else set())
    caro.do(inputs.TakeBundles(said))
    assert caro.texts(group)[-1] == "to both"
    assert not kept_aside(caro, group)
    assert own_packages(caro, second) == [second], "she leaves with them, as soon as she can say anything"
    caro.do(inputs.Flush())
    assert not own_packages(caro, second)
    assert second in roster_of(caro.tx(), group).removals


@pytest.mark.must("M-SEA-11")
def test_a_welcome_that_comes_twice_stays_no_longer() -> None:
    crowd, group, keys = second_welcome_comes_too_late()
    caro = crowd[2]
    kept = caro.tx().load(Space.SECOND, group + keys[1], InvitationRecord)
    assert kept is not None
    caro.now_s += 3600
    tx = caro.tx()
    take_welcome(tx, GroupId(kept.contact), kept.body)
    assert tx.load(Space.SECOND, group + keys[1], InvitationRecord) == kept


@pytest.mark.must("M-SEA-11")
def test_a_later_welcome_to_the_same_seat_can_tell_of_the_removal() -> None:
    """Ben gave her the leaf anew, knows by then that she is removed under the first key, and says so."""
    crowd, group, keys = second_welcome_comes_too_late()
    ana, ben, caro, _ = crowd
    kept = caro.tx().load(Space.SECOND, group + keys[1], InvitationRecord)
    assert kept is not None
    ana.do(inputs.RemoveMember(group, keys[0]))
    tell(ana, ben, group)
    told = tuple(known.signed.to_whole() for known in history_of(ben.tx(), group).order)
    again = encode_welcome(structs.replace(read_welcome(kept.body), operations=told))
    tx = caro.tx()
    take_welcome(tx, GroupId(kept.contact), again)
    keep(caro, tx)
    invitation = caro.tx().load(Space.INVITATION, group, InvitationRecord)
    assert invitation == structs.replace(kept, body=again)
    assert not kept_aside(caro, group)


@pytest.mark.must("M-SEA-10")
def test_whoever_is_accused_keeps_no_welcome_to_another_seat() -> None:
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, ben, caro, dan = crowd
    ana.sync(dan)
    brought = tuple(ben.held())
    for person in (ana, dan):
        person.do(inputs.Accuse(group, keys[0]))
        tell(person, caro, group)
    assert keys[0] in roster_of(caro.tx(), group).quarantined
    caro.do(inputs.TakeBundles(brought))
    assert not kept_aside(caro, group)
