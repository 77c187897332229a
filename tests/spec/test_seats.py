"""The MUSTs of docs/spec/forks.md, "New leaves": members who need a leaf, and those who would like to use that."""

from __future__ import annotations

import pytest

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.schema import encode
from chasqui.base.secret import Secret
from chasqui.groups.bodies import DemandBody, KeyPackagesBody, WelcomeBody, read_demand
from chasqui.groups.membership import cites
from chasqui.groups.operation import Rejoin, Role, encode_change
from chasqui.groups.seats import seal_welcome
from chasqui.node import inputs
from chasqui.node.changes import carry_out, issue, welcome_to
from chasqui.node.epochs import NOWHERE, leaf_of
from chasqui.node.groups import history_of, load_group, roster_of, save_group, tree_keys
from chasqui.node.records import OwnKeyPackageRecord, SeatRecord, Space
from chasqui.node.seats import re_enter
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, make_object
from tests.node.hostile import fresh, head, keep, utter, utter_object
from tests.node.world import Person, meet, pair, settled_group

HOUR_S, DAY_S = 3600, 86_400


def takes(person: Person, bundle: bytes) -> bool:
    """Whether a bundle is not refused."""
    return not person.do(inputs.TakeBundles((bundle,))).refused


def contact_of(person: Person, other: Person, group: GroupId) -> GroupId:
    """The contact that two people in a group have with each other, as the first one knows it."""
    contact = person.tx().get(Space.ALIAS, other.key(group))
    assert contact is not None
    return GroupId(contact)


def seat_keys(person: Person, group: GroupId) -> mls.KeyPackageKeys:
    """A key package for the next leaf of somebody, with its private keys; he knows of it."""
    tx = person.tx()
    record = load_group(tx, group)
    made = mls.make_key_package(
        mls.CipherSuite.X25519_CHACHA,
        person.name.encode(),
        person.entropy,
        person.now_s,
        90 * DAY_S,
        signature_private=record.signing_key[:32],
    )
    ref = mls.read_key_package(made.key_package).ref
    tx.save(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord(made.to_bytes(), person.now_s, group))
    keep(person, tx)
    return made


def rejoin(person: Person, group: GroupId, ref: bytes, seq: int = 0) -> SignedObject:
    """A REJOIN outside of every epoch."""
    record, tx = load_group(person.tx(), group), person.tx()
    heads = cites(history_of(tx, group), MemberKey(record.member))
    return make_object(
        group=group,
        author=MemberKey(record.member),
        key=Secret(record.signing_key),
        seq=seq or record.seq + 1,
        minute=person.now_s // 60,
        kind=Kind.OP,
        body=encode_change(Rejoin(heads, ref)),
        receipts=b"",
        origin=Origin(NOWHERE, 0, 0),
    )


def ref_of(made: mls.KeyPackageKeys) -> bytes:
    return mls.read_key_package(made.key_package).ref


def seated_again(by: Person, group: GroupId, whom: Person, made: mls.KeyPackageKeys) -> tuple[WelcomeBody, ObjectId]:
    """What somebody has to send who gives a member a new leaf, by a REJOIN of that member that is here: its welcome."""
    tx = by.tx()
    operation = roster_of(tx, group).rejoins[whom.key(group)]
    leaf = leaf_of(head(by, group)[1], whom.key(group))
    removed = () if leaf is None else (mls.RemoveProposal(leaf),)
    carried = carry_out(
        tx, group, load_group(tx, group), (operation.id,), (*removed, mls.AddProposal(made.key_package))
    )
    body = welcome_to(tx, group, carried)
    keep(by, tx)
    return body, operation.id


def given(person: Person, group: GroupId, made: mls.KeyPackageKeys) -> tuple[bytes, ...]:
    """The bundles with which a member gives a key package for himself."""
    before, tx = set(person.held()), person.tx()
    history = history_of(tx, group)
    record = load_group(tx, group)
    issue(tx, group, record, Rejoin(cites(history, MemberKey(record.member)), ref_of(made)))
    keep(person, tx)
    utter(person, group, Kind.KEY_PACKAGES, encode(KeyPackagesBody((made.key_package,))))
    return fresh(person, before)


