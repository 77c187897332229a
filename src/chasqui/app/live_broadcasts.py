"""Broadcast links of a running daemon: what they hear is told to the node, what the node says goes out on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from chasqui.app.node_thread import NodeThread
from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.airtime import Air
from chasqui.node import inputs
from chasqui.node.broadcast_end import DUMMY_SHARE, BroadcastEnd, BroadcastEnds, ProbeEar
from chasqui.node.effects import Transmit, Wake
from chasqui.node.link_port import BroadcastLink
from chasqui.node.spent import Book, spent


class _LiveBroadcast:
    """One broadcast link while its device is there: what its end needs around it, and what a test of it needs."""

    def __init__(
        self,
        owner: LiveBroadcasts,
        link: BroadcastLink,
        name: str,
        key: Secret,
        dummy_share: float,
        probed: Iterable[tuple[int, int]],
    ) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._timer: asyncio.TimerHandle | None = None
        self.end = BroadcastEnd(self, owner.ends, link.profile, name, key, dummy_share, probed)

    # -- Around ---------------------------------------------------------------------------------------------

    def uptime(self) -> Uptime:
        """See `Around`."""
        return self._owner.node.uptime()

    def step(self, event: inputs.Input, taken: Callable[[], None]) -> None:
        """See `Around`."""

        def done(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                self._loop.call_soon_threadsafe(taken)

        self._owner.node.submit(lambda runner: runner.step(event)).add_done_callback(done)

    def send(self, frame: bytes) -> None:
        """See `Around`."""
        self._link.send(frame)

    def set_timer(self, at_ms: int | None) -> None:
        """See `Around`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_ms is not None:
            self._timer = self._loop.call_later((at_ms - self.uptime().ms) / 1000, self._due)

    def _due(self) -> None:
        self._timer = None
        self.end.due()

    # -- Prober ---------------------------------------------------------------------------------------------

    @property
    def air(self) -> Air:
        """See `Prober`."""
        return self.end.air

    async def probe(self, frame: bytes) -> bool:
        """See `Prober`. It goes before what the node says next."""
        left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def told(went_out: bool) -> None:
            if not left.done():
                left.set_result(went_out)

        self.end.probe(frame, told)
        return await left

    def listen(self, ear: ProbeEar | None) -> None:
        """See `Prober`."""
        self.end.listen(ear)

    @property
    def tested(self) -> bool:
        """Whether somebody listens for probes now."""
        return self.end.tested


class LiveBroadcasts:
    """All broadcast links whose device is there. Lives on the daemon's event loop."""

    def __init__(self, node: NodeThread) -> None:
        self.node = node
        self.ends = BroadcastEnds()
        self._running: dict[BroadcastLink, _LiveBroadcast] = {}

    async def run(
        self, link: BroadcastLink, name: str, *, key: Secret = NO_SECRET, dummy_share: float = DUMMY_SHARE
    ) -> None:
        """Runs a link until it ends or is cancelled. `name`, `key` and `dummy_share`: see `inputs.BroadcastOpened`."""
        job = self.node.submit(lambda runner: spent(runner.look(), Book.PROBES, name, runner.uptime()))
        probed = await asyncio.wrap_future(job)
        live = self._running[link] = _LiveBroadcast(self, link, name, key, dummy_share, probed)
        try:
            await link.run(live.end)
        finally:
            del self._running[link]
            live.end.closed()

    def prober(self, link: BroadcastLink) -> _LiveBroadcast | None:
        """What a test of a link needs; None where its device is not there."""
        live = self._running.get(link)
        return live if live is not None and live.end.there else None

    def carry_out(self, effect: Transmit | Wake) -> None:
        """What the node wants, after the commit. A link that is gone is passed over."""
        self.ends.carry_out(effect)

    def begin_again(self) -> None:
        """The node was made anew."""
        self.ends.begin_again()
