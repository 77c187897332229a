"""New leaves for members who need one: those who were let in on a branch that lost, or can follow no branch.

Who needs one shows in the key package that he gave for it, and where (`groups.seats`, `node.seats`).
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import (
    LEAF_BYTES_MAX,
    SECONDS_PER_DAY,
)
from chasqui.base.schema import encode
from chasqui.groups.bodies import read_demand, read_key_packages
from chasqui.groups.fork_choice import turns
from chasqui.groups.membership import Roster
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Operation, Rejoin, read_operation
from chasqui.groups.pairing import SUITE
from chasqui.groups.seats import seal_welcome
from chasqui.node.authors import load_author
from chasqui.node.branches import branches_of
from chasqui.node.changes import carry_out, welcome_to
from chasqui.node.citing import with_lifts
from chasqui.node.derived import derived
from chasqui.node.earlier import new_earlier, say_earlier
from chasqui.node.effects import Notice
from chasqui.node.entries import needs_leaf, seems_elsewhere
from chasqui.node.epochs import head_of, leaf_of, load_epoch
from chasqui.node.groups import (
    history_of,
    load_group,
    roster_of,
    tree_keys,
)
from chasqui.node.large import say_large
from chasqui.node.outbox import BODY_BYTES_MAX, say
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.records import GroupRecord, SeatRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, read_whole

SEAT_SLOT_S: Final = 6 * 3600  # whoever is welcomed twice has lost a key package: better to wait for the one before
ELSEWHERE_S: Final = 3 * SECONDS_PER_DAY  # whoever is here says something in that time; and who knows more goes first


def take_seat_package(tx: Transaction, signed: SignedObject) -> None:
    """Keeps the key package that a member gave for himself. Raises `PeerError` for one that is not his own."""
    key_package = read_key_packages(signed.body).key_packages[0]
    ref = _ref_of(signed.author, key_package)
    _keep_seat(tx, signed, SeatRecord(key_package, ref, signed.origin.epoch, b"", seq=signed.seq))


@derived(Space.SEAT)
def until_reseat(tx: Transaction, group: GroupId) -> Pause:
    """Ends `reseat`'s pause while we hold a key package of a member."""
    return AWAKE if any(tx.scan_prefix(Space.SEAT, group)) else ASLEEP


def take_demand(tx: Transaction, by: SignedObject) -> tuple[SignedObject, ...]:
    """A contact asks for a new leaf in a group that we share. Gives the verified REJOIN, behind operations of his own,
    as far as they are new here: somebody else may have handed them on already. Raises `PeerError`."""
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
    tx.retry.add(group)
    here = tx.get(Space.OPERATION, group + signed.id) is not None
    return new_earlier(tx, body, signed) if here else (*new_earlier(tx, body, signed), signed)


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
        wait_s = SEAT_SLOT_S * turn + (ELSEWHERE_S if _seems_elsewhere(tx, group, head, member, seat) else 0)
        if not seat.contact and tx.now_s < seat.due_s + wait_s:
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


def _give(tx: Transaction, group: GroupId, record: GroupRecord, operation: Operation, seat: SeatRecord) -> GroupRecord:
    _, epoch = head_of(tx, group, record)
    leaf = leaf_of(epoch, operation.issuer)
    proposals: tuple[mls.AddProposal | mls.RemoveProposal, ...] = (mls.AddProposal(seat.key_package),)
    if leaf is not None:
        proposals = (mls.RemoveProposal(leaf), *proposals)
    record = say_earlier(tx, group, record, operation)
    present = tree_keys(epoch) | {operation.issuer}
    carried = carry_out(tx, group, record, with_lifts(tx, group, operation, present), proposals)
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
    was not used up here."""
    head, given_in, member = EpochId(record.head), EpochId(seat.epoch), operation.issuer
    branches, (_, epoch) = branches_of(tx, group), head_of(tx, group, record)
    if operation.id in epoch.rejoined:
        return False
    if seat.contact:
        return True
    seated, history = member in tree_keys(epoch), history_of(tx, group)
    if needs_leaf(branches, history, member, head, given_in, seated=seated):
        return True
    return _seems_elsewhere(tx, group, head, member, seat)


def _seems_elsewhere(tx: Transaction, group: GroupId, head: EpochId, member: MemberKey, seat: SeatRecord) -> bool:
    given_in = EpochId(seat.epoch)
    spoke_in = EpochId(load_author(tx, group, member).at) or given_in
    return not seat.contact and seems_elsewhere(branches_of(tx, group), head, given_in, spoke_in)


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
