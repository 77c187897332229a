"""Two neighbours make their sets equal, whatever they hold and in whatever order things come."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_IDS_MAX, SESSION_REQUESTS_MAX
from chasqui.delivery.exchange import WINDOW_BUNDLES, Session, announcements


def ids(numbers: range) -> list[bytes]:
    return [n.to_bytes(8, "big") for n in numbers]


@given(st.sets(st.integers(0, 300)), st.sets(st.integers(0, 300)), st.integers(0, 2**32))
def test_both_end_with_both(one: set[int], other: set[int], seed: int) -> None:
    dice = random.Random(seed)
    held = [{n.to_bytes(8, "big") for n in one}, {n.to_bytes(8, "big") for n in other}]
    sent = 0
    for me in (0, 1):
        session, taken = Session(), set[bytes]()
        for frame in announcements(sorted(held[1 - me])):
            session.announced(short for short in frame.short_ids if short not in held[me])
        while frames := session.requests(taken):
            wanted = [short for frame in frames for short in frame.short_ids]
            dice.shuffle(wanted)
            for short in wanted:
                sent += 1
                held[me].add(short)
                session.arrived(short)
                taken.discard(short)
        assert not session.wanted
        assert not session.asked
    assert held[0] == held[1]
    assert sent == len(one ^ other)


def test_a_window_at_a_time_in_the_order_of_the_announcement() -> None:
    session, taken = Session(), set[bytes]()
    many = ids(range(200))
    session.announced(many)
    (first,) = session.requests(taken)
    assert list(first.short_ids) == many[:WINDOW_BUNDLES]
    assert session.requests(taken) == []
    session.arrived(many[5])
    (next_one,) = session.requests(taken)
    assert list(next_one.short_ids) == [many[WINDOW_BUNDLES]]


def test_nothing_is_asked_of_two_neighbours() -> None:
    one, two, taken = Session(), Session(), set[bytes]()
    for session in (one, two):
        session.announced(ids(range(10)))
    (asked,) = one.requests(taken)
    assert len(asked.short_ids) == 10
    assert two.requests(taken) == []
    taken.clear()  # the first neighbour is gone
    (again,) = two.requests(taken)
    assert again == asked


def test_what_was_asked_is_not_asked_again() -> None:
    session, taken = Session(), set[bytes]()
    session.announced(ids(range(3)))
    session.requests(taken)
    session.announced(ids(range(3)))
    assert session.requests(taken) == []
    session.arrived(b"never seen")
    assert len(session.asked) == 3


def test_announcements_without_end_are_refused() -> None:
    session = Session()
    session.announced(ids(range(SESSION_REQUESTS_MAX)))
    session.announced(ids(range(SESSION_REQUESTS_MAX)))
    with pytest.raises(PeerError):
        session.announced(ids(range(SESSION_REQUESTS_MAX, SESSION_REQUESTS_MAX + 1)))


@pytest.mark.parametrize("count", [0, 1, FRAME_IDS_MAX, FRAME_IDS_MAX + 1, 3 * FRAME_IDS_MAX])
def test_announcements_are_cut_to_frames(count: int) -> None:
    frames = announcements(ids(range(count)))
    assert [short for frame in frames for short in frame.short_ids] == ids(range(count))
    assert all(0 < len(frame.short_ids) <= FRAME_IDS_MAX for frame in frames)
