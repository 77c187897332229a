"""Who was lifted and has a new leaf, searched: is he put out without end by fewer than it takes, is an honest commit
ever refused for his sake, and do all judge alike?

A history is a set of accusations, LIFTs, removals and changes of roles. The member has a new leaf on a branch whose
commit cited the LIFTs of him that counted then (M-COM-18); a later commit puts him out for accusations. What it cites
is the product's own where its maker is honest (`grounds_of`, `with_words`, `with_lifts`), and any set that all readers
take where he is not; whether it goes on is `forgets_lifts`. Every closed part of a history is what somebody had: the
maker of the leaf, the maker of the commit, a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import combinations
from typing import cast

import pytest

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.history import arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.witnesses import Witness as RealWitness
from chasqui.node import citing, grounds
from chasqui.node.transaction import Transaction
from tests.groups.reference import MEMBER, Change, Op
from tests.models.histories import as_operation, as_witness, key, object_id
from tests.models.judging import Known
from tests.models.membership import Model
from tests.models.putting_out import GROUP, Sets, without_store

Ids = frozenset[str]


def remembering(patch: pytest.MonkeyPatch) -> None:
    """From now on the product's rules read `Sets`, and what is cited is judged once: equal ids, equal operations."""
    without_store(patch)
    judge, told = citing.cited_roster, dict[tuple[object, ...], Roster]()

    def once(sets: Sets, group: GroupId, cited: Iterable[ObjectId]) -> Roster:
        ids = frozenset(cited)
        here = frozenset(each for each in ids if each in sets.history.position)
        asked = here, sets.witnesses, ids - here if sets.witnesses else None
        if asked not in told:
            told[asked] = judge(cast(Transaction, sets), group, ids)
        return told[asked]

    for module in (citing, grounds):
        patch.setattr(module, "cited_roster", once)


@dataclass(frozen=True)
class Few(Model):
    """Histories in which everything is about two members: `c` and the admin who can lift him."""

    changes: tuple[str, ...] = ("accuse c", "lift c")

    def _of_kind(self, kind: str, me: str, past: frozenset[str]) -> Iterator[Change]:
        if kind == "confirm":
            yield from super()._of_kind(kind, me, past)
        for each in self.changes:
            named, member = each.split()
            if named == kind and member != me:
                yield Change(kind, member, MEMBER)


