"""A device that is pulled and put back: tried again by itself, at first soon and then ever more seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chasqui.links.radio_limits import RETRY_FIRST_S, RETRY_MAX_S


class Reopening:
    """The life of a link with a device, of which there is one at a time."""

    def __init__(self) -> None:
        self.running = False

    async def run(self, use: Callable[[], Awaitable[bool]]) -> None:
        """Uses the device again and again, until cancelled. `use` opens it, ends when it is gone, and gives whether it
        was there at all: only then the pause begins anew. RuntimeError where the link runs already."""
        if self.running:
            raise RuntimeError("the link runs already")
        self.running = True
        pause_s = RETRY_FIRST_S
        try:
            while True:
                pause_s = RETRY_FIRST_S if await use() else min(2 * pause_s, RETRY_MAX_S)
                await asyncio.sleep(pause_s)
        finally:
            self.running = False
