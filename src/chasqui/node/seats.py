"""Our own seat: a key package for our next leaf, asked for or not, and the welcome for it.

Whoever joins gives the others a key package, for the case that the commit which let him in turns out to have lost;
whoever can follow nothing any more sends one through his contacts. A member carries it out and welcomes him (`leaves`).
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.errors import PeerError, RefusedForSafetyError, UserError
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import (
    BUNDLE_AGE_DAYS_MAX,
    KEY_PACKAGE_LIFETIME_S,
    SECONDS_PER_DAY,
    SEQUENCE_MAX,
)
from chasqui.base.schema import encode
from chasqui.base.secret import Secret
from chasqui.groups.bodies import DemandBody, KeyPackagesBody, WelcomeBody
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import GroupKind, Reason, Rejoin, encode_change
from chasqui.groups.pairing import SUITE
from chasqui.groups.seats import open_welcome, read_sealed
from chasqui.node.authors import expect_still, load_author, note_object
from chasqui.node.branches import follow
from chasqui.node.changes import issue
from chasqui.node.commit_checks import check_leaves
from chasqui.node.derived import derived
from chasqui.node.earlier import own_earlier
from chasqui.node.effects import Notice
from chasqui.node.epochs import NOWHERE, head_of, load_epoch, open_epoch, trusted_day
from chasqui.node.groups import (
    load_group,
    next_heads,
    note_members,
    roster_of,
    save_group,
    save_operations,
)
from chasqui.node.joining import check_first_day, read_told, way_told
from chasqui.node.outbox import say
from chasqui.node.pairing import load_self
from chasqui.node.pauses import ASLEEP, AWAKE, Pause, until
from chasqui.node.receipting import told
from chasqui.node.records import EpochRecord, GroupRecord, OwnKeyPackageRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, make_object

OFFER_AFTER_S: Final = 6 * 3600  # where all hear each other, votes settle a commit within the hour
OFFER_AGAIN_S: Final = 14 * SECONDS_PER_DAY  # a key package, or the welcome that it was used for, was lost
OFFER_SPENT_S: Final = SECONDS_PER_DAY  # it was used, and we are where we were
SETTLED_AFTER_DAYS: Final = BUNDLE_AGE_DAYS_MAX  # nobody comes back later from a branch that parted before
_ELSEWHERE_MAX: Final = 4  # the newest: an old one is nobody's head
_JUMP: Final = 8_192  # numbers that an older copy of a vault leaves out: they may have been given by the newer one
_CONTACT_JUMP: Final = 1_024  # the same in a contact, where little is said; its peer keeps so many keys
DEMAND_AGAIN_S: Final = 7 * SECONDS_PER_DAY
_SEED_BYTES: Final = 32


def offer_seat(tx: Transaction, group: GroupId) -> None:
    """Gives the others a key package of ours for the case that the commit which let us in turns out to have lost;
    not before it has had time to be settled. The caller knows that the head is clean."""
    record = load_group(tx, group)
    _, epoch = head_of(tx, group, record)
    entry = load_epoch(tx, group, EpochId(record.entry)) or epoch
    if not record.entry or record.kind == GroupKind.CONTACT:
        return
    if entry.created_s <= tx.now_s < entry.created_s + OFFER_AFTER_S:
        return
    if any(pause.covers(tx.now_s) for pause in _waits(tx, group, record)):
        return
    key_package, ref = _new_seat(tx, group, record)
    _, record = issue(tx, group, record, Rejoin(next_heads(tx, group, record), ref))
    say(tx, group, record, Kind.KEY_PACKAGES, encode(KeyPackagesBody((key_package,))))


def _own_seats(tx: Transaction, group: GroupId) -> list[tuple[bytes, OwnKeyPackageRecord]]:
    """Our key packages for a next leaf in a group."""
    ours = tx.load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
    return [(ref, own) for ref, own in ours if own.contact == group]


def _waits(tx: Transaction, group: GroupId, record: GroupRecord) -> list[Pause]:
    """How long the key packages that we gave since we entered may still be used, or their welcomes be on the way."""
    again_s = KEY_PACKAGE_LIFETIME_S if record.seated else OFFER_AGAIN_S
    given = [own for _, own in _own_seats(tx, group) if own.entry == record.entry]
    return [Pause(own.created_s, own.created_s + (OFFER_SPENT_S if own.spent else again_s)) for own in given]


def demand(tx: Transaction, group: GroupId) -> int:
    """Asks all contacts who are in the group for a new leaf; how many. Raises `UserError` where nobody can be asked."""
    record = load_group(tx, group)
    if record.kind == GroupKind.CONTACT:
        raise UserError(
            "A contact has nobody else who could give you new keys.",
            safety="Nothing was changed.",
            todo="If this contact does not work any more, meet again: `chasqui contact offer`.",
        )
    if record.out not in (0, Reason.TAKEN):
        raise UserError("You are not a member of this group.", todo="An admin can invite you again.")
    roster = roster_of(tx, group)
    contacts = {tx.get(Space.ALIAS, member) for member in roster.current - {MemberKey(record.member)}} - {None}
    if not contacts:
        raise UserError(
            "Nobody in this group is a contact of yours, so nobody can be asked.",
            todo="Pair with a member (`chasqui contact offer`), and ask to be invited again.",
        )
    key_package, ref = _new_seat(tx, group, record)
    seq = record.seq + 1
    own = MemberKey(record.member)
    if record.stale_s:  # numbers that the newer copy may have given are left out, and never given twice
        seq = max(record.seq, told(tx, group).get(own, 0), load_author(tx, group, own).claimed) + _JUMP
    if seq > SEQUENCE_MAX:
        raise RefusedForSafetyError(
            "The numbers of this group are used up.",
            safety="Nothing was sent.",
            todo="Make a new group with its members.",
        )
    signed = make_object(
        group=group,
        author=MemberKey(record.member),
        key=Secret(record.signing_key),
        seq=seq,
        minute=tx.now_s // 60,
        kind=Kind.OP,
        body=encode_change(Rejoin(next_heads(tx, group, record), ref)),
        receipts=b"",
        origin=Origin(NOWHERE, 0, 0),
    )
    save_operations(tx, group, (signed,))
    save_group(tx, group, record, seq=seq, demanded_s=tx.now_s)
    note_object(tx, group, signed)
    asked = encode(DemandBody(group, signed.to_whole(), key_package, own_earlier(tx, group, signed)))
    for contact in sorted(found for found in contacts if found is not None):
        say(tx, GroupId(contact), load_group(tx, GroupId(contact)), Kind.DEMAND, asked)
    return len(contacts)


def leave_room(tx: Transaction) -> None:
    """This vault is an older copy of itself: in its contacts, too, the newer one may have spoken. The numbers, and with
    them the keys, that it may have used are left out, so that a demand gets through and no key is used twice."""
    for contact, _ in list(tx.scan(Space.CONTACT)):
        record = tx.load(Space.GROUP, contact, GroupRecord)
        if record is not None and not record.out:
            head, epoch = head_of(tx, GroupId(contact), record)
            if not epoch.own_first:  # the newer one may have been the first to say something in this epoch
                tx.save(Space.EPOCH, contact + head, structs.replace(epoch, own_first=record.seq + 1))
            save_group(tx, GroupId(contact), record, seq=record.seq + _CONTACT_JUMP)


def demand_if_stale(tx: Transaction, group: GroupId) -> None:
    """An older copy asks for a new leaf by itself, and again every week until it has one."""
    record = load_group(tx, group)
    stale = record.stale_s and record.kind != GroupKind.CONTACT and not record.out
    if stale and not record.demanded_s <= tx.now_s < record.demanded_s + DEMAND_AGAIN_S:
        demand(tx, group)


@derived(Space.GROUP)
def until_demand(tx: Transaction, group: GroupId) -> Pause:
    """Ends `demand_if_stale`'s pause."""
    record = load_group(tx, group)
    return AWAKE if record.stale_s and record.kind != GroupKind.CONTACT and not record.out else ASLEEP


