"""The MUSTs of docs/spec/forks.md, "Who was removed elsewhere": he hears of it where he still is, and no more."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.bodies import RemovedBody
from chasqui.groups.operation import Reason, Remove, Role, encode_change
from chasqui.groups.pairing import SUITE
from chasqui.groups.seats import seal_removed
from chasqui.node import inputs, telling
from chasqui.node.authors import load_author
from chasqui.node.epochs import NOWHERE
from chasqui.node.groups import history_of, load_group, roster_of
from chasqui.node.records import SeatRecord, Space
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, make_object, parse_whole
from chasqui.sealed.signing import signing_key
from tests.node.hostile import fresh, head, utter, utter_object
from tests.node.world import Person, make_group, meet
from tests.spec.test_seats import HOUR_S, given, seat_keys, takes

NAMES = ("ana", "ben", "caro", "dan", "eve", "flo")


def bodies_told(monkeypatch: pytest.MonkeyPatch) -> list[RemovedBody]:
    """What anybody tells from now on, before it is sealed."""
    told: list[RemovedBody] = []

    def seen(key_package: bytes, body: RemovedBody, entropy: object) -> bytes:
        told.append(body)
        return seal_removed(key_package, body, entropy)  # type: ignore[arg-type]

    monkeypatch.setattr(telling, "seal_removed", seen)
    return told


def removed_elsewhere() -> tuple[list[Person], GroupId, mls.KeyPackageKeys]:
    """The others do something, and Ana removes Ben, while he gives them a key package; he hears nothing of it all."""
    crowd = [Person(name) for name in NAMES]
    group = make_group(*crowd)
    meet(*crowd)
    ana, ben, *others = crowd
    made = seat_keys(ben, group)
    package = given(ben, group, made)
    ana.do(inputs.SetRole(group, others[0].key(group), Role.ADMIN))
    meet(ana, *others)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, *others)
    for person in (ana, *others):
        person.do(inputs.TakeBundles(package))
    others[0].do(inputs.SetRole(group, others[1].key(group), Role.ADMIN))
    meet(ana, *others)
    return crowd, group, made


def later(hours: int, *people: Person) -> tuple[bytes, ...]:
    """The bundles that these people make in their turns until then."""
    made: list[bytes] = []
    for person in people:
        before = set(person.held())
        person.now_s += hours * HOUR_S
        person.do(inputs.Flush())
        made += fresh(person, before)
    return tuple(made)


def is_out(person: Person, group: GroupId) -> bool:
    return load_group(person.tx(), group).out == Reason.REMOVED


def ids(group: GroupId, body: RemovedBody) -> list[ObjectId]:
    return [parse_whole(whole, group).id for whole in body.operations]


@pytest.mark.must("M-TEL-1")
def test_four_of_those_who_hold_his_key_package_tell_him_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, ben, *others), group, _ = removed_elsewhere()
    told = bodies_told(monkeypatch)
    later(5, ana, *others)
    assert not told, "most hear of it by what is sealed where they sit"
    said: list[bytes] = []
    for count in (1, 2, 3, 4, 4, 4):
        before = len(said)
        said += later(6, ana, *others)
        assert len(told) == count
        if count > before:
            other = ben.copy()
            other.now_s = ana.now_s
            other.do(inputs.TakeBundles(tuple(said[before:])))
            assert is_out(other, group), "by what one of them said"
    for person in (ana, *others):
        assert person.tx().load(Space.SEAT, group + ben.key(group), SeatRecord) is None
    later(24 * 30, ana, *others)
    assert len(told) == 4, "and never again"
    assert not is_out(ben, group)
    ben.now_s = ana.now_s
    ben.do(inputs.TakeBundles(tuple(said)))
    assert is_out(ben, group)
    assert [notice.what for notice in ben.notices].count("removed") == 1


@pytest.mark.must("M-TEL-1")
def test_who_left_himself_or_is_a_member_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = bodies_told(monkeypatch)
    crowd = [Person(name) for name in NAMES]
    group = make_group(*crowd)
    meet(*crowd)
    ana, ben, caro, *others = crowd
    for person in (ben, caro):
        package = given(person, group, seat_keys(person, group))
        for other in crowd:
            other.do(inputs.TakeBundles(package))
    ben.do(inputs.LeaveGroup(group))
    meet(*crowd)
    for _ in range(6):
        later(6, ana, caro, *others)
    assert not told


@pytest.mark.must("M-TEL-2")
def test_he_is_told_what_was_said_before_his_removal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, ben, *others), group, _ = removed_elsewhere()
    history, roster = history_of(ana.tx(), group), roster_of(ana.tx(), group)
    removal = roster.removals[ben.key(group)]
    known = {operation.id for operation in history_of(ben.tx(), group).order}
    told = bodies_told(monkeypatch)
    later(24, ana, *others)
    assert len(told) == 4
    for body in told:
        said = ids(group, body)
        assert said[-1] == removal.id
        assert set(said).isdisjoint(known), "he has them"
        assert {*said} == {o.id for o in history.order if history.precedes(o.id, removal.id)} - known | {removal.id}
        assert len(said) == 2, "the role that was given before, not the one that was given after"


@pytest.mark.must("M-TEL-2")
def test_what_does_not_fit_comes_in_several_and_too_much_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, ben, *others), group, _ = removed_elsewhere()
    told = bodies_told(monkeypatch)
    longest = max(len(known.signed.to_whole()) for known in history_of(ana.tx(), group).order)
    with monkeypatch.context() as tight:
        tight.setattr(telling, "_ROOM_BYTES", longest)
        said = later(12, ana, *others)
    assert [len(body.operations) for body in told] == [1] * len(told)
    ben.now_s = ana.now_s
    ben.do(inputs.TakeBundles(tuple(reversed(said))))
    assert is_out(ben, group), "in whatever order they come"
    for name, most in (("TOLD_OPERATIONS_MAX", 1), ("_ROOM_BYTES", 20)):
        (ana, ben, *others), group, _ = removed_elsewhere()
        told.clear()
        with monkeypatch.context() as tight:
            tight.setattr(telling, name, most)
            for _ in range(5):
                later(6, ana, *others)
        assert not told


@pytest.mark.must("M-TEL-1", "M-TEL-2")
def test_who_is_quarantined_elsewhere_is_told_too_and_not_by_whom_after(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [Person(name) for name in NAMES]
    group = make_group(*crowd)
    meet(*crowd)
    ana, ben, caro, dan, *others = crowd
    package = given(ben, group, seat_keys(ben, group))
    for person in (ana, caro):  # of each other they know nothing
        person.do(inputs.Accuse(group, ben.key(group)))
    meet(ana, caro, dan, *others)
    dan.do(inputs.Accuse(group, ben.key(group)))
    meet(ana, caro, dan, *others)
    for person in (ana, caro, dan, *others):
        person.do(inputs.TakeBundles(package))
    meet(ana, caro, dan, *others)
    told = bodies_told(monkeypatch)
    said = later(24, ana, caro, dan, *others)
    assert len(told) == 4
    for body in told:
        assert {parse_whole(whole, group).author for whole in body.operations} == {ana.key(group), caro.key(group)}
    ben.now_s = ana.now_s
    ben.do(inputs.TakeBundles(said))
    assert "quarantined" in [notice.what for notice in ben.notices]
    ben.do(inputs.Tick())
    assert load_group(ben.tx(), group).out == Reason.TAKEN
    later(24, ana, caro, dan, *others)
    assert len(told) == 4, "once"


@pytest.mark.must("M-TEL-1")
def test_a_key_package_that_cannot_be_sealed_to_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    (ana, ben, *others), group, _ = removed_elsewhere()

    def refused(*_: object) -> bytes:
        raise PeerError("no point of the curve")

    monkeypatch.setattr(telling, "seal_removed", refused)
    for _ in range(5):
        later(6, ana, *others)
    for person in (ana, *others):
        assert person.tx().load(Space.SEAT, group + ben.key(group), SeatRecord) is None


@pytest.mark.must("M-TEL-3")
def test_what_is_told_is_for_one_alone_and_by_its_authors_alone() -> None:
    (ana, ben, _, dan, *_), group, made = removed_elsewhere()
    history, known = history_of(ana.tx(), group), history_of(ben.tx(), group).position
    removal = roster_of(ana.tx(), group).removals[ben.key(group)]
    new = [o for o in history.order if o.id == removal.id or (history.precedes(o.id, removal.id) and o.id not in known)]
    wholes = [operation.signed.to_whole() for operation in new]
    here = head(ben, group)[0]

    def tells(*operations: bytes) -> bool:
        sealed = seal_removed(made.key_package, RemovedBody(operations), dan.entropy)
        return takes(ben, utter(dan, group, Kind.REMOVED, sealed, within=here))

    text, _ = utter_object(dan, group, Kind.TEXT, b"x", within=here)
    for bad in (text.to_whole(), wholes[-1][:-1] + bytes([wholes[-1][-1] ^ 1]), by_a_stranger(dan, group)):
        assert not tells(*wholes[:-1], bad)
    assert not tells()
    good = seal_removed(made.key_package, RemovedBody(tuple(wholes)), dan.entropy)
    assert not takes(ben, utter(dan, group, Kind.REMOVED, good[:60], within=here)), "cut short"
    assert not takes(ben, utter(dan, group, Kind.REMOVED, good[:-1] + b"\0", within=here))
    assert takes(ben, utter(dan, group, Kind.REMOVED, b"r" * 32 + good[32:], within=here)), "for somebody else"
    assert history_of(ben.tx(), group).position == known
    assert not is_out(ben, group)
    heard_s = load_author(ben.tx(), group, ana.key(group)).last_heard_s
    ben.now_s += HOUR_S
    assert tells(*wholes)
    assert is_out(ben, group)
    assert load_author(ben.tx(), group, ana.key(group)).last_heard_s == heard_s, "that was not Ana speaking"
    assert not history_of(ben.tx(), group).deferred


def by_a_stranger(person: Person, group: GroupId) -> bytes:
    """A removal that is signed by a key which never was in the group."""
    keys = mls.make_key_package(SUITE, b"nobody", person.entropy, person.now_s, HOUR_S)
    author = MemberKey(mls.read_key_package(keys.key_package).signature_key)
    heads = (history_of(person.tx(), group).order[0].id,)
    signed = make_object(
        group=group,
        author=author,
        key=signing_key(keys.signature_private.reveal(), author),
        seq=1,
        minute=person.now_s // 60,
        kind=Kind.OP,
        body=encode_change(Remove(heads, person.key(group), 0, Reason.REMOVED)),
        receipts=b"",
        origin=Origin(NOWHERE, 0, 0),
    )
    return signed.to_whole()
