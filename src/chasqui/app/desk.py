"""Where a request is carried out: the node's runner for quick ones, and what surrounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from chasqui.app.measuring import Measured
from chasqui.app.runner import Job

T = TypeVar("T")


class Ask(Protocol):
    """Runs a job on the node and gives its value once that is durable. Raises the job's error."""

    def __call__(self, job: Job[T], /) -> T: ...


@dataclass(frozen=True)
class Surroundings:
    """What the vault itself does not know. `pid` is the daemon's, None without one; `link_states` one line per
    link that runs here, `measure` tests a radio, for a minute or more; None where its device is not there."""

    home: Path
    pid: int | None
    link_states: Callable[[], Mapping[str, str]]
    measure: Callable[[str], Measured | None]


def stamp(seconds: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_or_none(seconds: int) -> str | None:
    """RFC 3339 in UTC, None for 0: never."""
    return stamp(seconds) if seconds else None
