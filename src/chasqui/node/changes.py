"""Changes of membership that we make: an operation and the commit that carries it out, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base import labels
from chasqui.base.days import day_of
from chasqui.base.errors import PeerError, RefusedForSafetyError, UserError
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES, NO_GROUP, CommitId, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import (
    COUNTER_WORN,
    GROUP_MEMBERS_MAX,
    GROUP_OPERATIONS_MAX,
    LEAF_BYTES_MAX,
    OPERATIONS_TO_INVITE_MAX,
    SLOT_FRAMES,
    SLOT_S,
)
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import CommitBody, WelcomeBody
from chasqui.groups.fork_choice import turns
from chasqui.groups.membership import Roster, carries_out
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import (
    Accuse,
    Add,
    Change,
    Confirm,
    Genesis,
    GroupKind,
    Reason,
    Remove,
    Role,
    encode_change,
    group_id_of,
)
from chasqui.groups.pairing import SUITE
from chasqui.node.authors import expect_from_start, load_author
from chasqui.node.branches import follow, keep_commit, put_out
from chasqui.node.citing import way_of, with_words
from chasqui.node.derived import derived
from chasqui.node.doubles import close_seconds, leave_doubles
from chasqui.node.effects import Notice
from chasqui.node.epochs import (
    epochs_of,
    erase_epoch,
    head_of,
    load_chain,
    load_epoch,
    open_epoch,
    sealing_day,
)
from chasqui.node.grounds import grounds_of, that_fit
from chasqui.node.groups import (
    history_of,
    is_clean,
    load_group,
    next_heads,
    note_members,
    roster_of,
    save_group,
    save_operations,
    tree_keys,
    words_for_newcomers,
)
from chasqui.node.keys import u64
from chasqui.node.late import keep_late
from chasqui.node.outbox import say
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.receipting import owe
from chasqui.node.records import GroupRecord, Held, MemberRecord, OwnKeyPackageRecord, Space
from chasqui.node.resealing import publish
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.node.votes import note_committed
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, make_object
from chasqui.sealed.signing import signing_key

_FOUNDER_LIFETIME_S: Final = 86_400  # the founder's key package is never sent; its leaf stands in the tree at once


@dataclass(frozen=True)
class Added:
    """A new member, and the welcome for it; `state` is the epoch in which it sits."""

    member: MemberKey
    welcome: WelcomeBody
    state: mls.GroupState


@dataclass(frozen=True)
class Carried:
    """What a commit of ours did."""

    group: GroupRecord
    r: bytes
    first_day: int
    welcome: bytes | None
    state: mls.GroupState
    epoch: EpochId


def found_group(
    tx: Transaction, name: str, kind: GroupKind, own_name: str, retention_s: int, taken: int = 1, quorum: int = 1
) -> tuple[GroupId, GroupRecord, mls.GroupState]:
    """A new group with us alone in it, and its MLS state."""
    keys = mls.make_key_package(SUITE, own_name.encode(), tx.entropy, tx.now_s, _FOUNDER_LIFETIME_S)
    package = mls.read_key_package(keys.key_package)
    member = MemberKey(package.signature_key)
    signer = signing_key(keys.signature_private.reveal(), member)
    genesis = make_object(
        group=NO_GROUP,
        author=member,
        key=signer,
        seq=1,
        minute=tx.now_s // 60,
        kind=Kind.OP,
        body=encode_change(Genesis(kind, SUITE, name, tx.entropy(ID_BYTES), retention_s, taken, quorum)),
        receipts=b"",
        origin=Origin(EpochId(bytes(ID_BYTES)), 0, 0),
    )
    group = group_id_of(genesis)
    state = mls.create_group(SUITE, group, keys, tx.entropy).without_message_secrets()
    record = GroupRecord(name, kind, member, bytes(signer), b"", 1, retention_s, tx.now_s, quorum=quorum)
    head = open_epoch(tx, group, state, r=tx.entropy(ID_BYTES), first_day=day_of(tx.now_s))
    tx.put(Space.OPERATION, group + genesis.id, genesis.to_whole())
    note_members(tx, group, state)
    expect_from_start(tx, group, member)
    return group, save_group(tx, group, record, head=head, root=head, seated=True), state


def add_member(
    tx: Transaction, group: GroupId, key_package: bytes, role: Role, *, first_of_contact: bool = False
) -> Added:
    """Adds the owner of a key package, where nobody else has to stand behind that.

    Raises `UserError` where we may not, or the group is full; `PeerError` for a key package that cannot be used.
    """
    member, operation = sign_addition(tx, group, key_package, role, first_of_contact=first_of_contact)
    return carry_out_addition(tx, group, member, (operation,), key_package)


def sign_addition(
    tx: Transaction, group: GroupId, key_package: bytes, role: Role, *, first_of_contact: bool = False
) -> tuple[MemberKey, ObjectId]:
    """Signs the addition of the owner of a key package, and gives both. Raises as `add_member`."""
    record = load_group(tx, group)
    roster = roster_of(tx, group)
    if not first_of_contact:
        require_admin(record, roster)
    if len(roster.seats) >= GROUP_MEMBERS_MAX:
        raise UserError(f"A group has at most {GROUP_MEMBERS_MAX} members.", todo="Make a second group.")
    with peers_fault():
        package = mls.read_key_package(key_package)
    member = MemberKey(package.signature_key)
    if len(key_package) > LEAF_BYTES_MAX or member in roster.members or member in roster.removals:
        raise PeerError("A key package is too large, or of somebody who is or was in the group.")
    signed, _ = issue(tx, group, record, Add(next_heads(tx, group, record), member, package.ref, role))
    return member, signed.id


def carry_out_addition(
    tx: Transaction, group: GroupId, member: MemberKey, cited: tuple[ObjectId, ...], key_package: bytes
) -> Added:
    """Gives a new member its leaf: `cited` are the addition and what stands behind it. Raises `PeerError` where MLS
    refuses the key package: it has expired."""
    carried = carry_out(tx, group, load_group(tx, group), cited, (mls.AddProposal(key_package),))
    expect_from_start(tx, group, member)
    return Added(member, welcome_to(tx, group, carried), carried.state)


def welcome_to(tx: Transaction, group: GroupId, carried: Carried) -> WelcomeBody:
    """The welcome for whom a commit of ours has added."""
    if carried.welcome is None:
        raise AssertionError("an addition without a welcome")
    operations = tuple(operation.signed.to_whole() for operation in history_of(tx, group).order)
    epoch = load_epoch(tx, group, carried.epoch)
    if epoch is None:
        raise AssertionError("an addition without its epoch")
    sealed_before = tuple(_last_held(tx, group, other.signature_key, carried.group) for other in carried.state.members)
    return WelcomeBody(
        group,
        carried.group.member,
        operations,
        carried.r,
        carried.first_day,
        sealed_before,
        carried.welcome,
        words_for_newcomers(tx, group),
        epoch.gone,
        epoch.rejoined,
        epoch.lifted,
    )


def _last_held(tx: Transaction, group: GroupId, member: bytes, record: GroupRecord) -> int:
    """The last number that we have of a member; of ourselves, the commit that the newcomer's epoch began with."""
    if member == record.member:
        return record.seq
    return Ranges(load_author(tx, group, MemberKey(member)).spans).last


