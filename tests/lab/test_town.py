"""A day in a town: engines on the channel, against epidemic routing on the same contacts."""

from __future__ import annotations

import math
from functools import cache

import pytest

from bench import town as town_bench
from bench.town import Arrivals, Contacts, Day, Text, day, epidemic, fewest, map_of, percentile
from chasqui.base.ids import bundle_id
from chasqui.lab.town import STEP_S, Town
from tests.delivery.place import bundle_of

HOURS = 8  # people talk for four of them


@cache
def some_hours(size: int, seed: int) -> Day:
    return day(size, seed, hours=HOURS)


def test_equal_seeds_give_equal_days_and_others_do_not() -> None:
    first, again = some_hours(25, 1), day(25, 1, hours=HOURS)
    assert (first.total, first.collided, first.ours.took_s) == (again.total, again.collided, again.ours.took_s)
    assert (first.epidemic_bytes, first.epidemic.took_s) == (again.epidemic_bytes, again.epidemic.took_s)
    other = day(25, 2, hours=5)
    assert other.total != day(25, 3, hours=5).total


def test_nobody_is_sooner_than_with_unlimited_bandwidth() -> None:
    found = some_hours(25, 1)
    assert found.ours.took_s
    assert found.ours.took_s.keys() <= found.epidemic.took_s.keys()
    for place, took_s in found.ours.took_s.items():
        assert took_s > found.epidemic.took_s[place]


def test_what_crosses_the_town_was_carried() -> None:
    """Between districts nothing is heard: what arrives there takes as long as somebody walks."""
    scenario = map_of(25)
    town, found = Town(scenario, 1), some_hours(25, 1)
    home = {name: town.district_at(spot) for name, spot in town.spots.items()}
    walkers = {walk.who for walk in scenario.walks}
    assert len(set(home.values())) == 2
    across = [
        took_s
        for (name, bundle), took_s in found.ours.took_s.items()
        if not walkers & {name, found.ours.author(bundle)} and home[name] != home[found.ours.author(bundle)]
    ]
    assert across
    assert min(across) > 60
    theirs = [
        took_s
        for (name, bundle), took_s in found.epidemic.took_s.items()
        if not walkers & {name, found.ours.author(bundle)} and home[name] != home[found.ours.author(bundle)]
    ]
    assert min(theirs) > 0, "with epidemic routing, too: whoever has walked away is heard no more"


def test_epidemic_routing_floods_every_part_and_a_walker_takes_it_along() -> None:
    still = {"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}
    walkers: list[dict[str, list[str]]] = [{"w": ["b"]}, {"w": ["b"]}, {"w": []}, {"w": ["c"]}]
    texts = [
        Text(70, "a", frozenset("bd"), bundle_of(1, 160)),
        Text(150, "c", frozenset("aw"), bundle_of(2, 160)),
    ]
    arrivals, copied = epidemic(Contacts(still, walkers), texts)
    first, second = (bundle_id(text.bundle) for text in texts)
    assert arrivals.took_s == {("b", first): 0, ("d", first): 3 * STEP_S - 70, ("w", second): 3 * STEP_S - 150}
    assert copied == 160 * (2 + 2 + 1 + 1)
    assert arrivals.ratio == 3 / 4
    assert fewest(Contacts(still, walkers), texts) == 2 + 2 + 2, (
        "a and b, the walker and c; c twice, as the walker comes later"
    )


def test_what_comes_after_the_day_is_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(town_bench, "TALK_HOURS", town_bench.HOURS)  # to the last minute
    found = day(25, 1, hours=2)
    assert found.late.took_s
    assert not found.late.took_s.keys() & found.ours.took_s.keys()
    assert len(found.late.took_s) + len(found.ours.took_s) == found.ours.wanted
    assert 0 < found.late_s < town_bench.LATE_HOURS * 3600
    monkeypatch.setattr(town_bench, "LATE_HOURS", 0)
    cut = day(25, 1, hours=2)
    assert (cut.total, cut.ours.took_s, cut.epidemic.took_s) == (found.total, found.ours.took_s, found.epidemic.took_s)
    assert math.isinf(cut.late_s)


def test_percentiles() -> None:
    assert [percentile(range(100), percent) for percent in (50, 95)] == [50, 95]
    assert percentile([7.0], 95) == 7.0
    assert math.isinf(Arrivals([]).delay_s(50))
