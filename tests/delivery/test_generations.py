"""Generations: what is cut is joined, what does not belong together gives nothing; who asks, when, and for how much."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.delivery import erasure
from chasqui.delivery.generations import HeardGeneration, OwnGeneration, checked, cut, fits_whole, joined, part_count
from chasqui.delivery.incoming import ASKED_MAX, FRESH_MS, JUST_FRAMES, SPREAD_FRAMES, Incoming
from chasqui.delivery.index import Index, Item
from chasqui.delivery.outgoing import Outgoing
from chasqui.delivery.radio_frames import CodedFrame, NeedFrame
from chasqui.delivery.reconciler import Reconciler
from chasqui.delivery.sharing import Shares
from chasqui.delivery.trickle import INTERVAL_MS_MAX, INTERVAL_MS_MIN, Trickle
from tests.delivery.place import TODAY, bundle_of, seeded

HOUR_MS = 3_600_000


@pytest.mark.must("M-RAD-3", "M-RAD-4")
@given(st.sampled_from(BUNDLE_STEPS), st.integers(54, 1000))
def test_parts_give_back_the_bundle(size: int, room: int) -> None:
    count = part_count(size, room)
    bundle = bundle_of(size, size)
    if count is None:
        assert 192 * (room - 5) < size + 2
        return
    parts = cut(bundle, count)
    assert len(parts) == count
    assert {len(part) + 5 for part in parts} <= set(range(room + 1))
    assert joined(parts) == bundle
    assert (count == 1) == fits_whole(size, room)


@pytest.mark.must("M-RAD-4")
def test_parts_that_do_not_belong_together_give_nothing() -> None:
    one, other = cut(bundle_of(1), 3), cut(bundle_of(2), 3)
    for parts in ([one[0], other[1], one[2]], [*one[:2], one[2][:-1] + b"\1"], [bytes(5)] * 3):
        with pytest.raises(PeerError):
            joined(parts)
    filled = cut(bundle_of(3, 128), 7)  # 130 bytes in 7 parts of 19: three of filling
    with pytest.raises(PeerError):
        joined([*filled[:-1], filled[-1][:-1] + b"\1"])


def own_of(bundles: list[bytes]) -> OwnGeneration:
    return OwnGeneration(1, 1, len(bundles[0]), 0, False, 0, [bundle_id(bundle) for bundle in bundles])


@pytest.mark.must("M-RAD-3", "M-RAD-4")
def test_a_generation_is_made_good_by_any_symbols_in_any_order() -> None:
    bundles = [bundle_of(n) for n in range(3)]
    own = own_of(bundles)
    symbols = [own.frame(number, bundles, False) for number in (0, 2, 192, 193)]
    for order in permutations(symbols, 3):
        heard = HeardGeneration(False)
        got = [bundle for symbol in order for bundle in heard.take(symbol)]
        assert sorted(got) == sorted(bundles)
        assert heard.lacking == 0
    assert own.frame(192, bundles, False).symbol != checked(bundles[0])


@pytest.mark.must("M-RAD-4")
def test_a_mixture_gives_nothing_and_is_forgotten() -> None:
    mine, theirs = ([bundle_of((who, n)) for n in range(2)] for who in "ab")
    heard = HeardGeneration(False)
    assert heard.take(own_of(mine).frame(0, mine, False)) == [mine[0]]
    assert heard.take(own_of(theirs).frame(192, theirs, False)) == []
    assert heard.parity == {}
    assert heard.lacking == 1
    assert heard.take(own_of(mine).frame(193, mine, False)) == [mine[1]]


@pytest.mark.must("M-RAD-4")
def test_symbols_of_another_kind_or_size_are_refused() -> None:
    heard = HeardGeneration(False)
    heard.take(CodedFrame(1, 1, 2, 0, bundle_of(1), False, False))
    before = replace(heard)
    for bad in (
        CodedFrame(1, 1, 9, 1, bytes(100), False, False),
        CodedFrame(1, 1, 9, 192, bytes(207), False, False),
        CodedFrame(1, 1, 9, 192, bytes(130), False, False),
        CodedFrame(1, 1, 9, 1, bundle_of(2), True, False),
    ):
        with pytest.raises(PeerError):
            heard.take(bad)
        assert heard == before
    parts = HeardGeneration(True)
    parts.take(CodedFrame(1, 1, 2, 0, bytes(50), True, False))
    with pytest.raises(PeerError):
        parts.take(CodedFrame(1, 1, 3, 1, bytes(50), True, False))


@pytest.mark.must("M-RAD-4")
def test_a_bundle_that_came_whole_is_taken_whatever_the_generation_was_said_to_be() -> None:
    heard = HeardGeneration(False)
    assert heard.take(CodedFrame(1, 1, 2, 192, bytes(130), False, False)) == []
    bundle = bundle_of(1)
    assert heard.take(CodedFrame(1, 1, 1, 0, bundle, False, False)) == [bundle]
    assert heard.spoilt
    assert heard.lacking == 0


@pytest.mark.must("M-RAD-4")
@pytest.mark.parametrize("said_before", [(2, bytes(1)), (9, bytes(1)), (5, bytes(60)), (5, bytes(43))])
def test_the_first_part_begins_anew_what_was_something_else(said_before: tuple[int, bytes]) -> None:
    incoming = Incoming(1000, set(), seeded("x"))
    count, symbol = said_before
    incoming.heard(CodedFrame(1, 1, count, 0, symbol, True, False), 0, asked=False)
    bundle = bundle_of(1)
    got = [
        whole
        for number, part in enumerate(cut(bundle, 5))
        for whole in incoming.heard(CodedFrame(1, 1, 5, number, part, True, number < 4), 10, asked=False)
    ]
    assert got == [bundle]


def test_nothing_is_put_together_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    solve = erasure._solve

    def counted(rows: list[tuple[list[int], int]], lost: list[int], size: int) -> dict[int, bytes]:
        tried.append(len(lost))
        return solve(rows, lost, size)

    monkeypatch.setattr(erasure, "_solve", counted)
    heard = HeardGeneration(False)
    for number in range(190):
        if number % 4:
            heard.take(CodedFrame(1, 1, 192, number, bundle_of(number, 128), False, False))
    for round_ in range(4):
        for number in range(255, 191, -1):
            covers = 192 if number == 255 else 190  # two are lost behind it, and one symbol covers them
            heard.take(CodedFrame(1, 1, covers, number, bytes((round_,)) * 130, False, False))
    assert tried == []
    assert len(heard.parity) == 64


# -- asking -----------------------------------------------------------------------------------------------------


def lacking(count: int, followed: bool = False) -> CodedFrame:
    return CodedFrame(3, 4, count + 1, 0, bundle_of(0), False, followed)


def test_who_lacks_asks_ever_more_rarely_and_gives_up() -> None:
    incoming = Incoming(1000, set(), seeded("x"))
    incoming.heard(lacking(2), 0, asked=False)
    times = []
    now_ms = 0
    while incoming.due_ms is not None:
        now_ms = incoming.due_ms
        need = incoming.need(now_ms)
        if need is not None:
            assert need == NeedFrame(3, 4, 2)
            times.append(now_ms)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == ASKED_MAX
    assert times[0] < 4_000
    assert gaps[-1] > 16 * gaps[0]


def test_who_hears_another_ask_for_as_much_waits() -> None:
    waits = Incoming(1000, set(), seeded("x"))
    waits.heard(lacking(2), 0, asked=False)
    before = waits.due_ms
    waits.need_heard(NeedFrame(3, 4, 1), 10)
    assert waits.due_ms == before
    waits.need_heard(NeedFrame(3, 4, 2), 10)
    assert waits.due_ms is not None
    assert before is not None
    assert waits.due_ms > 2_000


def test_nobody_asks_while_more_comes_nor_for_what_others_lacked() -> None:
    incoming = Incoming(1000, set(), seeded("x"))
    incoming.heard(lacking(2, followed=True), 0, asked=False)
    assert incoming.need(5_000) is None
    assert incoming.need(20_000) == NeedFrame(3, 4, 2)
    other = Incoming(1000, set(), seeded("x"))
    asked = CodedFrame(3, 4, 3, 0, bundle_of(0), False, False, True)
    other.heard(asked, 0, asked=False)
    assert other.due_ms is None
    other.heard(asked, 0, asked=True)
    assert other.due_ms is not None


# -- sending ----------------------------------------------------------------------------------------------------


def outgoing_of(seed: str) -> Outgoing:
    return Outgoing(222, Incoming(1000, set(), seeded(seed)), seeded(seed), 0)


def item_of(bundle: bytes, rank: int = 1) -> Item:
    return Item(bundle_id(bundle), len(bundle), rank, TODAY)


@pytest.mark.must("M-RAD-5")
def test_the_source_changes_every_hour() -> None:
    held = {bundle_id(b): b for b in (bundle_of(n) for n in range(40))}
    outgoing = outgoing_of("y")
    sources, numbers = [], []
    for hour, bundle in enumerate(held.values()):
        now_ms = hour * HOUR_MS + 5_000
        outgoing.add_news([item_of(bundle)], now_ms - 5_000)
        frame = outgoing.next(1, now_ms, held.get)
        assert frame is not None
        sources.append(frame.source)
        numbers.append(frame.generation)
    assert len(set(sources)) > 30
    assert outgoing_of("z")._number != outgoing_of("y")._number


def test_a_bundle_that_was_overheard_is_not_sent_and_one_that_is_gone_neither() -> None:
    one, two = bundle_of(1), bundle_of(2)
    outgoing = outgoing_of("y")
    outgoing.add_answers([item_of(one), item_of(two)], 0, lambda ours: 1_000)
    outgoing.overheard(bundle_id(one), 0)
    assert outgoing.ranks(999) == set()
    assert outgoing.ranks(1_000) == {1}
    assert outgoing.next(1, 1_000, {bundle_id(one): one}.get) is None
    assert outgoing.ranks(1_000) == set()


def test_parity_is_owed_once_however_many_ask() -> None:
    held = {bundle_id(b): b for b in (bundle_of(n) for n in range(3))}
    outgoing = outgoing_of("y")
    outgoing.add_news(map(item_of, held.values()), 0)
    first = outgoing.next(1, 9_000, held.get)
    assert first is not None
    early = NeedFrame(first.source, first.generation, 2)
    assert outgoing.needed(early, 9_000)  # before everything was sent: it counts what is still to come
    rest = [outgoing.next(1, 9_000, held.get) for _ in range(2)]
    assert [frame.number for frame in (first, *rest) if frame] == [0, 1, 2]
    assert outgoing.ranks(9_000) == set()
    for count in (1, 2, 1):
        outgoing.needed(NeedFrame(first.source, first.generation, count), 9_000)
    parity = [outgoing.next(1, 9_000, held.get) for _ in range(3)]
    assert [frame.number for frame in parity if frame] == [192, 193]
    assert not outgoing.needed(NeedFrame(first.source ^ 1, first.generation, 1), 9_000)
    held.clear()
    outgoing.needed(NeedFrame(first.source, first.generation, 2), 9_000)
    assert outgoing.next(1, 9_000, held.get) is None
    assert outgoing.ranks(9_000) == set()


def test_who_asked_before_he_heard_the_answer_gets_no_second_one() -> None:
    """His NEED waited for a free channel while several symbols were sent that he asks for."""
    held = {bundle_id(b): b for b in (bundle_of(n) for n in range(9))}
    outgoing = outgoing_of("y")
    outgoing.add_news(map(item_of, held.values()), 0)
    sent = [outgoing.next(1, 9_000, held.get) for _ in range(9)]
    first = sent[0]
    assert first is not None
    outgoing.left(10_000)
    need = NeedFrame(first.source, first.generation, 3)
    outgoing.needed(need, 12_000)
    answer = [outgoing.next(1, 12_000, held.get) for _ in range(3)]
    assert [frame.number for frame in answer if frame] == [192, 193, 194]
    outgoing.left(15_000)
    assert outgoing.needed(need, 15_100)
    assert outgoing.needed(need, 15_600), "it stood behind the other"
    assert outgoing.ranks(15_600) == set()
    outgoing.needed(need, 15_600 + FRESH_MS)
    assert outgoing.ranks(16_300) == {1}
    assert outgoing.next(1, 16_300, held.get) is not None
    outgoing.left(17_000)
    outgoing.needed(need, 17_100)
    more = [outgoing.next(1, 17_100, held.get) for _ in range(4)]
    assert len([frame for frame in more if frame]) == 3, "he may have heard that one symbol"


def test_what_was_just_on_the_air_is_no_answer() -> None:
    """Whoever asks for it by name waited for a free channel when it was sent."""
    one, two = bundle_of(1), bundle_of(2)
    held = {bundle_id(one): one, bundle_id(two): two}
    outgoing = outgoing_of("y")
    outgoing.add_answers([item_of(one)], 0, lambda ours: 0)
    assert outgoing.next(1, 0, held.get) is not None
    outgoing.overheard(bundle_id(two), 100)
    just_ms = JUST_FRAMES * 1_000
    outgoing.add_answers([item_of(one), item_of(two)], just_ms - 1, lambda ours: 0)
    assert outgoing.ranks(just_ms - 1) == set()
    outgoing.add_answers([item_of(one), item_of(two)], just_ms + 100, lambda ours: 0)
    assert outgoing.ranks(just_ms + 100) == {1}


def test_of_many_sources_is_asked_at_leisure() -> None:
    """Nearly everybody lacks some: whoever asks while the answer to another begins asks in vain."""
    due: list[int] = []
    for seed in range(40):
        incoming = Incoming(1_000, set(), seeded(f"{seed}"))
        incoming.heard(CodedFrame(3, 4, 48, 47, b"x" * 215, True, False), 0, asked=False)
        assert incoming.due_ms is not None
        due.append(incoming.due_ms)
    assert min(due) >= FRESH_MS
    assert max(due) > 4_000
    assert max(due) <= FRESH_MS + SPREAD_FRAMES * 1_000


def test_urgent_ones_do_not_starve_the_rest() -> None:
    shares = Shares(0)
    turns = []
    for now_ms in range(0, 1_000_000, 1_000):
        rank = shares.choose({0, 1, 3}, now_ms)
        shares.add(rank, 1_000)
        turns.append(rank)
    assert turns[0] == 0
    assert turns.count(3) > 50
    assert turns.count(1) > 300
    assert turns.count(0) > 300


# -- Trickle ----------------------------------------------------------------------------------------------------


def test_trickle_as_in_the_rfc() -> None:
    trickle = Trickle(seeded("t"), 0)
    fired, now_ms, ends = [], 0, []
    while now_ms < 4 * HOUR_MS:
        now_ms = trickle.due_ms
        if trickle.fires(now_ms):
            fired.append(now_ms)
    begin, interval = 0, INTERVAL_MS_MIN
    for at_ms in fired:
        assert begin + interval // 2 <= at_ms < begin + interval
        ends.append(begin + interval)
        begin, interval = begin + interval, min(2 * interval, INTERVAL_MS_MAX)
    trickle.disagreed(now_ms)
    assert trickle.due_ms <= now_ms + INTERVAL_MS_MIN
    due_ms = trickle.due_ms
    trickle.disagreed(now_ms)
    assert trickle.due_ms == due_ms, "the shortest interval is not begun again"
    trickle.agreed()
    assert not trickle.fires(due_ms)


@pytest.mark.must("M-RAD-7")
def test_a_sketch_that_does_not_fit_its_fingerprint_is_not_acted_on() -> None:
    sender, receiver = Index(TODAY), Index(TODAY)
    for n in range(6):
        item = Item(BundleId(bytes((n + 1,)) * 16), 207, 1, TODAY)
        sender.add(item)
        if n < 4:
            receiver.add(item)
    said = Reconciler(222, 1000, sender, seeded("a"), 0)._sum(TODAY, 4, None)
    hearer = Reconciler(222, 1000, receiver, seeded("b"), 0)
    assert said.count is not None
    wrong_count = replace(said, count=said.count + 1)
    wrong_print = replace(said, fingerprint=b"??")
    for now_ms, wrong in ((1_000, wrong_count), (10_000, wrong_print)):
        assert hearer.heard_sum(wrong, now_ms).they_lack == []
        assert not hearer._wanted
    hearer.heard_sum(said, 20_000)
    assert len(hearer._wanted[said.salt]) == 2
