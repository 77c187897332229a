"""Guests: people who speak with some members of a group and learn nothing of it.

A guest is no member. Whoever lets him in makes a side group with him: a group like any other, with keys, members'
pseudonyms and operations of its own. That it belongs to another group is known on this device alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import NAME_BYTES_MAX
from chasqui.groups.operation import GroupKind, Role
from chasqui.node.changes import found_group, require_admin, require_in
from chasqui.node.groups import load_group, roster_of, save_group
from chasqui.node.invitations import invite, invite_last
from chasqui.node.labels import unused_label
from chasqui.node.pairing import load_contact, load_self
from chasqui.node.records import GroupRecord, PendingAddRecord, Space
from chasqui.node.transaction import Transaction

_TAKEN: Final = 2  # accusers, as in every group that nobody makes otherwise


@dataclass(frozen=True)
class GuestView:
    """A guest, and the side group in which we speak with him. `pending`: no key of his is here yet."""

    contact: GroupId
    name: str
    side: GroupId
    label: str
    pending: bool


def invite_guest(tx: Transaction, group: GroupId, contact: GroupId, speakers: tuple[GroupId, ...]) -> GroupId:
    """Makes a side group with a contact, and with members of the group who shall speak with him, too. Gives it.

    Raises `UserError` where we may not, the contact is a member or a guest already, or a speaker is no member.
    """
    record = require_in(load_group(tx, group))
    require_admin(record, roster_of(tx, group))
    name = load_contact(tx, contact).name
    seated = contacts_in(tx, group)
    if contact in seated:
        raise UserError("That contact is a member of the group already.", safety="Nothing was changed.")
    known = next((guest for guest in guests_of(tx, group) if guest.contact == contact), None)
    if known is not None:
        raise UserError(f"That contact is a guest already, in '{known.label}'.", todo="See `chasqui group show`.")
    for speaker in speakers:
        if load_contact(tx, speaker) and speaker not in seated:
            raise UserError(
                "Somebody who shall speak with the guest is no member of the group, as far as you can know.",
                safety="Nothing was changed.",
                todo="Name contacts of yours who are in it; others can be let in by a contact of theirs.",
            )
    own = load_self(tx).name
    said = f"with {own}"  # all that the guest sees of where he is: nothing of the group, not even its name
    shown = said if len(said.encode()) <= NAME_BYTES_MAX else own
    side, made, _ = found_group(tx, shown, GroupKind.GROUP, own, record.retention_s, _TAKEN)
    save_group(tx, side, made, name=unused_label(tx, f"{record.name}:{name}"))
    tx.put(Space.GUEST, group + side, contact)
    for person in dict.fromkeys(speakers):
        invite(tx, side, person, Role.MEMBER)
    invite_last(tx, side, contact, Role.MEMBER)  # he never is the one left to decide while somebody else is there
    return side


def guests_of(tx: Transaction, group: GroupId) -> tuple[GuestView, ...]:
    """The guests whom we have let in, and who are not out of their side groups again."""
    found = []
    for key, contact in tx.scan_prefix(Space.GUEST, group):
        side = GroupId(key[len(group) :])
        record = tx.load(Space.GROUP, side, GroupRecord)
        waits = tx.load(Space.PENDING_ADD, side + contact, PendingAddRecord) is not None
        if record is not None and not record.out and (waits or contact in contacts_in(tx, side)):
            name = load_contact(tx, GroupId(contact)).name
            found.append(GuestView(GroupId(contact), name, side, record.name, waits))
    return tuple(found)


def still_beside(tx: Transaction, group: GroupId, member: MemberKey) -> tuple[str, ...]:
    """The side groups of a group in which a contact sits who had this key in it: being removed ends nothing there."""
    contact = tx.get(Space.ALIAS, member)
    sides = (guest for guest in guests_of(tx, group) if contact is not None)
    return tuple(guest.label for guest in sides if contact in contacts_in(tx, guest.side))


def contacts_in(tx: Transaction, group: GroupId) -> frozenset[bytes]:
    """The contacts of ours who are members of a group, as far as we know which keys are theirs."""
    return frozenset(found for member in roster_of(tx, group).members if (found := tx.get(Space.ALIAS, member)))
