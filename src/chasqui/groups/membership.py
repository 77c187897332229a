"""`members(history)`: who is a member is a pure function of the set of signed operations.

The rules are those of `docs/spec/groups.md`, numbered as there. What they leave to a later build (roles that
change, 'taken', quorum mode, back-dating under receipts) is listed there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chasqui.base.ids import MemberKey, ObjectId
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

    1. An operation counts if its issuer held the right in the operation's causal past.
    2. A removal beats every addition of the same member key; a key never comes back.
    3. An addition that is concurrent with a counting removal of its issuer is void, and so is every addition
       whose issuer owes his seat to a void one. Removals stand.
    4. Where no admin is left, the member who was let in first is admin.
    5. A contact takes in one other member and never grows.
    """
    order = history.order
    rights = _rights(history)
    removals: dict[MemberKey, Operation] = {}
    for index, operation in enumerate(order):
        if isinstance(operation.change, Remove) and rights >> index & 1:
            removals.setdefault(MemberKey(operation.change.member), operation)
    removing = {
        member: [
            operation
            for index, operation in enumerate(order)
            if rights >> index & 1
            and isinstance(operation.change, Remove)
            and operation.change.member == member
        ]
        for member in removals
    }
    seats: dict[MemberKey, Seat] = {}
    void: set[ObjectId] = set()
    for index, operation in enumerate(order):
        change = operation.change
        if not rights >> index & 1 or isinstance(change, Remove):
            continue
        if isinstance(change, Genesis):
            seats[operation.issuer] = Seat(operation.issuer, Role.ADMIN, operation.id)
        elif operation.issuer not in seats or any(
            history.concurrent(removal.id, operation.id) for removal in removing.get(operation.issuer, ())
        ):
            void.add(operation.id)
        else:
            member = MemberKey(change.member)
            seats.setdefault(member, Seat(member, Role(change.role), operation.id))
    standing = [seat for member, seat in seats.items() if member not in removals]
    if standing and not any(seat.role is Role.ADMIN for seat in standing):
        standing[0] = Seat(standing[0].member, Role.ADMIN, standing[0].since)
    counting = frozenset(o.id for i, o in enumerate(order) if rights >> i & 1) - void
    return Roster(tuple(standing), removals, counting, frozenset(void))


def carries_out(roster: Roster, operation: Operation) -> MemberKey | None:
    """Who commits an operation in this build: its issuer; for one who leaves, the admin of highest rank."""
    if isinstance(operation.change, Remove) and operation.change.member == operation.issuer:
        return roster.admins[0] if roster.admins else None
    return operation.issuer


def _rights(history: History) -> int:
    """Bit i: the issuer of order[i] held the right in its causal past (rule 1), whatever happened elsewhere."""
    order = history.order
    rights = 0
    genesis = order[0].id if order else None
    for index, operation in enumerate(order):
        if isinstance(operation.change, Genesis):
            held = operation.id == genesis
        else:
            held = _held_right(history, rights & history.past[operation.id], operation)
        rights |= int(held) << index
    return rights


def _held_right(history: History, counting_past: int, operation: Operation) -> bool:
    issuer, change = operation.issuer, operation.change
    seated: list[tuple[MemberKey, Role]] = []
    gone: set[bytes] = set()
    for earlier in _picked(history.order, counting_past):
        past_change = earlier.change
        if isinstance(past_change, Genesis):
            seated.append((earlier.issuer, Role.ADMIN))
        elif isinstance(past_change, Add):
            seated.append((MemberKey(past_change.member), Role(past_change.role)))
        else:
            gone.add(past_change.member)
    present = [(member, held) for member, held in seated if member not in gone]
    role = next((held for member, held in present if member == issuer), None)
    if role is None or (isinstance(change, Add) and _is_contact(history) and len(seated) > 1):
        return False
    if isinstance(change, Remove) and change.member == issuer:
        return True
    if role is Role.ADMIN:
        return True
    return present[0][0] == issuer and not any(held is Role.ADMIN for _, held in present)


def _is_contact(history: History) -> bool:
    change = history.order[0].change
    return isinstance(change, Genesis) and change.kind == GroupKind.CONTACT


def _picked(order: tuple[Operation, ...], bits: int) -> list[Operation]:
    return [operation for index, operation in enumerate(order) if bits >> index & 1]
