"""Adding a contact to a group: at once where a key package is at hand, else as soon as one comes."""

from __future__ import annotations

from chasqui import mls
from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import ID_BYTES, GroupId, MemberKey, ObjectId
from chasqui.base.limits import BUNDLE_BYTES_MAX, GROUP_MEMBERS_MAX
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Add, Role
from chasqui.node.changes import Added, carry_out_addition, require_admin, require_clean, sign_addition
from chasqui.node.citing import cited_roster, with_words
from chasqui.node.deciding import waits_already
from chasqui.node.derived import derived
from chasqui.node.effects import Notice
from chasqui.node.epochs import head_of
from chasqui.node.groups import history_of, load_group, roster_of, tree_keys
from chasqui.node.joining import encode_welcome
from chasqui.node.large import say_large
from chasqui.node.outbox import say
from chasqui.node.pairing import load_contact, take_spare
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.records import PendingAddRecord, ProposedRecord, Space
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
    waiting = dict(tx.load_prefix(Space.PROPOSED, group, ProposedRecord))
    empty = {seat.member for seat in roster.seats if seat.since in waiting and is_expired(tx, waiting[seat.since])}
    if any(tx.get(Space.ALIAS, member) == contact for member in roster.members - empty):
        raise UserError(
            "That contact is a member of the group already.",
            safety="Nothing was changed.",
            todo="See `chasqui group show`.",
        )
    if tx.get(Space.PENDING_ADD, group + contact) is not None:
        raise UserError("That contact is waiting to be added already.", todo="Exchange with the contact.")
    if any(proposed.contact == contact and not is_expired(tx, proposed) for proposed in waiting.values()):
        raise waits_already()
    member = _add_with_a_spare(tx, group, contact, role)
    if member is None:
        tx.save(Space.PENDING_ADD, group + contact, PendingAddRecord(role, tx.now_s))
    return member


def invite_last(tx: Transaction, group: GroupId, contact: GroupId, role: Role) -> None:
    """Adds a contact once nobody else waits to be added: of those who are admitted, the first acts as admin where none
    is left. Raises as `invite`."""
    if not any(tx.scan_prefix(Space.PENDING_ADD, group)):
        invite(tx, group, contact, role)
        return
    load_contact(tx, contact)
    tx.save(Space.PENDING_ADD, group + contact, PendingAddRecord(role, tx.now_s, last=True))


def carry_out_pending(tx: Transaction, contact: GroupId) -> None:
    """Adds a contact wherever that waited for one of its key packages, and who waited for that."""
    for key, _ in list(tx.scan(Space.PENDING_ADD)):
        group = GroupId(key[:ID_BYTES])
        if key[ID_BYTES:] == contact and _carry_out(tx, group, contact):
            for other, waiting in list(tx.load_prefix(Space.PENDING_ADD, group, PendingAddRecord)):
                if waiting.last:
                    _carry_out(tx, group, GroupId(other))


def _carry_out(tx: Transaction, group: GroupId, contact: GroupId) -> bool:
    """Adds a contact that waited, if it can be; whether it was."""
    waiting = dict(tx.load_prefix(Space.PENDING_ADD, group, PendingAddRecord))
    if waiting[contact].last and len(waiting) > 1:
        return False
    part = tx.part()
    try:
        require_admin(require_clean(part, group), roster_of(part, group))
        added = _add_with_a_spare(part, group, contact, Role(waiting[contact].role))
    except UserError:
        return False  # we may not any more, the group is full, or a removal has to be carried out first
    if added is not None:
        part.erase(Space.PENDING_ADD, group + contact)
        part.notify(Notice("members", group))
    tx.absorb(part)
    return added is not None


def add_confirmed(tx: Transaction, group: GroupId) -> None:
    """Gives a leaf to those whose addition we have signed and another admin has confirmed by now. The caller knows that
    the head is clean. Where the key package has expired meanwhile there is none: `group show` says so."""
    for key, proposed in list(tx.load_prefix(Space.PROPOSED, group, ProposedRecord)):
        operation, record = ObjectId(key), load_group(tx, group)
        history, roster = history_of(tx, group), roster_of(tx, group)
        change = history.order[history.position[operation]].change
        present = tree_keys(head_of(tx, group, record)[1])
        member = MemberKey(change.member) if isinstance(change, Add) else MemberKey(b"")
        if member in roster.removals or member in present:
            tx.erase(Space.PROPOSED, group + operation)
            continue
        cited = roster.behind(operation)
        seen = cited_roster(tx, group, with_words(tx, group, cited))  # others go by that alone
        if operation not in roster.counting & seen.counting or present & seen.barred:
            continue
        if len(present) >= GROUP_MEMBERS_MAX or record.member not in roster.admins or is_expired(tx, proposed):
            continue
        part = tx.part()
        try:
            added = carry_out_addition(part, group, member, cited, proposed.key_package)
            _welcome(part, GroupId(proposed.contact), added)
        except PeerError:
            continue
        part.erase(Space.PROPOSED, group + operation)
        part.notify(Notice("members", group))
        tx.absorb(part)


@derived(Space.PROPOSED)
def until_confirmed(tx: Transaction, group: GroupId) -> Pause:
    """Ends `add_confirmed`'s pause while additions of ours wait for another admin."""
    return AWAKE if any(tx.scan_prefix(Space.PROPOSED, group)) else ASLEEP


def is_expired(tx: Transaction, proposed: ProposedRecord) -> bool:
    """Whether nobody can be let in with that key package any more."""
    try:
        with peers_fault():
            mls.read_key_package(proposed.key_package, tx.now_s)
    except PeerError:
        return True
    return False


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
    member, operation = sign_addition(tx, group, key_package, role)
    tx.put(Space.ALIAS, member, contact)
    roster = roster_of(tx, group)
    if operation in roster.pending:
        tx.save(Space.PROPOSED, group + operation, ProposedRecord(key_package, contact))
    else:
        _welcome(tx, contact, carry_out_addition(tx, group, member, (operation,), key_package))
    return member


def _welcome(tx: Transaction, contact: GroupId, added: Added) -> None:
    body = encode_welcome(added.welcome)
    inside = load_group(tx, contact)
    if len(body) + _OVERHEAD_BYTES <= BUNDLE_BYTES_MAX:
        say(tx, contact, inside, Kind.WELCOME, body)
    else:
        say_large(tx, contact, inside, Kind.WELCOME, body)
