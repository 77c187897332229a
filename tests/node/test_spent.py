"""The hour's airtime holds over whatever happens to process, machine, link and clock: never more than the share in any
hour."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.base.ids import GroupId
from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import HOUR_MS
from chasqui.lab.memory_store import MemoryStore, fail_at
from chasqui.node import inputs
from chasqui.node.effects import Transmit
from chasqui.node.records import Space
from chasqui.node.spent import Book, bequeath, inherit, keep_by, settle, spend, spent
from tests.node.radio_life import FRAME_MS, HOLDS_MS, Radio
from tests.node.world import Person, make_group

MINUTES_MS = 120_000  # by so much a book may take what was spent for younger than it is


@cache
def with_much_to_say() -> tuple[MemoryStore, GroupId]:
    """A vault that has more to say than an hour holds."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    for _ in range(60):
        ana.do(inputs.SendText(group, "at the bridge", urgent=True))
    return ana.store, group


def busy() -> Radio:
    store, group = with_much_to_say()
    return Radio(store.after_crash(), group)


MINUTES = st.integers(0, 90).map(lambda minutes: minutes * 60_000)
EVENTS = st.one_of(
    st.tuples(st.just("run"), MINUTES),
    st.tuples(st.just("run"), st.integers(0, 100_000)),
    st.tuples(st.just("sleep"), MINUTES),
    st.tuples(st.just("kill"), st.sampled_from([0, 1_000, 40_000, 2_000_000])),
    st.tuples(st.just("reboot"), st.sampled_from([0, 60_000, 2_000_000])),
    st.tuples(st.just("die"), st.sampled_from(["before", "after"])),
    st.tuples(st.just("remove"), st.sampled_from([0, 500, 5_000])),
    st.tuples(st.just("add first"), st.none()),
    st.tuples(st.just("replug"), st.none()),
    st.tuples(st.just("disk full"), st.none()),
    st.tuples(st.just("clock"), st.sampled_from([-(10**9), -86_400, -3_600, -31, 31, 3_600, 90_000, 10**9])),
    st.tuples(st.just("busy channel"), st.sampled_from([0, 20_000, 400_000])),
    st.tuples(st.just("probe"), st.integers(1, 4)),
    st.tuples(st.just("say"), st.integers(1, 3)),
)


def happens(radio: Radio, what: str, how: Any) -> None:
    match what:
        case "run":
            radio.run(how)
        case "sleep":
            radio.sleep(how)
        case "kill" | "reboot":
            radio.kill(how, reboot=what == "reboot")
        case "die":
            radio.dies = how
        case "remove":
            radio.remove_and_add(how)
        case "add first":
            radio.add_and_remove()
        case "replug":
            radio.replug()
        case "disk full":
            radio.fail()
        case "clock":
            radio.ahead_s = how
            radio.tick()
        case "busy channel":
            radio.wait_ms = how
        case "probe":
            radio.probe(how)
        case "say":
            radio.say(how)


def lives(events: list[tuple[str, Any]]) -> None:
    """The radio asserts, whenever a frame has left, that the hour before holds no more than it may."""
    radio = busy()
    radio.run(1_200_000)
    for what, how in events:
        radio.do(lambda: radio.say(4))
        radio.do(partial(happens, radio, what, how))
    radio.dies, radio.wait_ms, radio.ahead_s = None, 0, 0
    radio.replug()
    radio.say(6)
    assert radio.run(2 * HOUR_MS) > 4, "and it is not silent for ever"


@pytest.mark.must("M-RAD-1")
@pytest.mark.must("M-RAD-27")
@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=14))
def test_whatever_happens_no_hour_holds_more_than_the_budget(events: list[tuple[str, Any]]) -> None:
    lives(events)


@pytest.mark.long
@pytest.mark.must("M-RAD-27")
@settings(max_examples=3_000, deadline=None)
@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_for_long_no_hour_holds_more_than_the_budget(events: list[tuple[str, Any]]) -> None:
    lives(events)


# -- one thing at a time ----------------------------------------------------------------------------------


