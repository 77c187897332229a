"""Members who need a new leaf: those who were let in on a branch that lost, and those who can follow no branch.

Whoever joins gives the others a key package for that case, until the commit that let him in is settled; whoever can
follow nothing any more sends one through his contacts. A member carries it out and welcomes him (`groups.seats`).
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError, RefusedForSafetyError, UserError
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import (
    KEY_PACKAGE_LIFETIME_S,
    LEAF_BYTES_MAX,
    SECONDS_PER_DAY,
    SEQUENCE_MAX,
)
from chasqui.base.schema import encode
from chasqui.base.secret import Secret
from chasqui.groups.bodies import DemandBody, KeyPackagesBody, WelcomeBody, read_demand, read_key_packages
from chasqui.groups.fork_choice import turns
from chasqui.groups.membership import Roster
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import GroupKind, Lift, Operation, Reason, Rejoin, encode_change, read_operation
from chasqui.groups.pairing import SUITE
from chasqui.groups.seats import open_welcome, read_sealed_welcome, seal_welcome
from chasqui.node.authors import expect_still, load_author, note_object
from chasqui.node.branches import branches_of
from chasqui.node.changes import carry_out, issue, welcome_to
from chasqui.node.commit_checks import check_leaves
from chasqui.node.derived import derived
from chasqui.node.effects import Notice
from chasqui.node.entries import entry_on, fork_of
from chasqui.node.epochs import NOWHERE, head_of, leaf_of, load_epoch, open_epoch
from chasqui.node.groups import (
    history_of,
    load_group,
    next_heads,
    note_members,
    roster_of,
    save_group,
    save_operations,
    tree_keys,
)
from chasqui.node.joining import check_first_day, read_told
from chasqui.node.large import say_large
from chasqui.node.outbox import BODY_BYTES_MAX, say
from chasqui.node.pairing import load_self
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.receipting import told
from chasqui.node.records import EpochRecord, GroupRecord, OwnKeyPackageRecord, SeatRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, make_object, read_whole

SEAT_SLOT_S: Final = 6 * 3600  # whoever is welcomed twice has lost a key package: better to wait for the one before
OFFER_AFTER_S: Final = 6 * 3600  # where all hear each other, votes settle a commit within the hour
OFFER_AGAIN_S: Final = 14 * SECONDS_PER_DAY  # a key package, or the welcome that it was used for, was lost
OFFER_REFUSED_S: Final = SECONDS_PER_DAY  # it was used, where we cannot enter
_JUMP: Final = 8_192  # numbers that an older copy of a vault leaves out: they may have been given by the newer one
_CONTACT_JUMP: Final = 1_024  # the same in a contact, where little is said; its peer keeps so many keys
DEMAND_AGAIN_S: Final = 7 * SECONDS_PER_DAY
_SEED_BYTES: Final = 32


def offer_seat(tx: Transaction, group: GroupId) -> None:
    """Gives the others a key package of ours for the case that the commit which let us in turns out to have lost;
    not before it has had time to be settled. The caller knows that the head is clean."""
    record = load_group(tx, group)
    _, epoch = head_of(tx, group, record)
    root = load_epoch(tx, group, EpochId(record.root)) or epoch
    if record.seated or record.kind == GroupKind.CONTACT or root.created_s <= tx.now_s < root.created_s + OFFER_AFTER_S:
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
    given = [own for _, own in _own_seats(tx, group) if own.root == record.root]
    return [
        Pause(own.created_s, own.created_s + (OFFER_REFUSED_S if own.refused else OFFER_AGAIN_S)) for own in given
    ]


def take_seat_package(tx: Transaction, signed: SignedObject) -> None:
    """Keeps the key package that a member gave for himself. Raises `PeerError` for one that is not his own."""
    key_package = read_key_packages(signed.body).key_packages[0]
    ref = _ref_of(signed.author, key_package)
    _keep_seat(tx, signed, SeatRecord(key_package, ref, signed.origin.epoch, b"", seq=signed.seq))


def demand(tx: Transaction, group: GroupId) -> int:
    """Asks all contacts who are in the group for a new leaf; how many. Raises `UserError` where nobody can be asked."""
    record = load_group(tx, group)
    if record.out not in (0, Reason.TAKEN) or record.kind == GroupKind.CONTACT:
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
    if record.stale_s:  # numbers that the newer copy may have given are left out, and never given twice
        own = MemberKey(record.member)
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
    asked = encode(DemandBody(group, signed.to_whole(), key_package))
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


@derived(Space.SEAT)
def until_reseat(tx: Transaction, group: GroupId) -> Pause:
    """Ends `reseat`'s pause while we hold a key package of a member."""
    return AWAKE if any(tx.scan_prefix(Space.SEAT, group)) else ASLEEP


