"""One run of a scenario: the stage is set, the world takes its course, everything heals, and liveness is demanded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import Final

from chasqui.lab.chances import thrown
from chasqui.lab.courier import Stick
from chasqui.lab.deeds import Deeds
from chasqui.lab.liveness import KNOWN, Liveness
from chasqui.lab.safety import Violation
from chasqui.lab.scenario import Scenario
from chasqui.lab.stage import Stage
from chasqui.lab.town import Town
from chasqui.lab.world import DAY_S, HOUR_S, Listener

ROUND_S: Final = 6 * HOUR_S  # between two rounds of the stick on which all is mended


@dataclass(frozen=True)
class Outcome:
    """What became of a run. `unmet` are demands that do not hold; those in `expected` are known not to hold yet."""

    scenario: str
    seed: int
    violations: tuple[Violation, ...]
    unmet: dict[str, str]
    expected: dict[str, str]
    settled_s: int | None  # how long after the healing all demands held
    days: float
    steps: int
    seconds: float  # of this machine, without setting the stage
    texts: int
    epochs: int
    branches: int
    crashes: int

    @property
    def held(self) -> bool:
        """Whether nothing failed that is not known to fail."""
        return not self.violations and not self.unmet

    def complaints(self) -> list[str]:
        """Everything that failed, a line each."""
        lines = [f"{v.check}: {v.who}: {v.what}" for v in self.violations]
        return lines + [f"{demand}: {what}" for demand, what in self.unmet.items()]


class Run:
    """A scenario with a seed. Afterwards its stage can be looked at: ledger, story, branches."""

    def __init__(self, scenario: Scenario, seed: int, listener: Listener | None = None) -> None:
        self.scenario = scenario
        self.seed = seed
        self.stage = Stage(scenario, seed, listener)
        self.town: Town | None = None

    def play(self) -> Outcome:
        """All of it."""
        stage = self.stage
        stage.set()
        began = time.perf_counter()
        deeds = Deeds(stage, thrown(self.scenario, Random(f"{self.scenario.name} {self.seed}")))
        self.town = deeds.town
        deeds.plan()
        stage.world.run_until(deeds.end_s)
        known = frozenset[str]().union(*(KNOWN[what] for what in self.scenario.expects))
        unmet, settled_s = self._heal(known)
        seconds = time.perf_counter() - began
        return Outcome(
            scenario=self.scenario.name,
            seed=self.seed,
            violations=tuple(broken for broken in stage.safety.violations if broken.check not in known),
            unmet={demand: what for demand, what in unmet.items() if demand not in known},
            expected={
                **{broken.check: broken.what for broken in stage.safety.violations if broken.check in known},
                **{demand: what for demand, what in unmet.items() if demand in known},
            },
            settled_s=settled_s,
            days=stage.world.now_s / DAY_S,
            steps=stage.world.steps,
            seconds=seconds,
            texts=len(stage.ledger.said),
            epochs=len(stage.ledger.branches[stage.group].by_epoch),
            branches=stage.ledger.branches[stage.group].lanes,
            crashes=sum(device.crashes for device in stage.devices.values()),
        )

    def _heal(self, known: frozenset[str]) -> tuple[dict[str, str], int | None]:
        """Ends every fault and lets a stick go round until the demands hold, those that are known not to hold apart, or
        the time for it is over: heads part again for hours whenever somebody renews his keys."""
        stage, world = self.stage, self.stage.world
        began = world.now_s
        world.tell("from here on nothing is cut, nothing fails, and a stick goes round")
        stage.network.heal()
        for device in stage.devices.values():
            device.crash_rate, device.crash_next = 0.0, None
            device.withholds = False
            device.kept_back.clear()
            device.set_clock(0)
            device.start()
        stick = Stick(world)
        for old in stage.sticks:
            stick.put(old.bundles.values())
        liveness = Liveness(stage)
        unmet: dict[str, str] = {}
        while world.now_s - began < self.scenario.settle_days * DAY_S:
            self._round(stick)
            world.run_until(world.now_s + ROUND_S)
            unmet = liveness.unmet()
            if not unmet.keys() - known:
                break
        settled_s = world.now_s - began if not unmet else None
        for demand, what in liveness.unmet_by_readers().items():
            unmet[demand] = what
        for device in stage.devices.values():
            if device.name not in stage.safety.hostile:
                stage.safety.bounds(device)
        if settled_s is not None:
            world.tell("all demands hold")
        return unmet, settled_s

    def _round(self, stick: Stick) -> None:
        for device in self.stage.devices.values():
            if device.on:
                stick.visit(device)


def play(scenario: Scenario, seed: int, listener: Listener | None = None) -> Outcome:
    """Runs a scenario once."""
    return Run(scenario, seed, listener).play()
