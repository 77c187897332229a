"""The lab: virtual days per second, real cryptography, on one core and of two worlds at once on two; the stage is set
before. That the cost of a day grows with the number of devices shows in the sizes beside each other."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from chasqui.lab.chances import thrown
from chasqui.lab.deeds import Deeds
from chasqui.lab.scenario import Chances, Faults, Scenario
from chasqui.lab.stage import SET_UP_S, Stage
from chasqui.lab.world import DAY_S

Row = dict[str, Any]

DAYS = {12: 30.0, 25: 12.0, 50: 6.0}
SEEDS = (0, 1)  # one world for each of two cores
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


class Speed(NamedTuple):
    """How one world went."""

    days: float
    core_s: float
    wall_s: float
    steps: int
    texts: int


def speed(size: int, seed: int) -> Speed:
    """Plays one world. Raises `ValueError` where a check fails in it."""
    scenario = world(size, seed)
    stage = Stage(scenario, seed)
    stage.set()
    deeds = Deeds(stage, scenario)
    deeds.plan()
    before, core_s, wall_s = stage.world.steps, time.process_time(), time.perf_counter()
    stage.world.run_until(SET_UP_S + int(scenario.days * DAY_S))
    core_s, wall_s = time.process_time() - core_s, time.perf_counter() - wall_s
    if stage.safety.violations:
        raise ValueError(f"{len(stage.safety.violations)} checks failed in the bench's own world")
    return Speed(scenario.days, core_s, wall_s, stage.world.steps - before, len(stage.ledger.said))


def _measure(size: int) -> list[Row]:
    one = max((speed(size, seed) for seed in SEEDS), key=lambda done: done.days / done.core_s)
    with ProcessPoolExecutor(len(SEEDS)) as pool:
        both = list(pool.map(speed, [size] * len(SEEDS), SEEDS))
    note = f"one core, all checkers on, {one.texts} texts, couriers and LANs, crashes"
    two = f"{len(SEEDS)} worlds at once in {len(SEEDS)} processes, {os.cpu_count()} cores: the sum of both"
    found = [
        ("speed", one.days / one.core_s, "virtual days/s", note),
        ("speed, two at once", sum(done.days / done.wall_s for done in both), "virtual days/s", two),
        ("steps", one.steps / one.core_s, "1/s", None),
        ("a step", one.core_s / one.steps * 1e6, "us", None),
    ]
    return [
        {"name": f"lab n={size}: {name}", "value": value, "unit": unit, "bound": None, "peer": None, "note": said}
        for name, value, unit, said in found
    ]


def figures() -> list[Row]:
    """Each size, on one core and on two."""
    return [row for size in DAYS for row in _measure(size)]
