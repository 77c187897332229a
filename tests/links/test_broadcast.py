"""The suite for broadcast links on a radio in memory; and a link that breaks each rule, so that the suite is seen to
see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.links import conformance, conformance_broadcast
from tests.links.conformance import CHECKS, run_check
from tests.links.conformance_broadcast import BROADCAST_CHECKS, BroadcastPair, run_broadcast_check
from tests.links.ether import Ether, MemoryRadio, ether_pair


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_link(check: Callable[[Any], object]) -> None:
    run_check(ether_pair, check)


@pytest.mark.parametrize("check", BROADCAST_CHECKS, ids=lambda check: check.__name__)
def test_every_broadcast_link(check: Callable[[BroadcastPair], object]) -> None:
    run_broadcast_check(ether_pair, check)


# -- the suite sees ---------------------------------------------------------------------------------------------


def test_it_sees_a_frame_that_is_reported_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice(self: MemoryRadio, frame: bytes) -> None:
        await asyncio.sleep(0)
        self._ether.carry(self, frame)
        self._sending = None
        assert self._events is not None
        self._events.sent(1)
        self._events.sent(1)

    monkeypatch.setattr(MemoryRadio, "_send", twice)
    loop_errors: list[object] = []

    async def check(pair: BroadcastPair) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_errors.append(context))
        await conformance_broadcast.check_every_frame_is_reported_once(pair)

    run_broadcast_check(ether_pair, check)
    assert loop_errors


def test_it_sees_who_hears_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    def carry(self: Ether, sender: MemoryRadio | None, frame: bytes) -> None:
        for station in self.stations:
            assert station._events is not None
            station._events.heard(frame, None)

    monkeypatch.setattr(Ether, "carry", carry)
    with pytest.raises(AssertionError, match="heard itself"):
        run_broadcast_check(ether_pair, conformance_broadcast.check_every_frame_is_reported_once)


def test_it_sees_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Ether.carry
    monkeypatch.setattr(Ether, "carry", lambda self, sender, frame: whole(self, sender, frame[:-1] + b"?"))
    with pytest.raises(AssertionError):
        run_check(ether_pair, conformance.check_every_size_arrives_identical)
