"""A world that is thrown with dice: links, cuts, couriers and what people do, all from one seed."""

from __future__ import annotations

from random import Random

from msgspec import structs

from chasqui.lab.scenario import CourierTable, CutTable, Event, Link, Scenario


def thrown(scenario: Scenario, chance: Random) -> Scenario:
    """The scenario with everything that its `chances` leave open laid down."""
    chances = scenario.chances
    if chances is None:
        return scenario
    people, days = list(scenario.everybody), scenario.days
    return structs.replace(
        scenario,
        links=(*scenario.links, *(_link(chance, people, days) for _ in range(chances.links))),
        cuts=(*scenario.cuts, *(_cut(chance, people, days, chances.cut_days) for _ in range(chances.cuts))),
        couriers=(*scenario.couriers, *(_courier(chance, scenario, index) for index in range(chances.couriers))),
        events=(*scenario.events, *_events(chance, scenario)),
        chances=None,
    )


def _link(chance: Random, people: list[str], days: float) -> Link:
    size = chance.randint(2, min(4, len(people)))
    begin = chance.uniform(0, days * 0.7)
    return Link(
        between=tuple(chance.sample(people, size)),
        from_day=begin,
        to_day=begin + chance.uniform(0.5, days / 2),
        delay_s=(0, chance.choice((1, 5, 40))),
        breaks_per_day=chance.choice((0.0, 2.0, 12.0)),
    )


def _cut(chance: Random, people: list[str], days: float, lasts: tuple[float, float]) -> CutTable:
    shuffled = chance.sample(people, len(people))
    sides = chance.choice((2, 2, 2, 3, 4)) if len(people) >= 8 else 2
    begin = chance.uniform(0, max(0.1, days - lasts[0]))
    return CutTable(
        sides=tuple(tuple(shuffled[side::sides]) for side in range(sides)),
        from_day=begin,
        to_day=begin + chance.uniform(*lasts),
        one_way=sides == 2 and chance.random() < 0.3,
    )


def _courier(chance: Random, scenario: Scenario, index: int) -> CourierTable:
    chances = scenario.chances
    if chances is None:
        raise AssertionError("chances were read before")
    people = list(scenario.everybody)
    size = len(people) if index == 0 else chance.randint(2, len(people))
    return CourierTable(
        name=f"courier {index + 1}",
        route=tuple(chance.sample(people, size)),
        every_hours=chance.uniform(*chances.courier_hours),
        from_day=chance.uniform(0, 1),
        lost=chance.uniform(0, chances.wear),
        cut_short=chance.uniform(0, chances.wear),
        twice=chance.uniform(0, chances.wear / 4),
        shuffled=chance.random() < 0.5,
    )


def _events(chance: Random, scenario: Scenario) -> list[Event]:
    chances = scenario.chances
    if chances is None:
        return []
    founder = scenario.people[0]
    admins = [founder, *(name for name in scenario.admins if name != founder)]
    changers = admins[: chances.changers] if chances.changers else admins
    ordinary = [name for name in scenario.everybody if name not in admins]
    days = scenario.days

    def when() -> float:
        return chance.uniform(0.1, days * 0.9)

    events = [
        Event(day=when(), who=chance.choice(changers), do="add", whom=chance.choice(ordinary))
        for _ in range(chances.adds)
    ]
    events += [
        Event(day=when(), who=chance.choice(changers), do="remove", whom=chance.choice(ordinary))
        for _ in range(chances.removes)
    ]
    events += [Event(day=when(), who=chance.choice(ordinary), do="leave") for _ in range(chances.leaves)]
    events += [Event(day=when(), who=chance.choice(changers), do="renew") for _ in range(chances.renews)]
    for _ in range(chances.restores):
        who, day = chance.choice(ordinary), when() * 0.6
        events.append(Event(day=day, who=who, do="backup"))
        events.append(Event(day=day + chance.uniform(0.5, days / 4), who=who, do="restore"))
    return sorted(events, key=lambda event: event.day)
