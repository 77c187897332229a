"""A pytest plugin of `dev.py test`: how wide hypothesis searches, and how the other parts went.

The table stands just before pytest's closing line.
"""

from __future__ import annotations

import json
import os
import time

import pytest
from hypothesis import HealthCheck, settings

# No deadlines: two busy cores say nothing about the code. CI repeats itself: the search for more is done before.
EXAMPLES = {"short": 50, "long": 2_000}

_began = time.monotonic()


def pytest_configure() -> None:
    """Loads the profile that CHASQUI_HYPOTHESIS names, in every worker."""
    for name, examples in EXAMPLES.items():
        settings.register_profile(
            name,
            deadline=None,
            max_examples=examples,
            print_blob=True,
            derandomize=bool(os.environ.get("CI")) and name == "short",
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(os.environ.get("CHASQUI_HYPOTHESIS", "short"))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Writes the table; CHASQUI_PARTS holds the results so far as JSON."""
    parts = json.loads(os.environ.get("CHASQUI_PARTS", "[]"))
    pytest_ok = exitstatus == pytest.ExitCode.OK
    parts.append({"name": "pytest", "ok": pytest_ok, "seconds": time.monotonic() - _began, "note": ""})
    terminalreporter.section("parts")
    for part in parts:
        word = "ok" if part["ok"] else "FAIL"
        line = f"{word:<5} {part['name']:<8} {part['seconds']:6.1f} s  {part['note']}".rstrip()
        terminalreporter.write_line(line, green=part["ok"], red=not part["ok"])
