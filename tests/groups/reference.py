"""Who is a member, once more: `docs/spec/membership.md` by the sentence, with sets and recursion, as slow as plain.

Shares no code and no types with `chasqui`. Ids, members and operations are plain values; a set of operations is judged
against one guess of what is late, and rule 4 looks for the right guess. `Rules` holds what the searches under
`tests/models/` break on purpose; nothing else sets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MEMBER, ADMIN = 1, 2
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """What an operation says. Which fields count depends on `kind`."""

    kind: str  # genesis, add, remove, role, rejoin, accuse, lift, confirm
    member: str = ""
    role: int = MEMBER
    operation: str = ""
    contact: bool = False
    taken: int = 2
    quorum: int = 1


@dataclass(frozen=True)
class Op:
    """An operation."""

    id: str
    issuer: str
    seq: int
    heads: frozenset[str]
    change: Change


@dataclass(frozen=True)
class Witness:
    """What a member says that it had when it took the removal in: the heads of it; and in which object."""

    member: str
    removal: str
    heads: frozenset[str]
    seq: int
    id: str


@dataclass(frozen=True)
class Seat:
    """A member who is in."""

    member: str
    role: int
    quarantined: bool
    acting: bool


@dataclass(frozen=True)
class Roster:
    """What a set says."""

    seats: tuple[Seat, ...]  # in the linear order of admission
    removed: frozenset[str]
    open: frozenset[str]  # accusations
    counting: frozenset[str]  # those of them that count
    void: frozenset[str]
    pending: frozenset[str]
    late: frozenset[str]
    rightless: frozenset[str]
    admins: tuple[str, ...]  # current ones in the order of rank
    key_packages: tuple[tuple[str, str], ...]  # member, the REJOIN that counts

    @cached_property
    def inside(self) -> frozenset[str]:
        """Members who are in."""
        return frozenset(seat.member for seat in self.seats)

    @cached_property
    def current(self) -> frozenset[str]:
        """Members who are in and not quarantined."""
        return frozenset(seat.member for seat in self.seats if not seat.quarantined)

    @cached_property
    def quarantined(self) -> frozenset[str]:
        """Members who are in and quarantined."""
        return self.inside - self.current


@dataclass(frozen=True)
class Rules:
    """The rules as they are, or broken in one place."""

    witnesses_needed: tuple[int, int] = (2, 3)  # more than this part
    electorate_shrinks: bool = False  # rule 4 counts those who are in by the whole set
    concurrent_is_void: bool = True
    removal_can_be_void: bool = False
    removal_is_for_ever: bool = True
    late_counts: bool = False  # late operations are not taken out
    accusers_needed: int | None = None  # instead of `taken`
    smallest_electorate: int = 2  # rule 4 says nothing with fewer
    departed_count: bool = True  # accusers who are out count as in for the least number of accusers
    newcomers_can_be_late: bool = True  # those who owe their seats to nobody but the removed one
    lifts_need_clean_hands: bool = True
    signers_needed: int | None = None  # instead of `quorum`
    quorum_looks_aside: bool = True  # to the admins that were made meanwhile


class Reference:
    """One set of operations and one of witnesses."""

    def __init__(self, operations: Iterable[Op], witnesses: Iterable[Witness] = (), rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        given = {o.id: o for o in operations}
        self.ops = {i: o for i, o in given.items() if _is_whole(i, given)}
        self.waiting = frozenset(given) - frozenset(self.ops)
        self._past: dict[str, frozenset[str]] = {}
        self._depth: dict[str, int] = {}
        first: dict[tuple[str, str], Witness] = {}
        for witness in sorted(witnesses, key=lambda w: (w.seq, w.id)):
            first.setdefault((witness.member, witness.removal), witness)
        self.witnesses = first

    def past(self, i: str) -> frozenset[str]:
        """Its heads and their pasts."""
        if i not in self._past:
            heads = self.ops[i].heads
            self._past[i] = heads.union(*(self.past(head) for head in heads))
        return self._past[i]

    def concurrent(self, a: str, b: str) -> bool:
        """Neither lies in the past of the other."""
        return a != b and a not in self.past(b) and b not in self.past(a)

    def place(self, i: str) -> tuple[int, str]:
        """Sorts into the linear order."""
        if i not in self._depth:
            self._depth[i] = 1 + max((self.place(head)[0] for head in self.ops[i].heads), default=-1)
        return self._depth[i], i

    def judged(self) -> Roster:
        """What the sets say."""
        late = self.late()
        judge = self.judge(NOTHING if self.rules.late_counts else late)
        return judge.roster(frozenset(self.ops))

    def judge(self, late: frozenset[str]) -> Judge:
        """The other rules, if these are late."""
        return Judge(self, late)

    def late(self) -> frozenset[str]:
        """Rule 4: what is late if only what was found is, and if all that would then be late is, too."""
        found = NOTHING
        while True:
            then = self.late_if(found)
            more = found | then & self.late_if(found | then)  # surely late
            if more == found:
                return found
            found = more

    def late_if(self, late: frozenset[str]) -> frozenset[str]:
        """The rule applied once: what is late if these are."""
        judge = self.judge(late)
        everything = frozenset(self.ops) - late
        return frozenset(
            o.id
            for r in self.ops.values()
            if r.change.kind == "remove" and r.id not in late and judge.held(r.id) and judge.stands(r.id, everything)
            for o in self.ops.values()
            if o.issuer in self._with_his_own(r, judge)
            and o.id != r.id  # a leaving does not make itself late
            and o.id not in self.past(r.id)
            and self._is_outvoted(o, r, judge)
        )

    def _is_outvoted(self, o: Op, r: Op, judge: Judge) -> bool:
        by = frozenset(self.ops) if self.rules.electorate_shrinks else self.past(r.id)
        electorate = judge.roster(by - judge.late).inside - {r.change.member}
        if len(electorate) < self.rules.smallest_electorate:
            return False
        lacking = [
            m
            for m in electorate
            if (said := self.witnesses.get((m, r.id))) is not None
            and said.heads <= self.ops.keys()  # else nobody could cite it
            and o.id not in self.named(said)
        ]
        part, of = self.rules.witnesses_needed
        return of * len(lacking) > part * len(electorate)

    def named(self, witness: Witness) -> frozenset[str]:
        """What a witness had: its heads and their pasts."""
        return witness.heads.union(*(self.past(head) for head in witness.heads))

    def _with_his_own(self, r: Op, judge: Judge) -> frozenset[str]:
        """The removed one, and who owes his seat to nobody but such as these and in ways r does not know of."""
        them = frozenset({r.change.member})
        while self.rules.newcomers_can_be_late and r.issuer != r.change.member:  # leaving makes no seat void
            seating = [o for o in self.ops.values() if o.change.kind in ("genesis", "add") and o.id not in judge.late]
            seating = [o for o in seating if judge.held(o.id)]
            more = them | {
                m
                for m in {_named(o) for o in seating}
                if all(
                    o.change.kind == "add"
                    and o.id not in self.past(r.id)
                    and all(s.issuer in them for s in judge.signatures(o.id, frozenset(self.ops) - judge.late))
                    for o in seating
                    if _named(o) == m
                )
            }
            if more == them:
                break
            them = more
        return them


class Judge:
    """The rules but the fourth, given which operations are late."""

    def __init__(self, sets: Reference, late: frozenset[str]) -> None:
        self.sets, self.ops, self.late, self.rules = sets, sets.ops, late, sets.rules
        self._held: dict[str, bool] = {}
        self._rosters: dict[frozenset[str], Roster] = {}
        self.genesis = next((o for o in self.ops.values() if o.change.kind == "genesis"), None)

    # -- right -----------------------------------------------------------------------------------------------

    def held(self, i: str) -> bool:
        """Whether the issuer held the right by its past alone, late operations taken out."""
        if i not in self._held:
            self._held[i] = self.permits(self.ops[i], self.sets.past(i) - self.late)
        return self._held[i]

    def permits(self, o: Op, past: frozenset[str]) -> bool:
        """Whether the roster that these operations give lets the issuer do this."""
        change, me = o.change, o.issuer
        if change.kind == "genesis":
            return True
        roster = self.roster(past)
        counted = [self.ops[i] for i in past if self.held(i)]
        if self._setting().contact:
            assert self.genesis is not None
            taken_in = any(c.change.kind == "add" for c in counted)
            return change.kind == "add" and me == self.genesis.issuer and not taken_in
        if change.kind == "rejoin":
            return me in roster.inside
        if me not in roster.current:
            return False
        if change.kind == "remove" and change.member == me:
            return True
        if change.kind == "accuse":
            pending = any(self.ops[i].issuer == me for i in roster.open)
            return change.member in roster.inside and change.member != me and not pending
        if me not in roster.admins:
            return False
        if change.kind == "role":
            return change.member in roster.inside and change.member != me
        if change.kind == "lift":
            return change.member != me and any(self.ops[i].change.member == change.member for i in roster.open)
        if change.kind == "confirm":
            return any(
                c.id == change.operation and self.is_change(c) and c.issuer != me and c.change.member != me
                for c in counted
            )
        return change.kind in ("add", "remove")

    def is_change(self, o: Op) -> bool:
        """Whether somebody has to stand behind it."""
        return o.change.kind in ("add", "role", "lift") or (o.change.kind == "remove" and o.change.member != o.issuer)

    def _setting(self) -> Change:
        assert self.genesis is not None
        return self.genesis.change

    # -- behind a change -----------------------------------------------------------------------------------------

    def signatures(self, i: str, among: frozenset[str]) -> list[Op]:
        """The operation itself and everything that confirms it."""
        confirming = [
            self.ops[c]
            for c in among
            if self.ops[c].change.kind == "confirm" and self.ops[c].change.operation == i and self.held(c)
        ]
        return [self.ops[i], *confirming]

    def needed(self, i: str, among: frozenset[str]) -> int:
        """How many must stand behind it: by the admins of its past, and those whom a full quorum has made since, in
        operations that are not after it."""
        admins = frozenset(self.roster(self.sets.past(i) - self.late).admins)
        if self.rules.quorum_looks_aside and self._setting().quorum > 1:
            admins |= self._made_meanwhile(i, among)
        quorum = self.rules.signers_needed or self._setting().quorum
        return max(1, min(quorum, len(admins - {self.ops[i].change.member})))

    def _made_meanwhile(self, i: str, among: frozenset[str]) -> frozenset[str]:
        not_after = frozenset(j for j in among if j != i and i not in self.sets.past(j))
        made = set()
        for j in not_after:
            if self.ops[j].change.kind in ("add", "role") and self.ops[j].change.role == ADMIN:
                signers = {s.issuer for s in self.signatures(j, not_after)}
                before = {s.issuer for s in self.signatures(j, not_after) if s.id in self.sets.past(i)}
                if len(signers) >= self._setting().quorum > len(before):
                    made.add(self.ops[j].change.member)
        return frozenset(made)

    def stands(self, i: str, among: frozenset[str]) -> bool:
        """Whether enough do."""
        if not self.is_change(self.ops[i]):
            return True
        return len({s.issuer for s in self.signatures(i, among)}) >= self.needed(i, among)

    # -- what a set says -----------------------------------------------------------------------------------------

    def roster(self, given: frozenset[str]) -> Roster:
        """Rules 1, 2, 3, 5, 6 and 7 over these operations."""
        given -= self.late
        if given not in self._rosters:
            self._rosters[given] = self._roster(given)
        return self._rosters[given]

    def _roster(self, given: frozenset[str]) -> Roster:
        among = frozenset(i for i in given if self.held(i))
        void = NOTHING
        while True:  # from none, until nothing is added
            now = self._said(among, void, given)
            more = void | self._void(among, void, now)
            if more == void:
                return now
            void = more

    def _void(self, among: frozenset[str], void: frozenset[str], now: Roster) -> frozenset[str]:
        """Rule 2: changes without enough signatures that are not void."""
        changes = [i for i in among if self.ops[i].change.kind in ("add", "role", "lift") and self.stands(i, among)]
        lacking = frozenset(
            i
            for i in changes
            if len({s.issuer for s in self.signatures(i, among) if not self._is_void(s, i, among, void, now)})
            < self.needed(i, among)
        )
        accusations = frozenset(
            i
            for i in among
            if self.ops[i].change.kind == "accuse" and not self.permits(self.ops[i], (self.sets.past(i) & among) - void)
        )
        return lacking | accusations | self._surplus(among)

    def _is_void(self, signature: Op, under: str, among: frozenset[str], void: frozenset[str], now: Roster) -> bool:
        me = signature.issuer
        if self.rules.lifts_need_clean_hands and self.ops[under].change.kind == "lift":
            quarantined, counting = self._strictly(among, void)
            if me in quarantined and any(
                self.ops[i].change.member == me and self.sets.concurrent(i, signature.id) for i in counting
            ):
                return True
        if self.rules.concurrent_is_void:
            for i in among:
                change = self.ops[i].change
                if change.member != me or not self.sets.concurrent(i, signature.id):
                    continue
                if change.kind == "remove" and self.ops[i].issuer != me and self.stands(i, among):
                    return True
                if change.kind == "role" and change.role == MEMBER and self.stands(i, among):
                    return True
                if change.kind == "accuse" and i in now.counting and me in now.quarantined:
                    return True
        return not self.permits(signature, (self.sets.past(signature.id) & among) - void)

    def _strictly(self, among: frozenset[str], void: frozenset[str]) -> tuple[set[str], list[str]]:
        """Who is quarantined, and by which accusations, if LIFTs have no signatures that are concurrent with an
        accusation of their signers."""
        good = [self.ops[i] for i in among if i not in void and self.stands(i, among)]
        accusing = [o for o in good if o.change.kind == "accuse"]
        out = {o.change.member for o in good if o.change.kind == "remove"}
        inside = [_named(o) for o in good if o.change.kind in ("genesis", "add") and _named(o) not in out]
        lifts = []
        for x in good:
            if x.change.kind == "lift":
                clean = {
                    s.issuer
                    for s in self.signatures(x.id, among)
                    if not any(a.change.member == s.issuer and self.sets.concurrent(a.id, s.id) for a in accusing)
                }
                if len(clean) >= self.needed(x.id, among):
                    lifts.append(x)
        counting = self._counting(accusing, lifts, frozenset(out))[1]
        return {m for m in inside if self._is_quarantined(m, counting, inside)}, [a.id for a in counting]

    def _counting(self, accusing: list[Op], lifts: list[Op], out: frozenset[str]) -> tuple[list[Op], list[Op]]:
        """Rule 5: the open accusations, and those of them that count."""
        accused = [
            a
            for a in accusing
            if a.change.member not in out
            and not any(x.change.member == a.change.member and a.id in self.sets.past(x.id) for x in lifts)
        ]
        return accused, [
            a for a in accused if not any(b.issuer == a.issuer and (b.seq, b.id) < (a.seq, a.id) for b in accused)
        ]

    def _surplus(self, among: frozenset[str]) -> frozenset[str]:
        """Rule 7: of several additions to a contact, all but the first."""
        if self.genesis is None or not self.genesis.change.contact:
            return NOTHING
        return frozenset(sorted((i for i in among if self.ops[i].change.kind == "add"), key=self.sets.place)[1:])

    def _said(self, among: frozenset[str], void: frozenset[str], given: frozenset[str]) -> Roster:
        good = sorted((i for i in among if i not in void and self.stands(i, among)), key=self.sets.place)
        ops = [self.ops[i] for i in good]
        removed = frozenset(o.change.member for o in ops if o.change.kind == "remove")  # rule 1
        seating: dict[str, list[Op]] = {}
        for o in ops:
            if o.change.kind in ("genesis", "add"):
                seating.setdefault(_named(o), []).append(o)
        out = removed if self.rules.removal_is_for_ever else self._not_back(ops, removed)
        inside = [m for m in seating if m not in out]
        roles = {m: self._role(m, ops) for m in inside}
        accusing = [o for o in ops if o.change.kind == "accuse"]
        accused, counting = self._counting(accusing, [o for o in ops if o.change.kind == "lift"], out)
        quarantined = {m for m in inside if self._is_quarantined(m, counting, inside)}
        current = [m for m in inside if m not in quarantined]
        admins = sorted((m for m in current if roles[m] == ADMIN), key=lambda m: self._rank(m, ops))
        acting = ""
        if not admins and current:
            free = [
                m
                for m in current
                if not any(
                    a.issuer == m and a.change.member in quarantined and roles[a.change.member] == ADMIN
                    for a in accused
                )
            ]
            acting = (free or current)[0]
            admins = [acting]
        rejoined: dict[str, str] = {}
        for o in ops:
            if o.change.kind == "rejoin":
                rejoined[o.issuer] = o.id
        return Roster(
            tuple(Seat(m, roles[m], m in quarantined, m == acting) for m in inside),
            removed,
            frozenset(a.id for a in accused),
            frozenset(a.id for a in counting),
            void,
            frozenset(i for i in among if not self.stands(i, among)),
            self.late,
            frozenset(given - among),
            tuple(admins),
            tuple(sorted((m, i) for m, i in rejoined.items() if m in inside)),
        )

    def _is_quarantined(self, member: str, counting: list[Op], inside: list[str]) -> bool:
        accusers = {a.issuer for a in counting if a.change.member == member}
        size = len(accusers | set(inside)) if self.rules.departed_count else len(inside)
        taken = self.rules.accusers_needed or self._setting().taken
        return len(accusers) >= max(1, min(taken, size - 1))

    def _not_back(self, ops: list[Op], removed: frozenset[str]) -> frozenset[str]:
        """For a broken rule 1: who was let in after every removal of him is in again."""
        back = {
            o.change.member
            for o in ops
            if o.change.kind == "add"
            and all(
                r.id in self.sets.past(o.id)
                for r in ops
                if r.change.kind == "remove" and r.change.member == o.change.member
            )
        }
        return removed - back

    def _role(self, member: str, ops: list[Op]) -> int:
        """Rule 3: the lowest that those give which no other such one has in its past."""
        giving = [o for o in ops if o.change.kind in ("genesis", "add", "role") and _named(o) == member]
        newest = [o for o in giving if not any(o.id in self.sets.past(p.id) for p in giving)]
        return min(_role_given(o) for o in newest)

    def _rank(self, member: str, ops: list[Op]) -> tuple[int, str]:
        """The first operation that made an admin of him."""
        return min(
            self.sets.place(o.id)
            for o in ops
            if o.change.kind in ("genesis", "add", "role") and _named(o) == member and _role_given(o) == ADMIN
        )


def _is_whole(i: str, given: dict[str, Op]) -> bool:
    o = given.get(i)
    if o is None:
        return False
    return o.change.kind == "genesis" or (bool(o.heads) and all(_is_whole(head, given) for head in o.heads))


def _named(o: Op) -> str:
    return o.issuer if o.change.kind == "genesis" else o.change.member


def _role_given(o: Op) -> int:
    return ADMIN if o.change.kind == "genesis" else o.change.role