def leave(tx: Transaction, group: GroupId) -> None:
    """Says that we leave, and erases every key of the group; an admin renews the keys of those who stay."""
    record = load_group(tx, group)
    if not record.stale_s:  # an older copy of the vault must not seal even this; an admin removes it
        leave_doubles(tx, group)
        record = load_group(tx, group)
        last_seq = record.seq + 1  # of this operation itself
        change = Remove(next_heads(tx, group, record), record.member, last_seq, Reason.LEFT)
        signed, _ = issue(tx, group, record, change)
        record = publish(tx, group, (signed.id,))  # nobody else may have what it cites, and we answer no more
    shut(tx, group, record, Reason.LEFT)


def issue(
    tx: Transaction, group: GroupId, record: GroupRecord, change: Change
) -> tuple[SignedObject, GroupRecord]:
    """Signs and seals an operation, and adds it to the set. For removals, accusations and what confirms them there is
    room whatever others have signed: else whoever fills the set could not be removed.

    Raises `UserError` where the set is full.
    """
    if isinstance(change, Remove | Accuse | Confirm):
        full = sum(o.issuer == record.member for o in history_of(tx, group).order) >= GROUP_OPERATIONS_MAX
    else:
        full = tx.count(Space.OPERATION, group, prefix_end(group)) >= OPERATIONS_TO_INVITE_MAX
    if full:
        raise UserError("This group has seen too many changes.", todo="Make a new group with its members.")
    signed, record = say(tx, group, record, Kind.OP, encode_change(change))
    save_operations(tx, group, (signed,))
    owe(tx, group, Kind.OP)  # a witness of ours may be due
    return signed, record


