"""`members(history)`: who is a member is a pure function of the set of signed operations.

The rules are those of `docs/spec/groups.md`, numbered as there. What they leave to a later build (roles that
change, 'taken', quorum mode, back-dating under receipts) is listed there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.base.limits import OPERATION_HEADS_MAX
from chasqui.groups.history import History
from chasqui.groups.operation import Add, Genesis, GroupKind, Operation, Remove, Role


@dataclass(frozen=True)
class Seat:
    """One member as the operations have it. `since` is the operation that let it in."""

    member: MemberKey
    role: Role
    since: ObjectId


@dataclass(frozen=True)
class Roster:
    """Members in the order of their admission, and what became of the operations."""

    seats: tuple[Seat, ...]
    removals: Mapping[MemberKey, Operation]  # the removal that counts for each member who is out
    counting: frozenset[ObjectId]
    void: frozenset[ObjectId]  # rule 3: shown to people, never silently dropped

    @cached_property
    def members(self) -> frozenset[MemberKey]:
        """The keys of all members."""
        return frozenset(seat.member for seat in self.seats)

    @cached_property
    def admins(self) -> tuple[MemberKey, ...]:
        """Admins by rank: the order of their promotion, the creator first."""
        return tuple(seat.member for seat in self.seats if seat.role is Role.ADMIN)

    def seat(self, member: MemberKey) -> Seat | None:
        """The seat of a member, or None for somebody who is not one."""
        return next((seat for seat in self.seats if seat.member == member), None)


def members(history: History) -> Roster:
    """The roster that a history gives.

    1. An operation counts if its issuer held the right in the roster that the operation's causal past gives.
    2. A removal beats every addition of the same member key; a key never comes back.
    3. An addition that is concurrent with a counting removal of its issuer is void, and so is every addition
       whose issuer owes his seat to void ones only. Removals stand.
    4. Where no admin is left, the member who was let in first is admin.
    5. A contact takes in one other member, and neither grows nor shrinks.
    """
    order = history.order
    rights = _rights(history)
    whole = _view_of(history, rights)
    counting = frozenset(o.id for i, o in enumerate(order) if rights >> i & 1) - whole.void
    return Roster(tuple(whole.standing()), whole.removals, counting, whole.void)


def cites(history: History, issuer: MemberKey) -> tuple[ObjectId, ...]:
    """What the next operation of a member cites: the newest ones whose issuers held the right, sorted.

    Others never count, so leaving them out lets nobody without rights crowd out what matters. Where there are more
    than fit, those come first that have the issuer's own seat in their past, then those that know most.
    """
    order, past = history.order, history.past
    rights = _rights(history)
    covered = seat = 0
    heads: list[int] = []
    for index in reversed(range(len(order))):
        operation = order[index]
        if not rights >> index & 1:
            continue
        if not covered >> index & 1:
            heads.append(index)
        covered |= past[operation.id] | 1 << index
        if not isinstance(operation.change, Remove) and _admission(operation)[0] == issuer:
            seat |= 1 << index

    def rank(index: int) -> tuple[bool, int, ObjectId]:
        known = (past[order[index].id] | 1 << index) & rights
        return not known & seat, -known.bit_count(), order[index].id

    return tuple(sorted(order[index].id for index in sorted(heads, key=rank)[:OPERATION_HEADS_MAX]))


def carries_out(roster: Roster, operation: Operation, present: frozenset[MemberKey]) -> MemberKey | None:
    """Who commits a removal at once among the `present`, who hold the keys of a head; None where nobody is left. The
    others wait for their turns.

    Its issuer; for one who leaves, and where the issuer is out, the admin of highest rank.
    """
    pool = [seat for seat in roster.seats if seat.member in present]
    leaves = isinstance(operation.change, Remove) and operation.change.member == operation.issuer
    ranked = sorted(pool, key=lambda seat: seat.role is not Role.ADMIN)
    issuer = [seat.member for seat in pool if seat.member == operation.issuer and not leaves]
    return next(iter([*issuer, *(seat.member for seat in ranked)]), None)


@dataclass(frozen=True)
class _View:
    """What a part of a history, closed under 'cites', says. `admissions`: the additions that gave a seat."""

    seats: Mapping[MemberKey, Seat]  # in the order of admission, those removed later included
    admissions: Mapping[MemberKey, tuple[int, ...]]
    removals: Mapping[MemberKey, Operation]
    void: frozenset[ObjectId]
    contact: bool

    def standing(self) -> list[Seat]:
        """The members, with the admin whom rule 4 makes."""
        standing = [seat for member, seat in self.seats.items() if member not in self.removals]
        if standing and not any(seat.role is Role.ADMIN for seat in standing):
            standing[0] = Seat(standing[0].member, Role.ADMIN, standing[0].since)
        return standing

    def allows(self, operation: Operation) -> bool:
        """Whether the issuer of an operation on top of all this held the right to it."""
        change = operation.change
        if isinstance(change, Genesis):
            return not self.seats
        if self.contact and (isinstance(change, Remove) or len(self.seats) > 1):
            return False
        own = next((seat for seat in self.standing() if seat.member == operation.issuer), None)
        if own is None:
            return False
        leaves = isinstance(change, Remove) and change.member == operation.issuer
        return leaves or own.role is Role.ADMIN

    def then(self, index: int, operation: Operation) -> _View:
        """With a counting operation that has all this in its past: nothing here is concurrent with it."""
        change = operation.change
        if isinstance(change, Remove):
            member = MemberKey(change.member)
            return self if member in self.removals else replace(self, removals={**self.removals, member: operation})
        member, seat, contact = _admission(operation)
        seats = self.seats if member in self.seats else {**self.seats, member: seat}
        admissions = {**self.admissions, member: (*self.admissions.get(member, ()), index)}
        return replace(self, seats=seats, admissions=admissions, contact=self.contact or contact)


def _rights(history: History) -> int:
    """Bit i: the issuer of order[i] held the right in its causal past (rule 1), whatever happened elsewhere."""
    order, past = history.order, history.past
    rights = 0
    after: dict[ObjectId, _View] = {}  # what the past of an operation and itself say
    genesis = order[0].id if order else None
    for index, operation in enumerate(order):
        heads = tuple(operation.heads)
        before = after[heads[0]] if len(heads) == 1 else _view_of(history, rights & past[operation.id])
        held = before.allows(operation) and (bool(heads) or operation.id == genesis)
        rights |= int(held) << index
        after[operation.id] = before.then(index, operation) if held else before
    return rights


def _view_of(history: History, counting: int) -> _View:
    """What counting operations say together: rules 2, 3 and 5 where some are concurrent."""
    picked = [(index, operation) for index, operation in enumerate(history.order) if counting >> index & 1]
    removing: dict[MemberKey, list[Operation]] = {}
    for _, operation in picked:
        if isinstance(operation.change, Remove):
            removing.setdefault(MemberKey(operation.change.member), []).append(operation)
    seats: dict[MemberKey, Seat] = {}
    admissions: dict[MemberKey, tuple[int, ...]] = {}
    void: set[ObjectId] = set()
    is_contact = False
    for index, operation in picked:
        if isinstance(operation.change, Remove):
            continue
        member, seat, contact = _admission(operation)
        is_contact = is_contact or contact
        if isinstance(operation.change, Add):
            issuer, past = operation.issuer, history.past[operation.id]
            seated = any(past >> admission & 1 for admission in admissions.get(issuer, ()))
            removed = any(history.concurrent(removal.id, operation.id) for removal in removing.get(issuer, ()))
            full = is_contact and len(seats) > 1
            if removed or not seated or full:
                void.add(operation.id)
                continue
        seats.setdefault(member, seat)
        admissions[member] = (*admissions.get(member, ()), index)
    removals = {member: operations[0] for member, operations in removing.items()}
    return _View(seats, admissions, removals, frozenset(void), is_contact)


def _admission(operation: Operation) -> tuple[MemberKey, Seat, bool]:
    """Whom an operation lets in, as what, and whether it founds a contact."""
    change = operation.change
    if isinstance(change, Add):
        member, role, contact = MemberKey(change.member), Role(change.role), False
    else:
        member, role = operation.issuer, Role.ADMIN
        contact = isinstance(change, Genesis) and change.kind == GroupKind.CONTACT
    return member, Seat(member, role, operation.id), contact
