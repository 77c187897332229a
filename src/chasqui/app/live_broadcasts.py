"""Broadcast links of a running daemon: what they hear is told to the node, what the node says goes out on them."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any, Final

from chasqui.app.measuring import ProbeEar
from chasqui.app.node_thread import NodeThread
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.airtime import Air, AirtimeLedger
from chasqui.node import inputs
from chasqui.node.effects import Transmit, Wake
from chasqui.node.link_port import BroadcastId, BroadcastLink

DUMMY_SHARE: Final = 0.05  # of the airtime budget: frames that say nothing, where the owner does not choose
WAITING_FRAMES_MAX: Final = 256  # of one link, heard and not yet taken by the node; what exceeds that is lost
PROBES_SHARE: Final = 0.1  # of the link's airtime that a person may spend on tests; the node keeps to the rest


class _LiveBroadcast:
    """One broadcast link while its device is there. `BroadcastEvents` of that link."""

    def __init__(self, owner: LiveBroadcasts, link: BroadcastLink, name: str, key: Secret, dummy_share: float) -> None:
        self._owner = owner
        self._link = link
        self._name, self._key, self._dummy_share = name, key, dummy_share
        self._id: BroadcastId | None = None
        self._waiting = 0
        self._under_way = False
        self._next: bytes | None = None  # said by a node that does not know what its predecessor has under way
        self._timer: asyncio.TimerHandle | None = None
        profile = link.profile
        share = profile.airtime_share_max
        self._profile = replace(profile, airtime_share_max=share * (1 - PROBES_SHARE))  # what the node is told
        self.air = Air(
            profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, share * (1 - PROBES_SHARE)
        )
        self._probes = AirtimeLedger(replace(self.air, airtime_share_max=share * PROBES_SHARE))
        self._probe: tuple[bytes, asyncio.Future[bool]] | None = None  # waits, or is under way
        self._probing = False
        self._ear: ProbeEar | None = None

    # -- BroadcastEvents ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """See `BroadcastEvents`."""
        self._id = self._owner.join(self)
        self._step(
            inputs.BroadcastOpened(self._id, self._profile, _now_ms(), self._name, self._key, self._dummy_share)
        )

    def heard(self, frame: bytes, strength_db: float | None) -> None:
        """See `BroadcastEvents`. A node that cannot keep up loses frames, as the air does."""
        if self._ear is not None and self._ear.take(frame, strength_db):
            return
        if self._id is None or self._waiting >= WAITING_FRAMES_MAX:
            return
        self._waiting += 1

        def taken(_: Any) -> None:
            self._waiting -= 1

        self._step(inputs.BroadcastHeard(self._id, frame, strength_db, _now_ms())).add_done_callback(taken)

    def sent(self, airtime_ms: int | None) -> None:
        """See `BroadcastEvents`."""
        self._under_way = False
        probed = self._probing
        if self._probing and self._probe is not None:
            frame, left = self._probe
            self._probe, self._probing = None, False
            self._probes.add(_now_ms(), self.air.airtime_ms(len(frame)) if airtime_ms is None else airtime_ms)
            if not left.done():
                left.set_result(True)
        self._start_probe()
        if self._next is not None:
            frame, self._next = self._next, None
            self.transmit(frame)
        elif self._id is not None and not probed:
            self._step(inputs.BroadcastSent(self._id, airtime_ms, _now_ms()))

    def closed(self) -> None:
        """See `BroadcastEvents`."""
        if self._id is not None:
            link, self._id = self._id, None
            self._under_way, self._next = False, None
            if self._probe is not None and not self._probe[1].done():
                self._probe[1].set_result(False)
            self._probe, self._probing = None, False
            self._set_timer(None)
            self._owner.leave(link)
            self._step(inputs.BroadcastClosed(link))

    # -- Prober ---------------------------------------------------------------------------------------------

    async def probe(self, frame: bytes) -> bool:
        """See `Prober`. It goes before what the node says next."""
        now_ms = _now_ms()
        if self._id is None or self._probe is not None:
            return False
        if self._probes.free_at_ms(now_ms, self.air.airtime_ms(len(frame))) != now_ms:
            return False
        left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._probe = frame, left
        self._start_probe()
        return await left

    def listen(self, ear: ProbeEar | None) -> None:
        """See `Prober`."""
        self._ear = ear

    @property
    def there(self) -> bool:
        """Whether the device is."""
        return self._id is not None

    @property
    def tested(self) -> bool:
        """Whether somebody listens for probes now."""
        return self._ear is not None

    def _start_probe(self) -> None:
        if self._probe is not None and not self._under_way:
            self._under_way = self._probing = True
            self._link.send(self._probe[0])

    # -- for the owner --------------------------------------------------------------------------------------

    def transmit(self, frame: bytes) -> None:
        """The node says this."""
        if self._under_way:
            self._next = frame
        else:
            self._under_way = True
            self._link.send(frame)

    def wake(self, at_ms: int | None) -> None:
        """The node wants to be asked then."""
        self._set_timer(at_ms)

    def begin_again(self) -> None:
        """The node was made anew and knows no link; what is under way goes on."""
        under_way, probe, probing = self._under_way, self._probe, self._probing
        self._probe, self._probing = None, False
        self.closed()
        self.opened()
        self._under_way, self._probe, self._probing = under_way, probe, probing

    def _set_timer(self, at_ms: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_ms is not None:
            self._timer = asyncio.get_running_loop().call_at(at_ms / 1000, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._id is not None:
            self._step(inputs.BroadcastDue(self._id, _now_ms()))

    def _step(self, event: inputs.Input) -> Any:
        return self._owner.node.submit(lambda runner: runner.step(event))


class LiveBroadcasts:
    """All broadcast links whose device is there. Lives on the daemon's event loop."""

    def __init__(self, node: NodeThread) -> None:
        self.node = node
        self._numbers = itertools.count(1)
        self._open: dict[BroadcastId, _LiveBroadcast] = {}
        self._running: dict[BroadcastLink, _LiveBroadcast] = {}

    async def run(
        self, link: BroadcastLink, name: str, *, key: Secret = NO_SECRET, dummy_share: float = DUMMY_SHARE
    ) -> None:
        """Runs a link until it ends or is cancelled. `name`, `key` and `dummy_share`: see `inputs.BroadcastOpened`."""
        live = self._running[link] = _LiveBroadcast(self, link, name, key, dummy_share)
        try:
            await link.run(live)
        finally:
            del self._running[link]
            live.closed()

    def prober(self, link: BroadcastLink) -> _LiveBroadcast | None:
        """What a test of a link needs; None where its device is not there."""
        live = self._running.get(link)
        return live if live is not None and live.there else None

    def carry_out(self, effect: Transmit | Wake) -> None:
        """What the node wants, after the commit. A link that is gone is passed over."""
        live = self._open.get(effect.link)
        if live is None:
            return
        match effect:
            case Transmit(_, frame):
                live.transmit(frame)
            case Wake(_, at_ms):
                live.wake(at_ms)

    def begin_again(self) -> None:
        """The node was made anew."""
        for live in list(self._open.values()):
            live.begin_again()

    def join(self, live: _LiveBroadcast) -> BroadcastId:
        """A device came: its number, which no other had."""
        link = BroadcastId(next(self._numbers))
        self._open[link] = live
        return link

    def leave(self, link: BroadcastId) -> None:
        """A device went."""
        self._open.pop(link, None)


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
