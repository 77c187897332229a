"""What the node asks of a store: ordered keys in spaces, one transaction, one writer.

Both the vault's store (`chasqui.store`) and the lab's in-memory store pass one conformance suite
(`tests/store/conformance.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class Write(NamedTuple):
    """Sets `key` in `space` to `value`, or erases it where `value` is None."""

    space: int
    key: bytes
    value: bytes | None


class StoreReader(Protocol):
    """Reading sees every write applied so far, committed or not."""

    def get(self, space: int, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def scan(
        self,
        space: int,
        start: bytes = b"",
        end: bytes | None = None,
        *,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end in the order of their bytes, or from the last one down."""
        ...

    def count(self, space: int, start: bytes = b"", end: bytes | None = None) -> int:
        """How many keys lie in start <= key < end."""
        ...


class Store(StoreReader, Protocol):
    """A reader that also writes. One process, one thread."""

    def apply(self, writes: Iterable[Write]) -> None:
        """Adds writes to the open transaction, all or none.

        Raises `MachineError` (full or read-only disk); then the open transaction as a whole is rolled back.
        """
        ...

    def commit(self) -> None:
        """Makes all applied writes durable before it returns, together or not at all.

        Raises `MachineError`; then they are rolled back.
        """
        ...

    def rollback(self) -> None:
        """Forgets what was applied since the last commit."""
        ...

    def close(self) -> None:
        """Rolls back what is open, leaves no log file behind, releases the vault."""
        ...


def prefix_end(prefix: bytes) -> bytes | None:
    """The smallest key behind all keys with this prefix: `scan(space, p, prefix_end(p))`."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return None
    return stripped[:-1] + bytes((stripped[-1] + 1,))
