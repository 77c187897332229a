"""A contact outlives any silence: of two, one of whom was away for years, each reads the other at once."""

from __future__ import annotations

import pytest

from chasqui.base import labels
from chasqui.base.days import day_of
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import EpochId, GroupId
from chasqui.base.schema import encode
from chasqui.groups.bodies import LateBody
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.branches import branches_of, unsettled_path
from chasqui.node.changes import carry_out
from chasqui.node.epochs import epochs_of, load_chain, load_epoch
from chasqui.node.groups import load_group
from chasqui.node.records import LateRecord, Space, SpareRecord
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, head, keep, utter
from tests.node.test_compromise import Captor, Wire
from tests.node.test_healing import all_sync, head_of, later, one_group, with_admins
from tests.node.world import Person, meet, pair


def two() -> tuple[Person, Person, GroupId]:
    """Ana and Mia, whose contact is settled."""
    ana, mia = Person("ana"), Person("mia")
    contact = pair(ana, mia)
    later(24, ana, mia)
    for person in (ana, mia):
        person.do(inputs.SendText(contact, f"this is {person.name}"))
    meet(ana, mia)
    record = load_group(ana.tx(), contact)
    assert record.root == record.head == head_of(mia, contact)
    return ana, mia, contact


def months(count: int, *people: Person) -> None:
    """Time passes for those whose devices are on; they hear somebody else now and then, who bears out their clocks."""
    for _ in range(count):
        for person in people:
            pair(person, Person(f"a neighbour of {person.name}", now_s=person.now_s))
        for _ in range(31):
            later(24, *people)


def return_of(mia: Person, *others: Person) -> None:
    """Somebody comes back whose device was off."""
    mia.now_s = others[0].now_s
    mia.do(inputs.Tick())


def talk(ana: Person, mia: Person, contact: GroupId) -> None:
    """Each reads the other's next text, and both have one head and know it."""
    mia.do(inputs.SendText(contact, "I am back"))
    ana.do(inputs.SendText(contact, "here I am"))
    meet(ana, mia)
    for person in (ana, mia):
        assert {"I am back", "here I am"} <= set(person.texts(contact)), person.name
    later(25, ana, mia)
    meet(ana, mia)
    heads = {head_of(person, contact) for person in (ana, mia)}
    assert heads == {load_group(person.tx(), contact).root for person in (ana, mia)}
    assert len(heads) == 1
    for person in (ana, mia):
        assert not list(person.tx().scan_prefix(Space.LATE, contact)), "each has the other's commits"


def renew_alone(person: Person, contact: GroupId) -> None:
    """Renews the keys of a contact, and what says so is lost."""
    later(24 * 8, person)
    assert load_group(person.tx(), contact).root != head_of(person, contact)


@pytest.mark.must("M-SIL-1", "M-SIL-2", "M-SIL-3")
@pytest.mark.parametrize("mia_renews", [False, True])
def test_two_years_of_silence_and_each_reads_the_other(mia_renews: bool) -> None:
    ana, mia, contact = two()
    if mia_renews:
        renew_alone(mia, contact)
    months(24, ana)
    assert head_of(ana, contact) != head_of(mia, contact)
    assert len(list(epochs_of(ana.tx(), contact))) <= 3, "nothing grows in silence"
    return_of(mia, ana)
    talk(ana, mia, contact)


@pytest.mark.must("M-SIL-2", "M-SIL-3")
def test_a_fork_that_only_one_of_them_knows_is_no_end() -> None:
    ana, mia, contact = two()
    for person in (ana, mia):
        renew_alone(person, contact)
    root = load_group(ana.tx(), contact).root
    one, other = sorted((ana, mia), key=lambda person: labelled_hash(labels.HASH_FORK, root + person.key(contact)))
    own = {bundle for bundle in one.held() if bundle not in other.held()}
    other.do(inputs.Flush())
    one.do(inputs.TakeBundles(tuple(other.held())))
    later(1, one)
    assert load_group(one.tx(), contact).root == head_of(one, contact), "it knows both commits"
    assert own
    months(13, one)
    return_of(other, one)
    talk(one, other, contact)


