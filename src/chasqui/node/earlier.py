"""What a member said in epochs that nobody else can read, and his REJOIN cites: it comes with his demand alone."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId
from chasqui.base.limits import OPERATIONS_IDLE_MAX
from chasqui.groups.bodies import DemandBody
from chasqui.groups.operation import Genesis, Operation
from chasqui.node.epochs import NOWHERE, load_epoch
from chasqui.node.groups import history_of
from chasqui.node.records import GroupRecord, Space
from chasqui.node.resealing import reseal
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, read_whole


def own_earlier(tx: Transaction, group: GroupId, rejoin: SignedObject) -> tuple[bytes, ...]:
    """Our own operations before a REJOIN, whole, the newest of them."""
    mine = [known for known in history_of(tx, group).order if known.issuer == rejoin.author and known.id != rejoin.id]
    earlier = tuple(known.signed.to_whole() for known in mine if not isinstance(known.change, Genesis))
    return earlier[-OPERATIONS_IDLE_MAX:]


def new_earlier(tx: Transaction, body: DemandBody, rejoin: SignedObject) -> tuple[SignedObject, ...]:
    """Those in a demand that are not here, verified. Raises `PeerError` for what is no operation of its member."""
    earlier = tuple(read_whole(whole, GroupId(body.group)) for whole in body.earlier)
    if any(other.kind is not Kind.OP or other.author != rejoin.author for other in earlier):
        raise PeerError("A member demands a leaf with operations that are not his own.")
    return tuple(other for other in earlier if tx.get(Space.OPERATION, body.group + other.id) is None)


def say_earlier(tx: Transaction, group: GroupId, record: GroupRecord, rejoin: Operation) -> GroupRecord:
    """The others, who could have read it where it was said, have it from us."""
    history = history_of(tx, group)
    for known in history.order:
        origin = known.signed.origin.epoch
        gone = origin != NOWHERE and load_epoch(tx, group, origin) is None
        theirs = known.issuer == rejoin.issuer and history.precedes(known.id, rejoin.id)
        if theirs and gone and tx.get(Space.RESEALED, group + known.id) is None:
            record = reseal(tx, group, record, known.signed)
    return record
