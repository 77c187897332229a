"""Signed changes of membership. An operation is an object of kind OP: its signature is the object's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES, NO_GROUP, GroupId, MemberKey, ObjectId
from chasqui.base.limits import OPERATION_HEADS_MAX, QUORUM_MAX, RETENTION_S_MAX, SEQUENCE_MAX, TAKEN_MAX
from chasqui.base.names import peer_name
from chasqui.base.schema import Body, decode_union, encode
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject


class Role(IntEnum):
    """What a member may do. A guest is no member: he is in a side group (`chasqui.node.guests`)."""

    MEMBER = 1
    ADMIN = 2


class Reason(IntEnum):
    """Why a member was removed."""

    LEFT = 1
    REMOVED = 2
    TAKEN = 3


class GroupKind(IntEnum):
    """A contact is a group of two that never grows."""

    GROUP = 1
    CONTACT = 2


class Genesis(Body, frozen=True, tag=0):
    """The first operation of a group; its hash is the group's id. `nonce` is 16 random bytes."""

    kind: int
    suite: int
    name: str
    nonce: bytes
    retention_s: int  # 0: until somebody deletes
    taken: int  # so many accusers quarantine a member
    quorum: int  # so many admins stand behind every change


class Add(Body, frozen=True, tag=1):
    """Lets a member in. `key_package` is the KeyPackageRef (RFC 9420 5.2) that the commit must use."""

    heads: tuple[bytes, ...]
    member: bytes
    key_package: bytes
    role: int


class Remove(Body, frozen=True, tag=2):
    """Puts a member out for ever. `last_seq` is the last object of his that the issuer had seen."""

    heads: tuple[bytes, ...]
    member: bytes
    last_seq: int
    reason: int


class SetRole(Body, frozen=True, tag=3):
    """Gives a member another role."""

    heads: tuple[bytes, ...]
    member: bytes
    role: int


class Rejoin(Body, frozen=True, tag=4):
    """Says which key package the issuer's next leaf is made of."""

    heads: tuple[bytes, ...]
    key_package: bytes


class Accuse(Body, frozen=True, tag=5):
    """Says that a member's device was taken. `last_seq` as in `Remove`."""

    heads: tuple[bytes, ...]
    member: bytes
    last_seq: int


class Lift(Body, frozen=True, tag=6):
    """Ends the accusations against a member that its issuer had seen."""

    heads: tuple[bytes, ...]
    member: bytes


class Confirm(Body, frozen=True, tag=7):
    """Stands behind a change that another admin signed."""

    heads: tuple[bytes, ...]
    operation: bytes


Change = Genesis | Add | Remove | SetRole | Rejoin | Accuse | Lift | Confirm


@dataclass(frozen=True)
class Operation:
    """A verified operation of one group."""

    id: ObjectId
    issuer: MemberKey
    seq: int
    minute: int
    change: Change
    signed: SignedObject

    @property
    def heads(self) -> frozenset[ObjectId]:
        """The newest operations that the issuer had seen."""
        if isinstance(self.change, Genesis):
            return frozenset()
        return frozenset(ObjectId(head) for head in self.change.heads)


def encode_change(change: Change) -> bytes:
    """The body of the object that carries the change."""
    return encode(change)


def read_operation(signed: SignedObject) -> Operation:
    """The operation in a verified object. Raises `PeerError` where the body breaks a rule of its schema."""
    if signed.kind is not Kind.OP:
        raise PeerError("An object that is not an operation stands where one belongs.")
    change: Change = decode_union(signed.body, Change, "operation")
    _check(change, signed)
    return Operation(signed.id, signed.author, signed.seq, signed.minute, change, signed)


def read_parsed_operation(known_id: ObjectId, signed: SignedObject) -> Operation:
    """As `read_operation`, for an object that was verified when it was first read: nothing is checked again."""
    change: Change = decode_union(signed.body, Change, "operation")
    return Operation(known_id, signed.author, signed.seq, signed.minute, change, signed)


def group_id_of(genesis: SignedObject) -> GroupId:
    """The id that a genesis operation gives to its group."""
    return GroupId(labelled_hash(labels.HASH_GROUP_ID, genesis.author, genesis.signed_bytes()))


def _check(change: Change, signed: SignedObject) -> None:
    if isinstance(change, Genesis):
        _require(signed.group == NO_GROUP and signed.seq == 1, "A genesis operation stands inside a group.")
        _require(change.kind in tuple(GroupKind), "A group is of an unknown kind.")
        _require(len(change.nonce) == ID_BYTES, "A genesis operation has no nonce.")
        _require(0 <= change.retention_s <= RETENTION_S_MAX, "A group keeps messages for no possible time.")
        contact = change.kind == GroupKind.CONTACT
        _require(1 <= change.taken <= (1 if contact else TAKEN_MAX), "A group quarantines by no possible number.")
        _require(1 <= change.quorum <= (1 if contact else QUORUM_MAX), "A group asks for no possible number of admins.")
        peer_name(change.name.encode())
        return
    _require(signed.group != NO_GROUP, "An operation belongs to no group.")
    heads = change.heads
    _require(1 <= len(heads) <= OPERATION_HEADS_MAX, "An operation cites too few or too many others.")
    _require(all(len(head) == ID_BYTES for head in heads), "An operation cites something that is no id.")
    _require(all(a < b for a, b in pairwise(heads)), "Cited operations are out of order.")
    if isinstance(change, Confirm):
        _require(len(change.operation) == ID_BYTES, "A confirmation names something that is no operation.")
        return
    if isinstance(change, Add | Rejoin):
        _require(len(change.key_package) == 32, "An operation names no key package.")
    if isinstance(change, Add | SetRole):
        _require(change.role in tuple(Role), "An operation gives an unknown role.")
    if isinstance(change, Remove | Accuse):
        _require(0 <= change.last_seq <= SEQUENCE_MAX, "An operation names a number that no object has.")
    if not isinstance(change, Rejoin):
        _require(len(change.member) == MEMBER_KEY_BYTES, "An operation names something that is no member.")
        _check_target(change, of_himself=change.member == signed.author)


def _check_target(change: Add | Remove | SetRole | Accuse | Lift, *, of_himself: bool) -> None:
    if isinstance(change, Remove):
        _require(change.reason in tuple(Reason), "A removal gives an unknown reason.")
        _require((change.reason == Reason.LEFT) == of_himself, "A removal gives a reason that is not its own.")
    elif not isinstance(change, Add):
        _require(not of_himself, "A member accuses himself, or decides about himself.")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise PeerError(otherwise)
