"""One step's view of the store: reads through its own writes; nothing leaves it unless the step succeeds."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, EpochId, GroupId
from chasqui.base.limits import RECORD_BYTES_MAX
from chasqui.base.ports import Entropy
from chasqui.base.schema import Body, decode_own, encode
from chasqui.node.derived import Derived, Fact, Follows, fact
from chasqui.node.effects import Effect, Notice, Persist
from chasqui.node.records import Space
from chasqui.node.store_port import StoreReader, Write, prefix_end

T = TypeVar("T", bound=Body)
V = TypeVar("V")


class Transaction:
    """Reads, staged writes and effects of one step. Dropping it undoes the step."""

    def __init__(self, store: StoreReader, now_s: int, entropy: Entropy, known: Derived | None = None) -> None:
        self.now_s = now_s
        self.entropy = entropy
        self.effects: list[Effect] = []
        self.epochs_opened: list[tuple[GroupId, EpochId]] = []
        self.epochs_erased: list[EpochId] = []
        self.bundles_held: list[BundleId] = []
        self.bundles_dropped: list[BundleId] = []
        self.link = ""  # the link that brings what this step takes in
        self.link_known = False  # whether on its other end are people whom the owner chose
        self.frame_ms = 0  # airtime of its largest frame; 0: it came over something fast
        self.signers = 0  # how many will sign for what this step brought or said
        self.retry: set[GroupId] = set()  # groups in which a commit may have waited for what came
        self.retry_refused: set[GroupId] = set()  # groups in which something was refused that may be taken now
        self._store = store
        self._known = known  # what follows from the store as it is; None: nothing is known of it
        self._changed: set[Fact] = set()
        self._fresh = Derived()  # what follows from what was changed here
        self._writes = 0  # from which something follows
        self._began = 0  # of the whole, when this part of it began
        self._staged: dict[int, dict[bytes, bytes | None]] = {}
        self._sorted: dict[int, list[bytes]] = {}

    # -- raw ------------------------------------------------------------------------------------------------

    def get(self, space: int, key: bytes) -> bytes | None:
        """The value as this step sees it."""
        staged = self._staged.get(space)
        if staged is not None and key in staged:
            return staged[key]
        return self._store.get(space, key)

    def put(self, space: Space, key: bytes, value: bytes) -> None:
        """Stages a write."""
        self._stage(space, key, value)

    def erase(self, space: Space, key: bytes) -> None:
        """Stages an erasure."""
        self._stage(space, key, None)

    def erase_prefix(self, space: Space, prefix: bytes) -> None:
        """Stages the erasure of every key with this prefix."""
        for key, _ in list(self.scan_prefix(space, prefix)):
            self.erase(space, key)

    def scan(
        self,
        space: int,
        start: bytes = b"",
        end: bytes | None = None,
        *,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in order, as this step sees them."""
        keys = self._sorted.get(space, [])
        low = bisect_left(keys, start)
        high = len(keys) if end is None else bisect_left(keys, end)
        if low >= high:
            return self._store.scan(space, start, end, limit=limit, reverse=reverse)
        stored = self._store.scan(space, start, end, reverse=reverse)
        return islice(self._merge(space, stored, keys[low:high], reverse), limit)

    def count(self, space: int, start: bytes = b"", end: bytes | None = None) -> int:
        """How many keys lie in start <= key < end."""
        keys = self._sorted.get(space, [])
        low = bisect_left(keys, start)
        if low == len(keys) or (end is not None and keys[low] >= end):
            return self._store.count(space, start, end)
        return sum(1 for _ in self.scan(space, start, end))

    def scan_prefix(self, space: Space, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key begins so."""
        return self.scan(space, prefix, prefix_end(prefix))

    def _stage(self, space: int, key: bytes, value: bytes | None) -> None:
        if value is not None and len(value) > RECORD_BYTES_MAX:
            raise PeerError("Something is too large to be kept.")
        staged = self._staged.setdefault(space, {})
        if key not in staged:
            insort(self._sorted.setdefault(space, []), key)
        staged[key] = value
        changed = fact(space, key)
        if changed is not None:
            self._writes += 1
            self._changed.add(changed)
            self._fresh.forget(changed)

    def _merge(
        self, space: int, stored: Iterator[tuple[bytes, bytes]], keys: list[bytes], reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        staged = self._staged[space]
        pending = sorted(keys, reverse=reverse)
        index = 0
        for key, value in stored:
            while index < len(pending) and (pending[index] > key if reverse else pending[index] < key):
                mine = staged[pending[index]]
                if mine is not None:
                    yield pending[index], mine
                index += 1
            if index < len(pending) and pending[index] == key:
                continue
            yield key, value
        for key in pending[index:]:
            mine = staged[key]
            if mine is not None:
                yield key, mine

    # -- within a step ---------------------------------------------------------------------------------------

    def part(self) -> Transaction:
        """A transaction within this one: dropping it undoes only what was done through it."""
        part = Transaction(self, self.now_s, self.entropy)
        part._began, part.frame_ms = self._writes, self.frame_ms
        return part

    def absorb(self, part: Transaction) -> None:
        """Takes over everything that a part has staged."""
        sees_the_same = self._writes == part._began  # then, what it worked out holds here from now on
        for space, staged in part._staged.items():
            for key, value in staged.items():
                self._stage(space, key, value)
        if sees_the_same:
            part.teach(self._fresh)
        for effect in part.effects:
            if effect not in self.effects:
                self.effects.append(effect)
        self.epochs_opened += part.epochs_opened
        self.epochs_erased += part.epochs_erased
        self.bundles_held += part.bundles_held
        self.bundles_dropped += part.bundles_dropped
        self.signers = max(self.signers, part.signers)
        self.retry |= part.retry
        self.retry_refused |= part.retry_refused

    # -- what follows ----------------------------------------------------------------------------------------

    def derive(self, what: Follows[Any], group: GroupId) -> Any:
        """What follows from the records of a group as this step sees them."""
        if self._changed and not self._changed.isdisjoint(what.facts(group)):
            return self._fresh.of(what, self, group)
        if isinstance(self._store, Transaction):
            return self._store.derive(what, group)
        return what.work(self, group) if self._known is None else self._known.of(what, self, group)

    def assume(self, what: Follows[V], group: GroupId, value: V) -> None:
        """The caller has worked out what follows from the records as they are since it wrote to them."""
        self._fresh.assume(what, group, value)

    def teach(self, known: Derived) -> None:
        """The step is done: what it changed, and what follows from that."""
        known.take_over(self._changed, self._fresh)

    # -- typed ----------------------------------------------------------------------------------------------

    def load(self, space: Space, key: bytes, kind: type[T]) -> T | None:
        """The record, or None."""
        data = self.get(space, key)
        return None if data is None else decode_own(data, kind)

    def save(self, space: Space, key: bytes, record: Body) -> None:
        """Stages a record."""
        self._stage(space, key, encode(record))

    def load_prefix(self, space: Space, prefix: bytes, kind: type[T]) -> Iterator[tuple[bytes, T]]:
        """Records with this prefix; the key without it."""
        cut = len(prefix)
        for key, data in self.scan_prefix(space, prefix):
            yield key[cut:], decode_own(data, kind)

    # -- outcome --------------------------------------------------------------------------------------------

    def notify(self, notice: Notice) -> None:
        """Adds a notice, once."""
        if notice not in self.effects:
            self.effects.append(notice)

    def outcome(self) -> list[Effect]:
        """All effects, the writes first."""
        writes = tuple(
            Write(space, key, value) for space, staged in self._staged.items() for key, value in staged.items()
        )
        return [Persist(writes), *self.effects] if writes else list(self.effects)
