"""The packaged scenarios, with a few seeds here and with many in the long run."""

from __future__ import annotations

import pytest

from chasqui.lab.run import Run
from chasqui.lab.scenario import packaged

SCENARIOS = packaged()
MIDDLE = ("two-sides", "one-admin")  # ten seconds each; all but these and the large ones take two
LARGE = ("three-way", "four-way", "random-worlds", "radio-room")  # half a minute and more, or all of it on the air
SLOW = ("four-way", "radio-town")  # minutes each
HERE = dict.fromkeys(SCENARIOS, 3) | dict.fromkeys(MIDDLE, 2) | dict.fromkeys(LARGE, 1) | dict.fromkeys(SLOW, 0)
QUICK = [(name, seed) for name, scenario in SCENARIOS.items() for seed in scenario.seeds[: HERE[name]]]
WIDE = [(name, seed) for name in SCENARIOS for seed in range(20 if name in SLOW else 200)]


def hold(name: str, seed: int) -> None:
    outcome = Run(SCENARIOS[name], seed).play()
    again = f"chasqui lab run {name} --seed {seed} --watch"
    assert outcome.held, "\n".join([*outcome.complaints(), f"replay: {again}"])


@pytest.mark.parametrize(("name", "seed"), QUICK)
def test_a_scenario_holds(name: str, seed: int) -> None:
    hold(name, seed)


@pytest.mark.long
@pytest.mark.parametrize(("name", "seed"), sorted(set(WIDE) - set(QUICK)))
def test_a_scenario_holds_with_more_seeds(name: str, seed: int) -> None:
    hold(name, seed)