def test_an_answer_that_is_lost_holds_up_nothing() -> None:
    ana, mia, contact = two()
    renew_alone(ana, contact)
    mia.now_s = ana.now_s
    ana.sync(mia)
    assert head_of(mia, contact) == head_of(ana, contact)
    later(2, mia)  # her receipt and her vote reach nobody
    assert load_group(mia.tx(), contact).root == head_of(mia, contact)
    ana.now_s += 400 * 86_400
    mia.now_s = ana.now_s
    for person in (ana, mia):
        person.do(inputs.Tick())
    talk(ana, mia, contact)


@pytest.mark.must("M-SIL-5")
def test_keys_are_not_renewed_in_silence_but_before_the_next_word_and_as_soon_as_the_other_follows() -> None:
    ana, mia, contact = two()
    months(2, ana)
    alone = head_of(ana, contact)
    assert len(unsettled_path(ana.tx(), contact)) == 1, "once; nothing was said under these keys"
    pair(ana, Person("who bears out her clock", now_s=ana.now_s))
    ana.do(inputs.SendText(contact, "are you there?"))
    assert branches_of(ana.tx(), contact).path(EpochId(head_of(ana, contact)))[1] == alone, "a captor has the old ones"
    before = head_of(ana, contact)
    return_of(mia, ana)
    meet(ana, mia)
    later(24 * 8, ana, mia)
    meet(ana, mia)
    later(1, ana, mia)
    assert head_of(ana, contact) != before


def last_counter(person: Person, group: GroupId, epoch: EpochId | None = None) -> int:
    """Of the key with which somebody sealed last in an epoch."""
    tx = person.tx()
    at = epoch or head(person, group)[0]
    known = load_epoch(tx, group, at)
    assert known is not None
    chain = load_chain(tx, at, known.own_leaf)
    assert chain is not None
    return chain.counter - 1


@pytest.mark.must("M-SIL-4")
def test_what_a_late_commit_needs() -> None:
    ana, mia, contact = two()
    group = ana.do(inputs.CreateGroup("convoy"))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, mia)
    mia.do(inputs.JoinGroup(group))
    meet(ana, mia)
    parent = head(ana, contact)[0]
    before = set(ana.held())
    ana.do(inputs.SendText(contact, "no commit"))
    (text,) = set(ana.held()) - before
    said = LateBody(text, day_of(ana.now_s), last_counter(ana, contact))
    where, tx = head(ana, group)[0], ana.tx()
    before = set(ana.held())
    carry_out(tx, group, load_group(tx, group), (), ())
    keep(ana, tx)
    (commit,) = fresh(ana, before)
    in_group = LateBody(commit, day_of(ana.now_s), last_counter(ana, group, where))
    renew_alone(ana, contact)
    ((_, late),) = ana.tx().load_prefix(Space.LATE, contact, LateRecord)
    assert late.parent == parent
    mia.now_s = ana.now_s
    state = head_of(mia, contact)
    good = LateBody(late.bundle, late.day, late.counter)
    bad = [
        LateBody(late.bundle, late.day + 1, late.counter),
        LateBody(late.bundle, late.day - 256, late.counter),
        LateBody(late.bundle, late.day, late.counter + 1),
        LateBody(late.bundle[:-1], late.day, late.counter),
        LateBody(text, late.day, late.counter),
        said,
    ]
    for body in bad:
        bundle = utter(ana, contact, Kind.LATE, encode(body), parent)
        assert mia.do(inputs.TakeBundles((bundle,))).refused, body
        assert head_of(mia, contact) == state
    bundle = utter(ana, group, Kind.LATE, encode(in_group), where)
    assert mia.do(inputs.TakeBundles((bundle,))).refused, "in a group"
    assert head_of(mia, group) == where
    bundle = utter(mia, contact, Kind.LATE, encode(good), parent)
    assert ana.do(inputs.TakeBundles((bundle,))).refused, "he seals as himself what another has sealed"
    bundle = utter(ana, contact, Kind.LATE, encode(good), parent)
    assert not mia.do(inputs.TakeBundles((bundle,))).refused
    assert head_of(mia, contact) == head_of(ana, contact)
    bundle = utter(ana, contact, Kind.LATE, encode(good), parent)
    assert not mia.do(inputs.TakeBundles((bundle,))).refused, "its key is spent: nothing happens"
    assert not mia.read(contact).clashes