@derived(Space.GROUP, Space.EPOCH, Space.KEY_PACKAGE)
def until_offer(tx: Transaction, group: GroupId) -> Pause:
    """Ends the pauses of `offer_seat` and `forget_seat`: where no key package for our next leaf is waited for and one
    may be needed, and where we gave one that nobody needs any more."""
    record = load_group(tx, group)
    if record.kind == GroupKind.CONTACT or not record.head:
        return ASLEEP
    if record.seated:
        return AWAKE if _own_seats(tx, group) and not is_demanded(tx, group) else ASLEEP
    root = load_epoch(tx, group, EpochId(record.root)) or head_of(tx, group, record)[1]
    waits = _waits(tx, group, record) or [Pause(root.created_s, root.created_s + OFFER_AFTER_S)]
    return max(waits, key=lambda pause: pause.until_s)


def take_demand(tx: Transaction, by: SignedObject) -> SignedObject:
    """A contact asks for a new leaf in a group that we share. Gives the verified REJOIN. Raises `PeerError`."""
    contact, body = by.group, read_demand(by.body)
    group = GroupId(body.group)
    record = tx.load(Space.GROUP, group, GroupRecord)
    if tx.get(Space.CONTACT, contact) is None or record is None or record.out:
        raise PeerError("A new leaf is asked for where none can be given.")
    signed = read_whole(body.operation, group)
    operation = read_operation(signed)
    if not isinstance(operation.change, Rejoin) or signed.author not in roster_of(tx, group).current:
        raise PeerError("A new leaf is asked for by somebody who is no member.")
    if tx.get(Space.ALIAS, signed.author) not in (contact, None):
        raise PeerError("A contact asks for a new leaf of somebody else.")
    ref = operation.change.key_package
    if ref != _ref_of(signed.author, body.key_package):
        raise PeerError("A member gives another key package than his operation names.")
    _keep_seat(tx, signed, SeatRecord(body.key_package, ref, by.origin.epoch, contact, seq=signed.seq))
    return signed


def reseat(tx: Transaction, group: GroupId) -> None:
    """Gives new leaves to members who need one, if that is ours to do. The caller knows that the head is clean."""
    record = load_group(tx, group)
    head, epoch = head_of(tx, group, record)
    roster = roster_of(tx, group)
    own, present = MemberKey(record.member), tree_keys(epoch)
    for key, seat in list(tx.load_prefix(Space.SEAT, group, SeatRecord)):
        member = MemberKey(key)
        operation = _rejoin_of(roster, member, seat)
        if operation is None or member == own:
            continue
        if not _is_due(tx, group, record, operation, seat):
            _let_rest(tx, group, record, member, seat)
            continue
        if not seat.due_s:
            seat = structs.replace(seat, due_s=tx.now_s)
            tx.save(Space.SEAT, group + member, seat)
        able = roster.current if seat.contact else _readers(tx, group, seat)
        turn = turns(head, (present & able) | {own}).index(own)
        if not seat.contact and tx.now_s < seat.due_s + SEAT_SLOT_S * turn:
            continue
        part = tx.part()
        try:
            record = _give(part, group, record, operation, seat)
        except PeerError:
            tx.erase(Space.SEAT, group + member)  # its key package has expired, or is refused: he has to give another
            continue
        tx.absorb(part)
        head, epoch = head_of(tx, group, record)
        present = tree_keys(epoch)


def take_seat(tx: Transaction, signed: SignedObject, data: bytes) -> None:
    """A welcome for a member stands in a group. Enters where it is ours and we need it. Raises `PeerError`."""
    sealed = read_sealed_welcome(data)
    own = tx.load(Space.KEY_PACKAGE, sealed.ref, OwnKeyPackageRecord)
    if own is None or own.contact != signed.group:
        return
    record = load_group(tx, signed.group)
    if record.seated and not record.demanded_s:
        raise PeerError("A member wants to move us to another branch, though our seat is settled.")
    part, keys = tx.part(), _keys(own)
    body = open_welcome(sealed, keys)
    if body.group != signed.group:
        raise PeerError("A welcome leads into another group than the one in which it came.")
    try:
        re_enter(part, body, sealed.ref, keys)
    except PeerError:
        tx.save(Space.KEY_PACKAGE, sealed.ref, structs.replace(own, refused=True))  # it is used up on that branch
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
    head = open_epoch(tx, group, state, r=body.r, first_day=body.first_day)
    note_members(tx, group, state)
    for member in sorted(seated - {MemberKey(record.member)}):
        expect_still(tx, group, member)
    _age_others(tx, group, head)
    save_group(tx, group, load_group(tx, group), head=head, root=head, out=0, stale_s=0, demanded_s=0, seated=False)
    tx.erase(Space.KEY_PACKAGE, ref)
    tx.notify(Notice("rejoined", group))


def forget_seat(tx: Transaction, group: GroupId) -> None:
    """Where the commit that let us in is settled, nobody needs a key package of ours any more."""
    record = load_group(tx, group)
    if not record.seated or record.kind == GroupKind.CONTACT:
        return
    for ref, _ in () if is_demanded(tx, group) else _own_seats(tx, group):
        tx.erase(Space.KEY_PACKAGE, ref)


