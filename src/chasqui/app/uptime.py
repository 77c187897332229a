"""The clock of this machine that nobody sets, for the books of airtime."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chasqui.base import labels
from chasqui.base.hashing import labelled_hash
from chasqui.base.ports import Uptime, UptimeClock

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_OFFSETS: Final = Path("/proc/self/timens_offsets")  # a container's clock may begin elsewhere


def clock_of(boot_id: Path, offsets: Path, read_ns: Callable[[], int]) -> UptimeClock:
    """The clock that is read so, of the boot that these files name; where there is none, of this process alone."""
    try:
        named = boot_id.read_bytes()
    except OSError:
        boot = secrets.token_bytes(16)
    else:
        boot = labelled_hash(labels.HASH_BOOT, named + _content(offsets))
    return lambda: Uptime(boot, read_ns() // 1_000_000)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a kernel without such containers
        return b""


def _read_ns() -> int:
    """It goes on while the machine sleeps, where there is such a clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic_ns()


uptime: Final[UptimeClock] = clock_of(_BOOT_ID, _OFFSETS, _read_ns)
