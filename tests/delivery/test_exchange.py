"""Two neighbours make their sets equal, whatever they hold and in whatever order things come."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_IDS_MAX, REQUEST_TIMEOUT_S, REQUESTS_OVERDUE_MAX, SESSION_REQUESTS_MAX
from chasqui.delivery.exchange import WINDOW_BUNDLES, Session, announcements


def ids(numbers: range) -> list[bytes]:
    return [n.to_bytes(8, "big") for n in numbers]


def nothing(short: bytes) -> bool:
    return False


def ask(session: Session, taken: set[bytes], now_s: int = 0) -> tuple[Session, list[bytes]]:
    session, frame = session.ask(now_s, taken, nothing)
    return session, list(frame.short_ids) if frame else []


@given(st.sets(st.integers(0, 300)), st.sets(st.integers(0, 300)), st.integers(0, 2**32))
def test_both_end_with_both(one: set[int], other: set[int], seed: int) -> None:
    dice = random.Random(seed)
    held = [{n.to_bytes(8, "big") for n in one}, {n.to_bytes(8, "big") for n in other}]
    sent = 0
    for me in (0, 1):
        session = Session()
        for frame in announcements(sorted(held[1 - me])):
            session = session.announced(short for short in frame.short_ids if short not in held[me])
        while True:
            session, request = session.ask(0, set(), held[me].__contains__)
            if request is None:
                break
            wanted = list(request.short_ids)
            dice.shuffle(wanted)
            for short in wanted:
                sent += 1
                held[me].add(short)
                session = session.answered(short)
        assert not session.wanted
        assert not session.awaited
    assert held[0] == held[1]
    assert sent == len(one ^ other)


def test_a_window_at_a_time_in_the_order_of_the_announcement() -> None:
    taken, many = set[bytes](), ids(range(200))
    session, first = ask(Session().announced(many), taken)
    assert first == many[:WINDOW_BUNDLES]
    assert ask(session, taken) == (session, [])
    session, then = ask(session.answered(many[5]), taken)
    assert then == [many[WINDOW_BUNDLES]]


def test_nothing_is_asked_of_two_neighbours_and_it_keeps_its_place() -> None:
    many, taken = ids(range(10)), set[bytes]()
    _, asked = ask(Session().announced(many), taken)
    assert asked == many
    two, asked = ask(Session().announced(many + ids(range(10, 12))), taken)
    assert asked == ids(range(10, 12))
    taken.clear()  # the first neighbour is gone
    _, asked = ask(two, taken)
    assert asked == many


def test_who_does_not_answer_reserves_nothing_and_may_still_answer() -> None:
    many = ids(range(3))
    session, _ = ask(Session().announced(many), set(), 100)
    assert session.due_s == 100 + REQUEST_TIMEOUT_S
    assert session.at(100 + REQUEST_TIMEOUT_S - 1) is session
    for now_s in (100 + REQUEST_TIMEOUT_S, 99):  # later, or a clock that was put back
        silent = session.at(now_s)
        assert silent.late
        assert silent.due_s is None
        assert not silent.awaited
        taken = set[bytes]()
        again, asked = ask(silent.announced([*many, b"8 bytes."]), taken, now_s)
        assert asked == [b"8 bytes."]  # once per session
        assert not taken
        assert again.answered(many[0]).late
        assert not again.answered(b"8 bytes.").late


def test_only_what_was_asked_for_is_an_answer() -> None:
    many = ids(range(3))
    session, _ = ask(Session().announced(many), set())
    session = session.came_elsewhere(many[0])
    for short in many:
        session = session.answered(short)
    for short in (*many, b"never..."):
        with pytest.raises(PeerError):
            session.answered(short)


def test_what_was_asked_is_not_asked_again() -> None:
    many, taken = ids(range(3)), set[bytes]()
    session, _ = ask(Session().announced(many), taken)
    assert ask(session.announced(many + many), set())[1] == []
    session = session.came_elsewhere(b"never seen")
    assert len(session.awaited) == 3


def test_announcements_without_end_fill_half_a_mebibyte_and_no_more() -> None:
    session = Session()
    for page in range(12):
        session = session.announced(ids(range(page * 8000, page * 8000 + 8000)))
    assert len(session.wanted) == 8 * SESSION_REQUESTS_MAX == 512 * 1024
    for turn in range(40):
        session, _ = ask(session.at(turn * 100), set(), turn * 100)
    assert len(session.overdue) == REQUESTS_OVERDUE_MAX


@pytest.mark.parametrize("count", [0, 1, FRAME_IDS_MAX, FRAME_IDS_MAX + 1, 3 * FRAME_IDS_MAX])
def test_announcements_are_cut_to_frames(count: int) -> None:
    frames = announcements(ids(range(count)))
    assert [short for frame in frames for short in frame.short_ids] == ids(range(count))
    assert all(0 < len(frame.short_ids) <= FRAME_IDS_MAX for frame in frames)
