"""Who is to be put out, searched: every history of a few operations, every way to witness, and what the commit cites
that carries it out.

By M-COM-2 a reader goes by what is cited and nothing else. Whoever was removed is put out by his removal; whoever is
quarantined, by the accusations; and whoever was let in by an addition that came to be void, or late, or has too few
admins behind it, by that addition with enough of what shows it. What a commit cites is the product's own (`grounds_of`,
`that_fit`, `with_words`), run on the sets of the search. What must hold is asked of the reference, with what is cited
alone: each operation counts, or is an addition that does not (or a ROLE that shows why); all who are to go are put out
by that, and nobody else; and whoever stays is not removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple, cast

import pytest

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.operation import Operation
from chasqui.groups.witnesses import Witness as RealWitness
from chasqui.node import citing, grounds
from chasqui.node.transaction import Transaction
from tests.groups.reference import Op, Witness
from tests.groups.reference import Roster as Said
from tests.models.histories import as_operation, as_witness, key, object_id
from tests.models.judging import Known
from tests.models.membership import Model, Ops

GROUP = GroupId(bytes(16))


class Sets(NamedTuple):
    """All that a device has, in place of its store."""

    history: History
    roster: Roster
    witnesses: tuple[RealWitness, ...]


def words_of(sets: Sets, _: GroupId, cited: Iterable[ObjectId]) -> tuple[RealWitness, ...]:
    """In place of the product's, which reads the store."""
    ids = frozenset(cited)
    return tuple(word for word in sets.witnesses if word.id in ids and word.removal in ids)


def without_store(patch: pytest.MonkeyPatch) -> None:
    """From now on the product's rules read `Sets`."""
    for module in (citing, grounds):
        patch.setattr(module, "history_of", lambda sets, _: sets.history)
    patch.setattr(citing, "roster_of", lambda sets, _: sets.roster)
    patch.setattr(citing, "witnesses_of", lambda sets, _: sets.witnesses)
    patch.setattr(citing, "words_of", words_of)


@dataclass(frozen=True)
class PuttingOut:
    """A search. Each switch takes a part of the rule away."""

    model: Model
    alone: bool = False  # broken: of what shows that an addition does not count, nothing is cited
    unwitnessed: bool = False  # broken: nor what makes something late
    strict: bool = False  # broken: nobody may be kept, either, who is under quarantine by what is cited
    lasting: bool = False  # broken: only removals that are not late themselves show what is

    def search(self) -> tuple[int, str]:
        """How many commits were judged, and the first that is wrong."""
        count = 0
        for ops in self.model.histories():
            for said in self.model.witnessings(ops):
                for wrong in self._judged(ops, said):
                    count += 1
                    if wrong:
                        return count, wrong
        return count, ""

    def judged(self, ops: Ops, said: tuple[Witness, ...]) -> str:
        """What is first wrong of one history."""
        return next((wrong for wrong in self._judged(ops, said) if wrong), "")

    def _judged(self, ops: Ops, said: tuple[Witness, ...]) -> Iterator[str]:
        words = tuple(replace(w, id=f"w{w.member}{w.removal}"[:16]) for w in said)
        sets = self._sets(frozenset(o.id for o in ops), ops, words)
        known = self.model.judge(ops, words)
        for size in range(1, len(sets.roster.shut_out) + 1):
            for due in combinations(sorted(sets.roster.shut_out), size):  # the others do not sit there any more
                wrong = self._wrong(known, words, sets, due)
                yield f"{wrong}:\n{_lines(known, words)}" if wrong else ""

    def _cited(self, sets: Sets, due: tuple[MemberKey, ...]) -> frozenset[ObjectId]:
        """What the commit cites that puts these out, in the words of the product."""
        tx = cast(Transaction, sets)
        shown = {m: grounds.grounds_of(tx, GROUP, sets.roster, m)[: 1 if self.alone else None] for m in due}
        cited = tuple(each for fit in grounds.that_fit(tx, GROUP, shown).values() for each in fit)
        if self.unwitnessed:
            return frozenset(cited)
        words = citing.with_words(tx, GROUP, cited)
        return frozenset(each for each in words if not self.lasting or each in cited or each not in sets.roster.late)

    def _wrong(self, known: Known, words: tuple[Witness, ...], sets: Sets, due: tuple[MemberKey, ...]) -> str:
        ids = self._cited(sets, due)
        cited = [o for o in known.ops.values() if object_id(o.id) in ids]
        removals = {o.id for o in cited}
        heard = tuple(w for w in words if object_id(w.id) in ids and w.removal in removals)
        past = frozenset(o.id for o in cited).union(*(w.heads for w in heard))
        past = past.union(*(known.past(i) for i in past))
        seen = self.model.judge([known.ops[i] for i in past], [w for w in heard if w.removal in past]).judged()
        put_out = set()
        for o in cited:
            gone = self._puts_out(o, seen)
            if gone is None:
                return f"{o.id} is cited and does not count"
            put_out.add(gone)
        tree = {*sets.roster.current, *due}
        if tree & {key(m) for m in put_out if m} != {*due}:
            return f"{sorted(put_out)} are put out"
        stay = known.judged().current
        if stay & (seen.removed | (seen.quarantined if self.strict else frozenset())):
            return "somebody is kept who is out by what is cited"
        return ""

    def _puts_out(self, o: Op, seen: Said) -> str | None:
        """Whom a reader puts out for it, if anybody; None if he refuses it."""
        change = o.change
        if change.kind == "add" and o.id in seen.void | seen.pending | seen.late and change.member not in seen.inside:
            return change.member
        counts = o.id not in seen.void | seen.pending | seen.late | seen.rightless
        if change.kind == "role" and (counts or o.id in seen.void):
            return ""
        if not counts:  # that others are late can follow from it
            return "" if change.kind in ("remove", "confirm") else None
        if change.kind == "remove" or (change.kind == "accuse" and change.member in seen.quarantined | seen.removed):
            return change.member
        return ""

    # -- as `chasqui` has them ------------------------------------------------------------------------------------

    def _sets(self, ids: frozenset[str], ops: Iterable[Op], words: tuple[Witness, ...]) -> Sets:
        if ids not in self._histories:
            self._histories[ids] = arrange(self._operation(o) for o in ops)
        real = tuple(map(as_witness, words))
        return Sets(self._histories[ids], members(self._histories[ids], real), real)

    def _operation(self, o: Op) -> Operation:
        if o.id not in self._operations:
            self._operations[o.id] = as_operation(o)
        return self._operations[o.id]

    @cached_property
    def _histories(self) -> dict[frozenset[str], History]:
        return {}

    @cached_property
    def _operations(self) -> dict[str, Operation]:
        return {}


def _lines(known: Known, words: tuple[Witness, ...]) -> str:
    lines = [
        f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member}{o.change.operation} after {sorted(o.heads)}"
        for o in sorted(known.ops.values(), key=lambda o: known.place(o.id))
    ]
    return "\n".join([*lines, *(f"{w.member} on {w.removal}: {sorted(w.heads)}" for w in words)])