def _give(tx: Transaction, group: GroupId, record: GroupRecord, operation: Operation, seat: SeatRecord) -> GroupRecord:
    _, epoch = head_of(tx, group, record)
    leaf = leaf_of(epoch, operation.issuer)
    proposals: tuple[mls.AddProposal | mls.RemoveProposal, ...] = (mls.AddProposal(seat.key_package),)
    if leaf is not None:
        proposals = (mls.RemoveProposal(leaf), *proposals)
    roster = roster_of(tx, group)
    lifts = [  # without them, what his REJOIN cites may have him under quarantine
        cited
        for other in history_of(tx, group).order
        if isinstance(other.change, Lift) and other.change.member == operation.issuer and other.id in roster.counting
        for cited in roster.behind(other.id)
    ]
    carried = carry_out(tx, group, record, (operation.id, *lifts), proposals)
    body = welcome_to(tx, group, carried)
    tx.erase(Space.SEAT, group + operation.issuer)
    tx.notify(Notice("members", group))
    if seat.contact:
        contact = GroupId(seat.contact)
        _send(tx, contact, load_group(tx, contact), encode(body), EpochId(seat.epoch))  # he may read no later one
    else:
        sealed = seal_welcome(seat.key_package, body, tx.entropy)
        _send(tx, group, load_group(tx, group), sealed, EpochId(seat.epoch))
    return load_group(tx, group)


def _send(tx: Transaction, group: GroupId, record: GroupRecord, body: bytes, within: EpochId | None) -> None:
    if len(body) <= BODY_BYTES_MAX:
        say(tx, group, record, Kind.WELCOME, body, within=within)
    else:
        say_large(tx, group, record, Kind.WELCOME, body, within=within)


def _rejoin_of(roster: Roster, member: MemberKey, seat: SeatRecord) -> Operation | None:
    """The REJOIN by which a member who is in names this key package, if that is its newest."""
    operation = roster.rejoins.get(member) if member in roster.current else None
    if operation is None or not isinstance(operation.change, Rejoin) or operation.change.key_package != seat.ref:
        return None
    return operation


def _keep_seat(tx: Transaction, signed: SignedObject, seat: SeatRecord) -> None:
    """A key package that its member gave before one that is here must not take the place of that, though it may come
    later: his newest REJOIN does not name it."""
    known = tx.load(Space.SEAT, signed.group + signed.author, SeatRecord)
    if known is None or known.seq < seat.seq:
        tx.save(Space.SEAT, signed.group + signed.author, seat)


def _is_due(tx: Transaction, group: GroupId, record: GroupRecord, operation: Operation, seat: SeatRecord) -> bool:
    """Whether a member has no leaf on our branch, or one that he cannot use, or demanded another; and this key package
    was not used up here.

    He has the keys of that leaf alone with which he gave his newest key package. Who does not know where its branch
    and ours part cannot judge that, and leaves it to others: he may have entered there himself.
    """
    head, given_in, member = EpochId(record.head), EpochId(seat.epoch), operation.issuer
    branches = branches_of(tx, group)
    if any(at in branches.made_by and operation.id in branches.made_by[at][1].operations for at in branches.path(head)):
        return False
    if seat.contact:
        return True
    fork = fork_of(branches, head, given_in)
    if fork is None:
        return False
    history, seated = history_of(tx, group), member in tree_keys(head_of(tx, group, record)[1])
    return not seated or any(entry_on(branches, history, member, at, fork) is not None for at in (head, given_in))


def _let_rest(tx: Transaction, group: GroupId, record: GroupRecord, member: MemberKey, seat: SeatRecord) -> None:
    """Nobody waits for this key package: not any more where all is settled, else not for now."""
    _, epoch = head_of(tx, group, record)
    if record.root == record.head and not seat.contact and member in tree_keys(epoch):
        tx.erase(Space.SEAT, group + member)
    elif seat.due_s:
        tx.save(Space.SEAT, group + member, structs.replace(seat, due_s=0))


def _readers(tx: Transaction, group: GroupId, seat: SeatRecord) -> frozenset[MemberKey]:
    epoch = load_epoch(tx, group, EpochId(seat.epoch))
    return tree_keys(epoch) if epoch is not None else frozenset()


def _ref_of(member: MemberKey, key_package: bytes) -> bytes:
    """The KeyPackageRef of a key package that a member gives for himself."""
    with peers_fault():
        package = mls.read_key_package(key_package)
    if package.signature_key != member or package.suite_number != SUITE or len(key_package) > LEAF_BYTES_MAX:
        raise PeerError("A member gives a key package that is not his own, or too large.")
    return package.ref


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
    tx.save(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord(keys.to_bytes(), tx.now_s, group, record.root))
    return keys.key_package, ref


def _keys(own: OwnKeyPackageRecord) -> mls.KeyPackageKeys:
    return mls.KeyPackageKeys.from_bytes(own.keys)


def _age_others(tx: Transaction, group: GroupId, head: EpochId) -> None:
    for key, known in list(tx.load_prefix(Space.EPOCH, group, EpochRecord)):
        if key != head and not known.superseded_s:
            tx.save(Space.EPOCH, group + key, structs.replace(known, superseded_s=tx.now_s))
