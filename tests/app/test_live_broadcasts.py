"""The daemon's driver of broadcast links, with the real node thread and a radio in memory."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from chasqui.app.live_broadcasts import LiveBroadcasts
from chasqui.app.node_thread import NodeThread
from chasqui.app.runner import Release, Runner
from chasqui.base.errors import DiskFullError
from chasqui.base.ids import GroupId
from chasqui.lab.memory_store import MemoryStore, fail_at
from chasqui.node import inputs
from chasqui.node.effects import Transmit, Wake
from chasqui.node.views import read_group
from tests.links.ether import Ether, MemoryRadio
from tests.node.world import START_S, Person, make_group


class Host:
    """One daemon's worth: a thread that owns the node, and a radio on the loop."""

    def __init__(self, person: Person, ether: Ether) -> None:
        self.loop = asyncio.get_running_loop()
        self.store: MemoryStore = person.store
        self.runner = Runner(person.store, person.entropy, lambda: START_S)
        self.node = NodeThread(
            self.runner, released=self._released, restarted=lambda: self._soon(self._again), broke=lambda _: None
        )
        self.links = LiveBroadcasts(self.node)
        self.radio = MemoryRadio(ether)
        self.node.start()
        self.task = asyncio.create_task(self.links.run(self.radio, "radio"))

    def _released(self, effects: list[Release]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit | Wake):
                self._soon(partial(self.links.carry_out, effect))

    def _again(self) -> None:
        self.links.begin_again()

    def _soon(self, call: Any) -> None:
        self.loop.call_soon_threadsafe(call)

    async def do(self, event: inputs.Input) -> Any:
        return await asyncio.wrap_future(self.node.submit(lambda runner: runner.step(event)))

    async def texts(self, group: GroupId) -> list[str]:
        await self.do(inputs.SettleOrder(group))
        read = self.node.submit(lambda runner: read_group(runner.look(), group))
        return [message.text for message in (await asyncio.wrap_future(read)).messages]

    async def until(self, group: GroupId, texts: set[str]) -> None:
        while set(await self.texts(group)) != texts:
            await asyncio.sleep(0.01)

    async def ready(self) -> None:
        while self.radio.state != "ready":
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await asyncio.to_thread(self.node.stop)


def on_air(body: Any) -> None:
    """Runs it with two hosts who share a group and an ether."""

    async def run() -> None:
        broken: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        ana, ben = Person("ana"), Person("ben")
        group = make_group(ana, ben)
        ether = Ether()
        hosts = [Host(ana, ether), Host(ben, ether)]
        try:
            async with asyncio.timeout(20):
                for host in hosts:
                    await host.ready()
                await body(*hosts, group)
        finally:
            for host in hosts:
                await host.end()
        assert broken == []

    asyncio.run(run())


def test_a_text_goes_from_daemon_to_daemon() -> None:
    async def body(ana: Host, ben: Host, group: GroupId) -> None:
        await ana.do(inputs.SendText(group, "at the bridge", urgent=True))
        await ben.until(group, {"at the bridge"})

    on_air(body)


def test_a_radio_that_was_pulled_out_says_what_waited_once_it_is_back() -> None:
    async def body(ana: Host, ben: Host, group: GroupId) -> None:
        ana.radio.plug(False)
        while ana.radio.state == "ready":
            await asyncio.sleep(0.01)
        ana.radio.plug(True)
        await ana.ready()
        await ana.do(inputs.SendText(group, "again", urgent=True))
        await ben.until(group, {"again"})

    on_air(body)


def test_a_node_that_was_made_anew_goes_on_sending() -> None:
    async def body(ana: Host, ben: Host, group: GroupId) -> None:
        await ana.do(inputs.SendText(group, "one", urgent=True))
        await ben.until(group, {"one"})
        ana.store.before_commit = fail_at(ana.store.commits + 1)
        with pytest.raises(DiskFullError):
            await ana.do(inputs.SendText(group, "lost", urgent=True))
        assert ana.runner.restarts == 1
        await ana.do(inputs.SendText(group, "two", urgent=True))
        await ben.until(group, {"one", "two"})

    on_air(body)


def test_a_frame_that_is_under_way_is_not_run_over_by_a_node_made_anew() -> None:
    async def body(ana: Host, ben: Host, group: GroupId) -> None:
        ana.radio.free.clear()
        await ana.do(inputs.SendText(group, "one", urgent=True))
        while ana.radio._sending is None:
            await asyncio.sleep(0.01)
        ana.store.before_commit = fail_at(ana.store.commits + 1)
        with pytest.raises(DiskFullError):
            await ana.do(inputs.SendText(group, "lost", urgent=True))
        await asyncio.sleep(0.05)
        await ana.do(inputs.SendText(group, "two", urgent=True))
        await asyncio.sleep(0.05)
        ana.radio.free.set()
        await ben.until(group, {"one", "two"})

    on_air(body)
