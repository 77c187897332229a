"""Operations for the tests of membership: unsigned, with ids that follow from their content."""

from __future__ import annotations

from hashlib import blake2b

from chasqui.base.ids import NO_GROUP, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.schema import encode
from chasqui.groups.operation import (
    Accuse,
    Add,
    Change,
    Confirm,
    Genesis,
    GroupKind,
    Lift,
    Operation,
    Reason,
    Rejoin,
    Remove,
    Role,
    SetRole,
)
from chasqui.groups.witnesses import Witness
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject

GROUP = GroupId(b"G" * 16)


def key(name: str) -> MemberKey:
    """A member key that says whose it is."""
    return MemberKey(name.encode().ljust(32, b"."))


def operation(issuer: str, change: Change, salt: int = 0, seq: int = 1) -> Operation:
    """An operation as `members` sees it; `salt` tells apart what would be equal and changes the order of ids."""
    body = encode(change)
    made_id = ObjectId(blake2b(issuer.encode() + bytes(1) + body + bytes((salt, seq)), digest_size=16).digest())
    group = NO_GROUP if isinstance(change, Genesis) else GROUP
    origin = Origin(EpochId(bytes(16)), 0, 0)
    signed = SignedObject(group, key(issuer), seq, 0, Kind.OP, body, b"", origin, bytes(64))
    return Operation(made_id, key(issuer), seq, 0, change, signed)


def found(issuer: str, kind: GroupKind = GroupKind.GROUP, salt: int = 0, taken: int = 2, quorum: int = 1) -> Operation:
    """A genesis."""
    return operation(issuer, Genesis(kind, 3, "convoy", bytes(16), 0, taken, quorum), salt)


def add(
    issuer: str, member: str, *heads: Operation, role: Role = Role.MEMBER, salt: int = 0, seq: int = 1
) -> Operation:
    """An addition that cites these."""
    return operation(issuer, Add(ids(heads), key(member), bytes(32), role), salt, seq)


def remove(issuer: str, member: str, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """A removal that cites these."""
    reason = Reason.LEFT if issuer == member else Reason.REMOVED
    return operation(issuer, Remove(ids(heads), key(member), 0, reason), salt, seq)


def set_role(issuer: str, member: str, role: Role, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """A change of role that cites these."""
    return operation(issuer, SetRole(ids(heads), key(member), role), salt, seq)


def rejoin(issuer: str, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """A new key package that cites these."""
    return operation(issuer, Rejoin(ids(heads), bytes(31) + bytes((salt,))), salt, seq)


def accuse(issuer: str, member: str, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """An accusation that cites these."""
    return operation(issuer, Accuse(ids(heads), key(member), 0), salt, seq)


def lift(issuer: str, member: str, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """An end of accusations that cites these."""
    return operation(issuer, Lift(ids(heads), key(member)), salt, seq)


def confirm(issuer: str, confirmed: Operation, *heads: Operation, salt: int = 0, seq: int = 1) -> Operation:
    """A confirmation that cites these."""
    return operation(issuer, Confirm(ids(heads), confirmed.id), salt, seq)


def witness(member: str, removal: Operation, *heads: Operation, seq: int = 50) -> Witness:
    """A member's word that it had these and their pasts."""
    had = tuple(map(ObjectId, ids(heads)))
    said = ObjectId(blake2b(key(member) + removal.id + b"".join(had) + bytes((seq,)), digest_size=16).digest())
    return Witness(key(member), removal.id, had, seq, said)


def ids(operations: tuple[Operation, ...]) -> tuple[bytes, ...]:
    """The ids in the order in which an operation cites them."""
    return tuple(sorted(o.id for o in operations))