@pytest.mark.must("M-SEA-1")
def test_who_was_let_in_gives_a_key_package_after_six_hours_until_that_is_settled() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    eve = Person("eve", now_s=ana.now_s)
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    ana.sync(ben, caro, dan, eve)
    eve.do(inputs.JoinGroup(group))

    def offers() -> int:
        found = eve.tx().load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
        return sum(own.contact == group for _, own in found)

    eve.now_s += 6 * HOUR_S - 1
    eve.do(inputs.Flush())
    assert offers() == 0
    eve.now_s += 1
    eve.do(inputs.Flush())
    assert offers() == 1
    assert isinstance(history_of(eve.tx(), group).order[-1].change, Rejoin)
    eve.now_s += 12 * HOUR_S
    eve.do(inputs.Flush())
    assert offers() == 1, "one is enough"
    for person in (ana, ben, caro, dan):
        person.now_s = eve.now_s + 72 * HOUR_S
    eve.now_s = ana.now_s
    everybody = (ana, ben, caro, dan, eve)
    meet(*everybody)
    tx = ana.tx()
    carry_out(tx, group, load_group(tx, group), (), ())  # a newcomer knows of no vote before the first on his branch
    keep(ana, tx)
    meet(*everybody)
    for person in everybody:
        person.now_s += 72 * HOUR_S
    meet(*everybody)
    assert load_group(eve.tx(), group).seated
    eve.do(inputs.Flush())
    assert offers() == 1, "the votes on what came before are not known to her"
    for _ in range(24):  # nothing is erased by a clock that is alone
        for person in everybody:
            person.now_s += 8 * DAY_S
        meet(*everybody)
    assert offers() == 0
    ana.do(inputs.Flush())
    assert ana.tx().load(Space.SEAT, group + eve.key(group), SeatRecord) is None


@pytest.mark.must("M-SEA-2")
def test_a_key_package_for_somebody_elses_leaf_is_refused() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    his = seat_keys(ben, group).key_package
    assert not takes(ana, utter(caro, group, Kind.KEY_PACKAGES, encode(KeyPackagesBody((his,)))))
    stranger = mls.make_key_package(mls.CipherSuite.X25519_CHACHA, b"caro", caro.entropy, caro.now_s, DAY_S)
    for bad in (stranger.key_package, b"", his + b"\0"):
        assert not takes(ana, utter(caro, group, Kind.KEY_PACKAGES, encode(KeyPackagesBody((bad,)))))
    assert not list(ana.tx().scan_prefix(Space.SEAT, group))
    assert takes(ana, utter(ben, group, Kind.KEY_PACKAGES, encode(KeyPackagesBody((his,)))))
    assert ana.tx().load(Space.SEAT, group + ben.key(group), SeatRecord) is not None


@pytest.mark.must("M-SEA-3")
def test_what_a_demand_needs() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made = seat_keys(ben, group)
    mine = rejoin(ben, group, ref_of(made))
    good = DemandBody(group, mine.to_whole(), made.key_package)
    contact = contact_of(ana, ben, group)
    other = contact_of(ana, caro, group)
    outsider = Person("dan", now_s=ana.now_s)
    third = pair(ana, outsider)
    theirs = seat_keys(caro, group)
    named = rejoin(caro, group, ref_of(theirs))
    forged = mine.to_whole()[:-1] + bytes((mine.to_whole()[-1] ^ 1,))
    leaving = next(o for o in history_of(ben.tx(), group).order[1:]).signed.to_whole()
    bad = [
        (ben, contact, DemandBody(GroupId(b"g" * 16), mine.to_whole(), made.key_package)),
        (ben, contact, DemandBody(contact, mine.to_whole(), made.key_package)),
        (ben, contact, DemandBody(group, forged, made.key_package)),
        (ben, contact, DemandBody(group, leaving, made.key_package)),
        (ben, contact, DemandBody(group, mine.to_whole(), theirs.key_package)),
        (ben, contact, DemandBody(group, named.to_whole(), theirs.key_package)),  # for somebody else
        (caro, other, good),
        (outsider, third, good),
        (ben, group, good),  # in a group
    ]
    for person, where, body in bad:
        assert not takes(ana, utter(person, where, Kind.DEMAND, encode(body)))
    assert not list(ana.tx().scan_prefix(Space.SEAT, group))
    for field in (DemandBody(b"short", b"x", b"x"), DemandBody(group, b"", b"x"), DemandBody(group, b"x", b"")):
        with pytest.raises(PeerError):
            read_demand(encode(field))
    operation = next(o for o in history_of(ana.tx(), group).order[1:] if o.issuer == ana.key(group)).signed
    with_text = utter_object(ben, group, Kind.TEXT, b"no operation")[0]
    for earlier in ((named.to_whole(),), (operation.to_whole(),), (with_text.to_whole(),), (forged,), (b"",)):
        body = DemandBody(group, mine.to_whole(), made.key_package, earlier)
        assert not takes(ana, utter(ben, contact, Kind.DEMAND, encode(body))), "operations of others, and no operations"
    with pytest.raises(PeerError):
        read_demand(encode(DemandBody(group, b"x", b"x", (b"o",) * 17)))
    assert takes(ana, utter(ben, contact, Kind.DEMAND, encode(good)))
    seat = ana.tx().load(Space.SEAT, group + ben.key(group), SeatRecord)
    assert seat is not None
    assert (seat.key_package, seat.contact) == (made.key_package, contact)


