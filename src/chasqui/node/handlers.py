"""What each kind of object does once it is verified."""

from __future__ import annotations

from contextlib import suppress

from msgspec import structs

from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import BundleId, GroupId
from chasqui.base.limits import OPERATIONS_IDLE_MAX, WITNESSES_IDLE_MAX
from chasqui.groups.bodies import read_welcome
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.operation import Confirm, Genesis, Operation, Reason, Remove, read_operation
from chasqui.groups.witnesses import Said, read_witnesses
from chasqui.node import receipting
from chasqui.node.asking import citers_of, note_cited
from chasqui.node.authors import load_author, note_object
from chasqui.node.branches import follow
from chasqui.node.changes import carry_out_due, shut
from chasqui.node.commits import Deferred, take_commit
from chasqui.node.effects import Notice
from chasqui.node.groups import (
    history_of,
    keep_witnesses,
    load_group,
    removed_members,
    save_operations,
    witnesses_of,
    words_by,
)
from chasqui.node.invitations import carry_out_pending
from chasqui.node.joining import take_welcome
from chasqui.node.keys import u64
from chasqui.node.large import completed, forget_large, take_manifest, take_part
from chasqui.node.late import open_late
from chasqui.node.leaves import take_demand, take_seat_package
from chasqui.node.messages import keep_message, next_arrival, read_text
from chasqui.node.pace import charge
from chasqui.node.pairing import send_spares, take_key_packages
from chasqui.node.records import Space
from chasqui.node.resealing import take_ask, take_reseal
from chasqui.node.seats import is_demanded, take_demanded, take_seat
from chasqui.node.speech import burst_in
from chasqui.node.telling import hear_removed
from chasqui.node.transaction import Transaction
from chasqui.node.votes import note_slow, take_vote
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import decode_receipts


def handle(tx: Transaction, signed: SignedObject, bundle: BundleId) -> None:
    """Acts on a verified object from the bundle that first carried it.

    Raises `PeerError` where it breaks a rule of its kind, `Deferred` for a commit that has to wait; the caller
    then drops all that was staged here.
    """
    decode_receipts(signed.receipts)
    match signed.kind:
        case Kind.TEXT:
            read_text(signed.body)
            _show(tx, signed)
        case Kind.VOICE:
            burst_in(signed)
            _show(tx, signed)
        case Kind.RECEIPT:
            if signed.body:
                raise PeerError("A receipt has a body.")
            count(tx, signed)
        case Kind.OP:
            _operation(tx, signed)
        case Kind.COMMIT:
            take_commit(tx, signed, bundle)
            count(tx, signed)
        case Kind.WELCOME:
            count(tx, signed)
            _welcome(tx, signed, signed.body)
        case Kind.KEY_PACKAGES:
            count(tx, signed)
            _key_packages(tx, signed)
        case Kind.MANIFEST:
            _manifest(tx, signed)
        case Kind.WITNESS:
            said = read_witnesses(signed.body)
            _admit_words(tx, signed, said)
            count(tx, signed)
            keep_witnesses(tx, signed, said)
            named = {each for removal, heads in said for each in (removal, *heads)}
            if note_cited(tx, signed.group, named, signed.author):
                tx.retry_refused.add(signed.group)
            tx.retry.add(signed.group)
        case Kind.PART:
            count(tx, signed)
            _large(tx, signed, take_part(tx, signed))
        case Kind.ASK:
            count(tx, signed)
            take_ask(tx, signed)
        case Kind.DEMAND:
            count(tx, signed)
            for operation in take_demand(tx, signed):
                handle(tx, operation, BundleId(b""))
        case Kind.RESEAL:
            count(tx, signed)
            _again(tx, signed, signed.body)
        case Kind.LATE:
            count(tx, signed)
            _late(tx, signed)
        case Kind.REMOVED:
            count(tx, signed)
            for operation in hear_removed(tx, signed):
                _handed_on(tx, operation)


def count(tx: Transaction, signed: SignedObject, arrival: int = 0) -> None:
    """Counts an object for its author, takes in its receipts, and owes one."""
    note_object(tx, signed.group, signed, arrival)
    receipting.take_in(tx, signed)
    note_slow(tx, signed.group)
    take_vote(tx, signed)
    if load_group(tx, signed.group).elsewhere:
        follow(tx, signed.group)
    receipting.owe(tx, signed.group, signed.kind, signed)


def _show(tx: Transaction, signed: SignedObject) -> None:
    arrival = next_arrival(tx)
    count(tx, signed, arrival)
    keep_message(tx, signed, arrival)


def _operation(tx: Transaction, signed: SignedObject) -> None:
    operation = read_operation(signed)
    if isinstance(operation.change, Genesis):
        raise PeerError("A genesis operation came inside a group.")
    charge(tx, signed.group, operation)
    then = _admit(tx, operation)
    count(tx, signed)
    before = removed_members(tx, signed.group)
    roster = save_operations(tx, signed.group, (signed,), then)
    by = min(citers_of(tx, signed.group, operation.id) - {operation.issuer}, default=operation.issuer)
    if note_cited(tx, signed.group, operation.heads, by):  # whoever cites it cites its past
        tx.retry_refused.add(signed.group)
    if operation.id not in roster.rightful and roster.shut_out == before:
        return
    record = load_group(tx, signed.group)
    if record.member in roster.removals:
        # the operations decide who is a member; the commit that follows would tell us the same
        tx.notify(Notice("removed", signed.group))
        shut(tx, signed.group, record, Reason.REMOVED)
        return
    tx.retry.add(signed.group)
    if record.member in roster.quarantined:
        tx.notify(Notice("quarantined", signed.group))
    elif isinstance(operation.change, Remove) or roster.shut_out - before:
        if roster.shut_out - before or operation.id in roster.counting:
            tx.notify(Notice("removal-known", signed.group))
        carry_out_due(tx, signed.group)
    if operation.id in roster.pending or isinstance(operation.change, Confirm):
        _take_a_turn(tx, signed.group, roster)


