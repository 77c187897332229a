"""The map of a scenario: where its people are, and who walks where."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from chasqui.lab.ground import District, Ground, Spot, Walk
from chasqui.lab.medium import Medium
from chasqui.lab.scenario import DistrictTable, Scenario
from chasqui.lab.world import HOUR_S

STEP_S: Final = 60  # so often a walker is put where he is: 70 metres


class Town:
    """Everybody's place. Each channel of the town has a ground of its own, on which the same people stand."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.districts = tuple(District(d.name, d.at, d.radius, d.walls_db) for d in scenario.districts)
        self.spots: dict[str, Spot] = {}
        self._grounds: list[Ground] = []
        dice = Random(f"{scenario.name} {seed} spots")
        for table in scenario.districts:
            for name in table.people:
                self.spots[name] = spot_in(table, dice)
        tables = {table.name: table for table in scenario.districts}
        self._walks = {
            walk.who: Walk(
                [spot_in(tables[stop], dice, 0.5) for stop in walk.stops],
                walk.stay_hours * HOUR_S,
                walk.walk_kmh / 3.6,
                walk.from_hour * HOUR_S,
            )
            for walk in scenario.walks
        }
        self.walkers = frozenset(self._walks)
        for name, walk in self._walks.items():
            self.spots[name] = walk.at(0)
        self._last = {name: self.district_at(spot) for name, spot in self.spots.items()}

    def ground(self, medium: Medium, seed: str) -> Ground:
        """The ground of one channel, with everybody on it."""
        ground = Ground(medium.path, seed, self.districts)
        ground.hears_below(medium.loss_db_max)
        for name, spot in self.spots.items():
            ground.put(name, spot)
        self._grounds.append(ground)
        return ground

    def walk(self, name: str, now_s: int) -> str:
        """Puts a walker where he is now; the district to which he has just come, or nothing."""
        spot = self._walks[name].at(now_s)
        if spot == self.spots[name]:
            return ""
        self.spots[name] = spot
        for ground in self._grounds:
            ground.put(name, spot)
        before, self._last[name] = self._last[name], self.district_at(spot)
        return self._last[name] if self._last[name] != before else ""

    def district_at(self, spot: Spot) -> str:
        """The name of the district, or nothing."""
        return next((district.name for district in self.districts if district.holds(spot)), "")


def spot_in(table: DistrictTable, dice: Random, share: float = 1.0) -> Spot:
    """Anywhere in a district, or in the middle part of it."""
    far, turn = table.radius * share * math.sqrt(dice.random()), dice.uniform(0, math.tau)
    return table.at[0] + far * math.cos(turn), table.at[1] + far * math.sin(turn)
