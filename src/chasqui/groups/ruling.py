"""The rules of `docs/spec/membership.md` worked out: rights, what stands, what is void, who is quarantined.

Late operations (rule 4) are taken out before; which those are is decided in `chasqui.groups.late`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.groups.history import History
from chasqui.groups.operation import (
    Accuse,
    Add,
    Confirm,
    Genesis,
    GroupKind,
    Lift,
    Operation,
    Rejoin,
    Remove,
    Role,
    SetRole,
)
from chasqui.groups.view import Accusation, View

_VIEWS_KEPT: Final = 512  # the newest states of so many branches
_Revocable = Add | SetRole | Lift


def bits_of(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending."""
    return (index for index, digit in enumerate(reversed(f"{bits:b}")) if digit == "1")


def first_and_last(confirms: Iterable[Operation]) -> tuple[Operation, ...]:
    """Of what confirms a change, given in the linear order: of each member, the first and the last."""
    confirms = tuple(confirms)
    first: dict[MemberKey, Operation] = {}
    last: dict[MemberKey, Operation] = {}
    for confirm in confirms:
        first.setdefault(confirm.issuer, confirm)
        last[confirm.issuer] = confirm
    kept = {confirm.id for confirm in (*first.values(), *last.values())}
    return tuple(confirm for confirm in confirms if confirm.id in kept)