@derived(Space.GROUP, Space.EPOCH, Space.KEY_PACKAGE)
def until_offer(tx: Transaction, group: GroupId) -> Pause:
    """Ends the pauses of `offer_seat` and `forget_seat`: where no key package for our next leaf is waited for and one
    may be needed, and where we gave one that nobody needs any more."""
    record = load_group(tx, group)
    if record.kind == GroupKind.CONTACT or not record.head or not record.entry:
        return ASLEEP
    entry = load_epoch(tx, group, EpochId(record.entry)) or head_of(tx, group, record)[1]
    waits = _waits(tx, group, record) or [Pause(entry.created_s, entry.created_s + OFFER_AFTER_S)]
    pause = max(waits, key=lambda pause: pause.until_s)
    settled_s = (day_of(entry.created_s) + SETTLED_AFTER_DAYS) * SECONDS_PER_DAY
    return pause.and_(until(settled_s)) if record.seated else pause


def take_seat(tx: Transaction, signed: SignedObject, data: bytes) -> None:
    """A welcome for a member stands in a group. Enters where it is ours and we need it. Raises `PeerError`."""
    sealed = read_sealed(data)
    own = tx.load(Space.KEY_PACKAGE, sealed.ref, OwnKeyPackageRecord)
    if own is None or own.contact != signed.group or not own.keys:
        return
    record = load_group(tx, signed.group)
    part, keys = tx.part(), _keys(own)
    body = open_welcome(sealed, keys)
    if body.group != signed.group:
        raise PeerError("A welcome leads into another group than the one in which it came.")
    try:
        if record.seated and not record.demanded_s:
            _keep_elsewhere(part, body, sealed.ref, own)
        else:
            re_enter(part, body, sealed.ref, keys)
    except PeerError:
        tx.save(Space.KEY_PACKAGE, sealed.ref, structs.replace(own, spent=True))  # it is used up on that branch
        return
    tx.absorb(part)


