"""Tells a run for people: the story line by line, and at the end who is where."""

from __future__ import annotations

from collections import Counter

from chasqui.lab.map import draw_map
from chasqui.lab.picture import draw
from chasqui.lab.run import Outcome, Run
from chasqui.lab.world import HOUR_S, clock_of


def line(at_s: int, text: str) -> str:
    """A line of the story."""
    return f"{clock_of(at_s):>14}  {text}"


def heads(run: Run) -> str:
    """Where everybody is: 'A4: ana, ben; B3: cy; out: dee'."""
    stage = run.stage
    where: dict[str, list[str]] = {}
    for name, device in stage.devices.items():
        head = stage.ledger.heads.get((stage.group, name))
        place = "gone" if device.lost else stage.ledger.branches[stage.group].name(head) if head else "not in the group"
        where.setdefault(place, []).append(name)
    return "; ".join(f"{place}: {', '.join(names)}" for place, names in sorted(where.items()))


def picture(run: Run, outcome: Outcome) -> str:
    """The branches of the group as SVG."""
    stage = run.stage
    heads: dict[bytes, list[str]] = {}
    for (group, name), head in stage.ledger.heads.items():
        if group == stage.group and head and not stage.devices[name].lost:
            heads.setdefault(head, []).append(name)
    title = f"{outcome.scenario}, seed {outcome.seed}: the branches of the group"
    ended = "one group" if len(heads) == 1 else f"{len(heads)} heads"
    subtitle = f"{outcome.days:.0f} days; {outcome.epochs} epochs; branches: {outcome.branches}; at the end: {ended}."
    return draw(title, subtitle, list(stage.ledger.branches[stage.group].by_epoch.values()), heads)


def map_of(run: Run, outcome: Outcome) -> str:
    """The town as SVG; empty where the scenario has none."""
    stage, town = run.stage, run.town
    if town is None or not town.districts:
        return ""
    ledger, heard = stage.ledger, Counter[frozenset[str]]()
    for channel in stage.channels:
        heard.update(channel.between)
    heads = Counter(head for (group, _), head in ledger.heads.items() if group == stage.group and head)
    last = heads.most_common(1)[0][0] if heads else b""
    reached = {
        name: ledger.reached[stage.group, name, last]
        for name in town.spots
        if (stage.group, name, last) in ledger.reached
    }
    title = f"{outcome.scenario}, seed {outcome.seed}: the town"
    epoch = ledger.branches[stage.group].name(last) if last else "nothing"
    subtitle = f"{outcome.days:.0f} days; beside each name: when {epoch}, where most are at the end, was reached."
    return draw_map(title, subtitle, town.districts, town.spots, town.walkers, heard, reached)


def verdict(outcome: Outcome) -> str:
    """How it ended, in a few lines."""
    lines = [
        f"{outcome.scenario}, seed {outcome.seed}: {outcome.days:.0f} days, {outcome.texts} texts, {outcome.epochs} "
        f"epochs on {outcome.branches} branch{'es' if outcome.branches > 1 else ''}, {outcome.crashes} crashes, "
        f"{outcome.steps} steps in {outcome.seconds:.1f} s"
    ]
    if outcome.settled_s is not None:
        lines.append(f"All was well {outcome.settled_s // HOUR_S} hours after the last fault.")
    for demand, what in outcome.expected.items():
        lines.append(f"known not to hold yet: {demand}: {what}")
    lines += [f"FAILED  {complaint}" for complaint in outcome.complaints()]
    if outcome.held:
        lines.append("Everything that was checked held.")
    return "\n".join(lines)
