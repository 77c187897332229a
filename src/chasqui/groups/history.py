"""Operations with their causal order: who had seen what when he signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from chasqui.base.ids import ObjectId
from chasqui.groups.operation import Genesis, Operation


@dataclass(frozen=True)
class History:
    """A set of operations closed under 'cites': an operation whose past is not all here waits in `deferred`.

    `order` is a linear extension of the causal order, the same on every device that has the same set.
    """

    order: tuple[Operation, ...]
    deferred: tuple[Operation, ...]
    past: Mapping[ObjectId, int]  # bit i: the operation order[i] lies in the past

    @cached_property
    def position(self) -> Mapping[ObjectId, int]:
        """Where each operation stands in `order`."""
        return {operation.id: index for index, operation in enumerate(self.order)}

    @cached_property
    def heads(self) -> tuple[ObjectId, ...]:
        """Operations that no other one cites, sorted: what the next operation has to cite."""
        cited = {head for operation in self.order for head in operation.heads}
        return tuple(sorted(operation.id for operation in self.order if operation.id not in cited))

    def precedes(self, earlier: ObjectId, later: ObjectId) -> bool:
        """Whether the issuer of `later` had seen `earlier`."""
        return bool(self.past[later] >> self.position[earlier] & 1)

    def concurrent(self, a: ObjectId, b: ObjectId) -> bool:
        """Whether neither issuer had seen the other's operation."""
        return a != b and not self.precedes(a, b) and not self.precedes(b, a)


def arrange(operations: Iterable[Operation]) -> History:
    """Orders a set of operations: by causal depth, then by id. Linear in their number, but for sorting."""
    known = {operation.id: operation for operation in operations}
    depth: dict[ObjectId, int] = {}
    waits = {operation.id: len(operation.heads) for operation in known.values()}
    followers: dict[ObjectId, list[ObjectId]] = {}
    for operation in known.values():
        for head in operation.heads:
            followers.setdefault(head, []).append(operation.id)
    ready = [operation.id for operation in known.values() if isinstance(operation.change, Genesis)]
    while ready:
        placed = ready.pop()
        depth[placed] = 1 + max((depth[head] for head in known[placed].heads), default=-1)
        for follower in followers.get(placed, ()):
            waits[follower] -= 1
            if not waits[follower]:
                ready.append(follower)
    order = tuple(known[i] for i in sorted(depth, key=lambda i: (depth[i], i)))
    position = {operation.id: index for index, operation in enumerate(order)}
    past: dict[ObjectId, int] = {}
    for operation in order:
        bits = 0
        for head in operation.heads:
            bits |= past[head] | 1 << position[head]
        past[operation.id] = bits
    deferred = tuple(known[i] for i in sorted(known) if i not in depth)
    return History(order, deferred, past)
