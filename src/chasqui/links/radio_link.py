"""What all links with a device of ours that sends have in common. A `BroadcastLink`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from chasqui.base.errors import NotInstalledError
from chasqui.links.device import DeviceGoneError
from chasqui.links.radio_limits import RETRY_FIRST_S, RETRY_MAX_S
from chasqui.node.link_port import BroadcastEvents, LinkProfile

NO_ANSWER: Final = "it does not answer"
_LOSS_EXPECTED: Final = 0.1


class RefusedError(DeviceGoneError):
    """The board is not set as its owner says, or does not do what it was asked for."""

    code = "refused"


class RadioLink(ABC):
    """One device. When it is pulled and put back it is tried again, at first soon and then ever more seldom."""

    _FOREIGN: ClassVar = "of others or damaged"  # what is passed over

    def __init__(
        self, kind: str, *, mtu_bytes: int, bit_rate_bps: int, airtime_share_max: float, frame_overhead_ms: int
    ) -> None:
        self._profile = LinkProfile(
            kind=kind,
            mtu_bytes=mtu_bytes,
            bit_rate_bps=bit_rate_bps,
            broadcast=True,
            needs_daemon=True,
            loss_expected=_LOSS_EXPECTED,
            airtime_share_max=airtime_share_max,
            frame_overhead_ms=frame_overhead_ms,
        )
        self._running = False
        self._trouble = ""
        self._lacks = ""
        self.heard_frames = 0
        self.passed_over = 0

    @property
    def profile(self) -> LinkProfile:
        """See `BroadcastLink`."""
        return self._profile

    async def run(self, events: BroadcastEvents) -> None:
        """See `BroadcastLink`. RuntimeError where the link runs already."""
        if self._running:
            raise RuntimeError("the link runs already")
        self._running = True
        pause_s = RETRY_FIRST_S
        try:
            while True:
                pause_s = RETRY_FIRST_S if await self._use(events) else min(2 * pause_s, RETRY_MAX_S)
                await asyncio.sleep(pause_s)
        except NotInstalledError as error:
            self._lacks = f"cannot be used here: {error.what} {error.todo} Then `chasqui down`, `chasqui up --detach`."
            await asyncio.get_running_loop().create_future()  # until this link is ended: trying again changes nothing
        finally:
            self._running = False

    def send(self, frame: bytes) -> None:
        """See `BroadcastLink`."""
        if not 0 < len(frame) <= self._profile.mtu_bytes:
            raise ValueError("not the size of a frame of this link")
        if not self._there:
            return
        if self._under_way:
            raise RuntimeError("a frame is under way")
        self._begin(frame)

    @property
    def state(self) -> str:
        """See `BroadcastLink`. It names no place and no callsign."""
        if not self._running:
            return "not running"
        if self._lacks:
            return self._lacks
        if not self._there:
            return self._missing
        line = f"ready; {self.heard_frames} frames heard"
        return f"{line}, {self.passed_over} {self._FOREIGN} passed over" if self.passed_over else line

    # -- of each kind -----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _there(self) -> bool:
        """Whether the device is there and does what it is to do."""

    @property
    @abstractmethod
    def _under_way(self) -> bool:
        """Whether a frame is."""

    @property
    @abstractmethod
    def _missing(self) -> str:
        """The state while the device is not there."""

    @abstractmethod
    async def _use(self, events: BroadcastEvents) -> bool:
        """Opens the device, and ends when it is gone, or whoever listens is cancelled or fails. Whether it was there
        at all: only then the pause begins anew. Raises `NotInstalledError`."""

    @abstractmethod
    def _begin(self, frame: bytes) -> None:
        """Hands it a frame."""
