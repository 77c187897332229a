"""Rule 4 of membership: what is so late that it cannot be anything but back-dated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import Add, Remove
from chasqui.groups.ruling import Ruling, bits_of
from chasqui.groups.witnesses import Witness, counting

_JURY_MIN: Final = 2  # one alone says nothing: he may be the one who lies
_Said = Mapping[ObjectId, Mapping[MemberKey, Witness]]


def ruling_of(history: History, witnesses: Iterable[Witness]) -> tuple[Ruling, int]:
    """What the rules say of a history, and the bits of the operations that are late.

    Which are late depends on which are not. Beginning with none, what is late both if only what was found is and if
    all that would then be late is too, is found; until nothing more is found.
    """
    said = counting(witnesses)
    ruling = Ruling(history)
    late = 0
    while said:
        at_most = _late(history, ruling, said)
        if at_most | late == late:
            break
        found = late | at_most & _late(history, Ruling(history, late | at_most), said)
        if found == late:
            break
        late, ruling = found, Ruling(history, found)
    return ruling, late


def makers_of_late(history: History, witnesses: Iterable[Witness]) -> Mapping[ObjectId, int]:
    """The removals by whose witnesses something is late, and the bits of what."""
    witnesses = tuple(witnesses)
    ruling, late = ruling_of(history, witnesses)
    made = {history.order[index].id: bits & late for index, bits in _made_late(history, ruling, counting(witnesses))}
    return {removal: bits for removal, bits in made.items() if bits}


def _late(history: History, ruling: Ruling, said: _Said) -> int:
    """What would be late if exactly those were late that this ruling leaves out."""
    late = 0
    for _, bits in _made_late(history, ruling, said):
        late |= bits
    return late


def _made_late(history: History, ruling: Ruling, said: _Said) -> Iterator[tuple[int, int]]:
    """The removals that are witnessed, and what each would make late."""
    by_issuer: dict[MemberKey, int] = {}
    for index, operation in enumerate(ruling.order):
        by_issuer[operation.issuer] = by_issuer.get(operation.issuer, 0) | 1 << index
    for index in bits_of(ruling.rights):
        operation = ruling.order[index]
        words = said.get(operation.id)
        if words is None or not isinstance(operation.change, Remove) or not ruling.stands(index, ruling.rights):
            continue
        removed = MemberKey(operation.change.member)
        jury = ruling.view(ruling.rights & ruling.past[index]).seats.keys() - {removed}
        heard = [_named(history, words[member]) for member in jury if member in words]
        if len(jury) < _JURY_MIN or 3 * len(heard) <= 2 * len(jury):
            continue
        theirs = 0
        for member in _with_his_own(ruling, index, removed):
            theirs |= by_issuer.get(member, 0)
        late = 0
        for other in bits_of(theirs & ~(ruling.past[index] | 1 << index)):
            lacking = sum(not named >> other & 1 for named in heard)
            late |= int(3 * lacking > 2 * len(jury)) << other
        yield index, late


def _named(history: History, word: Witness) -> int:
    """What a witness had, as far as it is here."""
    named = 0
    for head in word.heads:
        if head in history.position:
            named |= history.past[head] | 1 << history.position[head]
    return named


def _with_his_own(ruling: Ruling, removal: int, removed: MemberKey) -> set[MemberKey]:
    """The removed one, and those who owe their seats to nobody but him and such as these, by what that removal's
    issuer had not seen."""
    seating: dict[MemberKey, list[int]] = {ruling.order[0].issuer: [0]}
    for index in bits_of(ruling.rights & ~1):
        change = ruling.order[index].change
        if isinstance(change, Add):
            seating.setdefault(MemberKey(change.member), []).append(index)
    unseen = ~ruling.past[removal]
    found = {removed}
    if ruling.order[removal].issuer == removed:
        return found  # leaving makes nobody's seat void
    while True:
        more = {
            member
            for member, by in seating.items()
            if member not in found
            and all(i and unseen >> i & 1 and ruling.signers(i) <= found for i in by)
        }
        if not more:
            return found
        found |= more
