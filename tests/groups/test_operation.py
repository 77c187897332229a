"""Operations: what an object of kind OP may say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import NO_GROUP, EpochId, GroupId
from chasqui.base.limits import OPERATION_HEADS_MAX
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
    encode_change,
    group_id_of,
    read_operation,
    read_parsed_operation,
)
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, make_object
from tests.sealed.makers import GROUP, member

AUTHOR, KEY = member(1)
OTHER, _ = member(2)
HEAD, HEAD2 = b"h" * 16, b"i" * 16

GENESIS = Genesis(GroupKind.GROUP, 3, "convoy", bytes(16), 0, 2, 1)
ADD = Add((HEAD,), OTHER, bytes(32), Role.MEMBER)
REMOVE = Remove((HEAD,), OTHER, 5, Reason.REMOVED)
TAKEN = Remove((HEAD,), OTHER, 5, Reason.TAKEN)
ROLE = SetRole((HEAD,), OTHER, Role.ADMIN)
REJOIN = Rejoin((HEAD,), bytes(32))
ACCUSE = Accuse((HEAD,), OTHER, 5)
LIFT = Lift((HEAD,), OTHER)
CONFIRM = Confirm((HEAD,), HEAD2)
LEAVE = Remove((HEAD, HEAD2), AUTHOR, 5, Reason.LEFT)


def signed(body: bytes, group: GroupId = GROUP, seq: int = 1, kind: Kind = Kind.OP) -> SignedObject:
    origin = Origin(EpochId(bytes(16)), 0, 0)
    return make_object(
        group=group, author=AUTHOR, key=KEY, seq=seq, minute=9, kind=kind, body=body, receipts=b"", origin=origin
    )


def read(change: Any) -> Operation:
    group = NO_GROUP if isinstance(change, Genesis) else GROUP
    return read_operation(signed(msgspec.msgpack.encode(change), group))


@pytest.mark.parametrize(
    "change",
    [
        GENESIS,
        ADD,
        REMOVE,
        LEAVE,
        TAKEN,
        ROLE,
        REJOIN,
        ACCUSE,
        LIFT,
        CONFIRM,
        Add((HEAD,), OTHER, bytes(32), Role.ADMIN),
    ],
)
def test_operations_come_back(change: Change) -> None:
    made = signed(encode_change(change), NO_GROUP if isinstance(change, Genesis) else GROUP)
    operation = read_operation(made)
    assert operation.change == change
    assert (operation.id, operation.issuer, operation.minute) == (made.id, AUTHOR, 9)
    assert operation.heads == frozenset(getattr(change, "heads", ()))
    assert read_parsed_operation(made.id, made) == operation


def replaced(change: Change, **changes: Any) -> Change:
    return msgspec.structs.replace(change, **changes)


MANY = tuple(bytes((n,)) * 16 for n in range(OPERATION_HEADS_MAX + 1))
BROKEN: dict[str, Change] = {
    "no heads": replaced(ADD, heads=()),
    "too many heads": replaced(ADD, heads=MANY),
    "a head twice": replaced(ADD, heads=(HEAD, HEAD)),
    "heads out of order": replaced(ADD, heads=(HEAD2, HEAD)),
    "a short head": replaced(ADD, heads=(HEAD[:15],)),
    "a short member": replaced(ADD, member=bytes(31)),
    "a long member": replaced(REMOVE, member=bytes(33)),
    "no key package": replaced(ADD, key_package=b""),
    "unknown role": replaced(ADD, role=3),
    "role 0": replaced(ADD, role=0),
    "unknown reason": replaced(REMOVE, reason=4),
    "left, said of another": replaced(REMOVE, reason=Reason.LEFT),
    "removed, said of himself": replaced(LEAVE, reason=Reason.REMOVED),
    "negative number": replaced(REMOVE, last_seq=-1),
    "unknown kind of group": replaced(GENESIS, kind=3),
    "short nonce": replaced(GENESIS, nonce=bytes(15)),
    "negative retention": replaced(GENESIS, retention_s=-1),
    "nobody quarantines": replaced(GENESIS, taken=0),
    "too many accusers": replaced(GENESIS, taken=128),
    "no admin stands behind": replaced(GENESIS, quorum=0),
    "too many admins": replaced(GENESIS, quorum=3),
    "a contact of two accusers": Genesis(GroupKind.CONTACT, 3, "", bytes(16), 0, 2, 1),
    "a contact of two admins": Genesis(GroupKind.CONTACT, 3, "", bytes(16), 0, 1, 2),
    "taken, said of himself": replaced(LEAVE, reason=Reason.TAKEN),
    "an unknown new role": replaced(ROLE, role=3),
    "a new role for himself": replaced(ROLE, member=AUTHOR),
    "a short key package": replaced(REJOIN, key_package=bytes(31)),
    "accuses himself": replaced(ACCUSE, member=AUTHOR),
    "a negative number of the accused": replaced(ACCUSE, last_seq=-1),
    "lifts himself": replaced(LIFT, member=AUTHOR),
    "confirms no operation": replaced(CONFIRM, operation=HEAD[:15]),
    "rejoins without heads": replaced(REJOIN, heads=()),
    "a name of two lines": replaced(GENESIS, name="a\nb"),
    "a name that turns the line around": replaced(GENESIS, name="a\u202eb"),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=list(BROKEN))
def test_each_rule_of_the_schema(change: Change) -> None:
    with pytest.raises(PeerError):
        read(change)


def test_a_genesis_stands_outside_and_everything_else_inside() -> None:
    for body, group, seq in ((GENESIS, GROUP, 1), (GENESIS, NO_GROUP, 2), (ADD, NO_GROUP, 1)):
        with pytest.raises(PeerError):
            read_operation(signed(encode_change(body), group, seq))
    with pytest.raises(PeerError):
        read_operation(signed(encode_change(ADD), kind=Kind.TEXT))


@given(st.binary(max_size=120))
def test_other_bytes_are_the_peers_fault(body: bytes) -> None:
    for group in (GROUP, NO_GROUP):
        try:
            operation = read_operation(signed(body, group))
        except PeerError:
            continue
        assert encode_change(operation.change) == body


def test_the_groups_id_follows_from_all_of_its_genesis() -> None:
    ids = {group_id_of(signed(encode_change(GENESIS), NO_GROUP))}
    for change in ({"kind": 2}, {"name": "x"}, {"nonce": b"n" * 16}, {"retention_s": 60}, {"suite": 1}):
        ids.add(group_id_of(signed(encode_change(replaced(GENESIS, **change)), NO_GROUP)))
    assert len(ids) == 6
    made = signed(encode_change(GENESIS), NO_GROUP)
    assert bytes(group_id_of(made)) != bytes(made.id)
