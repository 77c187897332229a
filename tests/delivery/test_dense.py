"""Where many hear one another: one of them speaks for all, and what somebody else has sent is not sent again."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from functools import partial

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.delivery.answering import EAGER_MIN, LEFT_MS, SPARED_MS, Answering
from chasqui.delivery.chance import mostly_late
from chasqui.delivery.generations import HeardGeneration, OwnGeneration
from chasqui.delivery.incoming import Incoming
from chasqui.delivery.index import Index, Item
from chasqui.delivery.outgoing import Outgoing
from chasqui.delivery.radio_frames import (
    BUNDLES_MAX,
    BatchFrame,
    CodedFrame,
    DaysFrame,
    RadioFrame,
    SumFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.reconciler import OWN_SUMS_KEPT, Reconciler
from tests.delivery.place import TODAY, Place, Station, bundle_of, seeded

MINUTE_MS = 60_000


def item_of(bundle: bytes) -> Item:
    return Item(bundle_id(bundle), len(bundle), 1, TODAY)


def after(delay_ms: int, ours: bool) -> int:
    return delay_ms


def has(station: Station, bundle: bytes) -> bool:
    return bundle_id(bundle) in station.held


def all_have(place: Place, count: int) -> bool:
    return all(len(station.held) == count for station in place.stations.values())


def answers_of(count: int) -> tuple[Outgoing, dict[bytes, bytes]]:
    """Somebody who has said the first of so many answers, and still has the others."""
    held: dict[bytes, bytes] = {bundle_id(b): b for b in (bundle_of(n) for n in range(count))}
    outgoing = Outgoing(222, Incoming(1000, set(), seeded("d")), seeded("d"), 0)
    outgoing.add_answers(map(item_of, held.values()), 0, lambda ours: 0)
    return outgoing, held


def sent(outgoing: Outgoing, held: dict[bytes, bytes]) -> list[CodedFrame]:
    frames = []
    while outgoing.ranks(0):
        frame = outgoing.next(1, 0, held.get)
        assert isinstance(frame, CodedFrame)
        frames.append(frame)
    return frames


# -- what others have sent ------------------------------------------------------------------------------------


def test_an_answer_that_was_begun_leaves_out_what_somebody_else_sends_meanwhile() -> None:
    outgoing, held = answers_of(8)
    first = outgoing.next(1, 0, held.get)
    assert isinstance(first, CodedFrame)
    assert (first.number, first.count, first.followed) == (0, 8, True)
    others = [bundle for bundle in held.values() if bundle != first.symbol]
    for bundle in others[:5]:
        outgoing.overheard(bundle_id(bundle), 0)
    frames = sent(outgoing, held)
    assert sorted(frame.symbol for frame in frames) == sorted(others[5:])
    assert [(frame.number, frame.count) for frame in frames] == [(1, 3), (2, 3)]
    assert not frames[-1].followed


def test_whoever_has_heard_that_there_was_more_is_told_that_there_is_not() -> None:
    outgoing, held = answers_of(4)
    first = outgoing.next(1, 0, held.get)
    assert isinstance(first, CodedFrame)
    reader = HeardGeneration(False, answers=True)
    reader.take(first)
    assert reader.lacking == 3
    for bundle in held.values():
        outgoing.overheard(bundle_id(bundle), 0)
    assert sent(outgoing, held) == []
    told = outgoing.announcement(0)
    assert told is not None
    assert (told.count, told.asked, told.symbol) == (1, True, b"")
    reader.take(told)
    assert reader.lacking == 0
    assert outgoing.announcement(9_000_000) is None, "it is said once"


@pytest.mark.must("M-RAD-21")
def test_only_what_was_asked_for_becomes_less() -> None:
    for asked, left in ((True, 1), (False, 6)):
        reader = HeardGeneration(False, answers=asked)
        reader.take(CodedFrame(1, 2, 8, 0, bundle_of(0), False, True, asked))
        reader.take(CodedFrame(1, 2, 3, 1, bundle_of(1), False, False, asked))
        assert reader.lacking == left
        reader.take(CodedFrame(1, 2, 2, 1, b"", False, False, True))
        assert reader.lacking == (0 if asked else 6), "that it was asked for makes no answers of news"
    reader = HeardGeneration(False, answers=True)
    reader.take(CodedFrame(1, 2, 8, 6, bundle_of(6), False, True, True))
    reader.take(CodedFrame(1, 2, 3, 1, bundle_of(1), False, False, True))
    assert reader.count == 7, "what was heard was there"


def test_a_number_that_was_said_is_given_to_nothing_else() -> None:
    own = OwnGeneration(1, 2, 207, 0, True, 0)
    names = [bundle_id(bundle_of(n)) for n in range(4)]
    own.bundles, own.flows = list(names), dict.fromkeys(names, "")
    own.unsent, own.said, own.count_said = [1, 2, 3], {0}, 4
    own.withdraw(names[1])
    assert own.bundles == [names[0], names[3], names[2]]
    assert own.unsent == [1, 2]
    own.unsent, own.said = [0, 1], {0, 2}  # the first is to be sent again, the last is gone out already
    own.withdraw(names[0])
    assert (own.unsent, own.count) == ([1], 3)
    own.withdraw(names[3])
    assert own.unsent == [1], "a hole would be asked for"


# -- who asks -------------------------------------------------------------------------------------------------


def test_nobody_asks_for_answers_of_which_he_held_nearly_all() -> None:
    bundles = [bundle_of(n) for n in range(8)]
    for held, asks in ((0, True), (3, True), (5, False), (6, False)):
        incoming = Incoming(1000, {bundle_id(bundle) for bundle in bundles[:held]}, seeded("n"))
        for n in range(6):
            incoming.heard(CodedFrame(1, 2, 8, n, bundles[n], False, n < 5, True), 1_000 * n, asked=True)
        assert (incoming.need(10 * MINUTE_MS) is not None) == asks


def test_who_holds_the_same_as_somebody_else_asks_for_no_symbols() -> None:
    for agreed in (False, True):
        incoming = Incoming(1000, set(), seeded("n"))
        for n in (0, 1):
            incoming.heard(CodedFrame(1, 2, 3, n, bundle_of(n), False, True), 1_000 * n, asked=False)
        if agreed:
            incoming.agreed()
        assert (incoming.need(10 * MINUTE_MS) is None) == agreed


# -- who answers ----------------------------------------------------------------------------------------------


def test_timers_that_many_draw_are_mostly_late() -> None:
    entropy = seeded("timers")
    firsts: Counter[int] = Counter()
    for _ in range(100):
        drawn = sorted(mostly_late(entropy, 1_000) for _ in range(40))
        assert drawn[0] >= 0
        assert drawn[-1] < 1_000
        firsts[sum(one < drawn[0] + 50 for one in drawn)] += 1
    assert sum(times * count for times, count in firsts.items()) <= 200, "on average no more than two within a frame"


def test_who_waited_while_others_sent_waits_on_for_what_was_left() -> None:
    outgoing, _ = answers_of(0)
    for n, due_ms in enumerate((5_000, 9_000)):
        outgoing.add_answers([item_of(bundle_of(n))], 0, partial(after, due_ms))

    def due() -> list[int]:
        return sorted(waiting.due_ms for waiting in outgoing._waiting.values())

    outgoing.put_off(1_000, 8_000)
    assert due() == [12_000, 16_000]
    outgoing.put_off(4_000, 10_000)
    assert due() == [14_000, 18_000], "while a burst goes on nobody's time runs"
    outgoing.put_off(13_000, 15_000)
    assert due() == [16_000, 20_000]


@pytest.mark.must("M-RAD-19")
def test_what_was_left_to_others_is_not_left_to_them_twice() -> None:
    answering = Answering(seeded("a"))
    names = [bundle_id(bundle_of(n)) for n in range(400)]
    assert all(answering.means_to(name, 0) for name in names[:50]), "who knows of nobody else answers"
    for _ in range(200):
        answering.was_sooner()
    left = [name for name in names if not answering.means_to(name, 0)]
    assert 400 * (1 - 3 * EAGER_MIN) < len(left) < 400, "some answer, however many there are"
    assert all(answering.means_to(name, LEFT_MS - 1) for name in left)
    for _ in range(20):
        answering.answers()
    assert all(answering.means_to(name, 2 * LEFT_MS) for name in names), "nobody else does any more"


def test_a_word_spares_an_answer_once_in_ten_minutes() -> None:
    answering = Answering(seeded("a"))
    name = bundle_id(bundle_of(1))
    assert [answering.spares(name, at_ms) for at_ms in (0, SPARED_MS - 1, SPARED_MS)] == [True, False, True]
    for n in range(5_000):
        answering.spares(bundle_id(n.to_bytes(2, "big")), SPARED_MS)
    assert answering.spares(name, SPARED_MS + 1), "what is noted of others is bounded"


def test_of_forty_who_hold_it_few_send_what_one_of_them_lacks() -> None:
    place = Place(map(str, range(40)), loss=0.05, seed=1)
    common = [bundle_of(n) for n in range(3)]
    for station in place.stations.values():
        station.hold(common, news=False)
    place.run(5 * MINUTE_MS)
    sends = []
    for turn in range(12):
        fresh = bundle_of(("fresh", turn))
        lacks = place.stations[str(turn)]
        for station in place.stations.values():
            if station is not lacks:
                station.hold([fresh], news=False)
        before = len(place.log)
        assert place.run(place.now_ms + 40 * MINUTE_MS, partial(has, lacks, fresh))
        place.run(place.now_ms + 5 * MINUTE_MS)
        frames = [read_radio_frame(data) for _, _, data in place.log[before:]]
        sends.append(sum(isinstance(frame, CodedFrame | BatchFrame) for frame in frames))
    assert sum(sends) / len(sends) <= 2.5
    kinds = Counter(type(read_radio_frame(data)) for _, _, data in place.log)
    assert kinds[SumFrame] <= 5 * len(sends)
    assert kinds[DaysFrame] <= 15 * len(sends)


def test_ten_who_meet_say_each_what_he_brings_and_little_else() -> None:
    for seed in range(5):
        place = Place("abcdefghij", seed=seed)
        for name, station in place.stations.items():
            station.hold([bundle_of("all"), bundle_of(name)], news=False)
        assert place.run(5 * MINUTE_MS, partial(all_have, place, 11))
        assert place.bytes_on_air <= 10 * 211 + 200


# -- bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.must("M-RAD-2")
def test_more_than_64_bundles_are_no_generation() -> None:
    head = bytes((0x30, 1, 2))
    assert read_radio_frame(head + bytes((64, 9)) + bundle_of(1)) == CodedFrame(1, 2, 64, 9, bundle_of(1), False, False)
    assert read_radio_frame(bytes((0x31, 1, 2, 192, 9)) + b"part") == CodedFrame(1, 2, 192, 9, b"part", True, False)
    with pytest.raises(PeerError):
        read_radio_frame(head + bytes((65, 9)) + bundle_of(1))
    with pytest.raises(PeerError):
        read_radio_frame(bytes((0x38, 1, 2, 65)) + bundle_of(1))
    one = bundle_of(1, 128)
    with pytest.raises(PeerError):
        read_radio_frame(bytes((0x21, 1, 2, 65, 0, 0)) + one + one)


def test_whose_number_was_taken_in_a_full_generation_leaves_it_to_a_summary() -> None:
    own = OwnGeneration(1, 2, 207, 0, False, 0, heard=HeardGeneration(False))
    own.bundles = [None] * (BUNDLES_MAX - 1)
    name = bundle_id(bundle_of("ours"))
    own.bundles.append(name)
    own.flows[name], own.unsent = "", [BUNDLES_MAX - 1]
    own.heard_of(CodedFrame(1, 2, BUNDLES_MAX, BUNDLES_MAX - 1, bundle_of("theirs"), False, False))
    assert (own.count, own.unsent, own.flows) == (BUNDLES_MAX, [], {})


@pytest.mark.must("M-RAD-10")
def test_what_is_kept_of_our_own_sketches_is_bounded() -> None:
    index = Index(TODAY)
    count = 5_000
    for n in range(count):
        index.add(Item(bundle_id(n.to_bytes(2, "big")), 207, 1, TODAY))
    reconciler = Reconciler(222, 1000, index, seeded("m"), 0)
    tracemalloc.start()
    for _ in range(40):
        reconciler._sum(TODAY, 2, None)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(reconciler._sums) == OWN_SUMS_KEPT
    assert kept <= OWN_SUMS_KEPT * count * 4 * 1.3


def test_what_is_refused_counts_for_no_burst() -> None:
    """A symbol that cannot belong to its generation keeps no summary waiting."""
    place = Place("a", seed=3)
    engine = place.stations["a"].engine
    engine.heard(bytes((0x30, 1, 2, 4, 0)) + bundle_of(0), 10.0, 0)
    calm_ms = engine._calm_ms
    with pytest.raises(PeerError):
        engine.heard(bytes((0x30, 1, 2, 4, 200)) + b"of no size", 10.0, 60_000)
    assert engine._calm_ms == calm_ms


@pytest.mark.must("M-RAD-20")
def test_who_says_something_else_again_and_again_silences_nobody() -> None:
    """A liar says a DAYS that nobody agrees with, and a SUM at once, so that nobody else answers it."""
    place = Place("ab", seed=4)
    place.stations["a"].hold([bundle_of(n) for n in range(5)], news=False)
    place.stations["b"].hold([bundle_of(n) for n in range(3)], news=False)
    salts = seeded("liar")

    def lie() -> None:
        salt = salts(2)
        junk = DaysFrame(TODAY % 256, salt, Index(TODAY).entry(salt, ()), ((9, salts(2)),))
        sketch = SumFrame(TODAY % 256, salts(2), 0, 9, salts(2), (int.from_bytes(salts(4), "big"),))
        for station in place.stations.values():
            for frame in (junk, sketch):
                station.engine.heard(write_radio_frame(frame), 10.0, place.now_ms)
        place.at(place.now_ms + 3_000, lie)

    place.at(1_000, lie)
    assert place.run(40 * MINUTE_MS, lambda: len(place.stations["b"].held) == 5)


@pytest.mark.must("M-RAD-20")
def test_nor_who_says_garbage_and_now_and_then_what_is_true() -> None:
    """A liar whom both hear says a SUM that does not hold before each of theirs, and sometimes the DAYS of one of them,
    so that they take themselves for agreed."""
    place = Place("ab", seed=8)
    here, there = place.stations.values()
    here.hold([bundle_of(n) for n in range(6)], news=False)
    there.hold([bundle_of(n) for n in range(5)], news=False)
    said = 0

    def lie() -> None:
        nonlocal said
        said += 1
        salt = said.to_bytes(2, "big")
        who = here if said % 2 else there
        frame: RadioFrame = SumFrame(TODAY % 256, salt, 0, 5, b"zz", (said * 7919 + 1, 3))
        if said % 40 in (0, 1):
            frame = DaysFrame(TODAY % 256, salt, who.index.entry(salt, ()), (who.index.entry(salt, (TODAY,)),))
        for station in place.stations.values():
            station.engine.heard(write_radio_frame(frame), 10.0, place.now_ms)
        place.at(place.now_ms + 300, lie)

    place.at(1_000, lie)
    assert place.run(40 * MINUTE_MS, lambda: len(there.held) == 6)
