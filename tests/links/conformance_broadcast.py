"""What every broadcast link is held to, beside `conformance.py`, whose suite it passes, too.

`Recorder` is what such a link tells, `say` hands over one frame after the other as the engine does: a kind's pair
is a few lines on top of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from chasqui.node.link_port import BroadcastLink
from tests.links.conformance import Pair, payloads_of

FRAME_BYTES_MIN: Final = 14  # the smallest frame of any medium that is in use: FreeDV DATAC0


class Recorder:
    """`BroadcastEvents` that remembers, and finds fault with what no link may tell."""

    def __init__(self) -> None:
        self.there = False
        self.frames: list[tuple[bytes, float | None]] = []
        self.airtimes_ms: list[int | None] = []
        self.under_way = 0
        self.changed = asyncio.Event()

    def opened(self) -> None:
        assert not self.there
        self.there = True
        self.changed.set()

    def heard(self, frame: bytes, strength_db: float | None) -> None:
        assert self.there
        self.frames.append((frame, strength_db))
        self.changed.set()

    def sent(self, airtime_ms: int | None) -> None:
        assert self.there
        assert self.under_way == 1, "sent, but nothing was handed over"
        self.under_way = 0
        self.airtimes_ms.append(airtime_ms)
        self.changed.set()

    def closed(self) -> None:
        assert self.there
        self.there, self.under_way = False, 0
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits for it; whoever calls has a time-out."""
        while not true():
            self.changed.clear()
            await self.changed.wait()

    def take(self) -> list[bytes]:
        """What was heard since the last call."""
        frames, self.frames = self.frames, []
        return [frame for frame, _ in frames]


async def say(link: BroadcastLink, events: Recorder, frames: Sequence[bytes]) -> None:
    """Hands over each frame when the one before has left; returns when the last has."""
    await events.until(lambda: events.there)
    for frame in frames:
        events.under_way = 1
        link.send(frame)
        await events.until(lambda: not events.under_way)


class BroadcastPair(Pair, Protocol):
    """Two ends that hear each other."""

    @property
    def links(self) -> Sequence[BroadcastLink]: ...

    @property
    def events(self) -> Sequence[Recorder]: ...

    async def unplug(self, end: int) -> None:
        """The device of one end is gone; returns when the link has noticed."""
        ...

    async def plug(self, end: int) -> None:
        """It is there again; returns when the link has noticed."""
        ...


BroadcastFactory = Callable[[], AbstractAsyncContextManager[BroadcastPair]]


async def check_it_says_what_the_engine_must_know(pair: BroadcastPair) -> None:
    for link in pair.links:
        profile = link.profile
        assert profile.broadcast
        assert profile.bit_rate_bps is not None
        assert profile.needs_daemon
        assert profile.frame_overhead_ms >= 0
        assert profile.mtu_bytes >= FRAME_BYTES_MIN
        assert link.state


async def check_every_frame_is_reported_once(pair: BroadcastPair) -> None:
    frames = payloads_of(pair, 21)
    await pair.carry(0, frames)
    reported = pair.events[0].airtimes_ms
    assert len(reported) == len(frames)
    assert all(airtime_ms is None or airtime_ms > 0 for airtime_ms in reported)
    assert not pair.events[1].airtimes_ms
    assert not pair.events[0].take(), "it heard itself"


async def check_the_device_may_go_and_come(pair: BroadcastPair) -> None:
    for end in (0, 1):
        await pair.unplug(end)
        assert not pair.events[end].there
        assert pair.links[end].state
        await pair.plug(end)
        assert pair.events[end].there
        sent = payloads_of(pair, 30 + end)
        assert await pair.carry(end, sent) == sent


async def check_going_while_a_frame_is_under_way(pair: BroadcastPair) -> None:
    pair.events[0].under_way = 1
    pair.links[0].send(payloads_of(pair, 40)[-1])
    await pair.unplug(0)
    await pair.plug(0)
    sent = payloads_of(pair, 41)
    assert set(sent) <= set(await pair.carry(0, sent))


BROADCAST_CHECKS: Final = (
    check_it_says_what_the_engine_must_know,
    check_every_frame_is_reported_once,
    check_the_device_may_go_and_come,
    check_going_while_a_frame_is_under_way,
)


def run_broadcast_check(
    factory: BroadcastFactory, check: Callable[[BroadcastPair], object], timeout_s: float = 60
) -> None:
    """Runs one check on a fresh pair. The time-out only ends a check that hangs."""

    async def body() -> None:
        async with factory() as pair, asyncio.timeout(timeout_s):
            outcome = check(pair)
            assert asyncio.iscoroutine(outcome)
            await outcome

    asyncio.run(body())