@pytest.mark.must("M-RAD-1")
@pytest.mark.must("M-RAD-27")
@pytest.mark.parametrize(
    "what", ["kill", "reboot", "remove", "add first", "replug", "disk full", "clock", "sleep", "kill within each frame"]
)
def test_nothing_gives_a_radio_a_new_hour(what: str) -> None:
    radio = busy()
    assert radio.run(1_200_000) * FRAME_MS > HOLDS_MS[Book.FRAMES] // 2, "the hour is spent soon"
    for turn in range(12):
        match what:
            case "kill within each frame":
                while not radio.on_board and turn % 3 == 0:
                    radio.run(1_000)
                radio.kill()
            case "clock":
                happens(radio, what, (-1) ** turn * 10 ** min(turn, 9))
                radio.kill()
            case _:
                happens(radio, what, 5_000)
        radio.say(5)
        radio.run(400_000)
    radio.ahead_s = 0
    radio.say(5)
    assert radio.run(2 * HOUR_MS) > 4, "and it is not silent for ever"


@pytest.mark.must("M-RAD-27")
@pytest.mark.parametrize("ahead_s", [-(10**9), -86_401, -31, 31, 86_401, 10**9])
def test_the_clock_on_the_wall_moves_nothing_in_the_books(ahead_s: int) -> None:
    radio = busy()
    radio.run(600_000)
    before = spent(radio.look(), Book.FRAMES, radio.link, radio.uptime)
    for _ in range(40):
        radio.ahead_s = ahead_s - radio.ahead_s  # to and fro
        radio.tick()
        radio.end.due()
        radio.kill()
    after = spent(radio.look(), Book.FRAMES, radio.link, radio.uptime)
    assert after[: len(before)] == before


def silence_ms(radio: Radio) -> int:
    """How long it takes until the next frame of the largest size may leave."""
    frames = len(radio.left[Book.FRAMES])
    while len(radio.left[Book.FRAMES]) == frames:
        radio.run(1_000)
    return radio.left[Book.FRAMES][-1][0]


@pytest.mark.parametrize("after_ms", [10_000, 300_000, 1_800_000, 3_000_000])
def test_a_daemon_that_is_started_anew_is_silent_for_no_longer_than_one_that_was_not(after_ms: int) -> None:
    one, other = busy(), busy()
    for radio in (one, other):
        radio.run(1_200_000)
        radio.run(after_ms)
    assert one.left == other.left
    other.kill()
    assert other.booked() <= one.booked() + FRAME_MS
    for radio in (one, other):
        radio.say(8)
    until_ms, other_ms = silence_ms(one), silence_ms(other)
    assert other_ms <= until_ms + MINUTES_MS + 30_000  # of which half a minute is that of an engine that begins


def test_after_a_reboot_what_was_spent_within_the_hour_before_counts_for_an_hour_and_nothing_else() -> None:
    radio = busy()
    radio.run(600_000)
    spent_ms = radio.booked()
    radio.kill(1_800_000, reboot=True)
    assert radio.booked() == spent_ms, "nobody knows that the machine was off for half an hour"
    radio.close()
    radio.run(HOUR_MS + MINUTES_MS)
    assert radio.booked() == 0

    idle = busy()
    idle.run(600_000)
    idle.close()
    idle.run(HOUR_MS + MINUTES_MS)
    idle.tick()
    idle.kill(reboot=True)
    assert idle.booked() <= FRAME_MS, "who has sent nothing for an hour begins with all of it, and says his first frame"


@pytest.mark.must("M-RAD-1")
def test_a_frame_under_way_when_the_process_dies_is_in_the_books() -> None:
    radio = busy()
    while not radio.on_board:
        radio.run(1_000)
    ((*_, took_ms, leaves_ms),) = radio.on_board
    *_, (end_ms, _) = spent(radio.look(), Book.FRAMES, radio.link, radio.uptime)
    assert radio.booked() == took_ms + sum(took_ms for _, took_ms in radio.left[Book.FRAMES])
    assert end_ms >= leaves_ms - radio.booted_ms + 30_000


def test_a_frame_that_waited_long_or_took_longer_is_put_right() -> None:
    radio = busy()
    radio.run(20_000)
    before = radio.booked()
    while not radio.on_board:
        radio.run(1_000)
    ((end, book, took_ms, leaves_ms),) = radio.on_board
    radio.on_board = [(end, book, took_ms + 50, leaves_ms + 600_000)]
    radio.run(601_000)
    booked = spent(radio.look(), Book.FRAMES, radio.link, radio.uptime)
    assert sum(ms for _, ms in booked) >= before + took_ms + 50
    assert (left_by(radio), took_ms + 50) in booked


