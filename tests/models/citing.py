"""What a commit cites, searched: every history of a few operations, every way to witness, every operation carried out.

A commit is judged by what it cites: the operations, the witnesses, and the pasts of both (M-COM-2, M-COM-14). Its maker
has all of a history and is honest: he keeps in the tree whoever is current by all that he has. What must hold: the
operation that he carries out counts by what he cites, and nobody whom he keeps is removed by that. So every reader who
has what is cited says the same, and follows. The judge is the reference; nothing of `chasqui.node` is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.groups.reference import Op, Roster, Witness
from tests.models.judging import Known
from tests.models.membership import Model

Ops = frozenset[Op]
CARRIED_OUT = ("add", "remove", "rejoin")


@dataclass(frozen=True)
class Citing:
    """A search. Each switch takes one rule away."""

    model: Model
    witnesses: bool = True  # that show what is late in the past
    strict: bool = False  # broken: nobody may be kept, either, who is under quarantine by what is cited

    def search(self) -> tuple[int, str]:
        """How many commits were judged, and the first that is wrong."""
        count = 0
        for ops in self.model.histories():
            for said in self.model.witnessings(ops):
                sets = self.model.judge(ops, said)
                roster = sets.judged()
                makers = self._makers(sets) if self.witnesses else {}
                for what in self._carried_out(sets, roster):
                    count += 1
                    cited, words = self.cites(sets, what, makers)
                    wrong = self._wrong(sets, roster, what, cited, words)
                    if wrong:
                        return count, f"{wrong}: {what}\n{_told(sets, said)}"
        return count, ""

    def _carried_out(self, sets: Known, roster: Roster) -> Iterator[Op]:
        """Operations that count and change a tree, but for the founding: nothing is late there, and nobody accused."""
        no = roster.void | roster.pending | roster.late | roster.rightless | {o.id for o in self.model.base}
        yield from (o for i, o in sorted(sets.ops.items()) if i not in no and o.change.kind in CARRIED_OUT)

    # -- the rule ---------------------------------------------------------------------------------------------

    def cites(
        self, sets: Known, what: Op, makers: Mapping[str, frozenset[str]]
    ) -> tuple[frozenset[str], tuple[Witness, ...]]:
        """M-COM-14, written down once more: operations and witnesses."""
        cited = frozenset({what.id})
        words: tuple[Witness, ...] = ()
        while True:
            more = cited
            past = self._past(sets, cited, words)
            if makers:
                making = frozenset(r for r, late in makers.items() if late & past)
                more |= making
                words = tuple(w for (_, r), w in sorted(sets.witnesses.items()) if r in making)
            if more == cited:
                return cited, words
            cited = more

    def _makers(self, sets: Known) -> Mapping[str, frozenset[str]]:
        """Removals, and what was found late by the witnesses of each, whatever became of it then."""
        alone = {r: self._with_words_on(sets, r) for r in {r for _, r in sets.witnesses}}
        makers: dict[str, frozenset[str]] = {}
        found = frozenset[str]()
        while True:
            then = found | sets.late_if(found)
            more = found | then & sets.late_if(then)
            if more == found:
                return makers
            for r, said in alone.items():
                made = (said.late_if(found) | said.late_if(then)) & more - found
                makers[r] = makers.get(r, frozenset()) | made
            found = more

    def _with_words_on(self, sets: Known, removal: str) -> Known:
        return self.model.judge(sets.ops.values(), [w for (_, r), w in sets.witnesses.items() if r == removal])

    def _past(self, sets: Known, cited: frozenset[str], words: tuple[Witness, ...]) -> frozenset[str]:
        heads = frozenset(head for w in words for head in w.heads)
        return (cited | heads).union(*(sets.past(i) for i in cited | heads))

    def judged(self, sets: Known, cited: frozenset[str], words: tuple[Witness, ...]) -> Roster:
        """What a reader takes the roster from."""
        past = self._past(sets, cited, words)
        return self.model.judge([sets.ops[i] for i in past], [w for w in words if w.removal in past]).judged()

    # -- what must hold ---------------------------------------------------------------------------------------

    def _wrong(self, sets: Known, roster: Roster, what: Op, cited: frozenset[str], words: tuple[Witness, ...]) -> str:
        seen = self.judged(sets, cited, words)
        if what.id in seen.void | seen.pending | seen.late | seen.rightless:
            return "what is carried out does not count"
        if roster.current & (seen.removed | (seen.quarantined if self.strict else frozenset())):
            return "somebody is kept who is out by what is cited"
        return ""


def _told(sets: Known, said: tuple[Witness, ...]) -> str:
    lines = [
        f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member} after {sorted(o.heads)}"
        for o in sorted(sets.ops.values(), key=lambda o: sets.place(o.id))
    ]
    return "\n".join([*lines, *(f"{w.member} on {w.removal}: {sorted(w.heads)}" for w in said)])
