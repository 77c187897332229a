"""Who is a member, once more: from the five rules in words, with sets and recursion, as slow as it is plain.

Shares no code with `chasqui.groups.membership` or `history`; looks only at ids, issuers, heads and changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chasqui.groups.operation import Add, Genesis, GroupKind, Operation, Remove, Role


@dataclass(frozen=True)
class Said:
    """What a set of operations says."""

    members: tuple[tuple[bytes, Role], ...]  # in the order of admission
    counting: frozenset[bytes]
    void: frozenset[bytes]
    removed: frozenset[bytes]
    deferred: frozenset[bytes]


class Reference:
    """One set of operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all: dict[bytes, Operation] = {o.id: o for o in operations}
        self.known = {i for i in self.all if self._complete(i)}
        self._past: dict[bytes, frozenset[bytes]] = {}
        self._right: dict[bytes, bool] = {}
        self._order = sorted(self.known, key=lambda i: (self._depth(i), i))

    def _complete(self, i: bytes) -> bool:
        operation = self.all.get(i)
        if operation is None:
            return False
        if isinstance(operation.change, Genesis):
            return True
        return bool(operation.heads) and all(self._complete(head) for head in operation.heads)

    def _depth(self, i: bytes) -> int:
        return 1 + max((self._depth(head) for head in self.all[i].heads), default=-1)

    def past(self, i: bytes) -> frozenset[bytes]:
        if i not in self._past:
            heads = self.all[i].heads
            self._past[i] = frozenset(heads).union(*(self.past(head) for head in heads))
        return self._past[i]

    def concurrent(self, a: bytes, b: bytes) -> bool:
        return a != b and a not in self.past(b) and b not in self.past(a)

    # -- the rules ------------------------------------------------------------------------------------------

    def had_right(self, i: bytes) -> bool:
        """Rule 1, by what the past of the operation says alone."""
        if i not in self._right:
            self._right[i] = self._judge(self.all[i])
        return self._right[i]

    def _judge(self, operation: Operation) -> bool:
        change = operation.change
        if isinstance(change, Genesis):
            return operation.id == self._order[0]
        seats = self._seats(self.past(operation.id))
        if self._is_contact() and (isinstance(change, Remove) or len(self._let_in(self.past(operation.id))) == 2):
            return False  # rule 5
        role = dict(seats).get(operation.issuer)
        if isinstance(change, Remove) and change.member == operation.issuer:
            return role is not None
        return role is Role.ADMIN

    def _is_contact(self) -> bool:
        founding = self.all[self._order[0]].change
        return isinstance(founding, Genesis) and founding.kind == GroupKind.CONTACT

    def _counting(self, among: frozenset[bytes]) -> list[Operation]:
        return [self.all[i] for i in self._order if i in among and self.had_right(i)]

    def _is_void(self, i: bytes, among: frozenset[bytes]) -> bool:
        """Rule 3 (and 5 where two additions to a contact are concurrent), seen from a set of operations."""
        operation = self.all[i]
        if not isinstance(operation.change, Add):
            return False
        for other in self._counting(among):
            change = other.change
            if isinstance(change, Remove) and change.member == operation.issuer and self.concurrent(other.id, i):
                return True
        let_in_by = [
            other.id
            for other in self._counting(among & self.past(i))
            if (isinstance(other.change, Genesis) and other.issuer == operation.issuer)
            or (isinstance(other.change, Add) and other.change.member == operation.issuer)
        ]
        if all(self._is_void(other, among) for other in let_in_by):
            return True
        if self._is_contact():
            before = among & frozenset(self._order[: self._order.index(i)])
            seated = {
                o.change.member if isinstance(o.change, Add) else o.issuer
                for o in self._counting(before)
                if not isinstance(o.change, Remove) and not self._is_void(o.id, among)
            }
            return len(seated) == 2
        return False

    def _let_in(self, among: frozenset[bytes]) -> list[tuple[bytes, Role]]:
        """Everybody who ever got a seat, in order."""
        found: dict[bytes, Role] = {}
        for operation in self._counting(among):
            change = operation.change
            if isinstance(change, Genesis):
                found.setdefault(operation.issuer, Role.ADMIN)
            elif isinstance(change, Add) and not self._is_void(operation.id, among):
                found.setdefault(change.member, Role(change.role))
        return list(found.items())

    def _removed(self, among: frozenset[bytes]) -> frozenset[bytes]:
        return frozenset(o.change.member for o in self._counting(among) if isinstance(o.change, Remove))

    def _seats(self, among: frozenset[bytes]) -> list[tuple[bytes, Role]]:
        removed = self._removed(among)  # rule 2
        seats = [(member, role) for member, role in self._let_in(among) if member not in removed]
        if seats and all(role is not Role.ADMIN for _, role in seats):
            seats[0] = (seats[0][0], Role.ADMIN)  # rule 4
        return seats

    def said(self) -> Said:
        everything = frozenset(self.known)
        counting = frozenset(o.id for o in self._counting(everything))
        void = frozenset(i for i in counting if self._is_void(i, everything))
        return Said(
            tuple(self._seats(everything)),
            counting - void,
            void,
            self._removed(everything),
            frozenset(self.all) - everything,
        )
