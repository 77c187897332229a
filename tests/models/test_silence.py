"""A contact comes together again from every state, and does not without any one of its rules."""

from __future__ import annotations

import pytest

from tests.models.silence import reachable, reunited, together


@pytest.mark.must("M-SIL-1", "M-SIL-2", "M-SIL-3")
def test_two_who_hear_each_other_again_are_together_wherever_they_were() -> None:
    states = 0
    for state in reachable(2):
        states += 1
        assert together(reunited(state, again=True)), state
    assert states > 10_000, "the search has found the states"


def test_without_saying_commits_again_they_stay_apart() -> None:
    assert any(not together(reunited(state, again=False)) for state in reachable(1))


def test_without_keeping_the_way_from_root_to_head_they_stay_apart() -> None:
    assert any(not together(reunited(state, again=True)) for state in reachable(1, keeps=False))
