"""Welcomes: into a group that a contact invites to, and into the contact itself."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from msgspec import structs

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import NO_GROUP, GroupId, MemberKey
from chasqui.base.limits import BUNDLE_AGE_DAYS_MAX, BUNDLE_FUTURE_DAYS_MAX
from chasqui.base.schema import decode_own, encode
from chasqui.groups.bodies import WelcomeBody, read_welcome
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Add, Genesis, GroupKind, Reason, group_id_of, read_operation
from chasqui.groups.pairing import SUITE
from chasqui.groups.witnesses import Said, Witness, read_witnesses
from chasqui.node.authors import expect_after, expect_from_start
from chasqui.node.changes import shut
from chasqui.node.commit_checks import check_leaves
from chasqui.node.doubles import keep_second, leave_doubles_now
from chasqui.node.effects import Notice
from chasqui.node.epochs import Way, open_epoch
from chasqui.node.groups import keep_words, note_member, note_members, save_group, save_operations
from chasqui.node.labels import unused_label
from chasqui.node.records import GroupRecord, InvitationRecord, OwnKeyPackageRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, read_whole
from chasqui.sealed.signing import signing_key


def take_welcome(tx: Transaction, contact: GroupId, data: bytes) -> None:
    """Keeps an invitation that came through a contact. Raises `PeerError` where it is not for us."""
    if tx.get(Space.CONTACT, contact) is None:
        raise PeerError("An invitation stands in a group that is no contact.")
    body = read_welcome(data)
    group = GroupId(body.group)
    told = read_told(body)
    roster = told.roster
    if told.genesis.kind != GroupKind.GROUP:
        raise PeerError("An invitation leads into a contact.")
    known = tx.load(Space.GROUP, group, GroupRecord)
    if known is not None:
        # judged by all that is known: whoever sends it may have left out his own removal, or what makes ours late
        part = tx.part()
        roster = told.keep(part, group)
        if not known.out:
            if known.member not in roster.removals:
                if known.member not in roster.quarantined and body.inviter in roster.admins:
                    _learn_double(tx, part, contact, told, data)
                return  # we are in it
            # we were removed and let in again, and hear of both at once
            tx.absorb(part)
            tx.erase_prefix(Space.SECOND, group)  # this one is newer
            shut(tx, group, known, Reason.REMOVED)
    if body.inviter not in roster.admins:
        raise PeerError("An invitation comes from somebody who may not invite.")
    ref = _our_key_package(tx, told.history, contact, body)
    tx.save(Space.INVITATION, group, InvitationRecord(contact, data, ref, tx.now_s, told.genesis.name))
    tx.notify(Notice("invited", group))


def _learn_double(tx: Transaction, part: Transaction, contact: GroupId, told: Told, data: bytes) -> None:
    """We are in the group, and somebody who did not know it has added us again: what he tells is kept, so that we hear
    of the second seat, and leave it, before anything can befall the first. Until we have, the welcome is kept, too."""
    body = read_welcome(data)
    group = GroupId(body.group)
    with suppress(PeerError):  # a repetition: its key package is used up
        ref = _our_key_package(tx, told.history, contact, body)
        tx.absorb(part)
        tx.retry.add(group)
        leave_doubles_now(tx, group)
        keep_second(tx, group, InvitationRecord(contact, data, ref, tx.now_s, told.genesis.name))


def invited_with(tx: Transaction) -> frozenset[bytes]:
    """Key packages of ours that an open invitation has used, or a welcome that is kept aside."""
    kept = (data for space in (Space.INVITATION, Space.SECOND) for _, data in tx.scan(space))
    return frozenset(decode_own(data, InvitationRecord).key_package for data in kept)


def join_group(tx: Transaction, group: GroupId) -> tuple[GroupRecord, GroupId]:
    """Joins a group that we were invited to; gives it and the contact who invited us.

    Raises `UserError` without an invitation, `PeerError` for one that does not hold.
    """
    invitation = tx.load(Space.INVITATION, group, InvitationRecord)
    if invitation is None:
        raise UserError("There is no invitation to this group.", todo="See `chasqui group list`.")
    body = read_welcome(invitation.body)
    known = tx.load(Space.GROUP, group, GroupRecord)  # from an earlier time in the group
    label = known.name if known else unused_label(tx, invitation.name)  # before the group itself takes it
    record, _ = enter(tx, body, invitation.key_package)
    record = save_group(tx, group, record, name=label)
    tx.erase(Space.INVITATION, group)
    tx.put(Space.ALIAS, body.inviter, invitation.contact)
    return record, GroupId(invitation.contact)


def enter(tx: Transaction, body: WelcomeBody, ref: bytes) -> tuple[GroupRecord, mls.GroupState]:
    """Takes our seat in a group with the key package that the welcome was made for, which is erased.

    Raises `PeerError` where tree and operations do not agree, or somebody sits there whom they removed.
    """
    group = GroupId(body.group)
    check_first_day(tx, body)
    told = read_told(body)
    roster, genesis = told.roster, told.genesis
    if genesis.suite != SUITE:
        raise PeerError("The group uses a cipher suite that is not known here.")
    known = tx.load(Space.GROUP, group, GroupRecord)
    if known is not None and not known.out:
        raise PeerError("The invitation leads into a group that we are in.")
    own = tx.load(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord)
    if own is None:
        raise PeerError("The invitation was made for keys that are used up.")
    keys = mls.KeyPackageKeys.from_bytes(own.keys)
    with peers_fault():
        state = mls.join(body.message, keys).without_message_secrets()
    check_leaves(state, None)
    if state.group_id != group:
        raise PeerError("The invitation leads into another group than it says.")
    seated = frozenset(MemberKey(member.signature_key) for member in state.members)
    if not seated <= roster.members:
        raise PeerError("Somebody sits in the group whom its operations do not let in.")
    if body.inviter not in roster.admins:
        raise PeerError("The invitation comes from somebody who may not invite.")
    member = MemberKey(mls.read_key_package(keys.key_package).signature_key)
    signer = signing_key(keys.signature_private.reveal(), member)
    head = open_epoch(tx, group, state, r=body.r, first_day=body.first_day, way=way_told(body))
    record = GroupRecord(
        genesis.name, genesis.kind, member, bytes(signer), head, 0, genesis.retention_s, tx.now_s, quorum=genesis.quorum
    )
    if known is not None:
        record = structs.replace(record, former=(*known.former, known.member))
    record = save_group(tx, group, record, root=head, entry=head)
    told.keep(tx, group)
    note_members(tx, group, state)
    for gone in roster.removals:
        note_member(tx, group, gone, "")
    if len(body.sealed_before) != len(state.members):
        raise PeerError("The invitation does not say what was sealed before it.")
    for other, last in zip(state.members, body.sealed_before, strict=True):
        expect_after(tx, group, MemberKey(other.signature_key), last)
    expect_from_start(tx, group, member)
    tx.erase(Space.KEY_PACKAGE, ref)
    return record, state


def check_first_day(tx: Transaction, body: WelcomeBody) -> None:
    """Raises `PeerError` for a welcome into an epoch in which nobody would accept what we say."""
    today = day_of(tx.now_s)
    if not today - BUNDLE_AGE_DAYS_MAX <= body.first_day <= today + BUNDLE_FUTURE_DAYS_MAX:
        raise PeerError("The invitation is too old, or dated in the future.")


def way_told(body: WelcomeBody) -> Way:
    """What a welcome tells of the way to its epoch."""
    return Way(body.gone, body.rejoined, body.lifted)


def encode_welcome(body: WelcomeBody) -> bytes:
    """The bytes that `read_welcome` reads."""
    return encode(body)


@dataclass(frozen=True)
class Told:
    """What a welcome says of its group, verified."""

    history: History
    roster: Roster
    genesis: Genesis
    witnesses: tuple[tuple[SignedObject, Said], ...]

    def keep(self, tx: Transaction, group: GroupId) -> Roster:
        """Adds it to what is known here. Gives what that says of the members."""
        for signed, said in self.witnesses:
            keep_words(tx, signed, said)
        return save_operations(tx, group, (operation.signed for operation in self.history.order))


def read_told(body: WelcomeBody) -> Told:
    """The verified operations of a welcome, whole and of this group, what members had of them, and what both say.
    Raises `PeerError`."""
    group = GroupId(body.group)
    operations = []
    genesis: Genesis | None = None
    for index, whole in enumerate(body.operations):
        operation = read_operation(read_whole(whole, _group_of(index, group)))
        if isinstance(operation.change, Genesis):
            genesis = operation.change
            if group_id_of(operation.signed) != group:
                raise PeerError("The first operation belongs to another group.")
        operations.append(operation)
    history = arrange(operations)
    if genesis is None or history.deferred or len(history.order) != len(body.operations):
        raise PeerError("The operations of an invitation are not complete.")
    let_in = {change.member for known in history.order if isinstance(change := known.change, Add)}
    let_in.add(history.order[0].issuer)
    said = tuple(_read_word(whole, group, let_in) for whole in body.witnesses)
    words = (
        Witness(signed.author, removal, heads, signed.seq, signed.id)
        for signed, removals in said
        for removal, heads in removals
    )
    return Told(history, members(history, words), genesis, said)


def _read_word(whole: bytes, group: GroupId, let_in: AbstractSet[bytes]) -> tuple[SignedObject, Said]:
    signed = read_whole(whole, group)
    if signed.kind is not Kind.WITNESS or signed.author not in let_in:
        raise PeerError("An invitation calls something a witness that is none.")
    return signed, read_witnesses(signed.body)


def _group_of(index: int, group: GroupId) -> GroupId:
    """A genesis, which stands first, is signed before its group has an id."""
    return NO_GROUP if index == 0 else group


def _our_key_package(tx: Transaction, history: History, contact: GroupId, body: WelcomeBody) -> bytes:
    """The key package by which the inviter adds us: one that the welcome opens with, and that we gave to this contact
    and to nobody else, so that the inviter's key in the group is the contact's; and that no other invitation uses."""
    with peers_fault():
        message = mls.read_message(body.message)
    opens = {entry.new_member for entry in message.secrets} if isinstance(message, mls.Welcome) else frozenset()
    used = invited_with(tx)
    for operation in history.order:
        change = operation.change
        if not isinstance(change, Add) or operation.issuer != body.inviter or change.key_package not in opens:
            continue
        own = tx.load(Space.KEY_PACKAGE, change.key_package, OwnKeyPackageRecord)
        if own is not None and own.contact == contact and change.key_package not in used:
            return change.key_package
    raise PeerError("An invitation was made for keys that we did not give to this contact.")
