"""Witnesses, and a history that takes in whatever is one."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.ids import ObjectId
from chasqui.groups.history import arrange
from chasqui.groups.membership import members
from chasqui.groups.witnesses import Witness, encode_witnesses, read_witnesses
from tests.groups.makers import add, found, key, remove

FOUNDED = found("ana")
BEN = add("ana", "ben", FOUNDED)
OUT = remove("ana", "ben", BEN)
HISTORY = arrange((FOUNDED, BEN, OUT, remove("ben", "ben", BEN, seq=3)))


def target(data: bytes) -> None:
    """The body of a witness object."""
    try:
        said = read_witnesses(data)
    except PeerError:
        return
    assert encode_witnesses(said) == data
    witnesses = [Witness(key("ana"), removal, heads, 9, ObjectId(bytes(16))) for removal, heads in said]
    witnesses += [Witness(key("ana"), OUT.id, heads, 8, ObjectId(bytes(16))) for _, heads in said[:1]]
    members(HISTORY, witnesses)
