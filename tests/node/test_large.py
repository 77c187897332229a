"""Bodies in parts: what one member can make others keep, and what stays of a file that was erased."""

from __future__ import annotations

import random

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.limits import FILE_PART_BYTES, PARTS_UNANNOUNCED_MAX, SECONDS_PER_DAY, WELCOME_BYTES_MAX
from chasqui.base.schema import encode
from chasqui.groups.bodies import ManifestBody, PartBody
from chasqui.groups.operation import Role
from chasqui.node import inputs, large
from chasqui.node.groups import load_group
from chasqui.node.large import digest_of
from chasqui.node.outbox import say
from chasqui.node.records import ManifestRecord, Space
from chasqui.sealed.kinds import Kind
from tests.node.world import Person, make_group, meet, pair

FILE = random.Random(5).randbytes(3 * FILE_PART_BYTES + 7)


def utter(person: Person, group: GroupId, kind: Kind, *bodies: bytes) -> list[bytes]:
    """Bundles with whatever the person signs."""
    before = set(person.held())
    tx = person.tx()
    record = load_group(tx, group)
    for body in bodies:
        _, record = say(tx, group, record, kind, body)
    for effect in tx.outcome():
        person._carry_out(effect, None)
    person.restart()
    return [bundle for bundle in person.held() if bundle not in before]


def manifest(data: bytes, kind: Kind = Kind.MANIFEST, *, size: int | None = None) -> bytes:
    name = "x" if kind is Kind.MANIFEST else ""
    return encode(ManifestBody(kind, digest_of(data), len(data) if size is None else size, name))


def part(data: bytes, index: int, piece: bytes | None = None) -> bytes:
    start = index * FILE_PART_BYTES
    return encode(PartBody(digest_of(data), index, data[start : start + FILE_PART_BYTES] if piece is None else piece))


def kept(person: Person) -> int:
    return person.tx().count(Space.PART)


def brief(*others: Person, founder: Person, retention_s: int = 3600) -> GroupId:
    """A group that keeps nothing for long."""
    contacts = [pair(founder, other) for other in others]
    group: GroupId = founder.do(inputs.CreateGroup("brief", retention_s))
    for contact in contacts:
        founder.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(founder, *others)
    for other in others:
        other.do(inputs.JoinGroup(group))
    meet(founder, *others)
    return group


def test_the_manifest_travels_before_its_parts() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    ana.do(inputs.SendFile(group, "x", FILE))
    fresh = [bundle for bundle in ana.held() if bundle not in before]
    ben.do(inputs.TakeBundles((fresh[0],)))
    assert [message.state for message in ben.read(group).messages] == ["incomplete"]


@pytest.mark.must("M-FIL-3")
def test_parts_that_nothing_announces_are_bounded_and_come_back_with_their_manifest() -> None:
    ana, eve = Person("ana"), Person("eve")
    group = make_group(ana, eve)
    data = random.Random(1).randbytes(FILE_PART_BYTES * (PARTS_UNANNOUNCED_MAX + 20))
    parts = utter(eve, group, Kind.PART, *(part(data, n) for n in range(PARTS_UNANNOUNCED_MAX + 20)))
    answer = ana.do(inputs.TakeBundles(tuple(parts)))
    assert answer.refused == 20
    assert kept(ana) == PARTS_UNANNOUNCED_MAX
    ana.do(inputs.TakeBundles(tuple(utter(eve, group, Kind.MANIFEST, manifest(data)))))
    assert kept(ana) == PARTS_UNANNOUNCED_MAX + 20
    assert ana.tx().count(Space.ORPHAN) == 0


@pytest.mark.must("M-FIL-3", "M-FIL-4")
def test_a_part_that_cannot_belong_to_its_manifest_is_not_kept() -> None:
    ana, eve = Person("ana"), Person("eve")
    group = make_group(ana, eve)
    wrong = (part(FILE, 4, b""), part(FILE, 0, b"short"), part(FILE, 3, bytes(8)), part(FILE, 4415, bytes(100)))
    before = utter(eve, group, Kind.PART, *wrong[:2])
    assert ana.do(inputs.TakeBundles(tuple(before))).refused == 0  # nobody can know yet
    ana.do(inputs.TakeBundles(tuple(utter(eve, group, Kind.MANIFEST, manifest(FILE)))))
    assert kept(ana) == 0
    assert ana.do(inputs.TakeBundles(tuple(utter(eve, group, Kind.PART, *wrong[1:])))).refused == 3
    right = utter(eve, group, Kind.PART, *(part(FILE, n) for n in range(4)))
    again = utter(eve, group, Kind.PART, part(FILE, 1, bytes(FILE_PART_BYTES)))
    ana.do(inputs.TakeBundles((*right, *again)))
    (message,) = ana.read(group).messages
    assert ana.do(inputs.ReadFile(group, message.id)) == ("x", FILE)  # the first one counts


