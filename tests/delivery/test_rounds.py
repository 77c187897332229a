"""Rounds: many send one small bundle each, by turns. What gets lost is asked for when all have, and nobody takes the
number of one whom he did not hear. And what others put behind urgent bundles is known to whoever sent these."""

from __future__ import annotations

from functools import partial

import pytest

from chasqui.delivery.airtime import HOUR_MS
from chasqui.delivery.incoming import ROUND_BYTES, ROUND_MS_MAX, Incoming
from chasqui.delivery.radio_frames import CodedFrame, DaysFrame, NeedFrame, read_radio_frame
from tests.delivery.place import Place, bundle_of, seeded

PLACE_MS = 5_000
NAMES = "abcdefgh"


def round_of(loss: float = 0.0, seed: int = 1, *, expected: bool = True, absent: str = "") -> Place:
    """Each but the absent ones sends a small bundle in his turn."""
    place = Place(NAMES, loss=loss, seed=seed)
    place.run(1_000)
    for station in place.stations.values() if expected else ():
        station.engine.expect_round(1_000, 1_000 + len(NAMES) * PLACE_MS, PLACE_MS)
    for at, name in enumerate(NAMES):
        if name not in absent:
            place.run(1_000 + at * PLACE_MS)
            place.stations[name].hold([bundle_of((seed, name), ROUND_BYTES)], news=True)
    return place


def all_hold(place: Place, number: int) -> bool:
    return all(len(station.held) == number for station in place.stations.values())


def frames(place: Place) -> list[tuple[int, object]]:
    return [(at_ms, read_radio_frame(data)) for at_ms, _, data in place.log]


def test_all_go_on_with_one_generation() -> None:
    place = round_of()
    place.run(place.now_ms + 20_000)
    found = [frame for _, frame in frames(place) if isinstance(frame, CodedFrame) and frame.symbol]
    assert [(frame.number, frame.count) for frame in found] == [(n, n + 1) for n in range(len(NAMES))]
    assert len({(frame.source, frame.generation) for frame in found}) == 1


def test_who_did_not_hear_the_one_before_begins_anew() -> None:
    place = round_of(absent="d")
    place.run(place.now_ms + 20_000)
    found = [frame for _, frame in frames(place) if isinstance(frame, CodedFrame) and frame.symbol]
    assert [frame.number for frame in found] == [0, 1, 2, 0, 1, 2, 3]


@pytest.mark.must("M-RAD-18")
def test_what_gets_lost_in_a_round_is_asked_for_and_compared_when_it_is_over() -> None:
    for seed in range(4):
        place = round_of(0.2, seed)
        ends_ms = 1_000 + len(NAMES) * PLACE_MS
        said = [frame for at_ms, frame in frames(place) if at_ms < ends_ms]
        assert not any(isinstance(frame, DaysFrame) for frame in said)
        assert sum(isinstance(frame, NeedFrame) for frame in said) <= 3  # for one that began a generation
        assert place.run(place.now_ms + HOUR_MS, partial(all_hold, place, len(NAMES)))


def test_nothing_is_compared_in_a_round() -> None:
    place = Place("ab", seed=2)
    for station in place.stations.values():
        station.engine.expect_round(1_000, 200_000, PLACE_MS)
    place.stations["a"].hold([bundle_of("text")], news=True)
    place.run(HOUR_MS)
    compared = [at_ms for at_ms, frame in frames(place) if isinstance(frame, DaysFrame)]
    assert 200_000 <= min(compared) <= 300_000


@pytest.mark.must("M-RAD-18")
def test_a_round_ends_and_waits_for_nothing_else() -> None:
    incoming = Incoming(1_000, set(), seeded("round"))
    incoming.expect_round(5_000, 5_000 + 100 * HOUR_MS, PLACE_MS)
    assert incoming.round_ends_ms(4_999) is None
    assert incoming.round_ends_ms(5_000) == 5_000 + ROUND_MS_MAX
    assert incoming.round_ends_ms(5_000 + ROUND_MS_MAX) is None
    large, small = bundle_of("text", 207), bundle_of("receipt", ROUND_BYTES)
    incoming.heard(CodedFrame(1, 1, 2, 0, large, False, False, False), 10_000, asked=False)
    assert incoming.due_ms is not None
    assert incoming.due_ms < 20_000
    other = Incoming(1_000, set(), seeded("round"))
    other.expect_round(5_000, 60_000, PLACE_MS)
    other.heard(CodedFrame(1, 1, 2, 0, small, False, False, False), 10_000, asked=False)
    assert other.due_ms is not None
    assert other.due_ms >= 60_000
    other.need_heard(NeedFrame(1, 1, 1), 11_000)
    assert other.due_ms >= 60_000
    for number in (5, 6):
        more = bundle_of(number, ROUND_BYTES)
        other.heard(CodedFrame(1, 1, number + 1, number, more, False, False, False), 12_000, asked=False)
    assert other.due_ms < 20_000


def test_who_sent_something_urgent_knows_what_others_put_behind_it() -> None:
    away: set[str] = set()
    place = Place("abc", seed=3, reaches=lambda sender, receiver: not away & {sender, receiver})
    urgent, text = bundle_of("operation", rank=0), bundle_of("text")
    place.stations["a"].hold([urgent], news=True)
    place.run(10_000)
    away.add("c")
    place.stations["b"].hold([text], news=True)
    place.run(15_000)
    away.clear()
    before = len(place.log)
    assert place.run(HOUR_MS, lambda: len(place.stations["c"].held) == 2)
    later = [(sender, read_radio_frame(data)) for _, sender, data in place.log[before:]]
    assert {sender for sender, frame in later if isinstance(frame, NeedFrame)} == {"c"}
    assert not any(isinstance(frame, CodedFrame) and frame.symbol == urgent for _, frame in later)