class Ruling:
    """What the rules say of a history without its late operations."""

    def __init__(self, history: History, late: int = 0) -> None:
        self.order = history.order
        self.past = [history.past[operation.id] for operation in history.order]
        self._position = history.position
        first = self.order[0].change if self.order else None
        self._founded = first if isinstance(first, Genesis) else Genesis(GroupKind.GROUP, 0, "", b"", 0, 1, 1)
        self._contact = self._founded.kind == GroupKind.CONTACT
        self._views: OrderedDict[int, View] = OrderedDict()
        self.confirms: dict[int, list[int]] = {}  # by the change behind which they stand, those with the right
        self._behind: dict[int, frozenset[MemberKey]] = {}  # who may stand behind each change, by its past
        self._promotions: list[int] = []
        self._plain = 0  # changes that have no effect at all once they are void
        self._void_before: dict[int, int] = {}
        self._additions = 0
        self.rights = 0  # bit i: order[i] is not late, and its issuer held the right in its past
        for index, operation in enumerate(self.order):
            if late >> index & 1:
                continue
            before = self.view(self.rights & self.past[index])
            if self._allows(before, index):
                self.rights |= 1 << index
                self._void_before[index] = before.void
                self._note(before, index, operation)

    @property
    def whole(self) -> View:
        """What all operations together say."""
        return self.view(self.rights)

    def view(self, bits: int) -> View:
        """What these operations, all of them with the right, say together."""
        tops: list[int] = []
        rest = bits
        while (found := self._known(rest)) is None:
            top = rest.bit_length() - 1
            if rest & ~(self.past[top] | 1 << top):
                found = self._keep(self._work_out(rest))
                break
            tops.append(top)
            rest ^= 1 << top
        for top in reversed(tops):
            longer = self._then(found, top)
            found = self._keep(longer if longer is not None else self._work_out(found.bits | 1 << top))
        return found

    def stands(self, index: int, bits: int) -> bool:
        """Whether enough admins stand behind a change, void signatures included."""
        needed = self._needed(index, bits)
        return needed < 2 or len({self.order[s].issuer for s in self._signatures(index, bits)}) >= needed

    def signers(self, index: int) -> frozenset[MemberKey]:
        """Who signed under a change, with the right."""
        return frozenset(self.order[s].issuer for s in self._signatures(index, self.rights))

    def role(self, view: View, member: MemberKey) -> Role:
        """The role that the newest operations give to a member."""
        return min(self._role_given(index) for index in view.given[member])

    def _known(self, bits: int) -> View | None:
        if not bits:
            return View(self._founded.taken)
        found = self._views.get(bits)
        if found is not None:
            self._views.move_to_end(bits)
        return found

    def _keep(self, view: View) -> View:
        self._views[view.bits] = view
        if len(self._views) > _VIEWS_KEPT:
            self._views.popitem(last=False)
        return view

    def _note(self, before: View, index: int, operation: Operation) -> None:
        change = operation.change
        if isinstance(change, Confirm):
            self.confirms.setdefault(self._position[ObjectId(change.operation)], []).append(index)
        elif isinstance(change, Add | SetRole | Lift) or (
            isinstance(change, Remove) and change.member != operation.issuer
        ):
            self._behind[index] = before.admins - {MemberKey(change.member)}
            self._additions |= int(isinstance(change, Add)) << index
            promotes = isinstance(change, Add | SetRole) and change.role == Role.ADMIN
            if promotes:
                self._promotions.append(index)
            self._plain |= int(self._founded.quorum == 1 and (promotes or isinstance(change, Add))) << index

    def _needed(self, index: int, bits: int) -> int:
        """How many must stand behind a change: as the admins of its past are, with those whom a full quorum has made
        without being after it."""
        behind, quorum = self._behind.get(index), self._founded.quorum
        if behind is None or quorum < 2:
            return 1
        if len(behind) < quorum:
            behind |= {m for m in self._made_meanwhile(index, bits) if m != self._named(index)}
        return max(1, min(quorum, len(behind)))

    def _made_meanwhile(self, index: int, bits: int) -> Iterator[MemberKey]:
        """Whom a full quorum has made an admin that is not all in the past of a change, and none of it after."""
        for made in self._promotions:
            if made == index or not bits >> made & 1:
                continue
            by = [s for s in self._signatures(made, bits) if s == made or not self.past[s] >> index & 1]
            if self.past[made] >> index & 1 or len({self.order[s].issuer for s in by}) < self._founded.quorum:
                continue
            before = {self.order[s].issuer for s in by if self.past[index] >> s & 1}
            if len(before) < self._founded.quorum:
                yield self._named(made)

    def _named(self, index: int) -> MemberKey:
        change = self.order[index].change
        if isinstance(change, Add | Remove | SetRole | Lift | Accuse):
            return MemberKey(change.member)
        raise AssertionError("an operation that names nobody")

    # -- the right --------------------------------------------------------------------------------------------

    def _allows(self, view: View, index: int) -> bool:
        """Whether the issuer of an operation, on top of these, holds the right to it."""
        issuer, change = self.order[index].issuer, self.order[index].change
        if isinstance(change, Genesis):
            return index == 0
        if self._contact:
            return isinstance(change, Add) and issuer == self.order[0].issuer and not view.bits & self._additions
        if issuer not in view.seats:
            return False
        if isinstance(change, Rejoin):
            return True  # also under quarantine: who is lifted cannot have heard of it
        if issuer in view.quarantined:
            return False
        if isinstance(change, Remove) and change.member == issuer:
            return True
        if isinstance(change, Accuse):
            return change.member in view.seats and all(said.accuser != issuer for said in view.open)
        return issuer in view.admins and self._may_decide(view, index, change)

    def _may_decide(self, view: View, index: int, change: Add | Remove | SetRole | Lift | Confirm) -> bool:
        """What an admin may do, and of whom."""
        if isinstance(change, SetRole):
            return change.member in view.seats
        if isinstance(change, Lift):
            return any(said.target == change.member for said in view.open)
        if isinstance(change, Confirm):
            place = self._position.get(ObjectId(change.operation))
            if place is None or place not in self._behind or not self.past[index] >> place & 1:
                return False
            named, issuer = self.order[place], self.order[index].issuer
            member = named.change.member if isinstance(named.change, Add | Remove | SetRole | Lift) else b""
            return issuer not in (named.issuer, member)
        return True

    # -- one more on top of what is known ---------------------------------------------------------------------

    def _then(self, view: View, index: int) -> View | None:
        """With one more operation that has all of these in its past; None where what was void or not may change."""
        operation, bit = self.order[index], 1 << index
        change, issuer = operation.change, operation.issuer
        longer = replace(view, bits=view.bits | bit)
        if isinstance(change, Genesis):
            return replace(longer, seats={issuer: index}, given={issuer: (index,)}, with_role=frozenset((issuer,)))
        if isinstance(change, Rejoin):
            return replace(longer, rejoins={**view.rejoins, issuer: index})
        if view.suspect:
            return None
        if isinstance(change, Accuse):
            if not self._still_holds(index, view.bits, view.void):
                return None
            longer = replace(longer, open=self._open(longer.open, index))
        elif isinstance(change, Remove) and change.member == issuer:
            longer = self._apply(longer, index)
        else:
            if not isinstance(change, Remove) and not self._still_holds(index, view.bits, view.void):
                return None
            settled = isinstance(change, Remove) or view.bits == self.rights & self.past[index]
            if not settled and not self._allows(view, index):
                return None
            decided = self._decide(view, longer, index, change)
            if decided is None:
                return None
            longer = decided
        same = longer.linear or longer.voiding - {index} == view.voiding
        return longer if same else None

    def _decide(
        self, view: View, longer: View, index: int, change: Add | Remove | SetRole | Lift | Confirm
    ) -> View | None:
        if not isinstance(change, Confirm):
            if self._needed(index, longer.bits) > 1:
                return replace(longer, pending=longer.pending | 1 << index)
            return self._apply(longer, index)
        place = self._position[ObjectId(change.operation)]
        if view.void >> place & 1:
            return None
        if not view.pending >> place & 1 or not self.stands(place, longer.bits):
            return longer
        after = view.bits & ~(self.past[place] | 1 << place)
        if not all(self.past[other] >> place & 1 for other in bits_of(after)):
            return None  # with something it is concurrent
        return self._apply(replace(longer, pending=longer.pending ^ 1 << place), place)

    def _apply(self, view: View, index: int) -> View:
        """With the effect of a change that stands."""
        change = self.order[index].change
        if isinstance(change, Add | SetRole):
            member = MemberKey(change.member)
            given = {**view.given, member: self._newest((*view.given.get(member, ()), index))}
            seats = view.seats
            if isinstance(change, Add) and member not in view.removals:
                seats = {**seats, member: min(index, seats.get(member, index))}
            return self._with_roles(replace(view, given=given, seats=seats), member)
        if isinstance(change, Remove):
            member = MemberKey(change.member)
            removals = {**view.removals, member: min(index, view.removals.get(member, index))}
            seats = {key: since for key, since in view.seats.items() if key != member}
            still = tuple(said for said in view.open if said.target != member)
            return replace(view, removals=removals, seats=seats, open=still, with_role=view.with_role - {member})
        if isinstance(change, Lift):
            past = self.past[index]
            still = tuple(s for s in view.open if s.target != change.member or not past >> s.index & 1)
            return replace(view, open=still)
        raise AssertionError("an operation that is no change")

    def _with_roles(self, view: View, member: MemberKey) -> View:
        admin = member in view.seats and self.role(view, member) is Role.ADMIN
        if admin == (member in view.with_role):
            return view
        return replace(view, with_role=view.with_role | {member} if admin else view.with_role - {member})

    def _newest(self, giving: tuple[int, ...]) -> tuple[int, ...]:
        """Those that no other one of these has in its past, in the linear order."""
        newest: list[int] = []
        covered = 0
        for index in sorted(giving, reverse=True):
            if not covered >> index & 1:
                newest.append(index)
            covered |= self.past[index]
        return tuple(reversed(newest))

    def _open(self, accusations: tuple[Accusation, ...], index: int) -> tuple[Accusation, ...]:
        operation = self.order[index]
        if not isinstance(operation.change, Accuse):
            raise AssertionError("an operation that is no accusation")
        target = MemberKey(operation.change.member)
        return (*accusations, Accusation(operation.seq, operation.id, operation.issuer, target, index))

    def _role_given(self, index: int) -> Role:
        change = self.order[index].change
        return Role(change.role) if isinstance(change, Add | SetRole) else Role.ADMIN

    # -- all at once ------------------------------------------------------------------------------------------

    def _work_out(self, bits: int) -> View:
        """The rules where some are concurrent: rounds of rule 2, until nothing more is void."""
        standing = [i for i in bits_of(bits) if not isinstance(self.order[i].change, Confirm) and self.stands(i, bits)]
        pending = 0
        for index in self._behind.keys() - set(standing):
            pending |= bits & 1 << index
        void = 0
        while True:
            view = self._effects(bits, standing, pending, void)
            more = void | self._voided(view, standing)
            if more == void:
                return view
            void = more

    def _effects(self, bits: int, standing: list[int], pending: int, void: int) -> View:
        """Rules 1, 3, 5 and 6, given what is void."""
        seats: dict[MemberKey, int] = {}
        giving: dict[MemberKey, list[int]] = {}
        removals: dict[MemberKey, int] = {}
        rejoins: dict[MemberKey, int] = {}
        accusing: list[int] = []
        lifts: list[int] = []
        for index in standing:
            operation = self.order[index]
            change = operation.change
            if void >> index & 1:
                continue
            if isinstance(change, Genesis):
                seats[operation.issuer] = index
                giving[operation.issuer] = [index]
            elif isinstance(change, Add | SetRole):
                member = MemberKey(change.member)
                giving.setdefault(member, []).append(index)
                if isinstance(change, Add):
                    seats.setdefault(member, index)
            elif isinstance(change, Remove):
                removals.setdefault(MemberKey(change.member), index)
            elif isinstance(change, Rejoin):
                rejoins[operation.issuer] = index
            elif isinstance(change, Accuse):
                accusing.append(index)
            elif isinstance(change, Lift):
                lifts.append(index)
        clean = [index for index in lifts if self._lifts_cleanly(index, bits, accusing)]
        view = View(
            self._founded.taken,
            bits,
            linear=False,
            seats={member: since for member, since in seats.items() if member not in removals},
            given={member: self._newest(tuple(found)) for member, found in giving.items()},
            removals=removals,
            open=self._still_open(accusing, lifts, removals),
            strictly_open=self._still_open(accusing, clean, removals),
            suspect=any(self._suspects(index, bits, accusing) for index in self._lifts_in(bits)),
            rejoins=rejoins,
            pending=pending,
            void=void,
        )
        return replace(view, with_role=frozenset(m for m in view.seats if self.role(view, m) is Role.ADMIN))

    def _lifts_in(self, bits: int) -> Iterator[int]:
        return (i for i in self._behind if bits >> i & 1 and isinstance(self.order[i].change, Lift))

    def _suspects(self, lift: int, bits: int, accusing: list[int]) -> set[int]:
        """The signatures under a LIFT that are concurrent with an accusation of their signers."""
        return {
            s
            for s in self._signatures(lift, bits)
            if any(
                self._named(a) == self.order[s].issuer and not self.past[s] >> a & 1 and not self.past[a] >> s & 1
                for a in accusing
            )
        }

    def _lifts_cleanly(self, lift: int, bits: int, accusing: list[int]) -> bool:
        """Whether a LIFT stands without the signatures that are concurrent with an accusation of their signers."""
        clean = set(self._signatures(lift, bits)) - self._suspects(lift, bits, accusing)
        return len({self.order[s].issuer for s in clean}) >= self._needed(lift, bits)

    def _still_open(
        self, accusing: list[int], lifts: list[int], removals: dict[MemberKey, int]
    ) -> tuple[Accusation, ...]:
        lifted: dict[MemberKey, int] = {}
        for index in lifts:
            member = self._named(index)
            lifted[member] = lifted.get(member, 0) | self.past[index]
        open_: tuple[Accusation, ...] = ()
        for index in accusing:
            (said,) = self._open((), index)
            if said.target not in removals and not lifted.get(said.target, 0) >> index & 1:
                open_ = (*open_, said)
        return open_

    def _voided(self, view: View, standing: list[int]) -> int:
        """Rule 2: what is void beside what was so far."""
        ends: dict[MemberKey, list[int]] = {}  # what no signature of a member may be concurrent with
        for index in standing:
            change = self.order[index].change
            removes = isinstance(change, Remove) and change.member != self.order[index].issuer
            if removes or (isinstance(change, SetRole) and change.role == Role.MEMBER):
                ends.setdefault(self._named(index), []).append(index)
        for member in view.quarantined:
            ends.setdefault(member, []).extend(said.index for said in view.against[member])
        strictly = view.strictly
        ends_lifts = {member: [said.index for said in strictly.against[member]] for member in strictly.quarantined}
        taken_in = False
        void = 0
        for index in standing:
            change = self.order[index].change
            if isinstance(change, Accuse):
                void |= int(not self._still_holds(index, view.bits, view.void)) << index
            if not isinstance(change, _Revocable):
                continue
            signers = {
                self.order[signature].issuer
                for signature in self._signatures(index, view.bits)
                if not self._ended(signature, ends)
                and not (isinstance(change, Lift) and self._ended(signature, ends_lifts))
                and self._still_holds(signature, view.bits, view.void)
            }
            holds = len(signers) >= self._needed(index, view.bits)
            if self._contact:
                holds, taken_in = holds and not taken_in, taken_in or holds
            void |= int(not holds) << index
        return void

    def _signatures(self, index: int, bits: int) -> Iterator[int]:
        yield index
        yield from (confirm for confirm in self.confirms.get(index, ()) if bits >> confirm & 1)

    def _ended(self, signature: int, ends: dict[MemberKey, list[int]]) -> bool:
        """Whether a signature is concurrent with what ends its signer's rights."""
        past = self.past[signature]
        found = ends.get(self.order[signature].issuer, ())
        return any(not past >> e & 1 and not self.past[e] >> signature & 1 for e in found)

    def _still_holds(self, signature: int, bits: int, void: int) -> bool:
        """Whether its signer holds the right when all that is void is taken out of its past."""
        past = self.past[signature]
        base = bits & past & ~void
        before = self._void_before[signature]
        if before & ~self._plain:
            before = 0  # what is void can still make other things void: the right is settled anew without it
        return base == self.rights & past & ~before or self._allows(self.view(base), signature)
