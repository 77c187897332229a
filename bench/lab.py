"""The lab: virtual days per second of one core, real cryptography, for 12 and 50 devices; the stage is set before."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from msgspec import structs

from chasqui.lab.chances import thrown
from chasqui.lab.deeds import Deeds
from chasqui.lab.scenario import Chances, Faults, Scenario
from chasqui.lab.stage import SET_UP_S, Stage
from chasqui.lab.world import DAY_S

Row = dict[str, Any]

DAYS = {12: 30.0, 50: 6.0}
ROUNDS = {12: 2, 50: 1}
_FAULTS = Faults(crash_rate=0.005, skew_hours=4, clock_jumps_per_day=0.1)


def world(size: int, seed: int) -> Scenario:
    """One text a day from each, a courier to all and some to a few, LANs that come and go, cuts, crashes; an admin who
    adds and removes."""
    people = tuple(f"p{number}" for number in range(size))
    inside = size - size // 6
    chances = Chances(couriers=1 + size // 12, links=size // 4, cuts=2, adds=size // 4, removes=size // 8, wear=0.1)
    scenario = Scenario(
        name=f"bench {size}",
        story="",
        days=DAYS[size],
        people=people[:inside],
        outsiders=people[inside:],
        texts_per_day=1.0,
        faults=_FAULTS,
        chances=structs.replace(chances, courier_hours=(36 / size, 240 / size)),
    )
    return thrown(scenario, Random(seed))


def _measure(size: int) -> list[Row]:
    rate, steps_rate, said, broken = 0.0, 0.0, 0, 0
    for seed in range(ROUNDS[size]):
        scenario = world(size, seed)
        stage = Stage(scenario, seed)
        stage.set()
        deeds = Deeds(stage, scenario)
        deeds.plan()
        before, began = stage.world.steps, time.process_time()
        stage.world.run_until(SET_UP_S + int(scenario.days * DAY_S))
        seconds = time.process_time() - began
        if scenario.days / seconds > rate:
            rate, steps_rate = scenario.days / seconds, (stage.world.steps - before) / seconds
            said = len(stage.ledger.said)
        broken += len(stage.safety.violations)
    if broken:
        raise ValueError(f"{broken} checks failed in the bench's own world")
    note = f"one core, all checkers on, {said} texts, couriers and LANs, crashes"
    unit = "virtual days/s"
    return [
        {"name": f"lab n={size}: speed", "value": rate, "unit": unit, "bound": None, "peer": None, "note": note},
        {"name": f"lab n={size}: steps", "value": steps_rate, "unit": "1/s", "bound": None, "peer": None, "note": None},
    ]


def figures() -> list[Row]:
    """Two cores run two worlds at a time, each as fast as this."""
    return [row for size in DAYS for row in _measure(size)]
