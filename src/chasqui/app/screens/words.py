"""States in plain words, with a sign that does not depend on colour."""

from __future__ import annotations

from typing import Final

GROUP_STATES: Final = {
    "invited": "? you are invited: `chasqui group join`",
    "current": "✓ in order",
    "passed-over": "!! others go on without you: rejoin",
    "new": "? new here: others not heard yet",
    "fork-pending": "! was cut, healing",
    "removal-pending": "!! REMOVAL PENDING: NOT YET PRIVATE",
    "stale": "! older copy: must rejoin",
    "quarantined": "!! quarantined: your device is said to be taken",
    "removed": "✗ you were removed",
    "left": "✗ you left",
}
_SIGNS: Final = {"invited": "?", "current": "✓", "quarantined": "!", "removed": "✗"}


def group_state(state: str, confirmed: tuple[int, int] | None, heard: tuple[int, int] | None = None) -> str:
    """The state of a group; of one that settles, how far that is; of one that is new, how many of the others spoke."""
    if state == "new" and heard is not None:
        return f"? new here: {heard[0]} of {heard[1]} others heard"
    if state == "fork-pending" and confirmed is not None:
        return f"! healing: {confirmed[0]} of {confirmed[1]} confirmed"
    return GROUP_STATES.get(state, state)


def member_state(state: str, role: str) -> str:
    """A role, or what is in the way of it."""
    word = {"current": role, "quarantined": "shut out"}.get(state, state)
    return f"{_SIGNS.get(state, ' ')} {word}"
