"""Two ends of a broadcast link as the suites want them: what all kinds have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from chasqui.node.link_port import BroadcastLink, LinkProfile
from tests.links.conformance_broadcast import Recorder, say

Link = TypeVar("Link", bound=BroadcastLink)


class LinkPair(ABC, Generic[Link]):
    """Two links that hear each other. A kind says how one is made, and how its device is pulled and put back."""

    carry_timeout_s = 20

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.events = [Recorder(), Recorder()]
        self._tasks: list[asyncio.Task[None]] = []

    @abstractmethod
    def _new(self, end: int) -> Link: ...

    @property
    def profiles(self) -> Sequence[LinkProfile]:
        return [link.profile for link in self.links]

    async def start(self, wait: bool = True) -> None:
        for end in (0, 1):
            self.links.append(self._new(end))
            self._tasks.append(asyncio.create_task(self.links[end].run(self.events[end])))
        if wait:
            async with asyncio.timeout(30):
                for events in self.events:
                    await events.until(lambda events=events: events.there)  # type: ignore[misc]

    async def stop(self, end: int) -> None:
        self._tasks[end].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[end]

    async def carry(self, start: int, payloads: Sequence[bytes]) -> list[bytes]:
        there = self.events[1 - start]
        await say(self.links[start], self.events[start], payloads)
        async with asyncio.timeout(self.carry_timeout_s):
            await there.until(lambda: len(there.frames) >= len(payloads))
        return there.take()

    def offer_illegal(self, start: int, payload: bytes) -> None:
        self.links[start].send(payload)

    async def restart(self, end: int) -> None:
        await self.stop(end)
        self.links[end], self.events[end] = self._new(end), Recorder()
        self._tasks[end] = asyncio.create_task(self.links[end].run(self.events[end]))
        await self.events[end].until(lambda: self.events[end].there)

    async def cut(self) -> None:
        await self.stop(1)  # whoever sends into the air is told of nothing: what is noticed is one's own device
        await self.unplug(0)

    @abstractmethod
    async def unplug(self, end: int) -> None: ...

    @abstractmethod
    async def plug(self, end: int) -> None: ...
