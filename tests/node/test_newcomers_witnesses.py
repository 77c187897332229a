"""A newcomer sees the roster of the others, also where a removed member has back-dated something."""

from __future__ import annotations

import pytest
from msgspec import structs

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import WELCOME_WITNESSES_MAX
from chasqui.base.schema import encode
from chasqui.base.secret import Secret
from chasqui.groups.bodies import WelcomeBody, read_welcome
from chasqui.groups.membership import members
from chasqui.groups.operation import Remove, Role
from chasqui.node import groups, inputs
from chasqui.node.groups import history_of, load_group, removed_members, roster_of, witnesses_of, words_for_newcomers
from chasqui.node.joining import read_told
from chasqui.node.records import InvitationRecord, Space
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import make_object, parse_whole
from tests.node.hostile import fresh, head, utter_object
from tests.node.world import Person, make_group, meet, pair


def back_dated() -> tuple[Person, Person, Person, Person, GroupId]:
    """Ben's device was taken and is removed, as all have witnessed; then it removes Caro, as if it had not heard."""
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    before = set(ben.held())
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    for person in (ana, caro, dora):
        person.do(inputs.TakeBundles(fresh(ben, before)))
        assert caro.key(group) in roster_of(person.tx(), group).members
    return ana, ben, caro, dora, group


def invitation(person: Person, group: GroupId) -> WelcomeBody:
    record = person.tx().load(Space.INVITATION, group, InvitationRecord)
    assert record is not None
    return read_welcome(record.body)


def removals_by(person: Person, group: GroupId, issuer: MemberKey) -> int:
    return sum(o.issuer == issuer and isinstance(o.change, Remove) for o in history_of(person.tx(), group).order)


@pytest.mark.must("M-WIT-3")
def test_a_newcomer_sees_what_is_late_as_the_others_do() -> None:
    ana, ben, caro, dora, group = back_dated()
    eve = Person("eve")
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    meet(ana, caro, dora, eve)
    told = read_told(invitation(eve, group))
    assert caro.key(group) in members(told.history).removals, "the operations alone say otherwise"
    eve.do(inputs.JoinGroup(group))
    meet(ana, caro, dora, eve)
    assert removals_by(eve, group, ben.key(group)) == 1
    rosters = {roster_of(person.tx(), group).members for person in (ana, caro, dora, eve)}
    assert rosters == {frozenset(person.key(group) for person in (ana, caro, dora, eve))}
    assert set(witnesses_of(eve.tx(), group)) == set(witnesses_of(ana.tx(), group))
    eve.do(inputs.SendText(group, "here"))
    meet(ana, caro, dora, eve)
    assert caro.texts(group) == ["here"]
    assert removed_members(eve.tx(), group) == {ben.key(group)}


@pytest.mark.must("M-WIT-3")
def test_what_is_back_dated_after_the_newcomer_came_is_late_for_him_too() -> None:
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    eve = Person("eve")
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    meet(ana, caro, dora, eve)
    eve.do(inputs.JoinGroup(group))
    meet(ana, caro, dora, eve)
    before = set(ben.held())
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    for person in (ana, caro, dora, eve):
        person.do(inputs.TakeBundles(fresh(ben, before)))
    assert removals_by(eve, group, ben.key(group)) == 0, "she has no keys of that epoch"
    for _ in range(3):  # heads come and go, and with them the one whose turn it is to seal it again for her
        meet(ana, caro, dora, eve)
        for person in (ana, caro, dora, eve):
            person.now_s += 5 * 24 * 3600
    assert removals_by(ana, group, ben.key(group)) == 1
    assert removals_by(eve, group, ben.key(group)) == 1
    for person in (ana, caro, dora, eve):
        assert caro.key(group) in roster_of(person.tx(), group).members
        assert caro.key(group) in {key for _, key in head(person, group)[1].roster}


@pytest.mark.must("M-WIT-3")
def test_a_welcome_with_a_forged_or_malformed_witness_is_refused() -> None:
    ana, _, caro, dora, group = back_dated()
    eve = Person("eve")
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    ana.sync(eve)
    body = invitation(eve, group)
    assert len(body.witnesses) == 3
    first, *others = body.witnesses
    text = utter_object(dora, group, Kind.TEXT, parse_whole(first, group).body)[0].to_whole()
    ragged = utter_object(dora, group, Kind.WITNESS, b"\x91\x90")[0].to_whole()
    strange = make_group(caro, Person("zoe"), name="other")
    elsewhere = utter_object(caro, strange, Kind.WITNESS, parse_whole(first, group).body)[0].to_whole()
    hers = load_group(eve.tx(), eve.do(inputs.CreateGroup("hers")))
    word = parse_whole(first, group)
    stranger = make_object(
        group=group,
        author=MemberKey(hers.member),
        key=Secret(hers.signing_key),
        seq=word.seq,
        minute=word.minute,
        kind=Kind.WITNESS,
        body=word.body,
        receipts=b"",
        origin=word.origin,
    ).to_whole()
    for bad in (
        (first, first),
        (first[:-1], *others),
        (first[:-1] + bytes((first[-1] ^ 1,)), *others),
        (text, *others),
        (ragged, *others),
        (elsewhere, *others),
        (stranger, *others),
        (b"",),
        tuple(n.to_bytes(2, "big") for n in range(WELCOME_WITNESSES_MAX + 1)),
    ):
        with pytest.raises(PeerError):
            read_told(read_welcome(encode(structs.replace(body, witnesses=bad))))
    assert read_told(body).witnesses


def test_what_decides_goes_first_and_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, caro, dora, group = back_dated()
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    meet(ana, caro)
    words = words_for_newcomers(ana.tx(), group)
    assert len(words) == 5
    about = {word.id: word.removal for word in witnesses_of(ana.tx(), group)}
    roster = roster_of(ana.tx(), group)
    assert {about[parse_whole(word, group).id] for word in words[:3]} == {roster.removals[ben.key(group)].id}
    room = sum(len(word) for word in words[:4])
    monkeypatch.setattr(groups, "WELCOME_WITNESS_BYTES_MAX", room)
    assert words_for_newcomers(ana.tx(), group) == words[:4]
    monkeypatch.setattr(groups, "WELCOME_WITNESSES_MAX", 2)
    assert words_for_newcomers(ana.tx(), group) == words[:2]
    assert caro.key(group) in roster.members


@pytest.mark.must("M-ASK-2")
def test_a_witness_that_was_lost_is_sealed_again() -> None:
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    ana.sync(caro)
    caro.do(inputs.Flush())
    word = next(w for w in witnesses_of(caro.tx(), group) if w.member == caro.key(group))
    lost = set(caro.held()) - set(ana.held())
    caro.do(inputs.SendText(group, "after it"))
    for _ in range(4):
        for person in (ana, caro, dora):
            person.do(inputs.Flush())
            for other in (ana, caro, dora):
                other.do(inputs.TakeBundles(tuple(bundle for bundle in person.held() if bundle not in lost)))
            person.now_s += 25 * 3600
    for person in (ana, dora):
        assert word in witnesses_of(person.tx(), group)
        assert not person.read(group).gaps
