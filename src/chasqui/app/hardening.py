"""What a process does before it holds keys: no core dumps, no debugger of the same user, private files."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_M_TRIM_ALL: Final = 0


def harden() -> None:
    """No core dump of this process, and every file that it makes belongs to its user alone."""
    os.umask(0o077)
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def give_memory_back() -> None:
    """Returns freed memory to the system, where the C library can."""
    if sys.platform == "linux":
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).malloc_trim(_M_TRIM_ALL)
