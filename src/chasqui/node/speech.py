"""Recordings: one or more bursts of an author, in the order of speaking."""

from __future__ import annotations

from dataclasses import replace

from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.schema import decode_own
from chasqui.media.burst import Burst, cut, read_burst
from chasqui.media.recording import in_order
from chasqui.node.inputs import SendVoice
from chasqui.node.keys import u64
from chasqui.node.messages import keep_message, message_of, next_arrival
from chasqui.node.outbox import say
from chasqui.node.records import GroupRecord, MessageRecord, Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import SignedObject, parse_whole


def burst_in(signed: SignedObject) -> Burst:
    """The burst of an object. Raises `PeerError` where it is none, or where it does not follow what it names."""
    burst = read_burst(signed.body)
    if burst.first >= signed.seq:
        raise PeerError("A burst does not follow the first of its recording.")
    return burst


def say_bursts(tx: Transaction, record: GroupRecord, event: SendVoice) -> tuple[ObjectId, ...]:
    """Seals and keeps the bursts of a recording, or of a piece of one. Raises `UsageError` for what is no speech,
    `UserError` where it cannot go on."""
    group = event.group
    bursts = cut(event.quality, event.speech, event.at, more=event.more)
    first = _first_of(tx, group, record, event.follows) if event.follows else 0
    if bool(first) != bool(event.at):
        raise UserError("A recording begins at its beginning.", safety="Nothing was sent.")
    sent = []
    for burst in bursts:
        placed = replace(burst, first=first) if burst.at else burst
        arrival = next_arrival(tx)
        signed, record = say(
            tx,
            group,
            record,
            Kind.VOICE,
            placed.to_body(),
            bundle_class=BundleClass.URGENT if event.urgent else BundleClass.TEXT,
            arrival=arrival,
        )
        keep_message(tx, signed, arrival)
        first = first or signed.seq
        sent.append(signed.id)
    return tuple(sent)


def bursts_of(tx: Transaction, group: GroupId, message: ObjectId) -> tuple[Burst, ...] | None:
    """What is here of the recording that a message belongs to, in the order of speaking; None where it holds
    no speech. Raises `UserError` where it is not here."""
    signed = parse_whole(message_of(tx, group, message).whole, group)
    if signed.kind is not Kind.VOICE:
        return None
    first = burst_in(signed).first or signed.seq
    return in_order(burst for _, burst in recorded(tx, group, signed.author, first))


def recorded(tx: Transaction, group: GroupId, author: MemberKey, first: int) -> list[tuple[int, Burst]]:
    """The bursts here of a recording whose first is the author's object of that number, each behind its place in this
    vault."""
    found = []
    for key, data in tx.scan(Space.MESSAGE, group + u64(0), prefix_end(group)):
        signed = parse_whole(decode_own(data, MessageRecord).whole, group)
        if signed.author != author or signed.kind is not Kind.VOICE:
            continue
        burst = burst_in(signed)
        if (burst.first or signed.seq) == first:
            found.append((int.from_bytes(key[len(group) :], "big"), burst))
    return found


def _first_of(tx: Transaction, group: GroupId, record: GroupRecord, follows: ObjectId) -> int:
    """The number of the object that a recording of ours began with."""
    signed = parse_whole(message_of(tx, group, follows).whole, group)
    if signed.kind is not Kind.VOICE or signed.author != record.member or burst_in(signed).at:
        raise UserError(
            "This recording cannot be gone on with: your place in the group has changed meanwhile.",
            safety="What was said before is sent. The rest was not.",
            todo="Begin again.",
        )
    return signed.seq
