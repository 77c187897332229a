"""One end of a broadcast link, between the node and the device: what either is told, and when.

It does no I/O. The daemon puts an event loop around it, the lab its virtual clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.airtime import Air, AirtimeLedger
from chasqui.node import inputs
from chasqui.node.effects import Transmit, Wake
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.spent import AHEAD_MS, Book

DUMMY_SHARE: Final = 0.05  # of the airtime budget: frames that say nothing, where the owner does not choose
WAITING_FRAMES_MAX: Final = 256  # of one link, heard and not yet taken by the node; what exceeds that is lost
DEVICE_MS: Final = 30_000  # a device has so long for a frame, whatever becomes of this process; half of `AHEAD_MS`
PROBES_SHARE: Final = 0.1  # of the link's airtime that a person may spend on tests; the node keeps to the rest


class Around(Protocol):
    """What an end needs around it."""

    def uptime(self) -> Uptime:
        """The clock of this machine, of one boot for as long as this is around."""
        ...

    def step(self, event: inputs.Input, taken: Callable[[], None]) -> None:
        """Steps the node, now or later, and then calls `taken`."""
        ...

    def send(self, frame: bytes) -> None:
        """Hands a frame to the device; no other is under way."""
        ...

    def set_timer(self, at_ms: int | None) -> None:
        """Calls `due` then; it replaces what was asked for before. None: not at all."""
        ...


class ProbeEar(Protocol):
    """Hears frames during a test."""

    def take(self, frame: bytes, strength_db: float | None) -> bool:
        """Whether it was a probe."""
        ...


class BroadcastEnds:
    """The ends of one node whose device is there, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[BroadcastId, BroadcastEnd] = {}

    def carry_out(self, effect: Transmit | Wake) -> None:
        """What the node wants, after the commit. A link that is gone is passed over."""
        end = self._open.get(effect.link)
        if end is None:
            return
        match effect:
            case Transmit():
                end.transmit(effect)
            case Wake(_, at_ms):
                end.wake(at_ms)

    def begin_again(self) -> None:
        """The node was made anew."""
        for end in list(self._open.values()):
            end.begin_again()

    def join(self, end: BroadcastEnd) -> BroadcastId:
        """A device came: its number, which no other had."""
        link = BroadcastId(next(self._numbers))
        self._open[link] = end
        return link

    def leave(self, link: BroadcastId) -> None:
        """A device went."""
        self._open.pop(link, None)


@dataclass(eq=False)
class _Probe:
    """A frame of a test: it waits until it is in the books, and then until the link is free."""

    frame: bytes
    left: Callable[[bool], None]
    until_ms: int  # in the books it has left by then
    booked: bool = False


