"""Where everybody is, and how loud one is where another one is: distance, shadows, walls. No time, no frames.

Levels are in dBm at the receiver. Path loss grows with the logarithm of the distance; houses and hills make it differ
by a normal chance that belongs to the two places, not to the moment; whoever is within a district is behind its walls
for everybody outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist
from typing import Final

SHADOW_M: Final = 50  # within so much the same houses stand in the way
_NORMAL: Final = NormalDist()
_SHADOW_MOST: Final = 4.0  # deviations: one pair in 15,000 has more

Spot = tuple[float, float]  # metres east and north


@dataclass(frozen=True)
class PathLoss:
    """Mean loss at `at_m`, ten times the exponent more for ten times the distance, and the deviation of shadows."""

    loss_db: float
    at_m: float
    exponent: float
    shadow_db: float

    def mean_db(self, distance_m: float) -> float:
        """Without shadows. Nobody is nearer than a metre."""
        return self.loss_db + 10 * self.exponent * math.log10(max(distance_m, 1.0) / self.at_m)


BUILT_UP: Final = PathLoss(127.41, 40, 2.08, 3.57)  # LoRa, 868 MHz, measured: Bor et al., MSWiM 2016, section 5
VHF_TOWN: Final = PathLoss(15.7, 1, 3.5, 8.0)  # 145 MHz: free space to a metre; Rappaport 2002, table 4.2, 'shadowed'


@dataclass(frozen=True)
class District:
    """A part of the town. `walls_db` are between whoever is in it and whoever is not."""

    name: str
    centre: Spot
    radius_m: float
    walls_db: float = 0.0

    def holds(self, spot: Spot) -> bool:
        """Whether a place lies in it."""
        return math.dist(spot, self.centre) <= self.radius_m


class Ground:
    """The town on which stations stand. `seed` decides about the shadows."""

    def __init__(self, path: PathLoss, seed: str, districts: Iterable[District] = ()) -> None:
        self.path = path
        self.districts = tuple(districts)
        self.spots: dict[str, Spot] = {}
        self._behind: dict[str, District | None] = {}
        self._loss: dict[str, dict[str, float]] = {}  # below what anybody could still hear: not in it
        self._seed = blake2b(seed.encode(), digest_size=16).digest()
        self._loss_db_max = math.inf

    def hears_below(self, loss_db_max: float) -> None:
        """What is lost beyond that reaches nobody and need not be reckoned. Before anybody is put anywhere."""
        self._loss_db_max = loss_db_max

    def put(self, name: str, spot: Spot) -> None:
        """A station is there from now on."""
        district = next((district for district in self.districts if district.holds(spot)), None)
        for other in self._loss.get(name, {}):
            del self._loss[other][name]
        own: dict[str, float] = {}
        for other, there in self.spots.items():
            if other == name:
                continue
            loss_db = self._reckoned(spot, district, there, self._behind[other])
            if loss_db is not None:
                own[other] = self._loss[other][name] = loss_db
        self.spots[name], self._behind[name], self._loss[name] = spot, district, own

    def losses(self, name: str) -> Mapping[str, float]:
        """On the way from here to whoever may still hear something, in dB."""
        return self._loss[name]

    def _reckoned(self, one: Spot, one_in: District | None, other: Spot, other_in: District | None) -> float | None:
        loss_db = self.path.mean_db(math.dist(one, other))
        if one_in is not other_in:
            loss_db += sum(district.walls_db for district in (one_in, other_in) if district is not None)
        if loss_db - _SHADOW_MOST * self.path.shadow_db > self._loss_db_max:
            return None
        loss_db += self._shadow_db(one, other)
        return loss_db if loss_db <= self._loss_db_max else None

    def _shadow_db(self, one: Spot, other: Spot) -> float:
        if not self.path.shadow_db:
            return 0.0
        ends = sorted(tuple(int(metres // SHADOW_M) for metres in spot) for spot in (one, other))
        drawn = int.from_bytes(blake2b(repr(ends).encode(), key=self._seed, digest_size=7).digest(), "big")
        deviations = _NORMAL.inv_cdf((drawn + 0.5) / 2**56)
        return self.path.shadow_db * min(max(deviations, -_SHADOW_MOST), _SHADOW_MOST)


class Walk:
    """Somebody who goes from district to district and back to the first, and stays a while in each. Where he is
    follows from the time alone."""

    def __init__(self, stops: Iterable[Spot], stay_s: float, metres_per_s: float, begins_s: float = 0.0) -> None:
        self._stops = tuple(stops)
        self._stay_s, self._speed, self._begins_s = stay_s, metres_per_s, begins_s
        ways = zip(self._stops, self._stops[1:] + self._stops[:1], strict=True)
        self._legs = [(a, b, math.dist(a, b) / metres_per_s) for a, b in ways]
        self._round_s = sum(stay_s + way_s for _, _, way_s in self._legs)

    def at(self, now_s: float) -> Spot:
        """Where he is then."""
        left_s = max(now_s - self._begins_s, 0.0) % self._round_s
        for here, there, way_s in self._legs:
            if left_s < self._stay_s:
                return here
            left_s -= self._stay_s
            if left_s < way_s:
                share = left_s / way_s
                return here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])
            left_s -= way_s
        return self._stops[0]
