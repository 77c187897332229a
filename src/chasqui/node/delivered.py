"""Up to which of our own messages each member has signed for all: what `group show` says of the way of our words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.bodies import parts_of, read_manifest
from chasqui.node.authors import load_author
from chasqui.node.groups import load_group
from chasqui.node.keys import u64
from chasqui.node.receipting import have
from chasqui.node.records import MessageRecord, Space, StampRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject, parse_whole


@dataclass(frozen=True)
class DeliveredView:
    """Of one member: the time of our last message up to which it has all, 0 for none, and how many come after."""

    up_to_s: int
    waiting: int


@dataclass(frozen=True)
class _Own:
    """A message of ours."""

    seq: int
    minute: int
    arrival: int


def delivered_to(tx: Transaction, group: GroupId, members: Iterable[MemberKey]) -> dict[MemberKey, DeliveredView]:
    """For each member, of the messages that were for it."""
    own = MemberKey(load_group(tx, group).member)
    said = [
        _Own(int.from_bytes(key[:3], "big"), stamp.minute, stamp.arrival)
        for key, stamp in tx.load_prefix(Space.STAMP, group + own, StampRecord)
        if stamp.arrival
    ]
    numbers = [message.seq for message in said]
    found = {}
    for member in members:
        first = load_author(tx, group, member).ours_from
        upto = have(tx, group, member, own).end_of_run(first)
        at = bisect_right(numbers, upto)
        if at and _last_number(tx, group, said[at - 1]) > upto:
            at -= 1  # a file of which not all parts are there
        start = bisect_right(numbers, first - 1)
        found[member] = DeliveredView(said[at - 1].minute * 60 if at > start else 0, len(said) - max(at, start))
    return found


def last_number(signed: SignedObject) -> int:
    """The number with which a message is whole: a file is delivered with its last part."""
    if signed.kind is not Kind.MANIFEST:
        return signed.seq
    return signed.seq + parts_of(read_manifest(signed.body).size)


def _last_number(tx: Transaction, group: GroupId, message: _Own) -> int:
    record = tx.load(Space.MESSAGE, group + u64(message.arrival), MessageRecord)
    return message.seq if record is None else last_number(parse_whole(record.whole, group))
