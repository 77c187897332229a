"""Texts that come one by one, of several authors: one generation takes them all, and parity is for all of them."""

from __future__ import annotations

from statistics import mean

import pytest

from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.airtime import HOUR_MS
from chasqui.delivery.erasure import parity_symbol
from chasqui.delivery.generations import checked
from chasqui.delivery.incoming import Incoming
from chasqui.delivery.index import Index, Item
from chasqui.delivery.outgoing import Outgoing
from chasqui.delivery.radio_frames import CodedFrame, DaysFrame, NeedFrame, read_radio_frame, write_radio_frame
from chasqui.delivery.reconciler import Reconciler
from tests.delivery.place import TODAY, Place, Station, bundle_of, seeded

MINUTE_MS = 60_000


def item_of(bundle: bytes, rank: int = 1) -> Item:
    return Item(bundle_id(bundle), len(bundle), rank, TODAY)


def symbols(place: Place) -> list[tuple[str, CodedFrame]]:
    read = [(sender, read_radio_frame(data)) for _, sender, data in place.log]
    return [(sender, frame) for sender, frame in read if isinstance(frame, CodedFrame) and frame.symbol]


def stream(names: str, loss: float, seed: int, count: int) -> Place:
    place = Place(names, loss=loss, seed=seed)
    for n in range(count):
        place.stations[names[n % len(names)]].hold([bundle_of((seed, n))], news=True)
        place.run(place.now_ms + MINUTE_MS)
    assert place.run(place.now_ms + HOUR_MS, lambda: all(len(s.held) == count for s in place.stations.values()))
    return place


def test_authors_go_on_with_one_generation() -> None:
    place = stream("abcd", 0, 1, 8)
    found = [frame for _, frame in symbols(place)]
    assert {(frame.source, frame.generation) for frame in found} == {(found[0].source, found[0].generation)}
    assert [(frame.number, frame.count) for frame in found] == [(n, n + 1) for n in range(8)]


def test_urgent_ones_wait_for_nobody() -> None:
    place = Place("ab", seed=1)
    for n, name in enumerate("abab"):
        place.stations[name].hold([bundle_of(n, rank=0)], news=True)
        place.run(place.now_ms + MINUTE_MS)
    assert [frame.count for _, frame in symbols(place)] == [1, 1, 2, 2]
    assert len({(frame.source, frame.generation) for _, frame in symbols(place)}) == 2


def test_what_is_lost_of_several_authors_is_made_good_together() -> None:
    shares = []
    for seed in range(8):
        place = stream("sabcdefgh", 0.2, seed, 30)
        shares.append(place.bytes_on_air / (30 * 207 / 0.8))
    assert mean(shares) < 1.95  # 2.2 where each author makes his own good


def engine_of(place: Place, name: str = "b") -> Station:
    return place.stations[name]


def say(station: Station, frame: CodedFrame | NeedFrame | DaysFrame, now_ms: int) -> list[bytes]:
    station.place.now_ms = now_ms
    return station.engine.heard(write_radio_frame(frame), 10.0, now_ms)


