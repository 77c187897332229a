"""The reference, asked about very many sets that have much in common: what it said of a set, it says again.

What the rules but the fourth say of some operations follows from these alone and from which of them and of their pasts
are late, if equal ids mean equal operations, as in a search. So answers are kept by that, for all histories at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.groups.reference import NOTHING, Judge, Op, Reference, Roster, Rules, Witness

Ids = frozenset[str]


@dataclass
class Memory:
    """What was found out in one search."""

    past: dict[str, Ids] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    held: dict[tuple[str, Ids], bool] = field(default_factory=dict)
    rosters: dict[tuple[Ids, Ids], Roster] = field(default_factory=dict)
    pasts: dict[Ids, Ids] = field(default_factory=dict)
    judged: dict[tuple[Ids, Ids], Roster] = field(default_factory=dict)
    his_own: dict[tuple[str, Ids, Ids], Ids] = field(default_factory=dict)


class Known(Reference):
    """A set that is closed already, with a memory."""

    def __init__(self, operations: Iterable[Op], witnesses: Iterable[Witness], rules: Rules, memory: Memory) -> None:
        self.rules = rules
        self.ops = {o.id: o for o in operations}
        self.all = frozenset(self.ops)
        self.waiting = NOTHING
        self.memory = memory
        self._past, self._depth = memory.past, memory.depth
        self.witnesses = {(w.member, w.removal): w for w in witnesses}

    def judge(self, late: Ids) -> Judge:
        """With what is known."""
        return _Judge(self, late)

    def late_if(self, late: Ids) -> Ids:
        """The same, without asking about removals of which nothing was said."""
        judge = self.judge(late)
        found = set[str]()
        for removal in {r for _, r in self.witnesses} - late:
            r = self.ops[removal]
            if not judge.held(removal) or not judge.stands(removal, self.all - late):
                continue
            his_own, past = self._his_own(r, judge), self.past(removal)
            found.update(
                o.id
                for o in self.ops.values()
                if o.issuer in his_own and o.id != removal and o.id not in past and self._is_outvoted(o, r, judge)
            )
        return frozenset(found)

    def _his_own(self, r: Op, judge: Judge) -> Ids:
        key = r.id, self.all, judge.late
        if key not in self.memory.his_own:
            self.memory.his_own[key] = self._with_his_own(r, judge)
        return self.memory.his_own[key]

    def judged(self) -> Roster:
        """What the sets say."""
        late = NOTHING if self.rules.late_counts else self.late()
        key = self.all, late
        if key not in self.memory.judged:
            self.memory.judged[key] = replace(self.judge(late).roster(self.all), late=late)
        return self.memory.judged[key]


class _Judge(Judge):
    def __init__(self, sets: Known, late: Ids) -> None:
        super().__init__(sets, late)
        self.memory = sets.memory

    def held(self, i: str) -> bool:
        key = i, self.late & self.sets.past(i)
        if key not in self.memory.held:
            self.memory.held[key] = self.permits(self.ops[i], self.sets.past(i) - self.late)
        return self.memory.held[key]

    def roster(self, given: Ids) -> Roster:
        given -= self.late
        if given not in self.memory.pasts:
            self.memory.pasts[given] = given.union(*(self.sets.past(i) for i in given))
        key = given, self.late & self.memory.pasts[given]
        if key not in self.memory.rosters:
            self.memory.rosters[key] = self._roster(given)
        return self.memory.rosters[key]