def _take_a_turn(tx: Transaction, group: GroupId, roster: Roster) -> None:
    """What an admin has signed, another may have signed, too; what he has confirmed may be ours to carry out. That can
    fail, and is done apart."""
    record = load_group(tx, group)
    if record.quorum > 1 and record.member in roster.admins and tx.get(Space.TURN, group) is None:
        tx.put(Space.TURN, group, u64(tx.now_s))


def _admit(tx: Transaction, operation: Operation) -> tuple[History, Roster]:
    """Of what counts for nothing now, keeps a few of each member: what waits for its past, what has no right, what is
    late. Whether it has a right depends on what is late, and so can come later, with witnesses. Refuses the rest, so
    that nobody without rights fills the set; but not what somebody else cites, or that one's would wait for it."""
    known = history_of(tx, operation.signed.group)
    then = arrange((*known.order, *known.deferred, operation))
    roster = members(then, witnesses_of(tx, operation.signed.group))
    if operation.id in roster.rightful or citers_of(tx, operation.signed.group, operation.id) - {operation.issuer}:
        return then, roster
    idle = [other for other in (*known.order, *known.deferred) if other.id not in roster.rightful]
    if sum(other.issuer == operation.issuer for other in idle) >= OPERATIONS_IDLE_MAX:
        raise PeerError("A member signs too many operations without a right to them, or whose past nobody has.")
    return then, roster


def _admit_words(tx: Transaction, signed: SignedObject, said: Said) -> None:
    """Of one member, keeps a few words on what is no removal that is here, and a few objects beyond the one that he
    owes for each removal. What a commit cites that waits is taken all the same: how it is judged must not depend on
    what came first. Raises `PeerError` for the rest."""
    group = signed.group
    if tx.get(Space.MISSING, group + signed.id) is not None:
        return
    known = history_of(tx, group)
    removals = {other.id for other in (*known.order, *known.deferred) if isinstance(other.change, Remove)}
    idle = {removal for removal, _ in said} - removals
    before = {word.removal for word in witnesses_of(tx, group) if word.member == signed.author} - removals
    if idle and len(idle | before) > WITNESSES_IDLE_MAX:
        raise PeerError("A member witnesses too many removals that nobody has heard of.")
    if words_by(tx, group).get(signed.author, 0) >= len(removals) + WITNESSES_IDLE_MAX:
        raise PeerError("A member witnesses removals again and again.")


def _manifest(tx: Transaction, signed: SignedObject) -> None:
    body = take_manifest(tx, signed)
    if body.kind == Kind.MANIFEST:
        _show(tx, signed)
    else:
        count(tx, signed)
        _large(tx, signed, body.digest)


def _again(tx: Transaction, by: SignedObject, data: bytes) -> None:
    """Acts on an object that somebody sealed again, as if it had just come, but that its author was not heard."""
    inner = take_reseal(tx, by.group, by, data)
    if inner is not None:
        _handed_on(tx, inner)


def _handed_on(tx: Transaction, inner: SignedObject) -> None:
    heard_s = load_author(tx, inner.group, inner.author).last_heard_s
    handle(tx, inner, BundleId(b""))
    record = load_author(tx, inner.group, inner.author)
    tx.save(Space.AUTHOR, inner.group + inner.author, structs.replace(record, last_heard_s=heard_s))


def _late(tx: Transaction, by: SignedObject) -> None:
    """Acts on a commit that its maker says again."""
    inner = open_late(tx, by)
    if inner is not None:
        try:
            handle(tx, inner, BundleId(b""))
        except Deferred as deferred:
            raise PeerError("A member says too many commits again at once.") from deferred  # held, and tried again


def _key_packages(tx: Transaction, signed: SignedObject) -> None:
    """In a contact, spare ones; in a group, the author's own for his next leaf."""
    if tx.get(Space.CONTACT, signed.group) is None:
        take_seat_package(tx, signed)
    else:
        take_key_packages(tx, signed.group, signed.body)
        carry_out_pending(tx, signed.group)


def _welcome(tx: Transaction, signed: SignedObject, data: bytes) -> None:
    """In a contact, an invitation, or what we asked the contact for; in a group, a new leaf for one of its members."""
    if tx.get(Space.CONTACT, signed.group) is None:
        take_seat(tx, signed, data)
    elif is_demanded(tx, GroupId((body := read_welcome(data)).group)):
        take_demanded(tx, body)
    else:
        _invitation(tx, signed.group, data)


def _invitation(tx: Transaction, contact: GroupId, data: bytes) -> None:
    """Keeps an invitation, and gives the contact new key packages for those that it has used up."""
    take_welcome(tx, contact, data)
    part = tx.part()
    with suppress(UserError):  # we can say nothing there any more
        send_spares(part, contact)
        tx.absorb(part)


def _large(tx: Transaction, signed: SignedObject, digest: bytes) -> None:
    whole = completed(tx, signed.group, signed.author, digest)
    if whole is None:
        return
    kind, data = whole
    forget_large(tx, signed.group, signed.author, digest)
    part = tx.part()
    with suppress(PeerError):  # it is forgotten, or it would be put together anew with every part that comes again
        if kind is Kind.WELCOME:
            _welcome(part, signed, data)
        else:
            _again(part, signed, data)
        tx.absorb(part)
