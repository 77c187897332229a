"""The order in which people read: never before what the author had, concurrent ones by time.

Every object gets a stamp (instant, depth). The instant is the latest of the author's own minute and the instants
of all that he had signed for; among equal instants the depth counts up. So a stamp is a pure function of the set
of objects, the same on every device, and a lying clock can delay a message but not reorder a conversation.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from chasqui.base.ids import GroupId
from chasqui.node.keys import u24, u32, u64
from chasqui.node.records import AuthorRecord, MessageRecord, Space, StampRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject

Number = tuple[bytes, int]  # author and seq: one object, or several where they clash
Needs = dict[Number, set[Number]]


def place(
    tx: Transaction, signed: SignedObject, arrival: int, before: Iterable[Number], had: tuple[tuple[int, int], ...]
) -> None:
    """Stamps a new object from what it follows, as far as that is here."""
    stamps = [
        (stamp.instant, stamp.depth)
        for author, seq in before
        for _, stamp in tx.load_prefix(Space.STAMP, signed.group + author + u24(seq), StampRecord)
    ]
    tx.save(Space.STAMP, _stamp_key(signed), _stamp(StampRecord(0, 0, signed.minute, had, arrival), stamps))


def order_of(tx: Transaction, signed: SignedObject) -> bytes:
    """The order key of an object that has its stamp."""
    stamp = tx.load(Space.STAMP, _stamp_key(signed), StampRecord)
    if stamp is None:
        raise AssertionError("a message without a stamp")
    return _order_key(signed.group, stamp, signed.author + u24(signed.seq) + signed.id)


def mark_stale(tx: Transaction, group: GroupId) -> None:
    """An object came after others that follow it: the order is worked out again before anybody reads."""
    tx.put(Space.REORDER, group, b"")


def settle(tx: Transaction, group: GroupId) -> None:
    """Works out all stamps of a group again, if something came late. Nearly linear in the number of its objects."""
    if tx.get(Space.REORDER, group) is None:
        return
    tx.erase(Space.REORDER, group)
    objects: dict[Number, list[tuple[bytes, StampRecord]]] = defaultdict(list)
    for key, stamp in tx.load_prefix(Space.STAMP, group, StampRecord):
        objects[key[:32], int.from_bytes(key[32:35], "big")].append((key, stamp))
    names = {record.index: key for key, record in tx.load_prefix(Space.AUTHOR, group, AuthorRecord)}
    needs = _follows(objects, names)
    done: dict[Number, tuple[int, int]] = {}
    for number in _causal(needs, objects):
        before = [done[other] for other in needs[number] if other in done]
        stamps = [(key, old, _stamp(old, before)) for key, old in objects[number]]
        done[number] = max((new.instant, new.depth) for _, _, new in stamps)
        for key, old, new in stamps:
            if new != old:
                _move(tx, group, key, old, new)


def _stamp(bare: StampRecord, before: list[tuple[int, int]]) -> StampRecord:
    instant = max([bare.minute, *(instant for instant, _ in before)])
    depth = max((depth + 1 for other, depth in before if other == instant), default=0)
    return structs.replace(bare, instant=instant, depth=depth)


def _follows(objects: Mapping[Number, list[tuple[bytes, StampRecord]]], names: Mapping[int, bytes]) -> Needs:
    """What comes right before each number: its author's number before it that is here, and of every other author
    the highest one here up to what it had signed for. All earlier ones come before these in turn.

    Nobody can have had what another said after he had signed for this very number: such words do not count.
    """
    here: dict[bytes, list[int]] = defaultdict(list)
    words: dict[Number, list[tuple[bytes, int]]] = {}
    answers: dict[tuple[bytes, bytes], tuple[list[int], list[int]]] = {}  # by whom, to whom: up to which, by which
    for (author, seq), stamps in objects.items():  # in the order of their keys
        here[author].append(seq)
        words[author, seq] = [(names[index], last) for _, stamp in stamps for index, last in stamp.had]
        for other, last in words[author, seq]:
            lasts, by = answers.setdefault((author, other), ([], []))
            if not lasts or last > lasts[-1]:
                lasts.append(last)
                by.append(seq)
    needs: Needs = {}
    previous: Number = (b"", 0)
    for number, said in words.items():
        author, seq = number
        needs[number] = {previous} if previous[0] == author else set()
        previous = number
        for other, last in said:
            lasts, by = answers.get((other, author), ([], []))
            answer = bisect_left(lasts, seq)
            if answer < len(lasts):
                last = min(last, by[answer] - 1)
            position = bisect_right(here[other], last)
            if position:
                needs[number].add((other, here[other][position - 1]))
    return needs


def _causal(needs: Needs, objects: Mapping[Number, list[tuple[bytes, StampRecord]]]) -> Iterator[Number]:
    """Every number after those it needs. A ring, which only a lie can make, is cut where it claims to begin."""
    followers: dict[Number, list[Number]] = defaultdict(list)
    waits = {number: len(before) for number, before in needs.items()}
    for number, before in needs.items():
        for other in before:
            followers[other].append(number)
    ready = [number for number, count in waits.items() if not count]
    cuts: Iterator[Number] | None = None
    left = len(needs)
    while True:
        while ready:
            number = ready.pop()
            left -= 1
            yield number
            for other in followers[number]:
                waits[other] -= 1
                if not waits[other]:
                    ready.append(other)
        if not left:
            return
        if cuts is None:
            cuts = _cuts({number for number, count in waits.items() if count > 0}, needs, objects)
        number = next(other for other in cuts if waits[other] > 0)
        waits[number] = 0  # what it still waits for counts it below, and frees it no second time
        ready.append(number)


def _cuts(
    waiting: set[Number], needs: Needs, objects: Mapping[Number, list[tuple[bytes, StampRecord]]]
) -> Iterator[Number]:
    """Where to cut rings, in turn: by the minute, but each author's numbers in their order. What only waits behind a
    ring is left out, so that a lie does not reorder others."""
    count = dict.fromkeys(waiting, 0)
    for number in waiting:
        for other in needs[number] & waiting:
            count[other] += 1
    behind = [number for number in waiting if not count[number]]
    while behind:
        number = behind.pop()
        waiting.discard(number)
        for other in needs[number] & waiting:
            count[other] -= 1
            if not count[other]:
                behind.append(other)
    ranked: list[tuple[int, Number]] = []
    for number in sorted(waiting):
        minute = max(stamp.minute for _, stamp in objects[number])
        if ranked and ranked[-1][1][0] == number[0]:
            minute = max(minute, ranked[-1][0])
        ranked.append((minute, number))
    return iter([number for _, number in sorted(ranked)])


def _move(tx: Transaction, group: GroupId, key: bytes, old: StampRecord, new: StampRecord) -> None:
    tx.save(Space.STAMP, group + key, new)
    message = tx.load(Space.MESSAGE, group + u64(new.arrival), MessageRecord) if new.arrival else None
    if message is not None:
        tx.erase(Space.ORDER, message.order)
        order = _order_key(group, new, key)
        tx.put(Space.ORDER, order, u64(new.arrival))
        tx.save(Space.MESSAGE, group + u64(new.arrival), structs.replace(message, order=order))


def _stamp_key(signed: SignedObject) -> bytes:
    return signed.group + signed.author + u24(signed.seq) + signed.id


def _order_key(group: GroupId, stamp: StampRecord, key: bytes) -> bytes:
    return group + u32(stamp.instant) + u32(stamp.depth) + u32(stamp.minute) + key