def test_disk_and_traffic_open_nothing_in_the_midst_of_silence() -> None:
    """Whoever takes a device has its kept epochs, and every bundle that was ever sent, those of its late commits
    included: he reads nothing that was read, and follows no commit of hers that he had not got before."""
    ana, mia, contact = two()
    wire = Wire(ana, mia)
    ana.do(inputs.SendText(contact, "read before"))
    mia.do(inputs.SendText(contact, "read as well"))
    meet(ana, mia)
    wire.listen()
    renew_alone(ana, contact)
    wire.listen()
    early = Captor(ana)
    ana.do(inputs.SendText(contact, "into the silence"))
    for _ in range(9):
        months(1, ana)
        wire.listen()
    assert list(ana.tx().scan_prefix(Space.LATE, contact))
    captor = Captor(ana)
    return_of(mia, ana)
    mia.do(inputs.SendText(contact, "on its way"))
    wire.listen()
    captor.feed(wire.seen, ana.now_s)
    early.feed(wire.seen, ana.now_s)
    assert captor.opened(contact) == {"on its way"}, "as on any live epoch, what has not come yet"
    for one in (early, captor):
        assert not {epoch for epoch in one.followed() if epoch[:16] == contact}, "no commit of her own opens again"
    talk(ana, mia, contact)
    later(24 * 8, ana, mia)
    meet(ana, mia)
    mia.do(inputs.SendText(contact, "under new keys"))
    meet(ana, mia)
    wire.listen()
    captor.feed(wire.seen, ana.now_s)
    assert "under new keys" not in captor.opened(contact), "her renewal is settled"


@pytest.mark.must("M-PAI-7")
def test_who_was_not_invited_for_years_can_be() -> None:
    ana, mia, contact = two()
    for _ in range(14):
        months(1, ana, mia)
        meet(ana, mia)
    spares = [spare for _, spare in ana.tx().load_prefix(Space.SPARE, contact, SpareRecord)]
    assert max(spare.received_s for spare in spares) > ana.now_s - 180 * 86_400
    group = ana.do(inputs.CreateGroup("convoy"))
    assert ana.do(inputs.AddMember(group, contact, Role.MEMBER)), "at once"
    renew_alone(ana, contact)
    given = len(list(mia.tx().scan_prefix(Space.SPARE, contact)))
    months(14, ana)
    return_of(mia, ana)
    meet(ana, mia)
    assert len(list(mia.tx().scan_prefix(Space.SPARE, contact))) <= given + 8, "not again and again into silence"


def test_a_member_who_was_away_for_400_days_is_the_same_member() -> None:
    (ana, ben, mia), group = with_admins("ana", "ben", "mia")
    before = mia.key(group)
    for person in (ana, ben):
        person.do(inputs.SendText(group, f"{person.name} 1"))
    for _ in range(400 // 5):
        later(24 * 5, ana, ben)
        all_sync(ana, ben, rounds=2)
    return_of(mia, ana)
    later(12, mia)  # she does not know yet that nobody reads what she says there
    mia.do(inputs.Flush())
    assert mia.do(inputs.Rejoin(group)) == 1
    for _ in range(3):
        all_sync(ana, ben, mia)
        later(30, ana, ben, mia)
    mia.do(inputs.SendText(group, "I am back"))
    all_sync(ana, ben, mia)
    later(80, ana, ben, mia)
    all_sync(ana, ben, mia)
    one_group(group, ana, ben, mia)
    assert mia.key(group) == before
    for person in (ana, ben, mia):
        assert "I am back" in person.texts(group)
