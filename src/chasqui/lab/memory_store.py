"""A store in memory, with the same protocol as the vault's, and with places where it can be told to fail.

Nothing here reads a clock, a disk or a random source: two runs on equal inputs are equal.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator

from chasqui.base.errors import DiskFullError, MachineError
from chasqui.node.store_port import Write, check_write

Fault = Callable[[int], None]  # is given the number of the call, from 1; may raise a MachineError


def fail_at(*calls: int) -> Fault:
    """A fault that says 'disk full' at these calls, counted from 1."""

    def fault(call: int) -> None:
        if call in calls:
            raise DiskFullError("The disk of the lab is full.", safety="Nothing of this write was kept.")

    return fault


class _Space:
    """The keys of one space in order, and their values."""

    __slots__ = ("keys", "values", "version")

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        self.values = values if values is not None else {}
        self.keys = sorted(self.values)
        self.version = 0  # grows whenever keys move

    def set(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self.values.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
                self.version += 1
        else:
            if key not in self.values:
                insort(self.keys, key)
                self.version += 1
            self.values[key] = value

    def bounds(self, start: bytes, end: bytes | None) -> tuple[int, int]:
        low = bisect_left(self.keys, start)
        return low, len(self.keys) if end is None else max(low, bisect_left(self.keys, end))


class MemoryStore:
    """`chasqui.node.store_port.Store` without a disk.

    `before_apply` and `before_commit` are called before each `apply` and `commit` takes effect; if they raise, the open
    transaction is rolled back, as on a real disk. `after_crash` gives what a pulled plug would leave.
    """

    def __init__(self, *, before_apply: Fault | None = None, before_commit: Fault | None = None) -> None:
        self.before_apply = before_apply
        self.before_commit = before_commit
        self.applies = 0
        self.commits = 0
        self._spaces: dict[int, _Space] = {}
        self._undo: list[Write] = []  # what undoes the open transaction, newest last
        self._open = True

    def get(self, space: int, key: bytes) -> bytes | None:
        """The value, or None."""
        self._check_open()
        held = self._spaces.get(space)
        return None if held is None else held.values.get(key)

    def scan(
        self,
        space: int,
        start: bytes = b"",
        end: bytes | None = None,
        *,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end; writes applied between two steps are seen if they lie ahead."""
        self._check_open()
        held = self._spaces.get(space)
        if held is None:
            return
        left = -1 if limit is None else max(limit, 0)
        low, high = held.bounds(start, end)
        keys, values, version = held.keys, held.values, held.version
        while left and low < high:
            key = keys[high - 1 if reverse else low]
            yield key, values[key]
            left -= 1
            self._check_open()
            if held.version == version:
                low, high = (low, high - 1) if reverse else (low + 1, high)
                continue
            version = held.version
            start, end = (start, key) if reverse else (key + b"\0", end)
            low, high = held.bounds(start, end)

    def count(self, space: int, start: bytes = b"", end: bytes | None = None) -> int:
        """How many keys lie in start <= key < end."""
        self._check_open()
        held = self._spaces.get(space)
        if held is None:
            return 0
        low, high = held.bounds(start, end)
        return high - low

    def apply(self, writes: Iterable[Write]) -> None:
        """Adds writes to the open transaction, all or none; see `Store.apply`."""
        self._check_open()
        batch = list(writes)
        for write in batch:
            check_write(write)
        self.applies += 1
        self._run(self.before_apply, self.applies)
        for space, key, value in batch:
            held = self._spaces.setdefault(space, _Space())
            self._undo.append(Write(space, key, held.values.get(key)))
            held.set(key, value)

    def commit(self) -> None:
        """Makes all applied writes part of what `after_crash` keeps; see `Store.commit`."""
        self._check_open()
        self.commits += 1
        self._run(self.before_commit, self.commits)
        self._undo.clear()

    def rollback(self) -> None:
        """Forgets what was applied since the last commit."""
        while self._undo:
            space, key, value = self._undo.pop()
            self._spaces[space].set(key, value)

    def close(self) -> None:
        """Rolls back what is open. May be called more than once."""
        self.rollback()
        self._open = False

    def after_crash(self) -> MemoryStore:
        """A new store with what was committed here and nothing else; this one stays as it is."""
        committed = {space: dict(held.values) for space, held in self._spaces.items()}
        for space, key, value in reversed(self._undo):
            if value is None:
                committed[space].pop(key, None)
            else:
                committed[space][key] = value
        left = MemoryStore(before_apply=self.before_apply, before_commit=self.before_commit)
        left._spaces = {space: _Space(values) for space, values in committed.items()}
        return left

    def _run(self, fault: Fault | None, call: int) -> None:
        if fault is not None:
            try:
                fault(call)
            except BaseException:
                self.rollback()
                raise

    def _check_open(self) -> None:
        if not self._open:
            raise MachineError("The vault is closed.", todo="Open it again.")
