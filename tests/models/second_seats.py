"""Second seats, searched: two admins let one person in, each with another key, and her device leaves the one that it
does not use.

`p` and `q` are both hers; `a` adds the one and `b` the other, and the admins remove whom they like, on whatever they
have heard. Her device has joined under one key. At any time at which it is current there and knows of the other, it
leaves that, as that member, on all that it has (M-SEA-9, M-SEA-10); it does so once. Everything that others say may
come before or after, unknown to it. Asked of the reference, when all is heard: is she ever there twice, does anybody
else's seat depend on it, and is she out by her own doing?

Left out: who is put out before he can leave (M-SEA-11), keys, and when what comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from tests.groups.reference import ADMIN, MEMBER, Change, Op
from tests.models.judging import Known
from tests.models.membership import Model, Ops

Ids = frozenset[str]
BY = {"p": "a", "q": "b"}


@dataclass(frozen=True)
class Twice(Model):
    """Two admins who add her, and remove anybody."""

    def _of_kind(self, kind: str, me: str, past: Ids) -> Iterator[Change]:
        if kind == "add":
            added = {o for o in "pq" if BY[o] == me}
            yield from (Change("add", key, MEMBER) for key in sorted(added))
        else:
            yield from (Change(kind, member, ADMIN) for member in f"{self.names}pq" if member != me)


@dataclass(frozen=True)
class SecondSeats:
    """A search. Each switch breaks the rule."""

    model: Twice
    stays: bool = False  # broken: she never leaves
    any_of_them: bool = False  # broken: a device that is out under the key that it uses leaves the other, too
    sound: bool = False  # asked more: nor is she out where what let her in came to be void

    def search(self) -> tuple[int, str]:
        """How often she left a seat, and the first time that something is wrong."""
        count = 0
        for ops in self.model.histories():
            added = {o.change.member: o.id for o in ops if o.change.kind == "add" and o.change.member in BY}
            if len(added) < len(BY):
                continue
            sets = self.model.judge(ops)
            for used, other in ("pq", "qp"):
                for had in self._closed(sets):
                    seen = self.model.judge([sets.ops[i] for i in had]).judged().current
                    if not set(added.values()) <= had or other not in seen or (used not in seen) != self.any_of_them:
                        continue
                    count += 1
                    if wrong := self._wrong(sets, ops, had, used, other):
                        return count, f"{wrong}: {used} leaves {other}, knowing {sorted(had)}\n{_lines(sets)}"
        return count, ""

    def _wrong(self, sets: Known, ops: Ops, had: Ids, used: str, other: str) -> str:
        tips = had.difference(*(sets.ops[i].heads for i in had))
        left = Op("left", other, 1, tips, Change("remove", other))
        before = sets.judged()
        after = before if self.stays else Known([*ops, left], (), self.model.rules, type(self.model.memory)()).judged()
        if {used, other} <= after.current:
            return "she is there twice"
        if after.current - {other} != before.current - {other} or after.void != before.void:
            return "somebody else's seat depends on it"
        if other in before.current and used not in after.current:
            wanted_out = used in before.removed
            if self.sound or self.any_of_them or not (wanted_out or self._is_void(sets, used)):
                return "she is out by her own doing"
        return ""

    def _is_void(self, sets: Known, used: str) -> bool:
        added = next(o.id for o in sets.ops.values() if o.change.kind == "add" and o.change.member == used)
        return added in sets.judged().void

    def _closed(self, sets: Known) -> Iterator[Ids]:
        founding = frozenset(o.id for o in self.model.base)
        later = sorted(sets.all - founding)
        for size in range(len(later) + 1):
            for chosen in combinations(later, size):
                part = founding.union(chosen)
                if all(sets.past(i) <= part for i in part):
                    yield part


def _lines(sets: Known) -> str:
    return "\n".join(
        f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member} after {sorted(o.heads)}"
        for o in sorted(sets.ops.values(), key=lambda o: sets.place(o.id))
    )
