"""Neighbours who are silent, slow, or lie; and a step that fails."""

from __future__ import annotations

import pytest

from chasqui.base.ids import bundle_id
from chasqui.base.limits import REQUEST_TIMEOUT_S
from chasqui.node import inputs, neighbours
from chasqui.node.effects import Timer
from chasqui.node.link_port import SessionId
from tests.node.world import Person, make_group

ONE, TWO = SessionId(1), SessionId(2)
MTU = 65_535


def short(bundle: bytes) -> bytes:
    return bundle_id(bundle)[:8]


def listener(bundles: int = 3) -> tuple[Person, list[bytes]]:
    """Somebody with two open sessions, and what neither of them has sent yet."""
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    before = set(ana.held())
    for n in range(bundles):
        ana.do(inputs.SendText(group, f"text {n}"))
    vic = Person("vic")
    for session in (ONE, TWO):
        vic.do(inputs.SessionOpened(session, MTU))
    return vic, [bundle for bundle in ana.held() if bundle not in before]


def hear(person: Person, session: SessionId, frame: bytes) -> list[tuple[SessionId, bytes]]:
    person.sent.clear()
    person.do(inputs.FrameReceived(session, frame))
    return list(person.sent)


@pytest.mark.must("M-FRM-3", "M-FRM-4")
def test_a_silent_neighbour_delays_by_half_a_minute_and_no_more() -> None:
    vic, bundles = listener()
    ids = b"".join(map(short, bundles))
    assert hear(vic, ONE, b"\x90" + ids) == [(ONE, b"\x60" + ids)]
    assert hear(vic, TWO, b"\x90" + ids) == []
    vic.now_s += REQUEST_TIMEOUT_S - 1
    vic.do(inputs.Tick())
    assert vic.sent == []
    vic.now_s += 1
    vic.do(inputs.Tick())
    assert vic.sent == [(TWO, b"\x60" + ids)]
    hear(vic, ONE, b"\x10" + bundles[0])  # late, but asked for
    assert vic.closed == []
    assert len(vic.held()) == 1


def test_the_timer_runs_for_who_has_not_answered() -> None:
    vic, bundles = listener()
    vic.do(inputs.Tick())
    due = []
    for effect in vic.node.step(inputs.FrameReceived(ONE, b"\x90" + short(bundles[0])), vic.now_s):
        if isinstance(effect, Timer):
            due.append(effect.at_s)
    assert due == [vic.now_s + REQUEST_TIMEOUT_S]


@pytest.mark.must("M-FRM-2", "M-FRM-3")
def test_what_a_stick_brought_meanwhile_is_no_breach() -> None:
    vic, bundles = listener()
    ids = b"".join(map(short, bundles))
    hear(vic, ONE, b"\x90" + ids)
    vic.do(inputs.TakeBundles(tuple(bundles[:2])))
    hear(vic, ONE, b"\x10" + bundles[0])
    hear(vic, TWO, b"\x10" + bundles[0])  # not asked, but we hold it
    assert vic.closed == []
    hear(vic, TWO, b"\x10" + bundles[2])  # neither
    assert vic.closed == [TWO]


def test_room_that_a_stick_made_is_used_at_once() -> None:
    vic, bundles = listener(70)
    hear(vic, ONE, b"\x90" + b"".join(map(short, bundles)))
    vic.sent.clear()
    vic.do(inputs.TakeBundles(tuple(bundles[:10])))
    asked = [frame for session, frame in vic.sent if session == ONE and frame[0] == 0x60]
    assert asked == [b"\x60" + b"".join(map(short, bundles[64:]))]


def test_a_step_that_raises_leaves_the_sessions_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    vic, bundles = listener()
    hear(vic, ONE, b"\x90" + short(bundles[0]))
    before = vic.node._neighbours.copy()._sessions

    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as broken:
        broken.setattr(neighbours, "take_bundles", fail)
        with pytest.raises(RuntimeError):
            vic.do(inputs.FrameReceived(ONE, b"\x10" + bundles[0]))
        broken.setattr(neighbours.Neighbours, "_ask", fail)
        opened = inputs.SessionOpened(SessionId(3), MTU)
        for event in (inputs.FrameReceived(ONE, b"\xff"), inputs.SessionClosed(TWO), opened):
            with pytest.raises(RuntimeError):
                vic.do(event)
    assert vic.node._neighbours._sessions == before
    hear(vic, ONE, b"\x10" + bundles[0])
    assert vic.closed == []
    assert len(vic.held()) == 1
