"""Guests: in a side group with those who speak with them, and nothing of the group reaches their devices."""

from __future__ import annotations

import pytest

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Genesis, Role
from chasqui.node import inputs
from chasqui.node.epochs import epochs_of
from chasqui.node.groups import history_of, roster_of
from chasqui.node.guests import guests_of, still_beside
from chasqui.node.invitations import carry_out_pending
from chasqui.node.pairing import send_spares
from chasqui.node.records import Space
from chasqui.node.store_port import Write
from chasqui.node.view_types import ContactView
from chasqui.node.views import list_contacts
from tests.node.hostile import keep
from tests.node.world import Person, make_group, meet, pair

NAME = "convoy-nobody-may-know"


def hosted(*with_: str) -> tuple[Person, Person, Person, Person, GroupId, GroupId, GroupId]:
    """A group of Ana, Ben and Caro; Dora is a guest of Ana's, and of those contacts of hers who are named."""
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(ana, ben, caro, name=NAME)
    contact = pair(ana, dora)
    found = {c.name: c.id for c in _contacts(ana)}
    side: GroupId = ana.do(inputs.AddGuest(group, contact, tuple(found[name] for name in with_)))
    meet(*people)
    for person in people[1:]:
        if person.tx().get(Space.INVITATION, side) is not None:
            person.do(inputs.JoinGroup(side))
    meet(*people)
    return ana, ben, caro, dora, group, side, contact


def _contacts(person: Person) -> list[ContactView]:
    return list_contacts(person.tx())


def everything(person: Person) -> bytes:
    """All keys and values on a device, and what it said to its owner."""
    stored = b"".join(key + b"\0" + value + b"\0" for space in Space for key, value in person.store.scan(space))
    return stored + repr(person.notices).encode()


@pytest.mark.must("M-GST-1")
def test_a_guest_learns_nothing_of_the_group() -> None:
    ana, ben, caro, dora, group, side, _ = hosted("ben")
    ana.do(inputs.SendText(group, "among us"))
    ben.do(inputs.SendText(side, "to our guest"))
    dora.do(inputs.SendText(side, "from your guest"))
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    meet(ana, ben, caro, dora)
    for person in (ana, ben, dora):
        assert sorted(person.texts(side)) == ["from your guest", "to our guest"]
    assert dora.tx().get(Space.GROUP, group) is None
    tx = ana.tx()
    secret = {
        "the group": group,
        "its name": NAME.encode(),
        "a message": b"among us",
        **{f"member {person.name}": person.key(group) for person in (ana, ben, caro)},
        **{f"operation {o.id.hex()}": o.id for o in history_of(tx, group).order},
        **{f"epoch {epoch.hex()}": epoch for epoch, _ in epochs_of(tx, group)},
    }
    of_a_member, of_the_guest = everything(ben), everything(dora)
    for what, value in secret.items():
        assert value in of_a_member, f"{what}: else this test could not fail"
        assert value not in of_the_guest, what
    assert bytes(ana.key(side)) in of_the_guest


@pytest.mark.must("M-GST-1")
def test_a_side_group_is_a_group_of_its_own() -> None:
    ana, ben, caro, dora, group, side, _ = hosted("ben")
    tx = ana.tx()
    assert roster_of(tx, side).members == {person.key(side) for person in (ana, ben, dora)}
    assert not roster_of(tx, side).members & roster_of(tx, group).members
    genesis = history_of(tx, side).order[0].change
    assert isinstance(genesis, Genesis)
    assert genesis.name == "with ana"
    assert roster_of(tx, side).admins == (ana.key(side),)
    assert roster_of(tx, side).seats[-1].member == dora.key(side), "he is the last who would have to decide"
    assert caro.tx().get(Space.INVITATION, side) is None
    assert caro.tx().get(Space.GROUP, side) is None
    assert ana.show(side).name == f"{NAME}:dora"
    assert ben.show(side).name == dora.show(side).name == "with ana"


@pytest.mark.must("M-GST-2")
def test_who_the_guests_are_is_known_where_they_were_let_in_alone() -> None:
    ana, ben, caro, dora, group, side, contact = hosted("ben")
    (guest,) = guests_of(ana.tx(), group)
    assert (guest.contact, guest.side, guest.name, guest.pending) == (contact, side, "dora", False)
    for person in (ben, caro, dora):
        assert not list(person.tx().scan(Space.GUEST))
    assert not dora.show(side).pending


