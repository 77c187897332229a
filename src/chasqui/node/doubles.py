"""Seats that we have beside our own: two admins who did not hear of each other added us, each with another key package
of ours. Nobody else can know that both are ours; we leave the one that we do not use, and nobody speaks for us there.
Spec: `docs/spec/forks.md`, "Second seats".
"""

from __future__ import annotations

from contextlib import suppress

from chasqui import mls
from chasqui.base.errors import ChasquiError
from chasqui.base.ids import MEMBER_KEY_BYTES, GroupId, MemberKey, ObjectId
from chasqui.groups.membership import cites
from chasqui.groups.operation import Add, GroupKind, Reason, Remove, encode_change
from chasqui.node.authors import note_object
from chasqui.node.derived import derived
from chasqui.node.effects import Notice
from chasqui.node.epochs import NOWHERE, head_of
from chasqui.node.groups import history_of, is_clean, load_group, roster_of, save_operations, witnesses_of
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.records import GroupRecord, InvitationRecord, OwnKeyPackageRecord, Space
from chasqui.node.resealing import publish
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, make_object
from chasqui.sealed.signing import signing_key

_ONLY_SEQ = 1  # nothing else is ever said with that key


def leave_doubles_now(tx: Transaction, group: GroupId) -> None:
    """Leaves them before anything else can befall us, if we can say something in the group; else with our next turn."""
    record, part = load_group(tx, group), tx.part()
    if record.head and is_clean(tx, group, head_of(tx, group, record)[1]):
        with suppress(ChasquiError):
            leave_doubles(part, group)
            tx.absorb(part)


def leave_doubles(tx: Transaction, group: GroupId) -> None:
    """Leaves every seat of ours that we do not use, and erases its keys."""
    for addition, ref in _doubles(tx, group):
        own = tx.load(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord)
        change = _addition(tx, group, addition)
        tx.erase(Space.KEY_PACKAGE, ref)
        tx.erase(Space.SECOND, group + change.member)
        if own is None or change.member not in roster_of(tx, group).current:
            continue  # it is out already
        keys = mls.KeyPackageKeys.from_bytes(own.keys)
        member = MemberKey(change.member)
        heads = cites(history_of(tx, group), member, witnesses_of(tx, group))
        signed = make_object(
            group=group,
            author=member,
            key=signing_key(keys.signature_private.reveal(), member),
            seq=_ONLY_SEQ,
            minute=tx.now_s // 60,
            kind=Kind.OP,
            body=encode_change(Remove(heads, member, _ONLY_SEQ, Reason.LEFT)),
            receipts=b"",
            origin=Origin(NOWHERE, 0, 0),
        )
        save_operations(tx, group, (signed,))
        note_object(tx, group, signed)
        publish(tx, group, (addition, signed.id))
        tx.retry.add(group)


def keep_second(tx: Transaction, group: GroupId, welcome: InvitationRecord) -> None:
    """Keeps a welcome to a second seat aside, the newest alone, while we have not left that: we may be put out of the
    first before we can. Not where we have sat in one tree with it: the welcome would open what we read there."""
    own = tx.load(Space.KEY_PACKAGE, welcome.key_package, OwnKeyPackageRecord)
    if own is None:
        return  # it is left
    member = _member_of(own)
    if not any(member in _members_in(roster) for _, roster in tx.scan_prefix(Space.ROSTER, group)):
        tx.erase_prefix(Space.SECOND, group)
        tx.save(Space.SECOND, group + member, welcome)


def close_seconds(tx: Transaction, group: GroupId, record: GroupRecord, reason: Reason) -> None:
    """We are out under the key that we use. Who was removed may come in again by the welcome that was kept aside, as by
    one that comes now. Who left has left every seat; whose device was taken must not sit there by another one."""
    roster = roster_of(tx, group)
    out = roster.removals.keys() | roster.quarantined
    kept = list(tx.load_prefix(Space.SECOND, group, InvitationRecord))
    tx.erase_prefix(Space.SECOND, group)
    for member, welcome in kept:
        if reason is Reason.REMOVED and member not in out:
            tx.save(Space.INVITATION, group, welcome)
            tx.notify(Notice("invited", group))
    for _, member, ref in _others(tx, group, record):
        if reason is not Reason.REMOVED or member in out:
            tx.erase(Space.KEY_PACKAGE, ref)


@derived(Space.GROUP, Space.OPERATION, Space.WITNESS, Space.KEY_PACKAGE)
def until_doubles(tx: Transaction, group: GroupId) -> Pause:
    """Ends `leave_doubles`'s pause where we have a seat that we do not use."""
    return AWAKE if _doubles(tx, group) else ASLEEP


@derived(Space.GROUP, Space.OPERATION, Space.WITNESS, Space.KEY_PACKAGE)
def _doubles(tx: Transaction, group: GroupId) -> tuple[tuple[ObjectId, bytes], ...]:
    """Additions of keys of ours other than the one that we use, which have let it in, or did until it was put out; and
    the key package of each."""
    record, roster = load_group(tx, group), roster_of(tx, group)
    if record.kind == GroupKind.CONTACT or not record.head or record.member not in roster.current:
        return ()
    let_in = roster.current | roster.removals.keys()
    return tuple((addition, ref) for addition, member, ref in _others(tx, group, record) if member in let_in)


def _others(tx: Transaction, group: GroupId, record: GroupRecord) -> list[tuple[ObjectId, MemberKey, bytes]]:
    """Additions of keys of ours other than the one that we use: those keys, and the key package of each."""
    found = []
    for known in history_of(tx, group).order:
        change = known.change
        if not isinstance(change, Add):
            continue
        own = tx.load(Space.KEY_PACKAGE, change.key_package, OwnKeyPackageRecord)
        if own is None or own.contact == group or not own.keys:
            continue
        member = _member_of(own)
        if member == change.member != record.member:
            found.append((known.id, member, change.key_package))
    return found


def _member_of(own: OwnKeyPackageRecord) -> MemberKey:
    package = mls.read_key_package(mls.KeyPackageKeys.from_bytes(own.keys).key_package)
    return MemberKey(package.signature_key)


def _members_in(roster: bytes) -> frozenset[bytes]:
    return frozenset(roster[at : at + MEMBER_KEY_BYTES] for at in range(0, len(roster), MEMBER_KEY_BYTES))


def _addition(tx: Transaction, group: GroupId, addition: ObjectId) -> Add:
    history = history_of(tx, group)
    change = history.order[history.position[addition]].change
    if not isinstance(change, Add):
        raise AssertionError("an addition that is none")
    return change
