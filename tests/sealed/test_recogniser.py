"""Finding the epoch of a bundle: always the right one, never a false one, never one whose day is gone."""

from __future__ import annotations

import random

import pytest

from chasqui.base.errors import PeerError
from chasqui.sealed.bundle import parse_bundle
from chasqui.sealed.recogniser import Recogniser
from tests.sealed.makers import DAY, epoch

EPOCHS = [epoch(seed) for seed in range(100, 110)]


def recogniser() -> Recogniser:
    return Recogniser({some.id: some.secrets.days for some in EPOCHS})


def test_every_bundle_finds_its_epoch() -> None:
    live = recogniser()
    for some in EPOCHS:
        for day in (DAY, DAY + 1, DAY + 100):
            bundle = some.seal(some.text(day=day), day=day)
            assert live.find(bundle.mark, bundle.mark_body, day) == some.id


def test_no_false_hit_in_100_000_foreign_bundles() -> None:
    """Random bytes with a good head, and true bundles of epochs that we are not in. 8 bytes of mark: 10 epochs
    would hit by chance once in 10^13."""
    live = recogniser()
    dice = random.Random(11)
    head = EPOCHS[0].seal(EPOCHS[0].text()).data[:2]
    for _ in range(100_000):
        bundle = parse_bundle(head + dice.randbytes(126), DAY)
        assert live.find(bundle.mark, bundle.mark_body, bundle.day) is None
    stranger = epoch(7)
    for counter in range(200):
        bundle = stranger.seal(stranger.text(counter=counter))
        assert live.find(bundle.mark, bundle.mark_body, bundle.day) is None


def test_an_insider_of_another_epoch_recognises_nothing() -> None:
    """Same members, same group, the epoch before or after: other keys."""
    mine, theirs = EPOCHS[:2]
    bundle = theirs.seal(theirs.text())
    alone = Recogniser({mine.id: mine.secrets.days})
    assert alone.find(bundle.mark, bundle.mark_body, DAY) is None
    with pytest.raises(PeerError):
        mine.open(bundle.data)


def test_days_before_the_first_are_nobodys() -> None:
    live = recogniser()
    some = epoch(100, 3, DAY - 5)  # the same secrets, an earlier first day
    bundle = some.seal(some.text(day=DAY - 1), day=DAY - 1)
    assert live.find(bundle.mark, bundle.mark_body, DAY - 1) is None
    with pytest.raises(PeerError):
        live.keys(EPOCHS[0].id, DAY - 1)


def test_a_chain_that_moves_on_takes_its_old_days_along() -> None:
    """The cache forgets what the vault has erased."""
    some = EPOCHS[0]
    live = recogniser()
    bundle = some.seal(some.text())
    assert live.find(bundle.mark, bundle.mark_body, DAY) == some.id
    live.keys(some.id, DAY)
    live.add(some.id, some.secrets.days.at(DAY + 3))
    assert live.find(bundle.mark, bundle.mark_body, DAY) is None
    with pytest.raises(PeerError):
        live.keys(some.id, DAY)
    later = some.seal(some.text(day=DAY + 3), day=DAY + 3)
    assert live.find(later.mark, later.mark_body, DAY + 3) == some.id


def test_forgetting_an_epoch() -> None:
    live = recogniser()
    first, second = EPOCHS[:2]
    bundles = [some.seal(some.text()) for some in (first, second)]
    assert [live.find(b.mark, b.mark_body, DAY) for b in bundles] == [first.id, second.id]
    live.remove([first.id])
    assert first.id not in live
    assert [live.find(b.mark, b.mark_body, DAY) for b in bundles] == [None, second.id]
    with pytest.raises(KeyError):
        live.keys(first.id, DAY)
    live.remove([first.id])
    live.add(first.id, first.secrets.days)
    assert live.find(bundles[0].mark, bundles[0].mark_body, DAY) == first.id


def test_the_cache_outlives_a_removal_of_nothing() -> None:
    """The node removes an empty list after every bundle: that must not cost all keyed states."""
    live = recogniser()
    keys = live.keys(EPOCHS[0].id, DAY + 50)
    live.remove([])
    assert live.keys(EPOCHS[0].id, DAY + 50) is keys


def test_only_a_known_chain_that_moved_forward_recognises_nothing_new() -> None:
    first, second, third = EPOCHS[:3]
    live = Recogniser({first.id: first.secrets.days.at(DAY + 3)})
    for later in (3, 4, 40):
        assert live.goes_on(first.id, first.secrets.days.at(DAY + later))
    assert not live.goes_on(first.id, first.secrets.days.at(DAY + 2))
    assert not live.goes_on(first.id, second.secrets.days.at(DAY + 3))
    assert not live.goes_on(third.id, first.secrets.days.at(DAY + 3))


def test_days_are_asked_for_in_any_order() -> None:
    live, some = recogniser(), EPOCHS[0]
    for day in (DAY + 50, DAY + 10, DAY, DAY + 11, DAY + 60):
        assert live.keys(some.id, day) == some.secrets.days.at(day).keys


def test_a_mark_of_some_of_the_live_epochs() -> None:
    live = recogniser()
    mine, other, early = EPOCHS[0], EPOCHS[1], epoch(100, 3, DAY - 5)
    bundle, before = mine.seal(mine.text()), early.seal(early.text(day=DAY - 1), day=DAY - 1)
    assert live.is_of_any({other.id, mine.id}, bundle.mark, bundle.mark_body, DAY)
    assert not live.is_of_any({other.id}, bundle.mark, bundle.mark_body, DAY)
    assert not live.is_of_any({mine.id}, before.mark, before.mark_body, DAY - 1)


def test_an_epoch_that_opens_later_is_found_on_days_that_were_asked_for() -> None:
    live, late = recogniser(), epoch(7)
    bundles = {day: late.seal(late.text(day=day), day=day) for day in (DAY, DAY + 9)}
    for day, bundle in bundles.items():
        assert live.find(bundle.mark, bundle.mark_body, day) is None
    live.add(late.id, late.secrets.days.at(DAY + 1))
    found = [live.find(bundle.mark, bundle.mark_body, day) for day, bundle in bundles.items()]
    assert found == [None, late.id]
