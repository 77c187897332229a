"""Whole stations for tests: a node with its thread, the daemon's driver, and one broadcast link."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from chasqui.app.live_broadcasts import LiveBroadcasts
from chasqui.app.node_thread import NodeThread
from chasqui.app.runner import Release, Runner
from chasqui.base.ids import GroupId
from chasqui.node import inputs, receipting
from chasqui.node.effects import Transmit, Wake
from chasqui.node.link_port import BroadcastLink
from chasqui.node.views import read_group
from tests.node.world import Person, make_group


class Station:
    """One of them."""

    def __init__(self, person: Person, link: BroadcastLink) -> None:
        self.link = link
        self._loop = asyncio.get_running_loop()
        self.node = NodeThread(
            Runner(person.store, person.entropy, lambda: int(time.time())),
            released=self._released,
            restarted=lambda: self._soon(lambda: self.broadcasts.begin_again()),
            broke=lambda _: None,
        )
        self.broadcasts = LiveBroadcasts(self.node)
        self.node.start()
        self._task = asyncio.create_task(self.broadcasts.run(link, "radio", dummy_share=0.0))

    def _released(self, effects: list[Release]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit | Wake):
                self._soon(partial(self.broadcasts.carry_out, effect))

    def _soon(self, call: Any) -> None:
        self._loop.call_soon_threadsafe(call)

    async def do(self, event: inputs.Input) -> Any:
        """One step of the node."""
        return await asyncio.wrap_future(self.node.submit(lambda runner: runner.step(event)))

    async def states(self, group: GroupId) -> dict[str, str]:
        """What `read` shows: texts and their states."""
        await self.do(inputs.SettleOrder(group))
        read = self.node.submit(lambda runner: read_group(runner.look(), group))
        return {message.text: message.state for message in (await asyncio.wrap_future(read)).messages}

    async def end(self) -> None:
        """Stops it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.node.stop)


def impatient(patch: pytest.MonkeyPatch) -> None:
    """Nodes wait for minutes before they sign for what a slow link brought; here they take their turns at once."""
    patch.setattr(receipting, "_SLOW_FRAMES", 0)


Body = Callable[[Sequence[Station], GroupId], Awaitable[None]]


def with_stations(links: Callable[[], Sequence[BroadcastLink]], body: Body, timeout_s: float) -> None:
    """Runs it with people who share a group; their links are there when it begins."""

    async def run() -> None:
        radios = links()
        people = [Person(name, int(time.time())) for name in ("ana", "ben", "cleo")[: len(radios)]]
        group = make_group(*people)
        stations = [Station(*pair) for pair in zip(people, radios, strict=True)]
        try:
            impatient(patch)
            async with asyncio.timeout(timeout_s):
                while not all(link.state.startswith("ready") for link in radios):
                    await asyncio.sleep(0.05)
                await body(stations, group)
        finally:
            for station in stations:
                await station.end()

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(run())


async def say_until_delivered(stations: Sequence[Station], group: GroupId, *, apart_s: float, tries: int = 8) -> int:
    """The first says texts until one is at everybody and the receipts of all are back; gives how many it took. Frames
    are lost on the air: the next text's receipts cover what was lost of the last."""
    said: set[str] = set()
    for number in range(tries):
        text = f"at the bridge, {number}"
        await stations[0].do(inputs.SendText(group, text))
        said.add(text)
        for _ in range(int(apart_s / 0.2)):
            await asyncio.sleep(0.2)
            states = await stations[0].states(group)
            delivered = {text for text, state in states.items() if state == "delivered"}
            if delivered:
                for other in stations[1:]:
                    assert delivered <= set(await other.states(group)), "a receipt for what nobody has"
                return number + 1
    raise AssertionError(f"nothing of {said} was delivered: {[station.link.state for station in stations]}")
