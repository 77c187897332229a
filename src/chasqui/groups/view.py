"""What a set of operations says at one moment: the working value of `chasqui.groups.ruling`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from chasqui.base.ids import MemberKey, ObjectId

_NOBODY: frozenset[MemberKey] = frozenset()


@dataclass(frozen=True, order=True)
class Accusation:
    """An open accusation. Of one accuser, the first in this order counts."""

    seq: int
    id: ObjectId
    accuser: MemberKey = field(compare=False)
    target: MemberKey = field(compare=False)
    index: int = field(compare=False)


@dataclass(frozen=True)
class View:
    """What some operations say together. Operations are numbered by their place in the linear order; sets of them are
    bits of a whole number."""

    taken: int
    bits: int = 0
    linear: bool = True  # no two of them are concurrent
    seats: Mapping[MemberKey, int] = field(default_factory=dict)  # who is in, and what let it in
    given: Mapping[MemberKey, tuple[int, ...]] = field(default_factory=dict)  # the newest that give the role
    with_role: frozenset[MemberKey] = _NOBODY  # who is in with the role of an admin, quarantined or not
    removals: Mapping[MemberKey, int] = field(default_factory=dict)
    open: tuple[Accusation, ...] = ()
    strictly_open: tuple[Accusation, ...] = ()  # with the LIFTs left out that rule 2 looks away from
    suspect: bool = False  # some LIFT is concurrent with an accusation of who signed it
    rejoins: Mapping[MemberKey, int] = field(default_factory=dict)
    pending: int = 0
    void: int = 0

    @cached_property
    def against(self) -> Mapping[MemberKey, tuple[Accusation, ...]]:
        """The counting accusations, by whom they name."""
        first: dict[MemberKey, Accusation] = {}
        for accusation in self.open:
            known = first.get(accusation.accuser)
            if known is None or accusation < known:
                first[accusation.accuser] = accusation
        named: dict[MemberKey, tuple[Accusation, ...]] = {}
        for accusation in first.values():
            named[accusation.target] = (*named.get(accusation.target, ()), accusation)
        return named

    @cached_property
    def quarantined(self) -> frozenset[MemberKey]:
        """Whom enough accusers name."""
        if not self.open:
            return _NOBODY
        return frozenset(m for m, said in self.against.items() if m in self.seats and self._are_enough(said))

    @cached_property
    def strictly(self) -> View:
        """Without the LIFTs that were signed concurrently with an accusation of their signers."""
        return replace(self, open=self.strictly_open)

    def _are_enough(self, said: tuple[Accusation, ...]) -> bool:
        """Whether so many accusers quarantine. Who is out makes the group no smaller by that."""
        size = len(self.seats.keys() | {accusation.accuser for accusation in said})
        return len(said) >= max(1, min(self.taken, size - 1))

    @cached_property
    def voiding(self) -> frozenset[int]:
        """The accusations with which no signature of a quarantined one may be concurrent."""
        return frozenset(said.index for member in self.quarantined for said in self.against[member])

    @cached_property
    def admins(self) -> frozenset[MemberKey]:
        """The current admins, or who acts as one (rule 3)."""
        current = self.with_role - self.quarantined
        if current:
            return current
        accusers = {said.accuser for said in self.open if said.target in self.quarantined & self.with_role}
        ranked = sorted((m in accusers, index, m) for m, index in self.seats.items() if m not in self.quarantined)
        return frozenset(member for _, _, member in ranked[:1])