def left_by(radio: Radio) -> int:
    """The end of the minute in which the last frame left, by the clock of the machine."""
    return ((radio.left[Book.FRAMES][-1][0] - radio.booted_ms) // 60_000 + 1) * 60_000


def waits(radio: Radio) -> None:
    """Until a frame is on the board, for a channel that will not be free for ten minutes."""
    radio.wait_ms = 600_000
    while not radio.on_board:
        radio.run(1_000)


@pytest.mark.must("M-RAD-1")
def test_a_frame_of_a_node_that_was_made_anew_is_put_right_when_it_leaves_late() -> None:
    radio = busy()
    waits(radio)
    radio.fail()
    radio.run(602_000)
    ((left_ms, took_ms),) = radio.left[Book.FRAMES]
    booked = spent(radio.look(), Book.FRAMES, radio.link, radio.uptime)
    assert [ms for end_ms, ms in booked if end_ms >= left_ms - radio.booted_ms and ms == took_ms]
    assert radio.end._id is not None
    used_ms = radio.process.node._broadcasts._links[radio.end._id].engine.ledger.used_ms(radio.uptime.ms)
    assert used_ms >= 2 * took_ms, "and the engine, which read it as leaving at once, knows of it too"


@pytest.mark.must("M-PRB-2")
def test_a_probe_that_leaves_late_is_put_right() -> None:
    radio = busy()
    radio.wait_ms = 600_000
    radio.close()
    radio.open()
    radio.end.probe(bytes(100), lambda _: None)
    radio.run(601_000)
    ((left_ms, took_ms),) = radio.left[Book.PROBES]
    last_ms, booked_ms = spent(radio.look(), Book.PROBES, radio.link, radio.uptime)[-1]
    assert last_ms >= left_ms - radio.booted_ms
    assert booked_ms >= took_ms


@pytest.mark.must("M-RAD-1")
def test_what_reaches_the_device_too_late_for_the_books_is_not_sent() -> None:
    radio = busy()
    waits(radio)
    told: list[bool] = []
    radio.end.probe(bytes(100), told.append)
    radio.run(601_000)
    assert told == [False]
    assert radio.left[Book.PROBES] == []

    link = radio.end._id
    assert link is not None
    radio.run(HOUR_MS)
    said = len(radio.left[Book.FRAMES])
    radio.on_board.clear()
    radio.end._under_way = False
    radio.end.transmit(Transmit(link, b"a frame", radio.uptime.ms + 29_000))
    assert radio.on_board == []
    radio.end.transmit(Transmit(link, b"a frame", radio.uptime.ms + 31_000))
    assert len(radio.on_board) == 1
    assert len(radio.left[Book.FRAMES]) == said


@pytest.mark.must("M-RAD-1")
def test_what_a_link_says_after_its_removal_counts_for_the_next() -> None:
    radio = busy()
    radio.run(10_000)
    radio.step(inputs.RemoveLink(radio.link))
    radio.run(30_000)
    radio.link = str(radio.step(inputs.AddLink("rnode", (("place", "another"),))))
    before = len(radio.left[Book.FRAMES])
    radio.say(3)
    radio.run(30_000)
    assert len(radio.left[Book.FRAMES]) > before
    radio.replug()
    assert radio.booked() == sum(took_ms for _, took_ms in radio.left[Book.FRAMES])


def test_removing_and_adding_again_and_again_counts_nothing_twice() -> None:
    radio = busy()
    tx = radio.look()
    inherit(tx, "first")
    spend(tx, Book.FRAMES, "first", 9_000, radio.uptime)
    for name in ("first", "second", "third"):
        bequeath(tx, name)
        inherit(tx, {"first": "second", "second": "third", "third": "last"}[name])
        radio.boots += 1
        keep_by(tx, radio.uptime)
    assert [ms for _, ms in spent(tx, Book.FRAMES, "last", radio.uptime)] == [9_000]


@pytest.mark.must("M-PRB-2")
def test_tests_of_a_link_are_kept_and_inherited_like_frames() -> None:
    radio = busy()
    radio.probe(1)
    radio.run(5_000)
    ((_, took_ms),) = radio.left[Book.PROBES]
    for what in ("kill", "reboot", "remove", "replug"):
        happens(radio, what, 0)
        assert radio.booked(Book.PROBES) == took_ms
    told: list[bool] = []
    for _ in range(4):
        radio.end.probe(bytes(100), told.append)
        radio.run(5_000)
    assert told == [True, False, False, False], "two of this size are an hour's"


@pytest.mark.must("M-RAD-28")
def test_the_books_do_not_tell_for_ever_when_a_radio_was_used() -> None:
    radio = busy()
    radio.run(60_000)
    radio.probe(1)
    radio.run(5_000)
    radio.step(inputs.RemoveLink(radio.link))
    radio.close()
    assert kept(radio) == {b"airtime", b"probes", b"boot"}
    radio.sleep(HOUR_MS - 60_000)
    radio.tick()
    assert b"boot" in kept(radio)
    radio.sleep(60_000 + MINUTES_MS)
    radio.tick()
    assert kept(radio) == set()


def kept(radio: Radio) -> set[bytes]:
    names = (b"airtime", b"probes", b"boot")
    return {key for key, _ in radio.store.scan(Space.META) if key.startswith(names)}


NOW = Uptime(b"this boot", 7_200_000)


@pytest.mark.must("M-RAD-27")
@pytest.mark.parametrize("boot", [b"", b"another boot"])
@pytest.mark.parametrize("end_s", [60, 7_200, 1_800_000_000])
def test_what_another_boot_has_written_was_spent_just_now(boot: bytes, end_s: int) -> None:
    """Also what vaults hold in which the books were kept by the clock on the wall."""
    tx = busy().look()
    tx.put(Space.META, b"airtime", end_s.to_bytes(8, "big") + (500).to_bytes(8, "big"))
    if boot:
        tx.put(Space.META, b"boot", boot)
    assert spent(tx, Book.FRAMES, None, NOW) == [(7_320_000, 500)]
    keep_by(tx, NOW)
    assert tx.get(Space.META, b"boot") == NOW.boot
    assert spent(tx, Book.FRAMES, None, Uptime(NOW.boot, NOW.ms + 60_000)) == [(7_320_000, 500)], "it grows old"
    keep_by(tx, Uptime(NOW.boot, 7_320_000 + HOUR_MS))
    assert tx.get(Space.META, b"boot") is None


def test_a_machine_that_was_set_back_to_an_earlier_state_is_silent_for_an_hour_and_not_for_longer() -> None:
    tx = busy().look()
    spend(tx, Book.FRAMES, None, 500, Uptime(NOW.boot, NOW.ms + 10**9))
    keep_by(tx, NOW)
    assert spent(tx, Book.FRAMES, None, NOW) == [(7_320_000, 500)]


def test_the_first_frame_after_a_reboot_ages_what_was_there() -> None:
    tx = busy().look()
    spend(tx, Book.FRAMES, "one", 500, Uptime(b"before", 10**10))
    booked = spend(tx, Book.FRAMES, "one", 700, NOW)
    assert spent(tx, Book.FRAMES, "one", NOW) == [(7_320_000, 1_200)]
    settle(tx, Book.FRAMES, "one", booked, 800, Uptime(NOW.boot, NOW.ms + 600_000))
    assert spent(tx, Book.FRAMES, "one", NOW) == [(7_320_000, 500 + 800)]


@pytest.mark.must("M-RAD-27")
def test_within_one_boot_what_was_spent_grows_old_whoever_asks() -> None:
    tx = busy().look()
    spend(tx, Book.FRAMES, None, 500, NOW)
    for minutes in (1, 30, 61):
        keep_by(tx, Uptime(NOW.boot, NOW.ms + minutes * 60_000))
    assert spent(tx, Book.FRAMES, None, Uptime(NOW.boot, NOW.ms + 61 * 60_000)) == [(7_320_000, 500)]
    assert spent(tx, Book.FRAMES, None, Uptime(NOW.boot, NOW.ms + 62 * 60_000)) == []


@pytest.mark.must("M-PRB-2")
def test_a_probe_that_did_not_get_into_the_books_is_not_sent_before_it_is() -> None:
    radio = busy()
    radio.run(5_000)
    radio.store.before_commit = fail_at(radio.store.commits + 1)
    radio.end.probe(bytes(100), lambda _: None)
    radio.store.before_commit = None
    radio.run(5_000)
    ((_, took_ms),) = radio.left[Book.PROBES]
    assert radio.booked(Book.PROBES) == took_ms
