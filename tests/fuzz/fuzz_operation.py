"""Operations, and a history that takes in whatever is one."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.ids import NO_GROUP, EpochId, GroupId
from chasqui.groups.history import arrange
from chasqui.groups.membership import members
from chasqui.groups.operation import encode_change, read_operation
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject
from tests.groups.makers import add, found, key

FOUNDED = found("ana")
MORE = (FOUNDED, add("ana", "ben", FOUNDED))
ORIGIN = Origin(EpochId(bytes(16)), 0, 0)


def target(data: bytes) -> None:
    """The body of an operation, inside a group and outside."""
    for group in (NO_GROUP, GroupId(b"G" * 16)):
        try:
            signed = SignedObject(group, key("ana"), 1, 0, Kind.OP, data, b"", ORIGIN, bytes(64))
            operation = read_operation(signed)
        except PeerError:
            continue
        assert encode_change(operation.change) == data
        members(arrange([*MORE, operation]))
