"""The packaged scenarios, with a few seeds here and with many in the long run."""

from __future__ import annotations

import pytest

from chasqui.lab.run import Run
from chasqui.lab.scenario import packaged

SCENARIOS = packaged()
SMALL = ("first-light", "admin-lost", "last-admins", "taken", "too-few-accusers")  # a few seconds each
LARGE = ("three-way", "four-way", "random-worlds", "longer-absence")  # half a minute and more
QUICK = [(name, scenario.seeds[0]) for name, scenario in SCENARIOS.items() if name not in LARGE]
QUICK += [(name, seed) for name in SMALL for seed in SCENARIOS[name].seeds[1:3]]
REST = [(name, seed) for name, scenario in SCENARIOS.items() for seed in scenario.seeds]
RANDOM = [("random-worlds", seed) for seed in range(100)]


def hold(name: str, seed: int) -> None:
    outcome = Run(SCENARIOS[name], seed).play()
    again = f"chasqui lab run {name} --seed {seed} --watch"
    assert outcome.held, "\n".join([*outcome.complaints(), f"replay: {again}"])


@pytest.mark.parametrize(("name", "seed"), QUICK)
def test_a_scenario_holds(name: str, seed: int) -> None:
    hold(name, seed)


@pytest.mark.long
@pytest.mark.parametrize(("name", "seed"), sorted({*REST, *RANDOM} - set(QUICK)))
def test_a_scenario_holds_with_more_seeds(name: str, seed: int) -> None:
    hold(name, seed)
