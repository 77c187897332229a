"""Rule 4 of membership: what is so late that it cannot be anything but back-dated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import Remove
from chasqui.groups.ruling import Ruling, bits_of
from chasqui.groups.witnesses import Witness, counting

_Said = Mapping[ObjectId, Mapping[MemberKey, Witness]]


def ruling_of(history: History, witnesses: Iterable[Witness]) -> tuple[Ruling, int]:
    """What the rules say of a history, and the bits of the operations that are late.

    Which are late depends on which are not. Beginning with none, what is late both if only what was found so far is
    and if all that would then be late is too, is found; until nothing more is found.
    """
    said = counting(witnesses)
    ruling = Ruling(history)
    late = 0
    while said:
        at_most = _late(ruling, said)
        if at_most == late:
            break
        found = late | at_most & _late(Ruling(history, at_most), said)
        if found == late:
            break
        late, ruling = found, Ruling(history, found)
    return ruling, late


def _late(ruling: Ruling, said: _Said) -> int:
    """What would be late if exactly those were late that this ruling leaves out."""
    late = 0
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
        heard = [words[member].numbers for member in jury if member in words]
        if 3 * len(heard) <= 2 * len(jury):
            continue
        for other in bits_of(by_issuer.get(removed, 0) & ~(ruling.past[index] | 1 << index)):
            lacking = sum(ruling.order[other].seq not in numbers for numbers in heard)
            late |= int(3 * lacking > 2 * len(jury)) << other
    return late
