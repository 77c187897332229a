"""Somebody on the air who lies: what he can make us spend is bounded, and what is ours still gets through."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.delivery.airtime import HOUR_MS, Air
from chasqui.delivery.index import Item, short_id
from chasqui.delivery.radio_frames import (
    BatchFrame,
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.sketch import syndromes_of
from tests.delivery.place import TODAY, Place, Station, bundle_of

LEGAL = Air(222, 1760, 83, 0.01)  # 36 s an hour
BUDGET_MS = 36_000


def lie(place: Place, name: str, every_ms: int, frame: Callable[[int], RadioFrame | None]) -> None:
    """One node hears this again and again."""
    station = place.stations[name]

    def again(n: int) -> None:
        said = frame(n)
        if said is not None:
            hear(station, write_radio_frame(said))
        place.at(place.now_ms + every_ms, lambda: again(n + 1))

    place.at(1_000, lambda: again(0))


def hear(station: Station, data: bytes) -> None:
    with suppress(PeerError):
        station.hold(station.engine.heard(data, 10.0, station.place.now_ms), news=False)
    if station.queued is None:
        station.turn()


def spent_ms(place: Place, kinds: tuple[type, ...], name: str = "a") -> int:
    """Airtime of one node for frames of these kinds, in its worst hour."""
    sent = [
        (at_ms, LEGAL.airtime_ms(len(data)))
        for at_ms, sender, data in place.log
        if sender == name and isinstance(read_radio_frame(data), kinds)
    ]
    return max((sum(took for at, took in sent if 0 <= at - begin < HOUR_MS) for begin, _ in sent), default=0)


def holding(count: int, names: str = "ab", seed: int = 1) -> Place:
    place = Place(names, seed=seed, air=LEGAL)
    for station in place.stations.values():
        station.hold([bundle_of(n) for n in range(count)], news=False)
    return place


def salt(n: int) -> bytes:
    return bytes((n % 251, n // 251 % 256))


def nothing(n: int) -> SumFrame:
    """Somebody who claims to hold nothing."""
    return SumFrame(TODAY % 256, salt(n), 0, 0, b"zz", ())


@pytest.mark.must("M-RAD-16")
@pytest.mark.parametrize("ask", ["sum", "days", "want"])
def test_who_asks_for_everything_gets_half_and_ours_goes_out(ask: str) -> None:
    place = holding(300)
    first = place.stations["a"]
    ids = sorted(first.held)

    def question(n: int) -> RadioFrame:
        if ask == "sum":
            return nothing(n)
        if ask == "days":
            entry = first.index.entry(salt(n), ())
            return DaysFrame(TODAY % 256, salt(n), entry, (entry,))
        if n % 2 == 0:
            return SumFrame(TODAY % 256, salt(n + 1), 0, 1, b"zz", (7,))
        return WantFrame(salt(n), tuple({short_id(salt(n), ids[(40 * n + k) % 300]) for k in range(40)}))

    lie(place, "a", 7_000, question)
    place.run(HOUR_MS)
    assert BUDGET_MS / 4 < spent_ms(place, (CodedFrame, BatchFrame)) <= BUDGET_MS / 2 + 2_000
    ours = [bundle_of(("ours", n)) for n in range(8)]
    first.hold(ours, news=True)
    place.run(HOUR_MS + 60_000)
    assert {bundle_id(bundle) for bundle in ours} <= set(place.stations["b"].held)


@pytest.mark.must("M-RAD-16")
def test_without_a_bound_news_and_answers_take_turns() -> None:
    place = Place("ab", seed=2)
    first = place.stations["a"]
    for station in place.stations.values():
        station.hold([bundle_of(n) for n in range(400)], news=False)
    lie(place, "a", 7_000, nothing)
    place.run(120_000)
    ours = [bundle_of(("ours", n)) for n in range(10)]
    first.hold(ours, news=True)
    place.run(120_000 + 35_000)
    assert {bundle_id(bundle) for bundle in ours} <= set(place.stations["b"].held)


@pytest.mark.must("M-RAD-16")
def test_who_disagrees_without_end_draws_a_fifth() -> None:
    place = holding(60)
    first = place.stations["a"]
    mine = len(first.index.of_day(TODAY))

    def question(n: int) -> RadioFrame:
        if n % 3:
            return DaysFrame(TODAY % 256, salt(n), (3, b"zz"), (((mine + 60) % 256, b"zz"),))
        known = next((key for key, one in first.engine._reconciler._sums.items() if one.elements is not None), None)
        if known is not None:
            return MoreFrame(TODAY % 256, known[1], n % 65, ())
        return SumFrame(TODAY % 256, salt(n), 0, mine, b"zz", (n, 3))

    lie(place, "a", 4_000, question)
    place.run(2 * HOUR_MS)
    assert spent_ms(place, (DaysFrame, SumFrame, MoreFrame, WantFrame)) <= BUDGET_MS / 5 + 2_000


def comes(place: Place, bundle: bytes, within_ms: int) -> bool:
    """Whether the other node holds it soon."""
    key, held = bundle_id(bundle), place.stations["b"].held
    return place.run(place.now_ms + within_ms, lambda: key in held)


def of_nothing(n: int) -> CodedFrame:
    """Six bytes of a generation of which there will never be more."""
    return CodedFrame(n % 256, n // 256, 2, 0, b"x", True, False)


@pytest.mark.must("M-RAD-22")
def test_who_begins_much_and_ends_nothing_draws_a_fifth() -> None:
    place = holding(5)
    lie(place, "a", 10_000, of_nothing)
    place.run(HOUR_MS)
    assert BUDGET_MS / 10 < spent_ms(place, (NeedFrame,)) <= BUDGET_MS / 5
    place.stations["a"].hold([bundle_of("ours")], news=True)
    assert place.run(HOUR_MS + 60_000, lambda: bundle_id(bundle_of("ours")) in place.stations["b"].held)
    assert place.stations["a"].turns < 4_000, "what may not be said yet is waited for"


@pytest.mark.must("M-RAD-22")
@pytest.mark.parametrize("rank", [0, 1])
def test_who_needs_all_that_is_said_keeps_nothing_from_being_said(rank: int) -> None:
    place = holding(5)
    first = place.stations["a"]

    def need(n: int) -> RadioFrame | None:
        said = [frame for *_, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame)]
        return NeedFrame(said[-1].source, said[-1].generation, 192) if said else None

    lie(place, "a", 4_000, need)
    for n in range(8):
        ours = bundle_of(("ours", n), rank=rank)
        first.hold([ours], news=True)
        assert comes(place, ours, 60_000), n
        place.run(place.now_ms + 180_000)
    assert place.now_ms < HOUR_MS
    assert BUDGET_MS / 2 < spent_ms(place, (CodedFrame, BatchFrame)) <= BUDGET_MS * 2 / 5 + 14_000
    assert first.turns < 4_000


@pytest.mark.must("M-RAD-22")
def test_what_is_kept_for_urgent_is_not_drawn_by_needs_alone() -> None:
    place = holding(300)
    first = place.stations["a"]
    lie(place, "a", 7_000, nothing)
    lie(place, "a", 10_000, of_nothing)
    place.run(HOUR_MS * 3 // 4)
    heard: set[tuple[int, int]] = set()

    def need(n: int) -> RadioFrame | None:
        frames = [read_radio_frame(data) for *_, data in place.log[-200:]]
        heard.update((f.source, f.generation) for f in frames if isinstance(f, CodedFrame))
        return NeedFrame(*sorted(heard)[n % len(heard)], 192)

    lie(place, "a", 1_000, need)
    for n in range(3):
        ours = bundle_of(("ours", n), rank=0)
        first.hold([ours], news=True)
        assert comes(place, ours, 20_000), n
        place.run(place.now_ms + 120_000)


@pytest.mark.must("M-RAD-23")
def test_who_takes_all_numbers_keeps_no_news_back() -> None:
    place = Place("ab", seed=3)
    first, second = place.stations["a"], place.stations["b"]
    news = [bundle_of(("news", n)) for n in range(6)]
    first.hold(news, news=True)
    place.run(60_000, lambda: bool(place.log))
    said = next(frame for *_, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame))
    for number in range(said.number, 64):
        junk = bundle_of(("junk", number))
        hear(first, write_radio_frame(CodedFrame(said.source, said.generation, 64, number, junk, False, False)))
    wanted = {bundle_id(bundle) for bundle in news}
    assert place.run(place.now_ms + 25_000, lambda: wanted <= set(second.held))


@pytest.mark.must("M-RAD-21", "M-RAD-23")
@pytest.mark.parametrize(("symbol", "asked"), [(b"", True), (bundle_of("junk"), False)])
def test_who_says_that_there_is_less_of_news_does_not_make_it_more_than_there_may_be(
    symbol: bytes, asked: bool
) -> None:
    place = Place("ab", seed=3)
    first, second = place.stations["a"], place.stations["b"]
    first.hold([bundle_of("first")], news=True)
    place.run(20_000)
    said = next(frame for *_, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame))
    name = said.source, said.generation
    hear(first, write_radio_frame(CodedFrame(*name, 64, 63, b"", False, False)))
    hear(first, write_radio_frame(CodedFrame(*name, 1, 0, symbol, False, False, asked)))
    place.run(40_000)
    first.hold([bundle_of("second")], news=True)
    assert place.run(60_000, lambda: bundle_id(bundle_of("second")) in second.held)
    for _, _, data in place.log:
        read_radio_frame(data)


def test_who_needs_without_end_draws_what_a_generation_is_worth() -> None:
    place = Place("ab", seed=4)
    first = place.stations["a"]
    first.hold([bundle_of(n) for n in range(4)], news=True)
    place.run(30_000)
    sent = [frame for _, _, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame)]
    lie(place, "a", 2_000, lambda n: NeedFrame(sent[0].source, sent[0].generation, 192))
    place.run(HOUR_MS)
    drawn = [frame for _, _, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame)]
    assert len(drawn) <= len(sent) + 2 * 4 + 16 + 2


@pytest.mark.must("M-RAD-17")
def test_who_claims_to_hold_everything_does_not_silence_us() -> None:
    place = Place("a", seed=5, air=LEGAL)
    first = place.stations["a"]
    first.hold([bundle_of(n) for n in range(5)], news=False)

    def claim(n: int) -> DaysFrame:
        entry = first.index.entry(salt(n), (TODAY,))
        return DaysFrame(TODAY % 256, salt(n), first.index.entry(salt(n), ()), (entry,))

    lie(place, "a", 10_000, claim)
    place.run(12 * HOUR_MS)
    said = [at_ms for at_ms, _, data in place.log if isinstance(read_radio_frame(data), DaysFrame)]
    assert 4 <= len(said) <= 6
    assert all(later - earlier < 2.6 * HOUR_MS for earlier, later in zip([0, *said], said, strict=False))


@pytest.mark.must("M-RAD-10")
def test_what_is_planned_because_of_others_words_is_bounded() -> None:
    reconciler = holding(3, "a").stations["a"].engine._reconciler
    for n in range(2_000):
        reconciler.heard_sum(SumFrame(TODAY % 256, n.to_bytes(2, "big"), 0, 5, b"zz", (n + 1,)), 25 * n)
    assert len(reconciler._planned) <= 3 * 32
    for n in range(100):
        junk = syndromes_of([n << 8 | k + 1 for k in range(12)], 16)
        reconciler.heard_sum(SumFrame(TODAY % 256, b"a\0", 0, None, b"", junk), 100_000 + 1_000 * n)
    assert 100 < sum(map(len, reconciler._wanted.values())) <= 128


@pytest.mark.must("M-RAD-10")
def test_who_asks_about_much_is_answered_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    place = holding(2_000, "a")
    engine = place.stations["a"].engine
    hashed: list[int] = []
    short_ids = engine._index.short_ids

    def counted(salt: bytes, day: int, split: int = 0) -> dict[int, Item]:
        hashed.append(day)
        return short_ids(salt, day, split)

    monkeypatch.setattr(engine._index, "short_ids", counted)
    for n in range(100):
        for frame in (SumFrame(TODAY % 256, salt(n), 0, 5, b"zz", (n + 1,)), WantFrame(salt(n), (7,))):
            engine.heard(write_radio_frame(frame), 10.0, 10 * n)
    assert 1_000 * 50 / 2_000 - 2 <= len(hashed) <= 1_000 * 50 / 2_000 + 2


@pytest.mark.parametrize("size", [207, 1600])
def test_who_guesses_generations_beforehand_keeps_nothing_from_anybody(size: int) -> None:
    place = Place("ab", seed=3)
    first, second = place.stations["a"], place.stations["b"]
    first.hold([bundle_of("first", size)], news=True)
    place.run(1_500_000)
    known = next(frame for *_, data in place.log if isinstance(frame := read_radio_frame(data), CodedFrame))
    for n in range(1, 64):
        name = known.source, (known.generation + n) % 256
        symbol, parts = (bytes(130), False) if size == 207 else (b"x", True)
        hear(second, write_radio_frame(CodedFrame(*name, 2, 0 if parts else 192, symbol, parts, False)))
    begun_ms = place.now_ms
    first.hold([bundle_of("second", size)], news=True)
    assert place.run(begun_ms + 60_000, lambda: bundle_id(bundle_of("second", size)) in second.held)


def test_old_frames_change_nothing_and_cost_little() -> None:
    past = Place("abc", loss=0.2, seed=6)
    for n in range(12):
        past.stations["abc"[n % 3]].hold([bundle_of(n)], news=True)
        past.run(past.now_ms + 40_000)
    assert past.run(past.now_ms + HOUR_MS, lambda: all(len(s.held) == 12 for s in past.stations.values()))
    old = [data for _, _, data in past.log]
    place = Place("ab", seed=7, air=LEGAL)
    for station in place.stations.values():
        station.hold([bundle_of(n) for n in range(12)], news=False)

    def replay(n: int) -> RadioFrame:
        return read_radio_frame(old[n % len(old)])

    lie(place, "a", 5_000, replay)
    place.run(2 * HOUR_MS)
    assert all(len(station.held) == 12 for station in place.stations.values())
    assert spent_ms(place, (CodedFrame, BatchFrame)) <= BUDGET_MS / 2 + 2_000
    assert spent_ms(place, (DaysFrame, SumFrame, MoreFrame, WantFrame)) <= BUDGET_MS / 5 + 2_000
    assert spent_ms(place, (NeedFrame,)) <= BUDGET_MS / 5
    place.stations["b"].hold([bundle_of("new")], news=True)
    assert place.run(3 * HOUR_MS, lambda: len(place.stations["a"].held) == 13)


def test_a_conversation_that_is_none_does_not_keep_sets_apart() -> None:
    place = Place("ab", seed=8)
    place.stations["a"].hold([bundle_of(n) for n in range(3)], news=False)
    place.stations["b"].hold([bundle_of(n) for n in range(2)], news=False)

    def junk(n: int) -> CodedFrame:
        number = n % 20
        return CodedFrame(n // 20 % 256, 9, number + 1, number, bundle_of(("junk", n)), False, False)

    for name in "ab":
        lie(place, name, 40_000, junk)
    wanted = bundle_id(bundle_of(2))
    assert place.run(3 * HOUR_MS, lambda: wanted in place.stations["b"].held)


def test_nothing_explains_a_difference_for_longer_than_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = holding(3).stations["a"].engine
    monkeypatch.setattr(engine._incoming, "expected", lambda now_ms: [bundle_id(bundle_of(0))])
    monkeypatch.setattr(engine._reconciler, "explained", lambda *_: True)
    frame = DaysFrame(TODAY % 256, b"sa", (0, b"zz"), ((9, b"zz"),))
    minutes = [n for n in range(65) if engine._listens(frame, 60_000 * n)]
    assert minutes == [30, 61]
