"""Adding a contact to a group: at once where a key package is at hand, else as soon as one comes."""

from __future__ import annotations

from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import ID_BYTES, GroupId, MemberKey
from chasqui.base.limits import BUNDLE_BYTES_MAX
from chasqui.base.schema import decode_own
from chasqui.groups.operation import Role
from chasqui.node.changes import add_member, require_admin, require_clean
from chasqui.node.effects import Notice
from chasqui.node.groups import load_group, roster_of
from chasqui.node.joining import encode_welcome
from chasqui.node.large import say_large
from chasqui.node.outbox import say
from chasqui.node.pairing import load_contact, take_spare
from chasqui.node.records import PendingAddRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

_OVERHEAD_BYTES = 256  # header, tag, signature, receipts: what a bundle needs beside a welcome


def invite(tx: Transaction, group: GroupId, contact: GroupId, role: Role) -> MemberKey | None:
    """Adds a contact; None where it waits for a key package.

    Raises `UserError` where we may not, or the contact is in the group already.
    """
    load_contact(tx, contact)
    record = require_clean(tx, group)
    roster = roster_of(tx, group)
    require_admin(record, roster)
    if any(tx.get(Space.ALIAS, member) == contact for member in roster.members):
        raise UserError("That contact is a member of the group already.")
    if tx.get(Space.PENDING_ADD, group + contact) is not None:
        raise UserError("That contact is waiting to be added already.", todo="Exchange with the contact.")
    member = _add_with_a_spare(tx, group, contact, role)
    if member is None:
        tx.save(Space.PENDING_ADD, group + contact, PendingAddRecord(role, tx.now_s))
    return member


def carry_out_pending(tx: Transaction, contact: GroupId) -> None:
    """Adds a contact wherever that waited for one of its key packages."""
    for key, data in list(tx.scan(Space.PENDING_ADD)):
        if key[ID_BYTES:] != contact:
            continue
        group, part = GroupId(key[:ID_BYTES]), tx.part()
        try:
            require_admin(require_clean(part, group), roster_of(part, group))
            added = _add_with_a_spare(part, group, contact, Role(decode_own(data, PendingAddRecord).role))
        except UserError:
            continue  # we may not any more, the group is full, or a removal has to be carried out first
        if added is not None:
            part.erase(Space.PENDING_ADD, key)
            part.notify(Notice("members", group))
        tx.absorb(part)


def _add_with_a_spare(tx: Transaction, group: GroupId, contact: GroupId, role: Role) -> MemberKey | None:
    """Adds a contact with the first of its key packages that holds; None where there is none."""
    while (key_package := take_spare(tx, contact)) is not None:
        part = tx.part()
        try:
            member = _add(part, group, contact, key_package, role)
        except PeerError:
            continue  # the contact sent something that MLS refuses; it is gone now
        tx.absorb(part)
        return member
    return None


def _add(tx: Transaction, group: GroupId, contact: GroupId, key_package: bytes, role: Role) -> MemberKey:
    added = add_member(tx, group, key_package, role)
    tx.put(Space.ALIAS, added.member, contact)
    body = encode_welcome(added.welcome)
    inside = load_group(tx, contact)
    if len(body) + _OVERHEAD_BYTES <= BUNDLE_BYTES_MAX:
        say(tx, contact, inside, Kind.WELCOME, body)
    else:
        say_large(tx, contact, inside, Kind.WELCOME, body)
    return added.member