def is_demanded(tx: Transaction, group: GroupId) -> bool:
    """Whether we have asked for a new leaf and not got it."""
    record = tx.load(Space.GROUP, group, GroupRecord)
    return record is not None and bool(record.demanded_s) and record.out in (0, Reason.TAKEN)


def take_demanded(tx: Transaction, body: WelcomeBody) -> None:
    """The welcome that we asked a contact for. Raises `PeerError` where it fits none of our key packages."""
    for ref, own in _own_seats(tx, GroupId(body.group)):
        part = tx.part()
        if not own.keys:
            continue
        try:
            re_enter(part, body, ref, _keys(own))
        except PeerError:
            continue
        tx.absorb(part)
        return
    raise PeerError("A welcome fits none of the key packages that we gave.")


def re_enter(tx: Transaction, body: WelcomeBody, ref: bytes, keys: mls.KeyPackageKeys) -> None:
    """Takes a new leaf in a group that we are a member of: same key, same numbers, and from now on this branch.

    Raises `PeerError` where it was not made by a member, or does not agree with the operations.
    """
    group, head = GroupId(body.group), _open_entry(tx, body, ref, keys)
    _age_others(tx, group, head)
    save_group(
        tx,
        group,
        load_group(tx, group),
        head=head,
        root=head,
        entry=head,
        elsewhere=(),
        out=0,
        stale_s=0,
        demanded_s=0,
        seated=False,
    )
    tx.notify(Notice("rejoined", group))


