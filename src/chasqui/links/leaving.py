"""When a frame that a device was handed has left, where the device does not tell: that is reckoned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chasqui.links.radio_limits import CARRIER_WAIT_MS_MAX

MS_S: Final = 0.001  # doubles of fast radios set it lower


class Leaving:
    """One frame at a time. It takes what its bits take, and what is heard meanwhile, for a radio that hears does not
    send; at most `CARRIER_WAIT_MS_MAX` longer."""

    __slots__ = ("_at_s", "_at_s_max", "_left", "_timer")

    def __init__(self, left: Callable[[], None]) -> None:
        self._left = left
        self._at_s = self._at_s_max = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> bool:
        """Whether a frame is."""
        return self._timer is not None

    def begin(self, takes_ms: float) -> None:
        """The device was handed a frame."""
        loop = asyncio.get_running_loop()
        self._at_s = loop.time() + takes_ms * MS_S
        self._at_s_max = self._at_s + CARRIER_WAIT_MS_MAX * MS_S
        self._timer = loop.call_at(self._at_s, self._over)

    def busy(self, ms: float) -> None:
        """Somebody was heard for so long: meanwhile ours did not leave."""
        if self._timer is not None:
            self._timer.cancel()
            self._at_s = min(self._at_s + ms * MS_S, self._at_s_max)
            self._timer = asyncio.get_running_loop().call_at(self._at_s, self._over)

    def stop(self) -> None:
        """The device is gone, or has lost the frame."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        self._left()