class BroadcastEnd:
    """One broadcast link. `BroadcastEvents` of that link. `name`, `key`, `dummy_share`: see `BroadcastOpened`;
    `probed`: what tests have spent, see `spent`."""

    def __init__(
        self,
        around: Around,
        ends: BroadcastEnds,
        profile: LinkProfile,
        name: str,
        key: Secret = NO_SECRET,
        dummy_share: float = DUMMY_SHARE,
        probed: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._around, self._ends = around, ends
        self._name, self._key, self._dummy_share = name, key, dummy_share
        self._id: BroadcastId | None = None
        self._waiting = 0
        self._under_way = False
        self._next: Transmit | None = None  # said by a node that does not know what its predecessor has under way
        self._until_ms = 0  # in the books what is under way has left by then
        self._takes_ms = 0  # and took so long
        self._orphan = False  # a frame is under way of which the node does not know
        share = profile.airtime_share_max
        self._profile = replace(profile, airtime_share_max=share * (1 - PROBES_SHARE))  # what the node is told
        self.air = Air(
            profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, share * (1 - PROBES_SHARE)
        )
        self._probes = AirtimeLedger(replace(self.air, airtime_share_max=share * PROBES_SHARE))
        self._probes.restore(probed)
        self._probe: _Probe | None = None  # waits, or is under way
        self._probing = False
        self._ear: ProbeEar | None = None

    # -- BroadcastEvents ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """See `BroadcastEvents`."""
        self._id = self._ends.join(self)
        now = self._around.uptime()
        self._step(inputs.BroadcastOpened(self._id, self._profile, now, self._name, self._key, self._dummy_share))

    def heard(self, frame: bytes, strength_db: float | None) -> None:
        """See `BroadcastEvents`. A node that cannot keep up loses frames, as the air does."""
        if self._ear is not None and self._ear.take(frame, strength_db):
            return
        if self._id is None or self._waiting >= WAITING_FRAMES_MAX:
            return
        self._waiting += 1

        def taken() -> None:
            self._waiting -= 1

        self._step(inputs.BroadcastHeard(self._id, frame, strength_db, self._now_ms), taken)

    def sent(self, airtime_ms: int | None) -> None:
        """See `BroadcastEvents`."""
        probing, orphan = self._probing, self._orphan
        self._under_way = self._orphan = False
        if probing:
            self._probe_left(airtime_ms)
        elif orphan:
            self._put_right(Book.FRAMES, self._takes_ms if airtime_ms is None else airtime_ms)
        self._start_probe()
        if self._next is not None:
            said, self._next = self._next, None
            self.transmit(said)
        elif self._id is not None and not probing and not orphan:
            self._step(inputs.BroadcastSent(self._id, airtime_ms, self._now_ms))

    def closed(self) -> None:
        """See `BroadcastEvents`."""
        if self._id is not None:
            link, self._id = self._id, None
            self._under_way = self._orphan = False
            self._next = None
            probe, self._probe, self._probing = self._probe, None, False
            if probe is not None:
                probe.left(False)
            self._around.set_timer(None)
            self._ends.leave(link)
            self._step(inputs.BroadcastClosed(link))

    # -- tests of the link ----------------------------------------------------------------------------------

    def probe(self, frame: bytes, left: Callable[[bool], None]) -> None:
        """Sends one frame of a test, before what the node says next. `left` is told whether it went out: there is a
        budget, and the device may be gone."""
        now_ms, airtime_ms = self._now_ms, self.air.airtime_ms(len(frame))
        fits = self._probes.free_at_ms(now_ms, airtime_ms) == now_ms
        if self._id is None or self._probe is not None or not fits:
            left(False)
        else:
            self._book(frame, left)

    def listen(self, ear: ProbeEar | None) -> None:
        """Whoever hears probes from now on."""
        self._ear = ear

    @property
    def there(self) -> bool:
        """Whether the device is."""
        return self._id is not None

    @property
    def tested(self) -> bool:
        """Whether somebody listens for probes now."""
        return self._ear is not None

    def _book(self, frame: bytes, left: Callable[[bool], None]) -> None:
        now_ms = self._now_ms
        probe = self._probe = _Probe(frame, left, now_ms + AHEAD_MS)

        def booked() -> None:
            probe.booked = True
            self._start_probe()

        if self._id is not None:
            airtime_ms = self.air.airtime_ms(len(frame))
            self._step(inputs.BroadcastSpent(self._id, Book.PROBES, airtime_ms, now_ms), booked)

    def _start_probe(self) -> None:
        probe = self._probe
        if probe is None or not probe.booked or self._under_way:
            return
        if self._late(probe.until_ms):
            self._probe = None
            probe.left(False)
        else:
            self._probing = True
            self._hand_over(probe.frame, probe.until_ms)

    def _probe_left(self, airtime_ms: int | None) -> None:
        probe, self._probe, self._probing = self._probe, None, False
        took_ms = self._takes_ms if airtime_ms is None else airtime_ms
        self._probes.add(self._now_ms, took_ms)
        self._put_right(Book.PROBES, took_ms)
        if probe is not None:
            probe.left(True)

    def _put_right(self, book: Book, took_ms: int) -> None:
        """What has left just now was in the books before; not so late, perhaps, nor so high."""
        more_ms = took_ms if self._now_ms > self._until_ms else took_ms - self._takes_ms
        if self._id is not None and more_ms > 0:
            self._step(inputs.BroadcastSpent(self._id, book, more_ms, self._now_ms))

    # -- what the node wants --------------------------------------------------------------------------------

    def transmit(self, said: Transmit) -> None:
        """The node says this. What comes too late for the books is lost, as on the air."""
        if self._under_way:
            self._next = said
        elif not self._late(said.until_ms):
            self._hand_over(said.frame, said.until_ms)
        elif self._id is not None:
            self._step(inputs.BroadcastSent(self._id, 0, self._now_ms))

    def wake(self, at_ms: int | None) -> None:
        """The node wants to be asked then."""
        self._around.set_timer(at_ms)

    def due(self) -> None:
        """It is the time for which the timer was set."""
        if self._id is not None:
            self._step(inputs.BroadcastDue(self._id, self._now_ms))

    def begin_again(self) -> None:
        """The node was made anew and knows no link; what is under way goes on. A probe that is not yet goes into the
        books again: that may have failed."""
        under_way, probe, probing = self._under_way, self._probe, self._probing
        self._probe, self._probing = None, False
        self.closed()
        self.opened()
        self._under_way, self._orphan = under_way, under_way and not probing
        if probing:
            self._probe, self._probing = probe, True
        elif probe is not None:
            self._book(probe.frame, probe.left)

    @property
    def _now_ms(self) -> int:
        return self._around.uptime().ms

    def _late(self, until_ms: int) -> bool:
        """What the device does not get in time might be on the air when the books say that it has long left."""
        return self._now_ms > until_ms - DEVICE_MS

    def _hand_over(self, frame: bytes, until_ms: int) -> None:
        self._under_way, self._until_ms, self._takes_ms = True, until_ms, self.air.airtime_ms(len(frame))
        self._around.send(frame)

    def _step(self, event: inputs.Input, taken: Callable[[], None] = lambda: None) -> None:
        self._around.step(event, taken)
