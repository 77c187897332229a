"""Time and entropy are arguments: these are the shapes in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Uptime:
    """A reading of a clock that nobody sets: for how many milliseconds this machine has run. `boot` names that run;
    readings of two runs have nothing to do with one another, nor have those of two machines."""

    boot: bytes
    ms: int


class Clock(Protocol):
    """Wall-clock time in whole seconds since 1970-01-01 UTC."""

    def __call__(self) -> int: ...


class Entropy(Protocol):
    """`entropy(n)` gives n fresh bytes that nobody can guess."""

    def __call__(self, n: int, /) -> bytes: ...


class UptimeClock(Protocol):
    """Never goes back while the process lives, and goes on while the machine sleeps, if that is known."""

    def __call__(self) -> Uptime: ...
