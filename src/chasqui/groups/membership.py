"""`members(history, witnesses)`: who is a member is a pure function of two sets that only grow.

The rules are those of `docs/spec/membership.md`, numbered as there; `chasqui.groups.ruling` works them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from chasqui.base.ids import MemberKey, ObjectId
from chasqui.base.limits import OPERATION_HEADS_MAX
from chasqui.groups.history import History
from chasqui.groups.late import ruling_of
from chasqui.groups.operation import Accuse, Add, Genesis, Operation, Remove, Role, SetRole
from chasqui.groups.ruling import Ruling, bits_of, first_and_last
from chasqui.groups.witnesses import Witness


class SeatState(Enum):
    """Whether a member holds its rights."""

    CURRENT = "current"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Seat:
    """One member as the operations have it. `since` is the operation that let it in."""

    member: MemberKey
    role: Role
    since: ObjectId
    state: SeatState = SeatState.CURRENT


@dataclass(frozen=True)
class Roster:
    """Members in the order of their admission, and what became of the operations."""

    seats: tuple[Seat, ...]
    admins: tuple[MemberKey, ...]  # current ones by rank, or who acts as admin
    removals: Mapping[MemberKey, Operation]  # the removal that counts for each member who is out
    accusations: Mapping[MemberKey, tuple[Operation, ...]]  # those that count, by whom they name
    rejoins: Mapping[MemberKey, Operation]  # the one whose key package a member's next leaf is made of
    counting: frozenset[ObjectId]
    void: frozenset[ObjectId]  # rule 2: shown to people, never silently dropped
    pending: frozenset[ObjectId]  # too few admins stand behind them yet
    late: frozenset[ObjectId]  # rule 4
    unseated: Mapping[MemberKey, tuple[Operation, ...]]  # let in by void additions only: these, and what makes them so
    unconfirmed: Mapping[MemberKey, tuple[Operation, ...]]  # by pending additions only: these, and why one is too few
    unwitnessed: Mapping[MemberKey, tuple[Operation, ...]]  # let in by late additions only: these
    confirms: Mapping[ObjectId, tuple[Operation, ...]]  # by the change behind which they stand, in the linear order

    @cached_property
    def members(self) -> frozenset[MemberKey]:
        """The keys of all members, quarantined ones too."""
        return frozenset(seat.member for seat in self.seats)

    @cached_property
    def quarantined(self) -> frozenset[MemberKey]:
        """Members for whom no keys are made."""
        return frozenset(seat.member for seat in self.seats if seat.state is SeatState.QUARANTINED)

    @cached_property
    def current(self) -> frozenset[MemberKey]:
        """Members who hold their rights."""
        return self.members - self.quarantined

    @cached_property
    def barred(self) -> frozenset[MemberKey]:
        """Keys of those who were removed, or were let in by nothing valid: what a commit cites shows that for good."""
        return frozenset(self.removals.keys() | self.unseated.keys())

    @cached_property
    def out(self) -> frozenset[MemberKey]:
        """Keys that no tree may hold: those, and of whoever is quarantined. Of him, what a commit cites may lack who
        lifted him, or who was let in meanwhile, so that more accusers are needed: one that keeps him breaks no rule."""
        return self.barred | self.quarantined

    @cached_property
    def shut_out(self) -> frozenset[MemberKey]:
        """Those, and who was let in by what one admin alone signed where two are needed, or by what is late. What a
        commit cites may lack what everybody has and what makes them members, so one that keeps these breaks no rule."""
        return self.out | self.unconfirmed.keys() | self.unwitnessed.keys()

    @cached_property
    def rightful(self) -> frozenset[ObjectId]:
        """Operations whose issuers held the right, whatever became of them."""
        return self.counting | self.void | self.pending

    def behind(self, change: ObjectId) -> tuple[ObjectId, ...]:
        """A change and what stands behind it: what a commit cites that carries it out. Of one member, who can sign any
        number of confirmations, the first and the last: they are many in no honest group, and have to fit a bundle."""
        return (change, *(confirm.id for confirm in first_and_last(self.confirms.get(change, ()))))

    def grounds(self, member: MemberKey) -> tuple[ObjectId, ...]:
        """What a commit cites that puts out somebody who is shut out."""
        removal = self.removals.get(member)
        if removal is not None:
            return self.behind(removal.id)
        against = self.accusations.get(member) if member in self.quarantined else self.unseated.get(member)
        against = against or self.unconfirmed.get(member) or self.unwitnessed[member]
        return tuple(operation.id for operation in against)

    def seat(self, member: MemberKey) -> Seat | None:
        """The seat of a member, or None for somebody who is not one."""
        return next((seat for seat in self.seats if seat.member == member), None)


def members(history: History, witnesses: Iterable[Witness] = ()) -> Roster:
    """The roster that operations and witnesses give."""
    ruling, late = ruling_of(history, witnesses)
    order, whole = history.order, ruling.whole

    def ids(bits: int) -> frozenset[ObjectId]:
        return frozenset(order[index].id for index in bits_of(bits))

    def seat(member: MemberKey, since: int) -> Seat:
        acts = member in whole.admins or (member in whole.with_role)
        state = SeatState.QUARANTINED if member in whole.quarantined else SeatState.CURRENT
        return Seat(member, Role.ADMIN if acts else Role.MEMBER, order[since].id, state)

    seats = sorted(whole.seats.items(), key=lambda item: item[1])
    removals = sorted(whole.removals.items(), key=lambda item: item[1])
    accusations = {
        member: tuple(order[said.index] for said in sorted(whole.against[member], key=lambda said: said.index))
        for member in sorted(whole.against)
    }
    counting = ruling.rights & ~whole.void & ~whole.pending
    promoted: dict[MemberKey, int] = {}  # rank: what first gave a member the role of an admin
    for index in bits_of(counting):
        member, role = _gives(order[index])
        if role is Role.ADMIN and member is not None:
            promoted.setdefault(member, index)
    void = ids(whole.void)
    seated = whole.seats.keys() | whole.removals.keys()
    confirms = {order[index].id: tuple(order[by] for by in found) for index, found in ruling.confirms.items()}
    unseated = _unseated(history, void, ids(counting), seated, confirms)
    unconfirmed = _unconfirmed(history, ruling, seated | unseated.keys(), confirms)
    return Roster(
        seats=tuple(seat(member, since) for member, since in seats),
        admins=tuple(sorted(whole.admins, key=lambda member: promoted.get(member, len(order)))),
        removals={member: order[index] for member, index in removals},
        accusations=accusations,
        rejoins={member: order[i] for member, i in sorted(whole.rejoins.items()) if member in whole.seats},
        counting=ids(counting),
        void=void,
        pending=ids(whole.pending),
        late=ids(late),
        unseated=unseated,
        unconfirmed=unconfirmed,
        unwitnessed=_unwitnessed([order[i] for i in bits_of(late)], seated | unseated.keys() | unconfirmed.keys()),
        confirms=confirms,
    )


def _unseated(
    history: History,
    void: frozenset[ObjectId],
    counts: frozenset[ObjectId],
    known: AbstractSet[MemberKey],
    confirms: Mapping[ObjectId, tuple[Operation, ...]],
) -> dict[MemberKey, tuple[Operation, ...]]:
    """Who was let in by void additions only, with all that a reader needs to see that they are: what counts (of changes
    of role, that they stand is enough), what most likely shows it first."""
    found: dict[MemberKey, tuple[Operation, ...]] = {}
    for operation in history.order:
        change = operation.change
        if operation.id not in void or not isinstance(change, Add) or change.member in known:
            continue
        against = [
            (other, MemberKey(other.change.member))
            for other in history.order
            if (other.id in counts or (other.id in void and isinstance(other.change, SetRole)))
            and isinstance(other.change, Remove | SetRole | Accuse)
            and history.concurrent(other.id, operation.id)
        ]
        shown = (
            each
            for other in _nearest_first(history, (operation, *confirms.get(operation.id, ())), against)
            for each in (other, *first_and_last(confirms.get(other.id, ())))
        )
        found[MemberKey(change.member)] = tuple(dict.fromkeys((operation, *shown)))
    return found


def _nearest_first(
    history: History, signers: Iterable[Operation], against: list[tuple[Operation, MemberKey]]
) -> list[Operation]:
    """Of operations, each with whom it names: what is against the signers themselves, then what is against those who
    gave these their rights, and so on. Of one member against one other, the second comes after all first ones: nobody
    hides by repetition what others say."""
    givers: dict[MemberKey, set[MemberKey]] = {}
    for operation in history.order:
        to = _gives(operation)[0]
        if to is not None:
            givers.setdefault(to, set()).add(operation.issuer)
    distance: dict[MemberKey, int] = {}
    ring = {signer.issuer for signer in signers}
    while ring:
        distance |= dict.fromkeys(ring, len(distance))
        ring = {giver for member in ring for giver in givers.get(member, ())} - distance.keys()
    times: dict[tuple[MemberKey, MemberKey], int] = {}
    ranked = []
    for place, (operation, named) in enumerate(against):
        said = times[operation.issuer, named] = times.get((operation.issuer, named), -1) + 1
        ranked.append((said, distance.get(named, len(distance)), place, operation))
    return [operation for *_, operation in sorted(ranked, key=lambda entry: entry[:3])]


def _unconfirmed(
    history: History, ruling: Ruling, known: AbstractSet[MemberKey], confirms: Mapping[ObjectId, tuple[Operation, ...]]
) -> dict[MemberKey, tuple[Operation, ...]]:
    """Who was let in only by additions that one admin signed, as if in the days when one was enough, with what shows a
    reader that it is not: what confirmed another admin meanwhile. No other pending addition is ever carried out."""
    found: dict[MemberKey, tuple[Operation, ...]] = {}
    for index in bits_of(ruling.whole.pending):
        operation = history.order[index]
        change = operation.change
        if not isinstance(change, Add) or change.member in known:
            continue
        if ruling.stands(index, ruling.rights & history.past[operation.id] | 1 << index):
            made = (
                by for place, of in confirms.items() if _makes_admin(history, place) for by in first_and_last(of)
            )
            shown = (by for by in made if history.concurrent(by.id, operation.id))
            found[MemberKey(change.member)] = (operation, *shown)
    return found


def _unwitnessed(late: Iterable[Operation], known: AbstractSet[MemberKey]) -> dict[MemberKey, tuple[Operation, ...]]:
    """Who was let in by late additions only. Why these are late, a commit cites anyway."""
    found: dict[MemberKey, tuple[Operation, ...]] = {}
    for operation in late:
        change = operation.change
        if isinstance(change, Add) and change.member not in known:
            found.setdefault(MemberKey(change.member), (operation,))
    return found


def _makes_admin(history: History, change: ObjectId) -> bool:
    made = history.order[history.position[change]].change
    return isinstance(made, Add | SetRole) and made.role == Role.ADMIN


def promotions(history: History, roster: Roster) -> Iterator[frozenset[ObjectId]]:
    """What confirmed each change that made another admin, of each member the first and the last that count: it shows
    that one admin alone was too few for what he signed as if he were the only one."""
    for change, confirms in roster.confirms.items():
        if _makes_admin(history, change):
            yield frozenset(confirm.id for confirm in first_and_last(confirms) if confirm.id in roster.counting)


def cites(history: History, issuer: MemberKey, witnesses: Iterable[Witness] = ()) -> tuple[ObjectId, ...]:
    """What the next operation of a member cites: the newest ones whose issuers held the right, sorted.

    Others never count, so leaving them out lets nobody without rights crowd out what matters. Where there are more
    than fit, those come first that have the issuer's own seat in their past, then those that know most.
    """
    order, past = history.order, history.past
    rights = ruling_of(history, witnesses)[0].rights
    covered = seat = 0
    heads: list[int] = []
    for index in reversed(range(len(order))):
        operation = order[index]
        if not rights >> index & 1:
            continue
        if not covered >> index & 1:
            heads.append(index)
        covered |= past[operation.id] | 1 << index
        seat |= int(_seats(operation, issuer)) << index

    def rank(index: int) -> tuple[bool, int, ObjectId]:
        known = (past[order[index].id] | 1 << index) & rights
        return not known & seat, -known.bit_count(), order[index].id

    return tuple(sorted(order[index].id for index in sorted(heads, key=rank)[:OPERATION_HEADS_MAX]))


def carries_out(roster: Roster, operation: Operation | None, present: frozenset[MemberKey]) -> MemberKey | None:
    """Who commits a removal, or with None a quarantine, at once among the `present`, who hold the keys of a head; None
    where nobody is left. The others wait for their turns.

    A removal: whoever confirmed it last, as the first who knows that it stands; else its issuer. For one who leaves or
    is quarantined, and where these are out: the admin of highest rank, else who was let in first.
    """
    pool = [seat.member for seat in roster.seats if seat.member in present and seat.member in roster.current]
    ranked = [admin for admin in roster.admins if admin in pool] + pool
    if operation is not None and not _leaves(operation):
        signers = (operation, *roster.confirms.get(operation.id, ()))
        ranked = [by.issuer for by in reversed(signers) if by.issuer in pool] + ranked
    return next(iter(ranked), None)


def _leaves(operation: Operation) -> bool:
    return isinstance(operation.change, Remove) and operation.change.member == operation.issuer


def _gives(operation: Operation) -> tuple[MemberKey | None, Role]:
    """To whom an operation gives a role, and which."""
    change = operation.change
    if isinstance(change, Add | SetRole):
        return MemberKey(change.member), Role(change.role)
    return operation.issuer if isinstance(change, Genesis) else None, Role.ADMIN


def _seats(operation: Operation, member: MemberKey) -> bool:
    """Whether an operation lets that member in."""
    change = operation.change
    if isinstance(change, Add):
        return change.member == member
    return isinstance(change, Genesis) and operation.issuer == member
