"""A device at a serial line, for doubles: a pseudo-terminal that can be pulled out and comes back under its name."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class PtyPort:
    """`place` is a symbolic link, as a device keeps its name when it is plugged in again."""

    def __init__(self, place: Path, heard: Callable[[bytes], None]) -> None:
        self._place = place
        self._heard = heard
        self._master = self._slave = -1
        self._unsent = bytearray()

    @property
    def place(self) -> str:
        """What a link is told."""
        return str(self._place)

    def start(self) -> None:
        """It is plugged in."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._place.unlink(missing_ok=True)
        self._place.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def stop(self) -> None:
        """It is pulled out."""
        if self._master >= 0:
            self._place.unlink(missing_ok=True)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            self._unsent.clear()
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def deafen(self) -> None:
        """Nobody reads what is written to it."""
        asyncio.get_running_loop().remove_reader(self._master)

    def tell(self, data: bytes) -> None:
        """Bytes to whoever has it open."""
        if self._master >= 0:
            self._unsent += data
            self._write()

    def _read(self) -> None:
        with suppress(OSError):
            self._heard(os.read(self._master, 4096))

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                del self._unsent[: os.write(self._master, self._unsent)]
            loop.remove_writer(self._master)
        except BlockingIOError:
            loop.add_writer(self._master, self._write)
