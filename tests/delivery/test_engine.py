"""Engines in one place, and in places that do not all hear each other: sets become equal, nothing is said in vain."""

from __future__ import annotations

import pytest

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.secret import Secret
from chasqui.delivery import reconciler
from chasqui.delivery.airtime import HOUR_MS, Air
from chasqui.delivery.engine import Settings
from chasqui.delivery.index import Item
from chasqui.delivery.radio_frames import (
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    PackFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.veil import unveil
from tests.delivery.place import LORA_SF9, TODAY, Place, bundle_of

HF = Air(mtu_bytes=54, bit_rate_bps=80, frame_overhead_ms=300, airtime_share_max=1.0)  # like FreeDV DATAC4
KEY = Secret(b"k" * 32)


def frames_of(place: Place, kind: type[RadioFrame]) -> list[RadioFrame]:
    return [frame for _, _, data in place.log if isinstance(frame := read_radio_frame(data), kind)]


def equal(place: Place, count: int) -> bool:
    return all(len(station.held) == count for station in place.stations.values())


def bundles(count: int, size: int = 207, **options: int) -> list[bytes]:
    return [bundle_of((n, size), size, **options) for n in range(count)]


@pytest.mark.parametrize("loss", [0.0, 0.2, 0.5])
def test_news_reach_everybody(loss: float) -> None:
    place = Place("abcde", loss=loss, seed=1)
    place.stations["a"].hold(bundles(20), news=True)
    assert place.run(6 * HOUR_MS, lambda: equal(place, 20))


def test_without_loss_nothing_is_sent_twice() -> None:
    place = Place("abcdefghi", seed=2)
    place.stations["a"].hold(bundles(16), news=True)
    place.run(2 * HOUR_MS)
    assert equal(place, 16)
    symbols = [frame for frame in frames_of(place, CodedFrame) if isinstance(frame, CodedFrame) and frame.symbol]
    assert len(symbols) == 16
    assert not frames_of(place, NeedFrame)
    assert not frames_of(place, SumFrame)


def test_a_backlog_with_loss_costs_little_more_than_the_bound() -> None:
    total = 0
    for seed in range(6):
        place = Place("sabcdefgh", loss=0.2, seed=seed)
        place.stations["s"].hold(bundles(32), news=True)
        assert place.run(HOUR_MS, lambda place=place: equal(place, 32))  # type: ignore[misc]
        total += place.bytes_on_air
    assert total / 6 <= 1.25 * 32 * 207 / 0.8


def test_over_several_hops_everything_arrives() -> None:
    place = Place("abcde", loss=0.1, seed=3, reaches=lambda sender, receiver: abs(ord(sender) - ord(receiver)) == 1)
    place.stations["a"].hold(bundles(10), news=True)
    place.stations["e"].hold([bundle_of("back")], news=True)
    assert place.run(2 * HOUR_MS, lambda: equal(place, 11))


def test_who_comes_late_gets_everything_and_costs_nobody_who_has_it() -> None:
    place = Place("abcd", loss=0.1, seed=4)
    for name in "abc":
        place.stations[name].hold(bundles(150), news=False)
    assert place.run(6 * HOUR_MS, lambda: equal(place, 150))
    assert place.bytes_on_air < 1.6 * 150 * 212


def test_sets_that_differ_a_little_cost_a_sketch_and_what_is_lacking() -> None:
    place = Place("ab", seed=5)
    every = bundles(1000)
    place.stations["a"].hold(every[:-4], news=False)
    place.stations["b"].hold(every[5:], news=False)
    assert place.run(2 * HOUR_MS, lambda: equal(place, 1000))
    assert place.bytes_on_air < 9 * 212 + 250


def test_sets_that_differ_much_become_equal_a_part_at_a_time() -> None:
    place = Place("ab", seed=6)
    every = bundles(600)
    place.stations["a"].hold(every[:450], news=False)
    place.stations["b"].hold(every[150:], news=False)
    assert place.run(12 * HOUR_MS, lambda: equal(place, 600))
    assert [frame for frame in frames_of(place, SumFrame) if isinstance(frame, SumFrame) and frame.split]
    assert place.bytes_on_air < 1.6 * 300 * 212


def test_old_days_are_found() -> None:
    place = Place("ab", seed=7)
    for n, day in enumerate((TODAY, TODAY - 1, TODAY - 40, TODAY - 150)):
        place.stations["ab"[n % 2]].hold([bundle_of(n, day=day)], news=False)
    assert place.run(2 * HOUR_MS, lambda: equal(place, 4))


def test_a_sketch_that_is_too_small_is_continued() -> None:
    place = Place("ab", seed=8)
    every = bundles(60)
    place.stations["a"].hold(every[:50], news=False)
    place.stations["b"].hold(every[10:], news=False)  # as many on both sides: the counts do not tell
    assert place.run(2 * HOUR_MS, lambda: equal(place, 60))
    assert [frame for frame in frames_of(place, MoreFrame) if isinstance(frame, MoreFrame) and frame.syndromes]


def test_large_bundles_go_in_parts_over_small_frames() -> None:
    place = Place("abc", loss=0.2, seed=9, air=HF)
    place.stations["a"].hold([bundle_of("large", 978), bundle_of("small", 207)], news=True)
    assert place.run(4 * HOUR_MS, lambda: equal(place, 2))
    assert all(len(data) <= HF.mtu_bytes for _, _, data in place.log)


def test_what_no_frame_can_carry_waits_without_harm() -> None:
    place = Place("ab", seed=10, air=HF)
    place.stations["a"].hold([bundle_of("huge", 15_360), bundle_of("small")], news=True)
    place.run(HOUR_MS)
    assert list(map(len, place.stations["b"].held.values())) == [207]


def test_urgent_ones_go_first() -> None:
    place = Place("ab", seed=11)
    urgent, plain = bundle_of("urgent", rank=0), bundles(8)
    place.stations["a"].hold([*plain, urgent], news=True)
    place.run(60_000)
    first = next(frame for frame in frames_of(place, CodedFrame) if isinstance(frame, CodedFrame))
    assert first.symbol == urgent


def test_ranks_share_the_air_while_all_of_them_wait() -> None:
    place = Place("ab", seed=12)
    waiting = [bundle_of((rank, n), rank=rank) for rank in (1, 2, 3) for n in range(100)]
    place.stations["a"].hold(waiting, news=True)
    place.run(100_000)
    ranks = [f.symbol[0] >> 4 & 3 for f in frames_of(place, CodedFrame) if isinstance(f, CodedFrame) and f.symbol]
    shares = [ranks.count(rank) / len(ranks) for rank in (1, 2, 3)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.05)


def test_no_news_costs_hardly_anything() -> None:
    place = Place("abcdefghij", loss=0.2, seed=13)
    for station in place.stations.values():
        station.hold(bundles(50), news=False)
    place.run(24 * HOUR_MS)
    airtime_ms = sum(LORA_SF9.airtime_ms(len(data)) for _, _, data in place.log)
    assert airtime_ms < 0.005 * 24 * HOUR_MS
    assert not frames_of(place, SumFrame)


def test_whoever_holds_nothing_falls_silent() -> None:
    place = Place("abc", seed=14)
    place.run(HOUR_MS)
    before = place.bytes_on_air
    place.run(48 * HOUR_MS)
    assert place.bytes_on_air == before


def test_dummies_are_a_share_of_the_budget_and_look_like_repeats() -> None:
    air = Air(222, 1760, 83, 0.1)
    place = Place("ab", seed=15, air=air, settings=Settings(dummy_share=0.05))
    for station in place.stations.values():
        station.hold(bundles(5), news=False)
    place.run(24 * HOUR_MS)
    repeats = [frame for frame in frames_of(place, CodedFrame) if isinstance(frame, CodedFrame)]
    share = sum(air.airtime_ms(5 + len(frame.symbol)) for frame in repeats) / (2 * 24 * HOUR_MS * 0.1)
    assert 0.035 < share < 0.065
    assert not frames_of(place, NeedFrame), "nobody asks for more of what says nothing"
    assert equal(place, 5)


@pytest.mark.must("M-RAD-9")
def test_a_neighbourhood_keeps_strangers_out() -> None:
    place = Place("ab", seed=16, settings=Settings(key=KEY))
    place.stations["a"].hold(bundles(10), news=True)
    assert place.run(HOUR_MS, lambda: equal(place, 10))
    for _, _, data in place.log:
        assert len(data) <= LORA_SF9.mtu_bytes
        read_radio_frame(unveil(KEY, data))
    symbol = CodedFrame(1, 2, 3, 0, bundle_of("theirs"), False, False)
    with pytest.raises(PeerError):
        place.stations["b"].engine.heard(write_radio_frame(symbol), None, place.now_ms)


def test_poisoned_parity_gives_no_bundle_and_does_not_stop_the_generation() -> None:
    place = Place("ab", seed=17)
    engine = place.stations["b"].engine
    given = bundles(4)
    for number in range(3):
        frame = CodedFrame(7, 7, 4, number, given[number], False, True)
        assert engine.heard(write_radio_frame(frame), None, 1) == [given[number]]
    poison = CodedFrame(7, 7, 4, 200, bytes(209), False, False)
    assert engine.heard(write_radio_frame(poison), None, 2) == []
    assert engine.heard(write_radio_frame(CodedFrame(7, 7, 4, 3, given[3], False, False)), None, 3) == [given[3]]


def test_two_stations_with_one_source_do_each_other_no_lasting_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("abc", seed=18, loss=0.1)
    for name in "ab":
        outgoing = place.stations[name].engine._outgoing
        outgoing._source, outgoing._number = 5, 9
    place.stations["a"].hold(bundles(12), news=True)
    place.stations["b"].hold([bundle_of(("b", n)) for n in range(12)], news=True)
    assert place.run(6 * HOUR_MS, lambda: equal(place, 24))
    assert {bundle_id(b) for s in place.stations.values() for b in s.held.values()} == set(place.stations["a"].held)


def test_frames_that_cannot_mean_anything_here_are_passed_over() -> None:
    place = Place("a", seed=19)
    engine = place.stations["a"].engine
    for frame in (
        NeedFrame(1, 2, 3),
        WantFrame(b"xy", (1, 2)),
        MoreFrame(TODAY % 256, b"xy", 3, (1,)),
        SumFrame((TODAY + 40) % 256, b"xy", 0, 5, b"zz", (1, 2)),
        DaysFrame((TODAY + 40) % 256, b"xy", (0, b"zz"), ()),
    ):
        try:
            assert engine.heard(write_radio_frame(frame), None, 5) == []
        except PeerError:
            continue
    assert engine.heard(write_radio_frame(PackFrame(tuple(bundles(2)))), None, 6) == bundles(2)


@pytest.mark.must("M-RAD-10")
def test_whoever_floods_gets_a_bounded_part_of_memory_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("a", seed=20)
    engine = place.stations["a"].engine
    place.stations["a"].hold(bundles(9), news=False)
    decoded: list[int] = []

    def count(syndromes: tuple[int, ...]) -> None:
        decoded.append(len(syndromes))

    monkeypatch.setattr(reconciler, "elements_from", count)
    many = tuple(range(1, 200))
    for n in range(600):
        salt = n.to_bytes(2, "big")
        engine.heard(write_radio_frame(SumFrame(TODAY % 256, salt[1:] + b"\0", 0, None, b"", many)), None, 10 * n)
        engine.heard(write_radio_frame(MoreFrame(TODAY % 256, salt[1:] + b"\0", 64, many)), None, 10 * n)
        engine.heard(write_radio_frame(CodedFrame(n % 256, n // 256, 64, 0, bundle_of(n), False, True)), None, 10 * n)
        for number in range(192, 194):
            parity = CodedFrame(0, 0, 64, number, bytes((n % 256,)) * 209, False, True)
            engine.heard(write_radio_frame(parity), None, 10 * n)
    assert decoded == [64] * len(decoded)
    assert len(decoded) <= 6_000 // (25 * 64) + 1
    assert len(engine._incoming._heard) <= 64
    assert all(len(known.parity) <= 64 for known in engine._incoming._heard.values())
    assert len(engine._reconciler._sums) <= 32
    waiting = [Item(BundleId(n.to_bytes(16, "big")), 207, 1, TODAY) for n in range(5_000)]
    engine._outgoing.add_answers(waiting, 0, lambda ours: 0)
    assert len(engine._outgoing._waiting) <= 4_096


def test_the_smallest_frames_of_any_medium_carry_it_all() -> None:
    tiny = Air(mtu_bytes=14, bit_rate_bps=170, frame_overhead_ms=500, airtime_share_max=1.0)  # like FreeDV DATAC0
    for settings in (Settings(), Settings(key=KEY)):
        place = Place("ab", loss=0.05, seed=21, air=tiny, settings=settings)
        place.stations["a"].hold([bundle_of("early", 128)], news=False)
        place.stations["b"].hold([bundle_of("late", 160)], news=True)
        assert place.run(6 * HOUR_MS, lambda place=place: equal(place, 2))  # type: ignore[misc]
        assert all(len(data) <= 14 for _, _, data in place.log)


def test_a_fifth_of_a_budget_is_kept_for_what_is_urgent() -> None:
    legal = Air(222, 1760, 83, 0.01)  # 36 s an hour
    place = Place("ab", seed=22, air=legal)
    place.stations["a"].hold(bundles(100), news=True)
    place.run(HOUR_MS // 2)
    plain = len(place.stations["b"].held)
    assert 20 < plain < 30
    place.stations["a"].hold([bundle_of("urgent", rank=0)], news=True)
    place.run(HOUR_MS // 2 + 20_000)
    assert bundle_id(bundle_of("urgent", rank=0)) in place.stations["b"].held
    assert len(place.stations["b"].held) == plain + 1


@pytest.mark.parametrize("share", [1.0, 0.01])
def test_nobody_is_woken_for_nothing(share: float) -> None:
    air = Air(222, 1760, 83, share)
    place = Place("abcd", loss=0.3, seed=23, air=air, settings=Settings(dummy_share=0.05))
    for name, station in place.stations.items():
        station.hold([bundle_of((name, n)) for n in range(12)], news=True)
    place.stations["a"].hold(bundles(40), news=False)
    place.run(6 * HOUR_MS)
    heard = len(place.log) * len(place.stations)
    for station in place.stations.values():
        assert station.turns < 2 * heard + 500


def test_a_stranger_who_never_falls_silent_does_not_keep_sets_apart() -> None:
    place = Place("ab", seed=24)
    place.stations["a"].hold(bundles(5), news=False)
    place.stations["b"].hold([bundle_of("b")], news=False)

    def chatter(n: int) -> None:
        junk = write_radio_frame(CodedFrame(n % 7, 1, 3, n % 2, bundle_of(("junk", n % 14)), False, True, n % 3 == 0))
        for station in place.stations.values():
            station.engine.heard(junk, None, place.now_ms)
            if station.queued is None:
                station.turn()
        place.at(place.now_ms + 5_000, lambda: chatter(n + 1))

    place.at(0, lambda: chatter(0))
    assert place.run(3 * HOUR_MS, lambda: equal(place, 6))
