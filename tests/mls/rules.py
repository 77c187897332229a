"""The register of tests that break exactly one rule each. `rules_*.py` fill it, `test_checks.py` runs it."""

from __future__ import annotations

from collections.abc import Callable

from chasqui.mls import Check, GroupState

Attempt = Callable[[], object]

REGISTER: list[tuple[Check, str, Attempt]] = []


def breaks(check: Check) -> Callable[[Attempt], Attempt]:
    """Registers a function whose call must raise PeerError with that row."""

    def register(attempt: Attempt) -> Attempt:
        REGISTER.append((check, attempt.__name__, attempt))
        return attempt

    return register


def feed(state: GroupState, message: bytes) -> None:
    """Processes a bad message and makes sure that it left no trace in the state, whatever it raises."""
    before = state.to_bytes()
    try:
        state.process(message)
    finally:
        assert state.to_bytes() == before
