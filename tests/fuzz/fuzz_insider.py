"""A member who signs and seals whatever he likes, into a contact and into a group: every handler of the node."""

from __future__ import annotations

from functools import cache

from chasqui.base.days import day_of, minute_of
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.secret import Secret
from chasqui.node import inputs
from chasqui.node.epochs import day_chain, head_of, load_chain
from chasqui.node.groups import load_group
from chasqui.node.records import EpochRecord, GroupRecord
from chasqui.sealed.bundle import OVERHEAD_BYTES, seal
from chasqui.sealed.chain import Chain, advance
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import SHORT_OVERHEAD_BYTES, Origin, make_object
from tests.fuzz.common import NOW_S, node_of, world

CONTENT_BYTES_MAX = 15_360 - OVERHEAD_BYTES - SHORT_OVERHEAD_BYTES - 4
KINDS = tuple(Kind)


@cache
def keys(in_group: bool) -> tuple[GroupId, GroupRecord, EpochId, EpochRecord, Chain]:
    """Of the insider, in the group or the contact."""
    group = world().group if in_group else world().contact
    tx = world().insider.tx()
    record = load_group(tx, group)
    head, epoch = head_of(tx, group, record)
    chain = load_chain(tx, head, epoch.own_leaf)
    assert chain is not None
    return group, record, head, epoch, chain


def target(data: bytes) -> None:
    """First byte: kind and place; second: how many of the bytes are receipts."""
    if len(data) < 2:
        return
    choice, cut, content = data[0], data[1], data[2 : 2 + CONTENT_BYTES_MAX]
    group, record, head, epoch, chain = keys(bool(choice & 0x80))
    counter = chain.counter + (choice >> 4 & 3)
    made = make_object(
        group=group,
        author=MemberKey(record.member),
        key=Secret(record.signing_key),
        seq=record.seq + 1 + (choice >> 6 & 1),
        minute=minute_of(NOW_S),
        kind=KINDS[(choice & 15) % len(KINDS)],
        body=content[cut:],
        receipts=content[:cut],
        origin=Origin(head, epoch.own_leaf, counter),
    )
    bundle = seal(
        made.to_short(),
        message_key=advance(chain, counter).message_key,
        keys=day_chain(epoch).at(day_of(NOW_S)).keys,
        leaf=epoch.own_leaf,
        counter=counter,
        bundle_class=BundleClass.TEXT,
        day=day_of(NOW_S),
    )
    node_of(world().victim).step(inputs.TakeBundles((bundle.data,)), NOW_S)  # refused or taken, never raised
