"""A radio at a device of the lab: the same end of a link as in the daemon, on the virtual clock and channel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from chasqui.base.errors import ChasquiError
from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.lab.air import Channel
from chasqui.lab.device import Device, DownError
from chasqui.node import inputs
from chasqui.node.broadcast_end import DUMMY_SHARE, BroadcastEnd


class RadioBoard:
    """One radio. It ends what it has begun to send, whatever becomes of the process that uses it.

    `name` is that of the link at its device; `key` and `dummy_share`: see `BroadcastOpened`.
    """

    def __init__(
        self, device: Device, channel: Channel, name: str, key: Secret = NO_SECRET, dummy_share: float = DUMMY_SHARE
    ) -> None:
        self.device, self.channel = device, channel
        self._name, self._key, self._dummy_share = name, key, dummy_share
        self.end = self._new_end()
        self._plugged = False
        self._sends = False  # or waits for a free channel
        self._asked = 0
        channel.join(device.name, self)
        device.boards.append(self)

    def plug(self) -> None:
        """Puts it in. From now on the device keeps its daemon running."""
        self._plugged = True
        self.device.ticks = True
        self.up()
        self.device.wake()

    def unplug(self) -> None:
        """Pulls it out."""
        self._plugged = False
        self.end.closed()

    # -- device.Board -------------------------------------------------------------------------------------------

    def down(self) -> None:
        """See `Board`."""
        self.end.closed()

    def up(self) -> None:
        """See `Board`. One that still sends for the process before is there when it has ended."""
        if self._plugged and self.device.on and not self._sends and not self.end.there:
            self.end = self._new_end()
            self.end.opened()

    def _new_end(self) -> BroadcastEnd:
        profile = self.channel.medium.profile
        return BroadcastEnd(self, self.device.ends, profile, self._name, self._key, self._dummy_share)

    # -- air.Ear ------------------------------------------------------------------------------------------------

    def heard(self, frame: bytes, strength_db: float) -> None:
        """See `Ear`."""
        self.end.heard(frame, strength_db)

    def sent(self, airtime_ms: int) -> None:
        """See `Ear`."""
        self._sends = False
        if self.end.there:
            self.end.sent(airtime_ms)
        else:
            self.up()

    # -- broadcast_end.Around -----------------------------------------------------------------------------------

    def uptime(self) -> Uptime:
        """See `Around`."""
        return self.device.uptime

    def step(self, event: inputs.Input, taken: Callable[[], None]) -> None:
        """See `Around`. A step that is refused has changed nothing."""
        with suppress(DownError, ChasquiError):
            self.device.do(event)
        taken()

    def send(self, frame: bytes) -> None:
        """See `Around`."""
        self._sends = True
        self.channel.send(self.device.name, frame)

    def set_timer(self, at_ms: int | None) -> None:
        """See `Around`."""
        self._asked += 1
        if at_ms is None:
            return
        asked = self._asked

        def due() -> None:
            if asked == self._asked:
                self.end.due()

        self.device.world.at_ms(self.device.booted_ms + at_ms, due)