def test_one_guest_knows_nothing_of_another() -> None:
    ana, _, _, dora, group, side, _ = hosted()
    eve = Person("eve")
    other: GroupId = ana.do(inputs.AddGuest(group, pair(ana, eve)))
    meet(ana, dora, eve)
    eve.do(inputs.JoinGroup(other))
    meet(ana, dora, eve)
    assert other != side
    assert {guest.name for guest in guests_of(ana.tx(), group)} == {"dora", "eve"}
    assert bytes(dora.key(side)) not in everything(eve)
    assert bytes(eve.key(other)) not in everything(dora)


def test_who_may_let_whom_in() -> None:
    ana, ben, _, dora, group, _, contact = hosted()
    found = {c.name: c.id for c in _contacts(ana)}
    before = len(list(ana.tx().scan(Space.GROUP)))
    for contacts, match in (
        ((contact,), "guest already"),
        ((found["ben"],), "member of the group already"),
        ((pair(ana, Person("eve")), contact), "no member of the group"),
    ):
        before = len(list(ana.tx().scan(Space.GROUP)))
        with pytest.raises(UserError, match=match):
            ana.do(inputs.AddGuest(group, contacts[0], contacts[1:]))
        assert len(list(ana.tx().scan(Space.GROUP))) == before, "no side group is left behind"
    with pytest.raises(UserError, match="Only an admin"):
        ben.do(inputs.AddGuest(group, pair(ben, dora)))
    with pytest.raises(UserError, match="contact is a group of two"):
        ana.do(inputs.AddGuest(found["ben"], contact))


def test_a_guest_becomes_a_member_with_another_pseudonym() -> None:
    ana, ben, caro, dora, group, side, contact = hosted()
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    meet(ana, ben, caro, dora)
    dora.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dora)
    assert dora.key(group) != dora.key(side)
    assert dora.key(group) in roster_of(caro.tx(), group).members


def test_a_guest_waits_for_a_key_as_a_member_does() -> None:
    ana, _, _, dora, group, _, contact = hosted()
    ana.do(inputs.RemoveMember(guests_of(ana.tx(), group)[0].side, dora.key(guests_of(ana.tx(), group)[0].side)))
    assert not guests_of(ana.tx(), group), "who is put out of the side group is no guest any more"
    without_keys(ana, contact)
    side: GroupId = ana.do(inputs.AddGuest(group, contact))
    (guest,) = guests_of(ana.tx(), group)
    assert (guest.side, guest.pending) == (side, True)


def test_removing_a_member_says_where_he_still_speaks_with_guests() -> None:
    ana, ben, _, _, group, side, _ = hosted("ben")
    key = ben.key(group)
    ana.do(inputs.RemoveMember(group, key))
    assert still_beside(ana.tx(), group, key) == (f"{NAME}:dora",)
    ana.do(inputs.RemoveMember(side, ben.key(side)))
    assert still_beside(ana.tx(), group, key) == ()


def without_keys(person: Person, contact: GroupId) -> None:
    """No key package of a contact is at hand any more."""
    for key, _ in list(person.store.scan(Space.SPARE, contact, contact + b"\xff" * 40)):
        person.store.apply((Write(Space.SPARE, key, None),))
    person.store.commit()


@pytest.mark.must("M-GST-3")
def test_a_guest_whose_key_is_here_comes_after_a_speaker_whose_key_is_not() -> None:
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(ana, ben, caro, name=NAME)
    guest = pair(ana, dora)
    found = {c.name: c.id for c in _contacts(ana)}
    without_keys(ana, found["ben"])
    side: GroupId = ana.do(inputs.AddGuest(group, guest, (found["ben"], found["caro"])))
    assert len(roster_of(ana.tx(), side).seats) == 2, "ana and caro"
    (waits,) = guests_of(ana.tx(), group)
    assert waits.pending
    tx = ana.tx()
    carry_out_pending(tx, guest)  # as when more keys of hers come
    keep(ana, tx)
    ana.sync(dora)
    assert dora.tx().get(Space.INVITATION, side) is None, "her key is here, and she waits"
    tx = ben.tx()
    for ref, _ in list(tx.scan(Space.KEY_PACKAGE)):
        tx.erase(Space.KEY_PACKAGE, ref)
    send_spares(tx, found["ben"])
    keep(ben, tx)
    meet(*people)
    for person in people[1:]:
        assert person.tx().get(Space.INVITATION, side) is not None, person.name
        person.do(inputs.JoinGroup(side))
    meet(*people)
    seats = [seat.member for seat in roster_of(ana.tx(), side).seats]
    assert seats == [person.key(side) for person in (ana, caro, ben, dora)]
    assert not guests_of(ana.tx(), group)[0].pending
