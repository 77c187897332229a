"""A scenario with several seeds, several worlds at a time, each in a process of its own; told of in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from chasqui.lab.run import Outcome, Run
from chasqui.lab.scenario import Scenario
from chasqui.lab.watch import heads, map_of, picture
from chasqui.lab.world import Listener


@dataclass(frozen=True)
class Played:
    """What is left of a run: its outcome, where everybody stands, and its branches and its town, if it has one, as
    pictures."""

    outcome: Outcome
    heads: str
    picture: str
    map: str


def play_seeds(
    scenario: Scenario, seeds: Sequence[int], jobs: int, listener: Listener | None = None
) -> Iterator[Played]:
    """Plays each seed. A `listener` hears the story while it happens: then one world is played after the other. A seed
    gives the same world whatever is played beside it."""
    if listener is not None or min(jobs, len(seeds)) < 2:
        yield from (_play(scenario, seed, listener) for seed in seeds)
        return
    with ProcessPoolExecutor(min(jobs, len(seeds))) as pool:
        yield from pool.map(partial(_play, scenario), seeds)


def _play(scenario: Scenario, seed: int, listener: Listener | None = None) -> Played:
    run = Run(scenario, seed, listener)
    outcome = run.play()
    return Played(outcome, heads(run), picture(run, outcome), map_of(run, outcome))
