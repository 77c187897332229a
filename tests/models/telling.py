"""Who was removed elsewhere is told, searched: every history of a few operations, whatever the teller has of it, and
whatever he has who is told.

The rule (M-TEL-2): he is told the removal that counts, or the accusations by those who did not know that others were
enough, what stands behind it, and the past of both, without what the REJOIN cites under whose key package it is sealed.
`untold` is the product's own, and so is `members`, which says what the teller knows and what he who is told then makes
of it. What must hold, in the words of the reference: he is out by what he had and was told (M-TEL-3); and nothing was
told that somebody signed who had taken in that he was out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chasqui.base.ids import MemberKey
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.operation import Operation
from chasqui.node.telling import untold
from tests.groups.reference import Op
from tests.models.histories import as_operation, key, object_id
from tests.models.judging import Known
from tests.models.membership import Model

Ids = frozenset[str]


@dataclass(frozen=True)
class Telling:
    """A search. Each switch takes a part of the rule away."""

    model: Model
    whom: str = "c"
    alone: bool = False  # broken: without the past of the removal
    all_known: bool = False  # broken: whatever the teller has
    all_accusers: bool = False  # broken: accusations by those who knew that he was out, too

    def search(self) -> tuple[int, str]:
        """How often somebody was told, and the first time that it was wrong."""
        count = 0
        for ops in self.model.histories():
            rejoins = [o for o in ops if o.change.kind == "rejoin"]
            if len(rejoins) != 1 or rejoins[0].issuer != self.whom:
                continue
            sets = self.model.judge(ops)
            mine = frozenset(o.id for o in ops if o.issuer == self.whom)
            known = [past for past in self._closed(sets) if rejoins[0].id in past]
            for teller in known:
                told = self._told(sets, teller, rejoins[0])
                if told is None:
                    continue
                for his in known:
                    if mine <= his and self.whom in self._judged(sets, his):
                        count += 1
                        if wrong := self._wrong(sets, his, told, rejoins[0]):
                            return count, f"{wrong}: {_lines(sets, teller, his, told)}"
        return count, ""

    def _closed(self, sets: Known) -> Iterator[Ids]:
        founding = frozenset(o.id for o in self.model.base)
        later = [i for i in sets.ops if i not in founding]
        for chosen in range(1 << len(later)):
            past = founding | {i for place, i in enumerate(later) if chosen >> place & 1}
            if all(sets.past(i) <= past for i in past):
                yield past

    def _told(self, sets: Known, teller: Ids, rejoin: Op) -> Ids | None:
        """What he is told by who has this much, in the words of the product; None if nothing is to be told."""
        history, roster = self._seen(sets, teller)
        removal = roster.removals.get(key(self.whom))
        if not _is_out(roster, key(self.whom)) or (removal is not None and removal.issuer == key(self.whom)):
            return None
        said = untold(history, roster, key(self.whom), bytes(32))
        names = {object_id(i): i for i in teller}
        told = frozenset(names[o.id] for o in said or ())
        grounds = frozenset(names[i] for i in roster.grounds(key(self.whom)))
        if self.alone:
            told &= grounds
        if self.all_accusers:
            told = grounds.union(*map(sets.past, grounds)) - sets.past(rejoin.id)
        return teller - sets.past(rejoin.id) if self.all_known else told

    def _wrong(self, sets: Known, his: Ids, told: Ids, rejoin: Op) -> str:
        if not _is_out(self._seen(sets, his | told)[1], key(self.whom)):
            return "he does not know that he is out"
        if told & sets.past(rejoin.id):
            return "he is told what he has"
        if any(self.whom not in self._judged(sets, sets.past(i)) for i in told):
            return "he is told what was said when he was known to be out"
        return ""

    def _judged(self, sets: Known, past: Ids) -> Ids:
        """Who is in and not quarantined, by the reference."""
        return self.model.judge([sets.ops[i] for i in past]).judged().current

    # -- as `chasqui` has them ------------------------------------------------------------------------------------

    def _seen(self, sets: Known, known: Ids) -> tuple[History, Roster]:
        if known not in self._rosters:
            history = arrange(self._operation(sets.ops[i]) for i in known)
            self._rosters[known] = history, members(history)
        return self._rosters[known]

    def _operation(self, o: Op) -> Operation:
        if o.id not in self._operations:
            self._operations[o.id] = as_operation(o)
        return self._operations[o.id]

    @cached_property
    def _rosters(self) -> dict[Ids, tuple[History, Roster]]:
        return {}

    @cached_property
    def _operations(self) -> dict[str, Operation]:
        return {}


def _is_out(roster: Roster, member: MemberKey) -> bool:
    return member in roster.removals.keys() | roster.quarantined


def _lines(sets: Known, teller: Ids, his: Ids, told: Ids) -> str:
    lines = [
        f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member}{o.change.operation} after {sorted(o.heads)}"
        for o in sorted(sets.ops.values(), key=lambda o: sets.place(o.id))
    ]
    return "\n".join([*lines, f"teller {sorted(teller)}", f"he {sorted(his)}", f"told {sorted(told)}"])
