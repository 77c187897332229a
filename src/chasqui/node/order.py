"""The order in which people read: never before what the author had, concurrent ones by time.

Every object gets a stamp (instant, depth). The instant is the latest of the author's own minute and the instants
of all that he had signed for; among equal instants the depth counts up. So a stamp is a pure function of the set
of objects, the same on every device, and a lying clock can delay a message but not reorder a conversation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import structs

from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.schema import decode_own
from chasqui.node.epochs import load_epoch, member_at
from chasqui.node.keys import u24, u32, u64
from chasqui.node.records import EpochRecord, MessageRecord, Space, StampRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import decode_receipts

_NO_STAMP = StampRecord(0, 0, 0, b"", b"", 0)
Place = tuple[MemberKey, int]


def place(tx: Transaction, group: GroupId, signed: SignedObject, arrival: int) -> None:
    """Stamps a new object from what it follows, as far as that is here."""
    bare = StampRecord(0, 0, signed.minute, signed.origin.epoch, signed.receipts, arrival)
    epoch = load_epoch(tx, group, signed.origin.epoch)
    before = [
        tx.load(Space.STAMP, group + author + u24(seq), StampRecord)
        for author, seq in _follows(signed.author, signed.seq, signed.receipts, epoch)
    ]
    stamp = _stamp(bare, [found for found in before if found is not None])
    tx.save(Space.STAMP, group + signed.author + u24(signed.seq), stamp)


def order_key(group: GroupId, stamp: StampRecord, author: bytes, seq: int) -> bytes:
    """The key under which a message is found in its order."""
    return group + u32(stamp.instant) + u32(stamp.depth) + u32(stamp.minute) + author + u24(seq)


def mark_stale(tx: Transaction, group: GroupId) -> None:
    """An object came after others that follow it: the order is worked out again before anybody reads."""
    tx.put(Space.REORDER, group, b"")


def settle(tx: Transaction, group: GroupId) -> None:
    """Works out all stamps of a group again, if something came late. Linear in the number of its objects."""
    if tx.get(Space.REORDER, group) is None:
        return
    tx.erase(Space.REORDER, group)
    stamps: dict[Place, StampRecord] = {}
    for key, data in tx.scan_prefix(Space.STAMP, group):
        author, seq = MemberKey(key[16:48]), int.from_bytes(key[48:], "big")
        stamps[author, seq] = decode_own(data, StampRecord)
    epochs: dict[bytes, EpochRecord | None] = {}
    for stamp in stamps.values():
        if stamp.epoch not in epochs:
            epochs[stamp.epoch] = load_epoch(tx, group, EpochId(stamp.epoch))
    done: dict[Place, StampRecord] = {}
    for spot in _causal(stamps, epochs):
        stamp = stamps[spot]
        before = [
            done[other] for other in _follows(*spot, stamp.receipts, epochs[stamp.epoch]) if other in done
        ]
        done[spot] = _stamp(stamp, before)
        if done[spot] != stamp:
            _move(tx, group, spot, stamp, done[spot])


def _stamp(bare: StampRecord, before: list[StampRecord]) -> StampRecord:
    instant = max([bare.minute, *(stamp.instant for stamp in before)])
    depth = max((stamp.depth + 1 for stamp in before if stamp.instant == instant), default=0)
    return structs.replace(bare, instant=instant, depth=depth)


def _follows(
    author: MemberKey, seq: int, receipts: bytes, epoch: EpochRecord | None
) -> Iterator[Place]:
    """The newest objects that the author had: his own last one and what he signed for in this one."""
    if seq > 1:
        yield author, seq - 1
    if not receipts or epoch is None:
        return
    for entry in decode_receipts(receipts):
        other = member_at(epoch, entry.leaf)
        if other is None:
            continue
        if entry.contiguous:
            yield other, entry.contiguous
        if entry.bitmap:
            for first, last in entry.have.spans:
                for number in range(max(first, entry.contiguous + 1), last + 1):
                    yield other, number


def _causal(
    stamps: dict[Place, StampRecord], epochs: dict[bytes, EpochRecord | None]
) -> Iterator[Place]:
    """Every object after those it follows. A ring of lies is cut at its earliest claim of time."""
    waits: dict[Place, int] = {}
    unlocks: dict[Place, list[Place]] = defaultdict(list)
    for spot, stamp in stamps.items():
        needs = {
            other for other in _follows(*spot, stamp.receipts, epochs[stamp.epoch]) if other in stamps
        } - {spot}
        waits[spot] = len(needs)
        for other in needs:
            unlocks[other].append(spot)
    ready = [spot for spot, count in waits.items() if count == 0]
    while waits:
        if not ready:
            ready.append(min(waits, key=lambda spot: (stamps[spot].minute, spot)))
        spot = ready.pop()
        if waits.pop(spot, None) is None:
            continue
        yield spot
        for other in unlocks[spot]:
            if other in waits:
                waits[other] -= 1
                if waits[other] == 0:
                    ready.append(other)


def _move(tx: Transaction, group: GroupId, spot: Place, old: StampRecord, new: StampRecord) -> None:
    author, seq = spot
    tx.save(Space.STAMP, group + author + u24(seq), new)
    if not new.arrival:
        return
    tx.erase(Space.ORDER, order_key(group, old, author, seq))
    key = order_key(group, new, author, seq)
    tx.put(Space.ORDER, key, u64(new.arrival))
    message = tx.load(Space.MESSAGE, group + u64(new.arrival), MessageRecord)
    if message is not None:
        tx.save(Space.MESSAGE, group + u64(new.arrival), structs.replace(message, order=key))


def order_of(tx: Transaction, group: GroupId, signed: SignedObject) -> bytes:
    """The order key of an object that has its stamp."""
    stamp = tx.load(Space.STAMP, group + signed.author + u24(signed.seq), StampRecord) or _NO_STAMP
    return order_key(group, stamp, signed.author, signed.seq)
