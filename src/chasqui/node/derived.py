"""What follows from the records of a group alone, worked out once until one of these records changes.

A cache and nothing else: every value is a pure function of records under one group's prefix, none holds a secret, none
is ever written down. A step that changes such a record works the value out anew from what it sees; what others see
changes only when that step is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from chasqui.base.ids import ID_BYTES, GroupId
from chasqui.node.records import Space

if TYPE_CHECKING:
    from chasqui.node.transaction import Transaction

T = TypeVar("T")
Fact = tuple[int, bytes]  # a space, and the group of the records in it; empty where they belong to no one group

KEPT_MAX: Final = 4_096  # values: those of some hundred groups
_NOT_BY_GROUP: Final = frozenset({Space.KEY_PACKAGE})
_FOLLOWS: Final[dict[int, list[Follows[Any]]]] = {}  # what follows from each space


class Follows(Generic[T]):
    """A function of a group that reads these spaces and nothing else: not the records of other groups, no time. Its
    value is shared, so nobody may change it."""

    def __init__(self, work: Callable[[Transaction, GroupId], T], spaces: tuple[Space, ...]) -> None:
        self.work = work
        self.spaces = spaces
        for space in spaces:
            _FOLLOWS.setdefault(space, []).append(self)

    def __call__(self, tx: Transaction, group: GroupId) -> T:
        """The value as this step sees it."""
        value: T = tx.derive(self, group)
        return value

    def facts(self, group: GroupId) -> Iterable[Fact]:
        """What the value follows from."""
        return ((space, b"" if space in _NOT_BY_GROUP else group) for space in self.spaces)


def derived(*spaces: Space) -> Callable[[Callable[[Transaction, GroupId], T]], Follows[T]]:
    """Marks a function of a group as one of these spaces alone."""
    return lambda work: Follows(work, spaces)


def fact(space: int, key: bytes) -> Fact | None:
    """What a write to this key changes, if anything follows from it."""
    if space not in _FOLLOWS:
        return None
    return space, b"" if space in _NOT_BY_GROUP else key[:ID_BYTES]


class Derived:
    """Values by what they follow from; those that nobody asked for longest go first."""

    def __init__(self) -> None:
        self._values: dict[tuple[Follows[Any], bytes], Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def of(self, what: Follows[Any], tx: Transaction, group: GroupId) -> Any:
        """The value; the caller knows that this cache is about what the transaction sees."""
        key = what, group
        if key in self._values:
            value = self._values[key] = self._values.pop(key)
            return value
        value = what.work(tx, group)
        self._put(key, value)
        return value

    def assume(self, what: Follows[T], group: GroupId, value: T) -> None:
        """Somebody has worked it out already."""
        self._put((what, group), value)

    def forget(self, changed: Fact) -> None:
        """A record was written."""
        space, group = changed
        if space in _NOT_BY_GROUP:
            for key in [key for key in self._values if space in key[0].spaces]:
                del self._values[key]
            return
        for what in _FOLLOWS[space]:
            self._values.pop((what, group), None)

    def take_over(self, changed: Iterable[Fact], fresh: Derived) -> None:
        """A step is done: what followed from what it changed is forgotten, what it worked out of that is kept."""
        for each in changed:
            self.forget(each)
        for key, value in fresh._values.items():
            self._put(key, value)

    def _put(self, key: tuple[Follows[Any], bytes], value: Any) -> None:
        self._values[key] = value
        while len(self._values) > KEPT_MAX:
            del self._values[next(iter(self._values))]