@dataclass(frozen=True)
class Lifted:
    """A search. Each switch takes a part of the rule away."""

    model: Few
    whom: str = "c"
    off: bool = False  # broken: nobody asks what was lifted
    uncited: bool = False  # broken: a new leaf cites no LIFT
    his_alone: bool = False  # broken: nor that whoever lifted him was lifted himself

    def histories(self) -> Iterator[tuple[Known, tuple[RealWitness, ...]]]:
        """All that is ever said: operations, and what witnesses have."""
        for ops in self.model.histories():
            if not any(o.change.kind == "lift" and o.change.member == self.whom for o in ops):
                continue
            for said in self.model.witnessings(ops):
                words = tuple(replace(w, id=f"w{w.member}{w.removal}"[:16]) for w in said)
                yield self.model.judge(ops, words), tuple(map(as_witness, words))

    def without_end(self) -> tuple[int, str]:
        """Whether fewer than it takes can put him out again and again, when he is current by all that was said: whoever
        is put out with him and is current gets a new leaf each time, too."""
        count = 0
        for known, words in self.histories():
            sets = self._sets(known, known.all, words)
            if key(self.whom) not in sets.roster.current or len(self._accusers(known)) >= self._enough(known):
                continue
            if sets.roster.quarantined:
                continue  # enough stand against somebody, and can make void what he has lifted
            ways = {m: self._way(known, known.all, words, m) for m in self.model.names}
            for cited, gone in self._takeable(known, words, sets.roster.current):
                count += 1
                way = frozenset[ObjectId]().union(*(ways[m] for m in self.model.names if key(m) in gone))
                if not self._forgets(sets, way, cited, gone):
                    return count, f"he is put out without end by {_names(cited)}:\n{_lines(known)}"
        return count, ""

    def honest(self) -> tuple[int, str]:
        """Whether a commit is refused whose maker knows him to be quarantined. All readers say the same (`alike`)."""
        count = 0
        for known, words in self.histories():
            for maker in self._closed(known):
                mine = self._sets(known, maker, words)
                if key(self.whom) not in mine.roster.quarantined:
                    continue
                for way in self._ways(known, maker, words):
                    cited = self._cited(mine, way)
                    count += 1
                    if self._forgets(mine, way, cited, frozenset({key(self.whom)})):
                        return count, f"an honest commit is refused: {_names(cited)} on {_names(way)}:\n{_lines(known)}"
        return count, ""

    def alike(self) -> tuple[int, str]:
        """Whether what one reader takes, another who comes later refuses for ever."""
        count = 0
        for known, words in self.histories():
            for way in self._ways(known, known.all, words):
                for cited, gone in self._takeable(known, words, frozenset(map(key, self.model.names))):
                    needed = self._past(known, cited | way)
                    readers = (had for had in self._closed(known) if needed <= had)
                    count += 1
                    if len({self._forgets(self._sets(known, had, words), way, cited, gone) for had in readers}) > 1:
                        return count, f"readers part: {_names(cited)} on {_names(way)}:\n{_lines(known)}"
        return count, ""

    def _accusers(self, known: Known) -> Ids:
        """Who has accused him by what no LIFT that counts has ended."""
        roster = known.judged()
        no = roster.void | roster.pending | roster.late | roster.rightless
        lifts = [o.id for o in known.ops.values() if o.change.kind == "lift" and o.id not in no]
        ended = frozenset[str]().union(*(known.past(i) for i in lifts if known.ops[i].change.member == self.whom))
        accused = (o for o in known.ops.values() if (o.change.kind, o.change.member) == ("accuse", self.whom))
        return frozenset(o.issuer for o in accused if o.id not in ended)

    def _enough(self, known: Known) -> int:
        return max(1, min(self.model.taken, len(known.judged().inside) - 1))

    # -- what is cited ---------------------------------------------------------------------------------------------

    def _ways(self, known: Known, had: Ids, words: tuple[RealWitness, ...]) -> set[frozenset[ObjectId]]:
        """The LIFTs that the commit of a leaf can have cited, whose maker had a part of this."""
        parts = [part for part in self._closed(known) if part <= had]
        return {way for part in parts if (way := self._way(known, part, words))}

    def _way(self, known: Known, had: Ids, words: tuple[RealWitness, ...], whom: str = "") -> frozenset[ObjectId]:
        """What the commit cites with LIFTs that gives him a leaf when this is known: his REJOIN knows no more."""
        whom = whom or self.whom
        if self.uncited or key(whom) not in self._sets(known, had, words).roster.current:
            return frozenset()
        heads = _tips(known, had)
        rejoin = Op(
            blake2b(f"{whom}{sorted(heads)}".encode(), digest_size=7).hexdigest(), whom, 99, heads, Change("rejoin")
        )
        ops = [*(known.ops[i] for i in had), rejoin]
        history = arrange(map(as_operation, ops))
        sets = Sets(history, members(history, words), words)
        cited = citing.with_lifts(cast(Transaction, sets), GROUP, as_operation(rejoin), sets.roster.current)
        shown = frozenset(map(ObjectId, citing.way_of(history, cited).lifted))
        if self.his_alone:
            shown -= {object_id(i) for i in had if known.ops[i].change.member not in ("", whom)}
        return shown

    def _cited(self, sets: Sets, way: frozenset[ObjectId]) -> frozenset[ObjectId]:
        """What an honest member cites who puts him out, in the words of the product."""
        tx, member = cast(Transaction, sets), key(self.whom)
        return frozenset(citing.with_words(tx, GROUP, grounds.grounds_of(tx, GROUP, sets.roster, member, way)))

    def _takeable(
        self, known: Known, words: tuple[RealWitness, ...], tree: frozenset[MemberKey]
    ) -> Iterator[tuple[frozenset[ObjectId], frozenset[MemberKey]]]:
        """Whatever a commit can cite that puts him out as accused, and that all take by M-COM-2; and whom it puts
        out."""
        sets = self._sets(known, known.all, words)
        later = sorted(known.all - {o.id for o in self.model.base})
        for size in range(1, len(later) + 1):
            for chosen in combinations(later, size):
                cited = frozenset(map(object_id, chosen))
                seen = citing.cited_roster(cast(Transaction, sets), GROUP, cited)
                if key(self.whom) not in seen.quarantined or not cited <= seen.counting:
                    continue
                changes = [known.ops[i].change for i in chosen]
                gone = {key(c.member) for c in changes if c.kind in ("remove", "accuse")} & seen.out
                if key(self.whom) in gone and not (tree - gone) & seen.out:
                    yield cited, frozenset(gone)

    def _forgets(
        self, sets: Sets, way: frozenset[ObjectId], cited: frozenset[ObjectId], gone: frozenset[MemberKey]
    ) -> bool:
        return not self.off and citing.forgets_lifts(cast(Transaction, sets), GROUP, way, cited, gone)

    # -- parts of a history ------------------------------------------------------------------------------------------

    def _closed(self, known: Known) -> list[Ids]:
        founding = frozenset(o.id for o in self.model.base)
        later = sorted(known.all - founding)
        parts = (
            founding | {i for place, i in enumerate(later) if chosen >> place & 1} for chosen in range(1 << len(later))
        )
        return [part for part in parts if all(known.past(i) <= part for i in part)]

    def _past(self, known: Known, cited: frozenset[ObjectId]) -> Ids:
        ids = frozenset(i for i in known.all if object_id(i) in cited)
        return ids.union(*(known.past(i) for i in ids))

    def _sets(self, known: Known, had: Ids, words: tuple[RealWitness, ...]) -> Sets:
        asked = had, words
        if asked not in self._kept:
            history = arrange(as_operation(known.ops[i]) for i in had)
            self._kept[asked] = Sets(history, members(history, words), words)
        return self._kept[asked]

    @cached_property
    def _kept(self) -> dict[tuple[Ids, tuple[RealWitness, ...]], Sets]:
        return {}


def _tips(known: Known, had: Ids) -> Ids:
    return had.difference(*(known.ops[i].heads for i in had))


def _names(cited: frozenset[ObjectId]) -> list[str]:
    return sorted(each.rstrip(b"\0").decode() for each in cited)


def _lines(known: Known) -> str:
    lines = [
        f"{o.id} {o.issuer}{o.seq} {o.change.kind} {o.change.member}{o.change.operation} after {sorted(o.heads)}"
        for o in sorted(known.ops.values(), key=lambda o: known.place(o.id))
    ]
    return "\n".join([*lines, *(f"{w.member} on {w.removal}: {sorted(w.heads)}" for w in known.witnesses.values())])