def carry_out_due(tx: Transaction, group: GroupId, *, at_once: bool = False) -> bool:
    """Commits every removal that the head has not carried out, if one of them is ours to commit, or `at_once`: who
    wants to send waits for nobody. Whether there was anything to do; where others come first, our turn is noted."""
    record = load_group(tx, group)
    if record.out or not record.head or record.stale_s:
        return False
    head, epoch = head_of(tx, group, record)
    if is_clean(tx, group, epoch):
        tx.erase(Space.TURN, group)
        return False
    roster = roster_of(tx, group)
    own, present = MemberKey(record.member), tree_keys(epoch)
    due = sorted(roster.shut_out & present)
    at_once = at_once or any(carries_out(roster, roster.removals.get(out), present) == own for out in due)
    if not due or own not in roster.current:
        return False
    if not at_once:
        slot_s = max(SLOT_S, SLOT_FRAMES * tx.frame_ms // 1000)
        turn_s = tx.now_s + slot_s * (1 + turns(head, present & roster.current).index(own))
        if tx.get(Space.TURN, group) is None:
            tx.put(Space.TURN, group, u64(turn_s))
        return False
    put_out_now = that_fit(tx, group, {member: grounds_of(tx, group, roster, member, epoch.lifted) for member in due})
    leaves = {key: leaf for leaf, key in epoch.roster}
    proposals = tuple(mls.RemoveProposal(leaves[member]) for member in put_out_now)
    carry_out(tx, group, record, tuple(o for cited in put_out_now.values() for o in cited), proposals)
    if len(put_out_now) < len(due):
        carry_out_due(tx, group, at_once=True)
    tx.erase(Space.TURN, group)
    return True


def carry_out(
    tx: Transaction,
    group: GroupId,
    record: GroupRecord,
    operations: tuple[ObjectId, ...],
    proposals: tuple[mls.AddProposal | mls.RemoveProposal, ...],
) -> Carried:
    """Commits operations on our head, or none to renew our own keys: the commit is sealed under the old epoch, then
    the new one is the head. Raises `PeerError` for a key package that MLS refuses."""
    if operations:
        operations = with_words(tx, group, operations)
        record = publish(tx, group, operations)  # what others cannot read they could not follow
    parent, epoch = head_of(tx, group, record)
    state = mls.GroupState.from_bytes(epoch.mls_state)
    with peers_fault():
        commit = state.commit(proposals, tx.entropy, tx.now_s, path=None if proposals else True)
    after = commit.state.without_message_secrets()
    first_day, short = sealing_day(tx, epoch), mls.shorten(commit.message)
    body = CommitBody(tuple(sorted(set(operations))), tx.entropy(ID_BYTES), first_day, short)
    said, record = say(tx, group, record, Kind.COMMIT, encode(body))
    commit_id, r = commit_id_of(body), r_of(body)
    path = commit.removed or not proposals  # RFC 9420 12.4
    child = open_epoch(
        tx,
        group,
        after,
        r=r,
        first_day=first_day,
        parent=parent,
        commit=commit_id,
        updated=(epoch.own_leaf,) if path else (),
        way=way_of(history_of(tx, group), body.operations),
    )
    keep_commit(tx, said, commit_id, child, put_out(commit.removed, commit.added), b"", body.operations)
    note_committed(tx, said, commit_id)
    keep_late(tx, said, commit_id)
    note_members(tx, group, after)
    return Carried(follow(tx, group), r, first_day, commit.welcome, after, child)


def commit_id_of(body: CommitBody) -> CommitId:
    """The id of a commit, of all from which keys follow: whoever gives one MLS commit two `r`, or lets it cite one
    thing here and another there, has made two commits."""
    return CommitId(labelled_hash(labels.HASH_COMMIT_ID, r_of(body) + body.first_day.to_bytes(4, "big") + body.message))


def r_of(body: CommitBody) -> bytes:
    """What enters the root of the epoch that a commit makes: its random bytes with all that it cites, so that nobody
    has the epoch who has heard of other operations."""
    return labelled_hash(labels.HASH_COMMIT_R, body.r, *body.operations)


def require_admin(record: GroupRecord, roster: Roster) -> None:
    """Raises `UserError` unless we may change the membership."""
    if record.kind == GroupKind.CONTACT:
        raise UserError("A contact is a group of two and stays so.", todo="Make a group and add the contact.")
    if MemberKey(record.member) not in roster.admins:
        raise UserError(
            "Only an admin of the group can do this.",
            safety="Nothing was changed.",
            todo="Ask an admin: `chasqui group show` names them. That a device was taken any member can say: "
            "`chasqui group taken`.",
        )


def require_clean(tx: Transaction, group: GroupId, *, to_remove: bool = False) -> GroupRecord:
    """The group, ready to send: no removal that we know of is left undone. Who wants `to_remove` somebody is not
    held up by a commit whose operation is missing: else a forged one would protect its maker.

    Raises `RefusedForSafetyError` while a removal waits for somebody else, `UserError` where we are not in.
    """
    record = require_in(load_group(tx, group))
    if record.member in roster_of(tx, group).quarantined:
        require_in(structs.replace(record, out=Reason.TAKEN))
    carry_out_due(tx, group, at_once=True)
    record = renew_if_worn(tx, group)
    _, epoch = head_of(tx, group, record)
    waits = () if to_remove else removal_waits(tx, group)
    if waits or not is_clean(tx, group, epoch):
        by = f" If nothing comes for days, ask by voice whose removal it is: {', '.join(waits)}." if waits else ""
        raise RefusedForSafetyError(
            "A member was removed, but the new keys have not arrived here yet.",
            safety="What you send now could still be read by that member, so nothing was sent.",
            todo=f"Exchange with the others (`chasqui sync`, or stay connected) and send again.{by}",
        )
    return record


def removal_waits(tx: Transaction, group: GroupId) -> tuple[str, ...]:
    """The admins (name and key) by whose commits somebody is removed that cannot be applied yet, because an operation
    is missing."""
    held = (value for _, value in tx.scan_prefix(Space.HELD, group) if value[MEMBER_KEY_BYTES:] == Held.REMOVES.value)
    by = sorted({value[:MEMBER_KEY_BYTES] for value in held})
    known = ((key, tx.load(Space.MEMBER, group + key, MemberRecord)) for key in by)
    return tuple(f"{record.name if record else ''} ({key.hex()[:8]})".strip() for key, record in known)


def renew_if_worn(tx: Transaction, group: GroupId) -> GroupRecord:
    """The group, with new keys of ours where we have sealed so much that the numbers would run out."""
    record = load_group(tx, group)
    head, epoch = head_of(tx, group, record)
    chain = load_chain(tx, head, epoch.own_leaf)
    if chain is not None and chain.counter >= COUNTER_WORN:
        return carry_out(tx, group, record, (), ()).group
    return record


def require_in(record: GroupRecord) -> GroupRecord:
    """The group. Raises `UserError` where we are not in it any more."""
    if record.out:
        if record.out == Reason.TAKEN:
            raise UserError(
                "You are quarantined in this group: members say that your device was taken.",
                safety="No keys are made for you until an admin has lifted that. Nothing was sent.",
                todo="If the device is safely with you, ask an admin by voice to lift it (`chasqui group lift`). When "
                "that is done, type `chasqui group rejoin` here.",
            )
        what = "You have left this group." if record.out == Reason.LEFT else "You were removed from this group."
        raise UserError(what, safety="Nothing was sent.", todo="An admin can invite you again.")
    return record


def shut_if_out(tx: Transaction, group: GroupId) -> bool:
    """Erases our keys where the operations put us out, whatever has not reached us of the commits. Whether they do."""
    record = load_group(tx, group)
    roster = roster_of(tx, group)
    if not record.out and record.member in roster.removals:
        tx.notify(Notice("removed", group))
        shut(tx, group, record, Reason.REMOVED)
    elif not record.out and record.member in roster.quarantined:
        tx.notify(Notice("quarantined", group))
        shut(tx, group, record, Reason.TAKEN)
    return bool(load_group(tx, group).out)


@derived(Space.GROUP, Space.OPERATION, Space.WITNESS)
def until_out(tx: Transaction, group: GroupId) -> Pause:
    """Ends `shut_if_out`'s pause where we are to be out and are not."""
    record, roster = load_group(tx, group), roster_of(tx, group)
    due = not record.out and record.member in roster.removals.keys() | roster.quarantined
    return AWAKE if due else ASLEEP


@derived(Space.GROUP, Space.EPOCH, Space.REMOVED)
def until_removal(tx: Transaction, group: GroupId) -> Pause:
    """Ends `carry_out_due`'s pause where somebody sits in our tree who is out."""
    record = load_group(tx, group)
    if record.out or not record.head or record.stale_s:
        return ASLEEP
    return ASLEEP if is_clean(tx, group, head_of(tx, group, record)[1]) else AWAKE


def shut(tx: Transaction, group: GroupId, record: GroupRecord, reason: Reason) -> None:
    """We are out: every key of the group is erased; what was read stays readable."""
    for epoch, _ in list(epochs_of(tx, group)):
        erase_epoch(tx, group, epoch)
    tx.erase(Space.DUE, group)
    tx.erase_prefix(Space.OWED, group)
    tx.erase(Space.TURN, group)
    tx.erase(Space.SLOW, group)
    tx.erase_prefix(Space.HELD, group)
    tx.erase_prefix(Space.PENDING_ADD, group)
    tx.erase_prefix(Space.PROPOSED, group)
    tx.erase_prefix(Space.GUEST, group)
    tx.erase_prefix(Space.COMMIT, group)
    tx.erase_prefix(Space.VOTE, group)
    for ref, own in list(tx.load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)):
        if own.contact == group:  # for our next leaf: they hold our signing key, too
            tx.erase(Space.KEY_PACKAGE, ref)
    close_seconds(tx, group, record, reason)
    kept = record.signing_key if reason is Reason.TAKEN else b""  # who is quarantined may be let in again
    save_group(tx, group, record, head=b"", out=reason, signing_key=kept)