def test_what_is_empty_has_one_empty_part() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    file = ana.do(inputs.SendFile(group, "empty", b""))
    meet(ana, ben)
    assert ben.do(inputs.ReadFile(group, file)) == ("empty", b"")


@pytest.mark.must("M-FIL-2")
def test_a_welcome_is_bounded() -> None:
    ana, eve = Person("ana"), Person("eve")
    group = make_group(ana, eve)
    (contact,) = [GroupId(key) for key, _ in ana.store.scan(Space.CONTACT)]
    for place, size in ((contact, WELCOME_BYTES_MAX + 1), (group, WELCOME_BYTES_MAX + 1)):
        said = utter(eve, place, Kind.MANIFEST, manifest(b"x", Kind.WELCOME, size=size))
        assert ana.do(inputs.TakeBundles(tuple(said))).refused == 1
    (said_twice,) = utter(eve, contact, Kind.MANIFEST, manifest(FILE, Kind.WELCOME))
    assert ana.do(inputs.TakeBundles((said_twice,))).refused == 0
    (other,) = utter(eve, contact, Kind.MANIFEST, manifest(FILE, Kind.WELCOME, size=7))
    assert ana.do(inputs.TakeBundles((other,))).refused == 1


@pytest.mark.must("M-FIL-4")
@pytest.mark.parametrize("forged", [True, False])
def test_a_body_that_does_not_hold_is_put_together_once(forged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, eve = Person("ana"), Person("eve")
    make_group(ana, eve)
    (contact,) = [GroupId(key) for key, _ in ana.store.scan(Space.CONTACT)]
    pieces = [part(FILE, n) for n in range(4)]
    if forged:
        pieces[2] = part(FILE, 2, bytes(FILE_PART_BYTES))
    hashed = []

    def counting(data: bytes) -> bytes:
        hashed.append(len(data))
        return digest_of(data)

    monkeypatch.setattr(large, "digest_of", counting)
    said = utter(eve, contact, Kind.MANIFEST, manifest(FILE, Kind.WELCOME)) + utter(eve, contact, Kind.PART, *pieces)
    said += utter(eve, contact, Kind.PART, *pieces)  # and all once more
    assert ana.do(inputs.TakeBundles(tuple(said))).refused == 0
    assert len(hashed) == 1
    assert kept(ana) == 0


@pytest.mark.must("M-FIL-4")
def test_a_part_that_comes_after_its_file_was_erased_is_not_kept() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = brief(ben, founder=ana)
    before = set(ana.held())
    ana.do(inputs.SendFile(group, "secret name", FILE))
    fresh = [bundle for bundle in ana.held() if bundle not in before]
    ben.do(inputs.TakeBundles(tuple(fresh[:-1])))
    assert kept(ben) == 3
    ben.now_s += 7200
    ben.do(inputs.Tick())
    assert ben.do(inputs.TakeBundles((fresh[-1],))).new == 1
    assert kept(ben) == 0
    ((_, trace),) = ben.tx().load_prefix(Space.MANIFEST, group, ManifestRecord)
    assert (trace.erased, trace.name, trace.size) == (True, "", 0)
    ben.now_s += 174 * SECONDS_PER_DAY
    ben.do(inputs.Tick())
    assert not list(ben.store.scan(Space.MANIFEST))


def test_a_file_that_was_sent_twice_goes_with_the_later_message() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = brief(ben, founder=ana)
    ana.do(inputs.SendFile(group, "x", FILE))
    meet(ana, ben)
    for person in (ana, ben):
        person.now_s += 2000
    again = ana.do(inputs.SendFile(group, "x", FILE))
    meet(ana, ben)
    for person in (ana, ben):
        person.now_s += 2000
        person.do(inputs.Tick())
        assert len(person.read(group).messages) == 1
        assert person.do(inputs.ReadFile(group, again)) == ("x", FILE)
        person.now_s += 3700
        person.do(inputs.Tick())
        assert kept(person) == 0


@pytest.mark.must("M-FIL-3")
@pytest.mark.parametrize(("retention_s", "life_s"), [(0, 173 * SECONDS_PER_DAY), (3600, 3600)])
def test_parts_without_a_manifest_go_when_none_can_come(retention_s: int, life_s: int) -> None:
    ana, eve = Person("ana"), Person("eve")
    group = brief(eve, founder=ana, retention_s=retention_s)
    ana.do(inputs.TakeBundles(tuple(utter(eve, group, Kind.PART, part(FILE, 0)))))
    ana.now_s += life_s
    ana.do(inputs.Tick())
    assert kept(ana) == 1
    ana.now_s += 3700
    ana.do(inputs.Tick())
    assert (kept(ana), ana.tx().count(Space.ORPHAN)) == (0, 0)
