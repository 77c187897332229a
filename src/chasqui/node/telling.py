"""Who was removed while he sits on a branch that the others left hears of it: nobody speaks there any more, and he
would take himself for a member for ever. He is told under the key package that he gave for his next leaf.
Spec: `docs/spec/forks.md`, "Who was removed elsewhere"; why no more than that, ADR 25.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import TOLD_OPERATIONS_MAX
from chasqui.groups.bodies import RemovedBody
from chasqui.groups.fork_choice import turns
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.operation import Operation, Rejoin
from chasqui.groups.seats import SEALED_OVERHEAD_BYTES, open_removed, read_sealed, seal_removed
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import history_of, load_group, roster_of, tree_keys
from chasqui.node.outbox import BODY_BYTES_MAX, say
from chasqui.node.records import OwnKeyPackageRecord, SeatRecord, Space
from chasqui.node.resealing import check_handed_on
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, read_whole

TELLERS: Final = 4  # one may be away, or in league with somebody; that all tell it would help nobody more
TELL_SLOT_S: Final = 6 * 3600  # most hear of it in time by what is sealed where they sit
_LENGTH_BYTES: Final = 3  # of each operation in its body
_ROOM_BYTES: Final = BODY_BYTES_MAX - SEALED_OVERHEAD_BYTES - _LENGTH_BYTES - 4  # two lists around them


def tell_removed(tx: Transaction, group: GroupId) -> None:
    """Tells members who gave us a key package, and were removed or quarantined since, what they do not know of it: once
    for each key package, in the epoch in which it was given. The caller knows that the head is clean."""
    record, roster = load_group(tx, group), roster_of(tx, group)
    for key, seat in list(tx.load_prefix(Space.SEAT, group, SeatRecord)):
        member, given_in = MemberKey(key), EpochId(seat.epoch)
        removal = roster.removals.get(member)
        if seat.contact or (removal is None and member not in roster.quarantined):
            continue
        epoch = load_epoch(tx, group, given_in)
        able = tree_keys(epoch) & roster.current if epoch is not None else frozenset()
        order = turns(given_in, able)[:TELLERS]  # of that epoch, so that it is the same four, whatever the heads are
        if record.member not in order or (removal is not None and removal.issuer == member):
            tx.erase(Space.SEAT, group + member)
            continue
        lacking = untold(history_of(tx, group), roster, member, seat.ref)
        if lacking is None:
            continue
        if not seat.due_s:
            seat = structs.replace(seat, due_s=tx.now_s)
            tx.save(Space.SEAT, group + member, seat)
        if seat.due_s <= tx.now_s < seat.due_s + TELL_SLOT_S * (1 + order.index(MemberKey(record.member))):
            continue
        part = tx.part()
        try:
            for body in _bodies(lacking):
                sealed = seal_removed(seat.key_package, body, tx.entropy)
                say(part, group, load_group(part, group), Kind.REMOVED, sealed, within=given_in)
        except PeerError:
            part = tx.part()  # his key package cannot be used
        part.erase(Space.SEAT, group + member)
        tx.absorb(part)


def hear_removed(tx: Transaction, by: SignedObject) -> Iterator[SignedObject]:
    """The operations in what somebody tells us, verified, each when those before it were acted upon; none if it is for
    another, or we are out. Raises `PeerError` for what nobody may hand on, and for what its author did not sign."""
    sealed, group = read_sealed(by.body), by.group
    own = tx.load(Space.KEY_PACKAGE, sealed.ref, OwnKeyPackageRecord)
    if own is None or own.contact != group or not own.keys:
        return
    for whole in open_removed(sealed, mls.KeyPackageKeys.from_bytes(own.keys)).operations:
        signed = read_whole(whole, group)
        if signed.kind is not Kind.OP:
            raise PeerError("Somebody is told of his removal by something else than operations.")
        check_handed_on(tx, group, signed)
        record = load_group(tx, group)
        if record.out:
            return
        if tx.get(Space.OPERATION, group + signed.id) is None and signed.author != record.member:
            yield signed


def untold(
    history: History, roster: Roster, member: MemberKey, key_package: bytes
) -> tuple[Operation, ...] | None:
    """The removal of a member, or the accusations that hold him under quarantine, what stands behind it, and their
    past, as far as the REJOIN that names this key package does not cite it; None where that is not here. All of it was
    said by people who did not know that he is out."""
    rejoin = next((known for known in history.order if known.issuer == member and _names(known, key_package)), None)
    if rejoin is None:
        return None
    wanted = 0
    for operation in _first_grounds(history, roster, member):
        wanted |= _with_past(history, operation)
    wanted &= ~_with_past(history, rejoin.id)
    return tuple(known for index, known in enumerate(history.order) if wanted >> index & 1)


def _first_grounds(history: History, roster: Roster, member: MemberKey) -> tuple[ObjectId, ...]:
    """Why a member is out, less the accusations by those who knew that he was: without them they are enough, too."""
    grounds = roster.grounds(member)
    if member in roster.removals:
        return grounds
    return tuple(said for said in grounds if member not in _judged_by(history, said).quarantined)


def _judged_by(history: History, operation: ObjectId) -> Roster:
    """The members, as whoever signed this knew them."""
    past = history.past[operation]
    return members(arrange(known for index, known in enumerate(history.order) if past >> index & 1))


def _names(operation: Operation, key_package: bytes) -> bool:
    return isinstance(operation.change, Rejoin) and operation.change.key_package == key_package


def _with_past(history: History, operation: ObjectId) -> int:
    return history.past[operation] | 1 << history.position[operation]


def _bodies(operations: tuple[Operation, ...]) -> Iterator[RemovedBody]:
    """As many as it takes; none where there are too many operations, or one is too large: the removal without its past
    would not count."""
    wholes = [known.signed.to_whole() for known in operations]
    if len(wholes) > TOLD_OPERATIONS_MAX or any(len(whole) > _ROOM_BYTES for whole in wholes):
        return
    while wholes:
        size = fit = 0
        while fit < len(wholes) and size + len(wholes[fit]) <= _ROOM_BYTES:
            size, fit = size + len(wholes[fit]) + _LENGTH_BYTES, fit + 1
        yield RemovedBody(tuple(wholes[:fit]))
        del wholes[:fit]
