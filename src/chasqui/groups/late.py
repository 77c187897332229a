"""Rule 4 of membership: what is so late that it cannot be anything but back-dated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import Add, Remove
from chasqui.groups.ruling import Ruling, bits_of, first_and_last
from chasqui.groups.witnesses import Witness, counting

_JURY_MIN: Final = 2  # one alone says nothing: he may be the one who lies
_Said = Mapping[ObjectId, Mapping[MemberKey, Witness]]


@dataclass(frozen=True)
class MadeLate:
    """What is late by the witnesses of one removal."""

    behind: tuple[ObjectId, ...]  # the removal, and what confirms it
    late: int  # bits


def ruling_of(history: History, witnesses: Iterable[Witness]) -> tuple[Ruling, int]:
    """What the rules say of a history, and the bits of the operations that are late.

    Which are late depends on which are not. Beginning with none, what is late both if only what was found is and if
    all that would then be late is too, is found; until nothing more is found.
    """
    ruling, late, _ = _work_out(history, counting(witnesses))
    return ruling, late


def makers_of_late(history: History, witnesses: Iterable[Witness]) -> tuple[MadeLate, ...]:
    """The removals by whose witnesses something is late. Such a removal may be late itself, or have lost its right:
    what was found by it before that was known stays late."""
    return _work_out(history, counting(witnesses))[2]


def _work_out(history: History, said: _Said) -> tuple[Ruling, int, tuple[MadeLate, ...]]:
    ruling = Ruling(history)
    late = 0
    makers: list[MadeLate] = []
    while said:
        at_least = list(_made_late(history, ruling, said))
        at_most = late | _all(at_least)
        if at_most == late:
            break
        as_well = list(_made_late(history, Ruling(history, at_most), said))
        found = at_most & (late | _all(as_well))
        if found == late:
            break
        makers += [made for made in (*at_least, *as_well) if made.late & found & ~late]
        late, ruling = found, Ruling(history, found)
    return ruling, late, tuple(makers)


def _all(makers: Iterable[MadeLate]) -> int:
    late = 0
    for made in makers:
        late |= made.late
    return late


def _made_late(history: History, ruling: Ruling, said: _Said) -> Iterator[MadeLate]:
    """The removals that are witnessed, and what each would make late if exactly those were late that this ruling
    leaves out."""
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
        said_here = (words[member] for member in jury if member in words)
        heard = [_named(history, word) for word in said_here if is_whole(history, word)]
        if len(jury) < _JURY_MIN or 3 * len(heard) <= 2 * len(jury):
            continue
        theirs = 0
        for member in _with_his_own(ruling, index, removed):
            theirs |= by_issuer.get(member, 0)
        late = 0
        for other in bits_of(theirs & ~(ruling.past[index] | 1 << index)):
            lacking = sum(not named >> other & 1 for named in heard)
            late |= int(3 * lacking > 2 * len(jury)) << other
        if late:
            confirms = first_and_last(history.order[by] for by in ruling.confirms.get(index, ()))
            yield MadeLate((operation.id, *(confirm.id for confirm in confirms)), late)


def is_whole(history: History, word: Witness) -> bool:
    """Whether all is here that a witness names. A word that names what is not here counts for nothing yet: no commit
    could cite it, and its maker would go by what no reader can see."""
    return all(head in history.position for head in word.heads)


def _named(history: History, word: Witness) -> int:
    """What a witness had."""
    named = 0
    for head in word.heads:
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