def _keep_elsewhere(tx: Transaction, body: WelcomeBody, ref: bytes, own: OwnKeyPackageRecord) -> None:
    """Reads and follows that branch, too, from now on, and goes there once most others are heard there. That votes
    settled what came after our entry does not tell that they settled the commits before it. Raises `PeerError`."""
    group, entry = GroupId(body.group), _open_entry(tx, body, ref, _keys(own))
    tx.save(Space.KEY_PACKAGE, ref, structs.replace(own, keys=b"", spent=True))
    epoch = load_epoch(tx, group, entry)
    if epoch is not None:
        tx.save(Space.EPOCH, group + entry, structs.replace(epoch, superseded_s=tx.now_s))
    record = load_group(tx, group)
    save_group(tx, group, record, elsewhere=(*record.elsewhere, entry)[-_ELSEWHERE_MAX:])
    follow(tx, group)


def _open_entry(tx: Transaction, body: WelcomeBody, ref: bytes, keys: mls.KeyPackageKeys) -> EpochId:
    """Opens the epoch that a welcome leads into, and uses its key package up. Raises `PeerError`."""
    group = GroupId(body.group)
    record = load_group(tx, group)
    told_of = read_told(body)
    with peers_fault():
        state = mls.join(body.message, keys).without_message_secrets()
    check_first_day(tx, body)
    check_leaves(state, None)
    roster = told_of.keep(tx, group)
    seated = frozenset(MemberKey(member.signature_key) for member in state.members)
    ours = {member.signature_key for member in state.members if member.leaf == state.own_leaf}
    let_in = roster.members | roster.shut_out  # who is out since then is put out before we say anything
    if state.group_id != group or not seated <= let_in or ours != {record.member}:
        raise PeerError("A welcome does not lead into our group as its operations have it.")
    if body.inviter not in roster.current or len(body.sealed_before) != len(state.members):
        raise PeerError("A welcome was made by somebody who is no member, or is not complete.")
    head = open_epoch(tx, group, state, r=body.r, first_day=body.first_day, way=way_told(body))
    note_members(tx, group, state)
    for member in sorted(seated - {MemberKey(record.member)}):
        expect_still(tx, group, member)
    tx.erase(Space.KEY_PACKAGE, ref)
    return head


def forget_seat(tx: Transaction, group: GroupId) -> None:
    """Where the branch that let us in cannot lose any more, nobody needs a key package of ours."""
    record = load_group(tx, group)
    entry = load_epoch(tx, group, EpochId(record.entry))
    if record.kind == GroupKind.CONTACT or not record.entry or not record.seated or is_demanded(tx, group):
        return
    if entry is None or trusted_day(tx) >= day_of(entry.created_s) + SETTLED_AFTER_DAYS:
        for ref, _ in _own_seats(tx, group):
            tx.erase(Space.KEY_PACKAGE, ref)
        save_group(tx, group, record, entry=b"", elsewhere=())


def _new_seat(
    tx: Transaction, group: GroupId, record: GroupRecord, lifetime_s: int = KEY_PACKAGE_LIFETIME_S
) -> tuple[bytes, bytes]:
    """A key package for our next leaf and its KeyPackageRef; its private keys are kept."""
    keys = mls.make_key_package(
        SUITE,
        load_self(tx).name.encode(),
        tx.entropy,
        tx.now_s,
        lifetime_s,
        signature_private=record.signing_key[:_SEED_BYTES],
    )
    ref = mls.read_key_package(keys.key_package).ref
    tx.save(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord(keys.to_bytes(), tx.now_s, group, record.entry))
    return keys.key_package, ref


def _keys(own: OwnKeyPackageRecord) -> mls.KeyPackageKeys:
    return mls.KeyPackageKeys.from_bytes(own.keys)


def _age_others(tx: Transaction, group: GroupId, head: EpochId) -> None:
    for key, known in list(tx.load_prefix(Space.EPOCH, group, EpochRecord)):
        if key != head and not known.superseded_s:
            tx.save(Space.EPOCH, group + key, structs.replace(known, superseded_s=tx.now_s))
