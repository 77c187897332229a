"""Histories of membership in plain values, told one operation after another."""

from __future__ import annotations

from collections.abc import Iterable

from tests.groups.reference import ADMIN, MEMBER, Change, Op, Reference, Roster, Rules, Witness


class Story:
    """Operations and witnesses as they were said. Who says nothing of `after` had everything that was there."""

    def __init__(
        self, founder: str = "a", *, taken: int = 2, quorum: int = 1, contact: bool = False, rules: Rules | None = None
    ) -> None:
        self.rules = rules or Rules()
        self.ops: dict[str, Op] = {}
        self.witnesses: list[Witness] = []
        genesis = Change("genesis", contact=contact, taken=taken, quorum=quorum)
        self.ops["00"] = Op("00", founder, 1, frozenset(), genesis)

    def say(
        self, issuer: str, change: Change, after: Iterable[str] | None = None, seq: int | None = None, salt: str = ""
    ) -> str:
        """One operation; returns its id. `salt` goes in front of the id and so changes the order."""
        heads = self.tips(self.ops if after is None else self.closed(after))
        number = 1 + max((o.seq for o in self.ops.values() if o.issuer == issuer), default=0) if seq is None else seq
        made = Op(f"{salt}{len(self.ops):02}", issuer, number, heads, change)
        self.ops[made.id] = made
        return made.id

    def add(self, by: str, member: str, after: Iterable[str] | None = None, *, role: int = MEMBER) -> str:
        """ADD."""
        return self.say(by, Change("add", member, role), after)

    def remove(self, by: str, member: str, after: Iterable[str] | None = None, *, seq: int | None = None) -> str:
        """REMOVE."""
        return self.say(by, Change("remove", member), after, seq)

    def role(self, by: str, member: str, role: int, after: Iterable[str] | None = None) -> str:
        """ROLE."""
        return self.say(by, Change("role", member, role), after)

    def accuse(self, by: str, member: str, after: Iterable[str] | None = None, *, seq: int | None = None) -> str:
        """ACCUSE."""
        return self.say(by, Change("accuse", member), after, seq)

    def lift(self, by: str, member: str, after: Iterable[str] | None = None) -> str:
        """LIFT."""
        return self.say(by, Change("lift", member), after)

    def confirm(self, by: str, operation: str, after: Iterable[str] | None = None) -> str:
        """CONFIRM."""
        return self.say(by, Change("confirm", operation=operation), after)

    def witness(self, removal: str, *members: str, had: Iterable[str] = ()) -> None:
        """Members say what they had beside the past of the removal."""
        named = frozenset(had) | self.ops[removal].heads
        for member in members:
            self.witnesses.append(Witness(member, removal, named, 50, f"w{len(self.witnesses):02}"))

    def __repr__(self) -> str:
        first = self.ops["00"].change
        lines = [f"taken={first.taken} quorum={first.quorum} contact={first.contact}"]
        for o in self.ops.values():
            c = o.change
            lines.append(f"{o.id} {o.issuer}{o.seq} {c.kind} {c.member}{c.operation} {c.role} after {sorted(o.heads)}")
        lines += [f"{w.member} on {w.removal} had {sorted(w.heads)}" for w in self.witnesses]
        return "\n".join(lines)

    def closed(self, ids: Iterable[str]) -> frozenset[str]:
        """These and their pasts."""
        sets = Reference(self.ops.values())
        return frozenset(ids).union(*(sets.past(i) for i in ids))

    def tips(self, ids: Iterable[str]) -> frozenset[str]:
        """Those that no other of these cites."""
        cited = {head for i in ids for head in self.ops[i].heads}
        return frozenset(i for i in ids if i not in cited)

    def told(self, *, without: Iterable[str] = ()) -> Roster:
        """What it comes to."""
        left_out = frozenset(without)
        return Reference([o for o in self.ops.values() if o.id not in left_out], self.witnesses, self.rules).judged()


def names(roster: Roster) -> str:
    """Who is in, in the order of admission: a* an admin, b+ one who acts as admin, c! one who is quarantined."""
    return " ".join(
        seat.member + "*" * (seat.role == ADMIN) + "+" * seat.acting + "!" * seat.quarantined for seat in roster.seats
    )
