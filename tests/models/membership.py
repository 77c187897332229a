"""The rules of membership, searched: every history of a few operations in a small group, every way to witness.

Members are admins, or some of them, let in one after another by the first. An honest member signs on all that he
has, and only what that gives him the right to; a dishonest one signs the same on any closed past (`deep`: of the
founding, too). Operations come to each honest member in any order that causality and his own operations allow, and
he witnesses each removal with what he then has of the removed one. A dishonest one says the least, the most, or
nothing. The newcomer p says nothing. The judge is the reference, with its rules as they are or broken on purpose.

Left out: messages and clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import combinations, permutations, product

from tests.groups.reference import ADMIN, MEMBER, Change, Op, Roster, Rules, Witness
from tests.models.judging import Known, Memory

Ops = frozenset[Op]
KINDS = ("remove", "add")


@dataclass(frozen=True)
class Found:
    """A counterexample."""

    what: str
    ops: Ops
    witnesses: tuple[Witness, ...]
    roster: Roster

    def __str__(self) -> str:
        lines = [self.what]
        for o in sorted(self.ops, key=lambda o: (len(o.heads), o.id)):
            lines.append(f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member} after {sorted(o.heads)}")
        lines += [f"{w.member} on {w.removal}: {sorted(w.heads)}" for w in self.witnesses]
        return "\n".join([*lines, str(self.roster)])


@dataclass(frozen=True)
class Model:
    """A group of `size`, so many operations after the founding."""

    size: int
    dishonest: str
    length: int
    kinds: tuple[str, ...] = KINDS
    deep: bool = False
    rules: Rules = Rules()  # noqa: RUF009 - frozen
    taken: int = 2
    only_dishonest_accuse: bool = True
    admins: str = "abcd"
    quorum: int = 1

    @cached_property
    def names(self) -> str:
        """Everybody."""
        return "abcd"[: self.size]

    @cached_property
    def honest(self) -> list[str]:
        """Who keeps the rules."""
        return [m for m in self.names if m not in self.dishonest]

    @cached_property
    def base(self) -> tuple[Op, ...]:
        """The founding."""
        made = [Op("0", "a", 1, frozenset(), Change("genesis", taken=self.taken, quorum=self.quorum))]
        for index, member in enumerate(self.names[1:], 1):
            change = Change("add", member, ADMIN if member in self.admins else MEMBER)
            made.append(Op(str(index), "a", index + 1, frozenset({made[-1].id}), change))
            if self.quorum > 1 and index > 1:
                confirm = Change("confirm", operation=str(index))
                made.append(Op(f"{index}b", "b", index, frozenset({str(index)}), confirm))
        return tuple(made)

    @cached_property
    def memory(self) -> Memory:
        """What this search has found out."""
        return Memory()

    def judge(self, ops: Iterable[Op], witnesses: Iterable[Witness] = ()) -> Known:
        """The reference, with these sets; the operations are closed."""
        return Known(ops, witnesses, self.rules, self.memory)

    # -- operations ------------------------------------------------------------------------------------------

    def histories(self) -> Iterator[Ops]:
        """Every set of operations that can come about."""
        seen: set[frozenset[str]] = set()
        todo: list[Ops] = [frozenset(self.base)]
        while todo:
            ops = todo.pop()
            key = frozenset(o.id for o in ops)
            if key in seen:
                continue
            seen.add(key)
            yield ops
            if len(ops) - len(self.base) < self.length:
                todo += [ops | {o} for o in self._next(ops)]

    def _next(self, ops: Ops) -> Iterator[Op]:
        sets = self.judge(ops)
        for past in self._pasts(sets):
            roster = self.judge([sets.ops[i] for i in past]).judged()
            for me in sorted(roster.current & frozenset(self.names)):  # p says nothing
                mine = frozenset(o.id for o in ops if o.issuer == me)
                if me in self.dishonest or mine <= past:
                    yield from self._changes(sets, past, me)

    def _changes(self, sets: Known, past: frozenset[str], me: str) -> Iterator[Op]:
        heads = frozenset(i for i in past if not any(i in sets.ops[j].heads for j in past))
        seq = 1 + max((o.seq for o in sets.ops.values() if o.issuer == me), default=0)
        for kind in self.kinds:
            if kind == "accuse" and self.only_dishonest_accuse and me not in self.dishonest:
                continue
            for change in self._of_kind(kind, me, past):
                made_id = _id_of(f"{me}{seq}{sorted(heads)}{kind}{change.member}{change.operation}")
                made = Op(made_id, me, seq, heads, change)
                whole = self.judge([*(sets.ops[i] for i in past), made])
                if made_id not in whole.judged().rightless:
                    yield made

    def _of_kind(self, kind: str, me: str, past: frozenset[str]) -> Iterator[Change]:
        if kind == "rejoin":
            yield Change(kind)
        elif kind == "confirm":
            yield from (Change(kind, operation=i) for i in sorted(past - {o.id for o in self.base}))
        else:
            for member in "p" if kind == "add" else self.names:
                if member != me or kind == "remove":
                    yield Change("add" if kind == "readd" else kind, member, 1 if kind == "role" else ADMIN)

    def _pasts(self, sets: Known) -> Iterator[frozenset[str]]:
        founding = [o.id for o in self.base]
        later = sorted(set(sets.ops) - set(founding))
        for size in range(len(later) + 1):
            for chosen in combinations(later, size):
                closed = frozenset(chosen).union(*(sets.past(i) for i in chosen))
                if closed - frozenset(founding) != frozenset(chosen):
                    continue
                starts = range(1, len(founding) + 1) if self.deep else [len(founding)]
                yield from {closed | frozenset(founding[:start]) for start in starts}

    # -- witnesses -------------------------------------------------------------------------------------------

    def witnessings(self, ops: Ops) -> Iterator[tuple[Witness, ...]]:
        """Every way to witness: an honest member has witnessed all removals that count, a dishonest one may."""
        sets = self.judge(ops)
        removals = sorted((o for o in ops if o.change.kind == "remove"), key=lambda o: o.id)
        honest = [self._honestly(sets, m, removals) for m in self.honest]
        dishonest = [self._lies(sets, m, r) for m in self.dishonest for r in removals if m != r.change.member]
        for chosen in product(*honest, *dishonest):
            yield tuple(witness for said in chosen for witness in said)

    def _honestly(self, sets: Known, m: str, removals: list[Op]) -> list[tuple[Witness, ...]]:
        """What m says, by every order in which the operations can have come to him."""
        founding = [o.id for o in self.base]
        later = [i for i in sets.ops if i not in founding]
        ways = set()
        for order in permutations(later):
            had = {i: frozenset([*founding, *order[: order.index(i)]]) for i in order}
            if any(not sets.past(i) <= had[i] for i in order):
                continue
            if any(sets.ops[i].issuer == m and had[i] != sets.past(i) for i in order):
                continue
            ways.add(tuple(self._word(sets, m, r, had[r.id]) for r in removals if r.change.member != m))
        # those that differ in nothing that rule 4 asks about are one
        sorts: dict[tuple[frozenset[str], ...], tuple[Witness, ...]] = {}
        for said in sorted(ways, key=lambda said: [sorted(w.heads) for w in said]):
            sorts.setdefault(tuple(self._asked(sets, w) for w in said), said)
        return list(sorts.values())

    def _asked(self, sets: Known, w: Witness) -> frozenset[str]:
        """What a word says of those operations that its removal can make late: others are never asked about."""
        gone, past = sets.ops[w.removal].change.member, sets.past(w.removal)
        return frozenset(i for i in sets.named(w) if i not in past and (self.deep or sets.ops[i].issuer in (gone, "p")))

    def _lies(self, sets: Known, m: str, r: Op) -> list[tuple[Witness, ...]]:
        least, most = self._word(sets, m, r, sets.past(r.id)), self._word(sets, m, r, frozenset(sets.ops))
        return [(), (least,), (most,)] if self._asked(sets, least) != self._asked(sets, most) else [(), (least,)]

    def _word(self, sets: Known, m: str, r: Op, had: frozenset[str]) -> Witness:
        return Witness(m, r.id, frozenset(i for i in had if not any(i in sets.past(j) for j in had)), 9, "w")

    # -- what must hold --------------------------------------------------------------------------------------

    def search(self) -> tuple[int, Found | None]:
        """How many (operations, witnesses) were judged, and the first counterexample."""
        count = 0
        for ops in self.histories():
            for witnesses in self.witnessings(ops):
                count += 1
                sets = self.judge(ops, witnesses)
                roster = sets.judged()
                for what in self._wrong(sets, roster):
                    return count, Found(what, ops, witnesses, roster)
        return count, None

    def _wrong(self, sets: Known, roster: Roster) -> Iterator[str]:
        late = sets.late()
        no = roster.rightless | roster.pending
        removals = [o for o in sets.ops.values() if o.change.kind == "remove" and o.id not in no]
        for o in sets.ops.values():
            strikes = [r for r in removals if r.change.member == o.issuer and r.id != o.id]
            against = [r for r in strikes if o.id not in sets.past(r.id)]
            if o.id in late and all(self._seen(sets, o, r) for r in against):
                yield f"{o.id} is late though more than two thirds, all honest, had it"
            if o.id not in roster.late | roster.rightless | roster.void and any(
                r.id not in late
                and r.issuer != o.issuer
                and self._unseen(sets, o, r)
                and not any(self._unseen(sets, r, q) for q in removals if q.change.member == r.issuer)
                for r in against
            ):
                yield f"{o.id} counts though more than two thirds, all honest, had not had it"
        for r in removals:
            if r.id not in late and r.change.member in roster.inside:
                yield f"{r.change.member} is in again"
        if "p" in roster.inside and all(self._is_void(sets, o, removals) for o in self._additions(sets)):
            yield "p is in by the word of somebody who was being removed"
        liars = roster.inside & frozenset(self.dishonest)
        few = self.only_dishonest_accuse and len(liars) < min(self.taken, len(roster.inside) - 1)
        if few and roster.quarantined & frozenset(self.honest):
            yield "too few quarantine an honest member"
        if self.quorum > 1 and self._alone(sets, roster):
            yield "one admin alone changed something"
        if roster.current and not self._goes_on(sets, roster):
            yield "somebody is current, but nobody can act"

    def _said(self, sets: Known, r: Op) -> list[Witness]:
        return [w for (m, i), w in sets.witnesses.items() if i == r.id and m in self.honest]

    def _seen(self, sets: Known, o: Op, r: Op) -> bool:
        return self._most(sets, r, [w.member for w in self._said(sets, r) if o.id in sets.named(w)])

    def _unseen(self, sets: Known, o: Op, r: Op) -> bool:
        return self._most(sets, r, [w.member for w in self._said(sets, r) if o.id not in sets.named(w)])

    def _most(self, sets: Known, r: Op, members: list[str]) -> bool:
        """Whether they are more than two thirds of those whom nobody had put out there but the removed one (with p if
        r knew of him), two at least, in a group that is more than two thirds honest."""
        before = [sets.ops[i].change for i in sets.past(r.id)]
        there = frozenset(self.names) - {c.member for c in before if c.kind == "remove"}
        if 3 * len(there & frozenset(self.dishonest)) >= len(there):
            return False
        others = there - {r.change.member}
        size = len(others) + any(c.member == "p" for c in before)
        return len(others) > 1 and 3 * len(others & frozenset(members)) > 2 * size

    def _additions(self, sets: Known) -> list[Op]:
        return [o for o in sets.ops.values() if o.change.kind == "add" and o.change.member == "p"]

    def _is_void(self, sets: Known, o: Op, removals: list[Op]) -> bool:
        late = sets.late()
        strikes = [r for r in removals if r.change.member == o.issuer != r.issuer and r.id not in late]
        return any(sets.concurrent(r.id, o.id) for r in strikes)

    def _alone(self, sets: Known, roster: Roster) -> bool:
        """Whether anybody but who left is out, or anybody new is in, with no honest admin behind it, though there were
        two beside him all the time."""
        named = frozenset(o.change.member for o in sets.ops.values() if o.change.kind == "remove")
        there = frozenset(self.names) & frozenset(self.admins) - named
        signers: dict[tuple[str, str], set[str]] = {}
        for o in sets.ops.values():
            if o.change.kind in ("add", "remove"):
                by = {c.issuer for c in sets.ops.values() if c.change.operation == o.id} | {o.issuer}
                signers.setdefault((o.change.kind, o.change.member), set()).update(by)
        done = [("remove", m) for m in frozenset(self.names) - roster.inside]
        done += [("add", "p")] if "p" in roster.inside else []
        for kind, m in done:
            by = signers.get((kind, m), set())  # of who was not there yet in days that somebody cites, nobody
            if by and by.isdisjoint(self.honest) and by != {m} and len(there - {m}) > 1:
                return True
        return False

    def _goes_on(self, sets: Known, roster: Roster) -> bool:
        """Whether the first admin, who has everything, can let somebody in; the others confirm it if need be."""
        heads = frozenset(i for i in sets.ops if not any(i in o.heads for o in sets.ops.values()))
        new: list[Op] = []
        for me in roster.admins[: self.quorum]:
            change = Change("confirm", operation=new[0].id) if new else Change("add", "q")
            new.append(Op(_id_of(f"{me}{sorted(heads)}"), me, 99, heads, change))
            heads = frozenset({new[-1].id})
        then = self.judge([*sets.ops.values(), *new], sets.witnesses.values()).judged()
        return "q" in then.inside


def _id_of(text: str) -> str:
    """Equal ids mean equal operations, in all histories."""
    return "x" + blake2b(text.encode(), digest_size=7).hexdigest()
