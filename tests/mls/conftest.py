"""Prints the interoperability matrix at the end of a run, which pytest would otherwise swallow when all passes.

Loaded from the start only when a path under tests/mls is named on the command line; `-rP` shows it in any run.
"""

from __future__ import annotations

import pytest

MATRIX = "interoperability matrix"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == MATRIX:
                terminalreporter.section(f"{MATRIX}: {report.nodeid.split('::')[-1]}")
                terminalreporter.line(str(text))