@pytest.mark.must("M-SEA-4", "M-SEA-8")
def test_a_demand_is_carried_out_at_once_and_an_older_copy_leaves_numbers_out() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    tx = ben.tx()
    number = load_group(tx, group).seq
    save_group(tx, group, load_group(tx, group), stale_s=ben.now_s)
    keep(ben, tx)
    assert ben.do(inputs.Rejoin(group)) == 1
    assert load_group(ben.tx(), group).seq == number + 8192
    ben.do(inputs.Flush())
    before = head(ana, group)[0]
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    ana.do(inputs.Flush())
    assert head(ana, group)[1].parent == before
    assert leaf_of(head(ana, group)[1], ben.key(group)) is not None
    ben.do(inputs.TakeBundles(tuple(ana.held())))
    assert head(ben, group)[0] == head(ana, group)[0]
    record = load_group(ben.tx(), group)
    assert (record.stale_s, record.demanded_s) == (0, 0)
    meet(ana, ben, caro)
    ben.do(inputs.SendText(group, "here again"))
    meet(ana, ben, caro)
    assert ana.texts(group) == caro.texts(group) == ["here again"]


@pytest.mark.must("M-SEA-5")
def test_a_rejoin_is_not_carried_out_twice_nor_with_another_key_package() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made, second = seat_keys(ben, group), seat_keys(ben, group)
    bundles = given(ben, group, made)
    for person in (ana, caro):
        person.do(inputs.TakeBundles(bundles))
    known, before = ana.store.after_crash(), set(ana.held())
    seated_again(ana, group, ben, second)
    for bundle in fresh(ana, before):
        caro.do(inputs.TakeBundles((bundle,)))
    assert head(caro, group)[0] != head(ana, group)[0], "another key package than the operation names"
    ana.store = known
    ana.restart()
    before = set(ana.held())
    seated_again(ana, group, ben, made)
    caro.do(inputs.TakeBundles(fresh(ana, before)))
    assert head(caro, group)[0] == head(ana, group)[0]
    here, before = head(caro, group)[0], set(ana.held())
    seated_again(ana, group, ben, made)
    caro.do(inputs.TakeBundles(fresh(ana, before)))
    assert head(caro, group)[0] == here, "the old key package does not take the place of his leaf again"


@pytest.mark.must("M-SEA-6")
def test_nobody_alone_moves_a_member_whose_seat_is_settled_and_who_demanded_nothing() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made = seat_keys(ben, group)
    for person in (ana, caro):
        person.do(inputs.TakeBundles(given(ben, group, made)) if person is ana else inputs.Tick())
    body, _ = seated_again(ana, group, ben, made)
    here = head(ben, group)[0]
    sealed = seal_welcome(made.key_package, body, caro.entropy)
    assert load_group(ben.tx(), group).seated
    assert takes(ben, utter(caro, group, Kind.WELCOME, b"r" * 32 + sealed[32:])), "for somebody else: ignored"
    assert not load_group(ben.tx(), group).elsewhere
    assert takes(ben, utter(caro, group, Kind.WELCOME, sealed))
    before = set(ana.held())
    ana.do(inputs.SendText(group, "come here"))
    ben.do(inputs.TakeBundles(fresh(ana, before)))
    assert ben.texts(group) == ["come here"], "both branches are read"
    assert head(ben, group)[0] == here
    caro.do(inputs.TakeBundles(tuple(ana.held())))
    before = set(caro.held())
    caro.do(inputs.SendText(group, "here we are"))
    ben.do(inputs.TakeBundles(fresh(caro, before)))
    assert head(ben, group)[0] == head(caro, group)[0] == head(ana, group)[0] != here, "most others spoke there last"


@pytest.mark.must("M-SEA-7")
def test_what_a_welcome_for_a_member_needs() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made = seat_keys(ben, group)
    ana.do(inputs.TakeBundles(given(ben, group, made)))
    body, _ = seated_again(ana, group, ben, made)
    tx = ben.tx()
    save_group(tx, group, load_group(tx, group), demanded_s=ben.now_s)
    keep(ben, tx)

    def enters(by: WelcomeBody) -> bool:
        tx = ben.tx()
        try:
            re_enter(tx, by, ref_of(made), made)
        except PeerError:
            return False
        assert tx.load(Space.KEY_PACKAGE, ref_of(made), OwnKeyPackageRecord) is None
        keep(ben, tx)
        return True

    def edited(**changes: object) -> WelcomeBody:
        fields = {name: getattr(body, name) for name in body.__struct_fields__}
        return WelcomeBody(**{**fields, **changes})

    today = day_of(ben.now_s)
    for bad in (
        edited(operations=body.operations[1:]),
        edited(inviter=b"s" * 32),
        edited(sealed_before=body.sealed_before[:-1]),
        edited(first_day=today + 2),
        edited(first_day=today - 173),
        edited(message=body.message[:-1]),
    ):
        assert not enters(bad)
    sealed = seal_welcome(made.key_package, body, caro.entropy)
    assert not takes(ben, utter(caro, group, Kind.WELCOME, sealed[:70])), "cut short"
    assert not takes(ben, utter(caro, group, Kind.WELCOME, sealed[:-1] + b"\0"))
    assert enters(body)
    assert takes(ben, utter(caro, group, Kind.WELCOME, sealed))
    assert head(ben, group)[0] == head(ana, group)[0]
    assert tree_keys(head(ben, group)[1]) == {person.key(group) for person in (ana, ben, caro)}
