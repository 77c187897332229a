"""What the node asks of a store: ordered keys in spaces, one transaction, one writer.

Both the vault's store (`chasqui.store`) and the lab's in-memory store pass one conformance suite
(`tests/store/conformance.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from chasqui.base.limits import RECORD_BYTES_MAX


class Write(NamedTuple):
    """Sets `key` in `space` to `value`, or erases it where `value` is None."""

    space: int
    key: bytes
    value: bytes | None


SPACE_MAX: Final = 2**31 - 1  # spaces are small integers
KEY_BYTES_MAX: Final = 1024  # a key is an id or a few; longer ones would spill out of the pages of a tree


def check_write(write: Write) -> None:
    """What every store refuses alike. Raises `TypeError` or `ValueError`: such a write is our own mistake."""
    space, key, value = write
    if not (isinstance(key, bytes) and (value is None or isinstance(value, bytes))):
        raise TypeError("keys and values are bytes")
    if not 0 <= space <= SPACE_MAX:
        raise ValueError("space out of range")
    if len(key) > KEY_BYTES_MAX:
        raise ValueError("key too long")
    if value is not None and len(value) > RECORD_BYTES_MAX:
        raise ValueError("value too long")


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
