"""`lab list`, `lab run`: the simulated world in which the real node runs."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chasqui.app.cli.base import Family, Invocation, print_json
from chasqui.base.errors import UsageError, UserError

if TYPE_CHECKING:
    from chasqui.lab.run import Outcome


@click.group(cls=Family)
def lab() -> None:
    """Play out cuts, couriers, crashes and bad members, with the real node, on a virtual clock."""


@lab.command("list")
@click.pass_obj
def show(call: Invocation) -> None:
    """The scenarios that come with chasqui."""
    from chasqui.lab.scenario import packaged

    known = packaged().values()
    if call.as_json:
        keys = ("name", "story", "days", "people", "outsiders", "seeds", "expects")
        found = [{key: getattr(scenario, key) for key in keys} for scenario in known]
        print_json({"scenarios": [{**one, "story": " ".join(str(one["story"]).split())} for one in found]})
        return
    for scenario in known:
        print(f"{scenario.name}  ({len(scenario.everybody)} people, {scenario.days:g} days)")
        print(textwrap.indent(textwrap.fill(" ".join(scenario.story.split()), 100), "    "))


@lab.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--seed", type=click.IntRange(0), help="Play this seed; without it, those of the scenario.")
@click.option("--watch", is_flag=True, help="Tell the story while it happens.")
@click.option("--svg", metavar="FILE", help="Draw the branches of the group.")
@click.option("--map", "town", metavar="FILE", help="Draw the town: who stood where, heard whom, and knew when.")
@click.option("--keep", metavar="DIR", help="Where failing seeds are kept.", default="lab-failures", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), help="Worlds at a time; without it, one per core. With --watch, always one."
)
@click.pass_obj
def run(
    call: Invocation,
    scenario: str,
    seed: int | None,
    watch: bool,
    svg: str | None,
    town: str | None,
    keep: str,
    jobs: int | None,
) -> int:
    """Play a scenario, by its name or from a .toml file. Exit code 1 where a check failed."""
    from chasqui.lab import watch as teller
    from chasqui.lab.scenario import find_scenario
    from chasqui.lab.seeds import play_seeds

    found = find_scenario(scenario)
    if town is not None and not found.districts:
        raise UsageError("This scenario has no town to draw.", todo="For example radio-town; `--svg` draws branches.")
    seeds = found.seeds if seed is None else (seed,)
    documents, failed = [], False
    worlds = play_seeds(found, seeds, jobs or os.cpu_count() or 1, _listener(call) if watch else None)
    for each in seeds:
        if watch:
            call.tell(f"--- {found.name}, seed {each}") if call.as_json else print(f"--- {found.name}, seed {each}")
        played = next(worlds)
        outcome = played.outcome
        failed = failed or not outcome.held
        lines = [f"At the end: {played.heads}"] if watch else []
        lines.append(teller.verdict(outcome))
        notes = _notes(outcome, scenario, keep)
        documents.append(_document(outcome, notes))
        if svg is not None:
            lines.append(f"The branches are drawn in {_draw(svg, played.picture, outcome, several=len(seeds) > 1)}")
        if town is not None:
            lines.append(f"The town is drawn in {_draw(town, played.map, outcome, several=len(seeds) > 1)}")
        _say(call, "\n".join([*lines, *notes.values()]))
    if call.as_json:
        print_json({"held": not failed, "runs": documents})
    return int(failed)


def _listener(call: Invocation) -> Callable[[int, str], None]:
    from chasqui.lab.watch import line

    stream = sys.stderr if call.as_json else sys.stdout
    return lambda at_s, text: print(line(at_s, text), file=stream)


def _say(call: Invocation, text: str) -> None:
    print(text, file=sys.stderr if call.as_json else sys.stdout)


def _notes(outcome: Outcome, scenario: str, folder: str) -> dict[str, str]:
    """Where a failure is kept and how it is played again; empty where all held."""
    from chasqui.lab.failures import keep, replay_command

    if outcome.held:
        return {}
    path = keep(Path(folder), outcome, scenario)
    return {"replay": f"To see it again: {replay_command(scenario, outcome.seed)}", "kept": f"Kept in {path}"}


def _document(outcome: Outcome, notes: dict[str, str]) -> dict[str, object]:
    return {
        "scenario": outcome.scenario,
        "seed": outcome.seed,
        "held": outcome.held,
        "failed": outcome.complaints(),
        "known": dict(outcome.expected),
        "days": round(outcome.days, 2),
        "seconds": round(outcome.seconds, 2),
        "settled_hours": None if outcome.settled_s is None else outcome.settled_s // 3600,
        "texts": outcome.texts,
        "epochs": outcome.epochs,
        "branches": outcome.branches,
        "crashes": outcome.crashes,
        "steps": outcome.steps,
        **notes,
    }


def _draw(svg: str, picture: str, outcome: Outcome, *, several: bool) -> Path:
    path = Path(svg)
    if several:
        path = path.with_name(f"{path.stem}-{outcome.seed}{path.suffix}")
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UserError(f"The picture could not be written to {path}.") from error
    return path
