"""Time and entropy are arguments: these are the shapes in which they come."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time in whole seconds since 1970-01-01 UTC."""

    def __call__(self) -> int: ...


class Entropy(Protocol):
    """`entropy(n)` gives n fresh bytes that nobody can guess."""

    def __call__(self, n: int, /) -> bytes: ...