def test_two_bundles_with_one_number_are_both_taken_and_nobody_asks() -> None:
    place = Place("b", seed=1)
    station = engine_of(place)
    assert say(station, CodedFrame(7, 7, 1, 0, bundle_of(0), False, False), 1_000) == [bundle_of(0)]
    assert say(station, CodedFrame(7, 7, 3, 1, bundle_of(1), False, False), 2_000) == [bundle_of(1)]
    assert station.engine._incoming.due_ms is not None
    assert say(station, CodedFrame(7, 7, 3, 1, bundle_of("other"), False, False), 3_000) == [bundle_of("other")]
    assert station.engine._incoming.need(HOUR_MS // 2) is None
    assert station.engine._incoming.open_for(207, 60_000) is None


@pytest.mark.must("M-RAD-12")
def test_who_poisons_a_generation_draws_no_endless_answers() -> None:
    station = engine_of(Place("b", seed=1))
    incoming = station.engine._incoming
    say(station, CodedFrame(7, 7, 6, 0, bundle_of(0), False, False), 1_000)
    for n in range(20):
        for number in range(5):
            junk = CodedFrame(7, 7, 6, 192 + (5 * n + number) % 64, bytes((n + 1, number)) * 104 + b"x", False, False)
            say(station, junk, 2_000 + n * 10_000)
        asked = incoming.need(2_000 + n * 10_000 + 9_000)
        assert asked is None or n < 2


def test_a_good_source_still_comes_in_after_the_poison() -> None:
    station = engine_of(Place("b", seed=1))
    say(station, CodedFrame(7, 7, 2, 0, bundle_of(0), False, False), 1_000)
    for n in range(3):
        say(station, CodedFrame(7, 7, 2, 192 + n, bytes(209), False, False), 2_000 + n)
    assert say(station, CodedFrame(7, 7, 2, 1, bundle_of(1), False, False), 3_000) == [bundle_of(1)]


def test_whoever_comes_late_does_not_ask_for_what_was_said_before() -> None:
    incoming = Incoming(1000, set(), seeded("x"))
    incoming.heard(CodedFrame(3, 4, 9, 8, bundle_of(8), False, False), 0, asked=False)
    assert incoming.due_ms is None
    early = Incoming(1000, set(), seeded("x"))
    early.heard(CodedFrame(3, 4, 4, 3, bundle_of(3), False, False), 0, asked=False)
    assert early.due_ms is not None


def one_by_one(incoming: Incoming, numbers: dict[int, int], count_at: dict[int, int] | None = None) -> None:
    """Sources by number, and when each came."""
    for number, at_ms in numbers.items():
        incoming.heard(CodedFrame(3, 4, number + 1, number, bundle_of(number), False, False), at_ms, asked=False)


def test_what_is_lost_in_a_conversation_is_asked_for_with_what_follows() -> None:
    incoming = Incoming(1000, set(), seeded("x"))
    one_by_one(incoming, {0: 0, 1: MINUTE_MS, 3: 3 * MINUTE_MS})
    due_ms = incoming.due_ms
    assert due_ms is not None
    assert 4 * MINUTE_MS < due_ms <= 5 * MINUTE_MS + 3_000, "not before the next text is due, and within two minutes"
    one_by_one(incoming, {4: 4 * MINUTE_MS})
    assert incoming.due_ms is not None
    assert incoming.due_ms <= 5 * MINUTE_MS + 3_000, "it is not put off without end"
    many = Incoming(1000, set(), seeded("y"))
    one_by_one(many, {0: 0, 1: MINUTE_MS, 5: 3 * MINUTE_MS})
    assert many.due_ms is not None
    assert many.due_ms < 3 * MINUTE_MS + 4_000, "three are enough"


def joined() -> tuple[Outgoing, Incoming, dict[BundleId, bytes], CodedFrame]:
    """A node whose bundle is the second of three in a generation."""
    incoming = Incoming(1000, set(), seeded("j"))
    outgoing = Outgoing(222, incoming, seeded("j"), 0)
    incoming.heard(CodedFrame(9, 9, 1, 0, bundle_of(0), False, False), 0, asked=False)
    held = {bundle_id(bundle_of(n)): bundle_of(n) for n in range(3)}
    outgoing.add_news([item_of(bundle_of(1))], 60_000)
    sent = outgoing.next(1, 65_000, held.get)
    assert isinstance(sent, CodedFrame)
    third = CodedFrame(9, 9, 3, 2, bundle_of(2), False, False)
    incoming.heard(third, 120_000, asked=False)
    outgoing.heard(third)
    return outgoing, incoming, held, sent


def test_first_who_was_last_answers_and_others_where_that_did_not_help() -> None:
    outgoing, incoming, held, sent = joined()
    assert (sent.source, sent.generation, sent.number, sent.count) == (9, 9, 1, 2)
    need = NeedFrame(9, 9, 1)
    assert outgoing.needed(need, 130_000)
    assert outgoing.ranks(140_000) == set(), "it is the business of whose source was the last"
    assert outgoing.needed(need, 130_000 + incoming.retry_ms)
    at_ms = 130_000 + 2 * incoming.retry_ms
    assert outgoing.ranks(at_ms) == {1}
    frame = outgoing.next(1, at_ms, held.get)
    assert isinstance(frame, CodedFrame)
    assert frame.symbol == parity_symbol(frame.number, [checked(bundle_of(n)) for n in range(3)], 209)


def test_who_hears_the_answer_does_not_answer() -> None:
    outgoing, incoming, _, _ = joined()
    for n in range(2):
        outgoing.needed(NeedFrame(9, 9, 1), 130_000 + n * incoming.retry_ms)
    outgoing.heard(CodedFrame(9, 9, 2, 200, bytes(209), False, False))
    assert outgoing.due_ms is not None, "that was of less than there is"
    outgoing.heard(CodedFrame(9, 9, 3, 200, bytes(209), False, False))
    assert outgoing.ranks(400_000) == set()


def test_a_number_that_somebody_else_has_taken_is_not_taken_again() -> None:
    incoming = Incoming(1000, set(), seeded("j"))
    outgoing = Outgoing(222, incoming, seeded("j"), 0)
    ours = [bundle_of(("ours", n)) for n in range(3)]
    held = {bundle_id(b): b for b in ours}
    outgoing.add_news(map(item_of, ours), 0)
    first = outgoing.next(1, 9_000, held.get)
    assert first is not None
    assert first.count == 3
    theirs = CodedFrame(first.source, first.generation, 2, 1, bundle_of("theirs"), False, False)
    incoming.heard(theirs, 10_000, asked=False)
    outgoing.heard(theirs)
    rest = [outgoing.next(1, 11_000, held.get) for _ in range(2)]
    assert sorted(frame.number for frame in rest if frame) == [2, 3]


@pytest.mark.must("M-RAD-13")
def test_who_claims_to_hold_everything_spares_an_answer_once() -> None:
    place = Place("ab", seed=3)
    station = engine_of(place, "a")
    station.hold([bundle_of(n) for n in range(5)], news=False)
    outgoing = station.engine._outgoing
    items = list(station.index.of_day(TODAY).values())

    def claim(now_ms: int) -> None:
        entry = station.index.entry(b"sa", (TODAY,))
        say(station, DaysFrame(TODAY % 256, b"sa", station.index.entry(b"sa", ()), (entry,)), now_ms)

    outgoing.add_answers(items, 1_000, lambda ours: 5_000)
    claim(2_000)
    assert outgoing.ranks(10_000) == set()
    outgoing.add_answers(items, 20_000, lambda ours: 5_000)
    claim(21_000)
    assert outgoing.ranks(30_000) == {1}, "it was asked for again: the claim was worth nothing"


def test_who_was_served_says_so_at_once() -> None:
    place = Place("abcdefgh", loss=0.0, seed=5)
    for name in "abcdefg":
        place.stations[name].hold([bundle_of(n) for n in range(3)], news=False)
    place.stations["h"].hold([bundle_of(0)], news=False)
    assert place.run(10 * MINUTE_MS, lambda: len(place.stations["h"].held) == 3)
    served_ms = place.now_ms
    place.run(served_ms + 3_000)
    after = [(sender, read_radio_frame(data)) for at_ms, sender, data in place.log if at_ms > served_ms]
    assert any(sender == "h" and isinstance(frame, DaysFrame) for sender, frame in after)


def reconciler_of(index: Index) -> Reconciler:
    return Reconciler(222, 1000, index, seeded("r"), 0)


def test_a_difference_is_passed_over_where_a_conversation_explains_it() -> None:
    index, theirs = Index(TODAY), Index(TODAY)
    bundles = [bundle_of(n) for n in range(8)]
    for bundle in bundles:
        index.add(item_of(bundle))
    for bundle in bundles[:6]:
        theirs.add(item_of(bundle))
    said = reconciler_of(theirs)._days(TODAY, 1)
    assert said is not None
    recent = [bundle_id(bundle) for bundle in bundles]
    assert reconciler_of(index).explained(said, recent[-4:], 0, 0)
    assert not reconciler_of(index).explained(said, recent[:4], 0, 0), "what he lacks is something else"
    more = reconciler_of(index)._days(TODAY, 1)
    assert more is not None
    behind = reconciler_of(theirs)
    assert behind.explained(more, recent[:6], 0, 0), "we may have lost the last ones"
    assert not behind.explained(more, recent[:6], 0, 70_000), "and if so the next one would have shown it"
    theirs.add(Item(bundle_id(bundle_of("old")), 207, 1, TODAY - 9))
    older = reconciler_of(theirs)._days(TODAY, 1)
    assert older is not None
    assert not reconciler_of(index).explained(older, recent[-4:], 0, 0)


@pytest.mark.must("M-RAD-12")
def test_needs_draw_no_more_than_a_generation_is_worth() -> None:
    held = {bundle_id(b): b for b in (bundle_of(n) for n in range(3))}
    outgoing = Outgoing(222, Incoming(1000, set(), seeded("d")), seeded("d"), 0)
    outgoing.add_news(map(item_of, held.values()), 0)
    first = outgoing.next(1, 9_000, held.get)
    assert first is not None
    drawn = 0
    for n in range(200):
        outgoing.needed(NeedFrame(first.source, first.generation, 192), 10_000 + n * 10_000)
        while outgoing.ranks(10_000 + n * 10_000):
            outgoing.next(1, 10_000 + n * 10_000, held.get)
            drawn += 1
    assert drawn <= 2 + 2 * 3 + 16
