"""A stream of bytes to a radio device: a TCP port or a serial line. Neither ever blocks the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import Any, Final, Protocol

from chasqui.base.errors import MachineError, NotInstalledError
from chasqui.links.radio_limits import CONNECT_S, KEEPALIVE_S, READ_BYTES, UNREAD_BYTES_MAX, UNSENT_BYTES_MAX

BAUD_DEFAULT: Final = 9_600


class DeviceGoneError(MachineError):
    """The device is not there, or does not take what is said to it."""

    code = "device"


class Device(Protocol):
    """A device that is open. One reader at a time."""

    async def read(self) -> bytes:
        """Some bytes, at least one. Raises `DeviceGoneError`."""
        ...

    def write(self, data: bytes) -> None:
        """Queues bytes. Raises `DeviceGoneError` where the device does not take them."""
        ...

    def close(self) -> None:
        """Lets go of it at once."""
        ...


def read_place(text: str) -> tuple[str, int] | str:
    """Where a device is: `HOST:PORT` gives host and port, a path gives itself. Raises `ValueError`."""
    if text.startswith(("/", "COM")) or os.sep in text:
        return text
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError("neither HOST:PORT nor the path of a device")
    return host, int(port)


async def open_device(place: str, baud: int = BAUD_DEFAULT) -> Device:
    """Opens what `place` names. Raises `DeviceGoneError` where that does not go now, and `NotInstalledError` where it
    never will on this machine."""
    where = read_place(place)
    if isinstance(where, str):
        return SerialDevice(where, baud)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(*where, limit=UNREAD_BYTES_MAX)
    except (OSError, TimeoutError) as error:
        raise DeviceGoneError(_reason(error)) from error
    return TcpDevice(reader, writer)


class TcpDevice:
    """A device behind a TCP port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        sock: socket.socket = writer.get_extra_info("socket")
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        for name, value in (
            ("TCP_KEEPIDLE", KEEPALIVE_S),
            ("TCP_KEEPINTVL", KEEPALIVE_S),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", 4_000 * KEEPALIVE_S),
        ):
            if hasattr(socket, name):
                options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
        for level, option, value in options:
            with suppress(OSError):
                sock.setsockopt(level, option, value)

    async def read(self) -> bytes:
        """See `Device`."""
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise DeviceGoneError(_reason(error)) from error
        if not data:
            raise DeviceGoneError("it hung up")
        return data

    def write(self, data: bytes) -> None:
        """See `Device`."""
        if self._writer.transport.is_closing():
            raise DeviceGoneError("it hung up")
        if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            raise DeviceGoneError("it takes nothing")
        self._writer.write(data)

    def close(self) -> None:
        """See `Device`."""
        self._writer.transport.abort()


class SerialDevice:
    """A device at a serial line: 8 bits, no parity, one stop bit, no handshake."""

    def __init__(self, path: str, baud: int) -> None:
        serial = _pyserial()
        try:
            self._port: Any = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
            self._file: int = self._port.fileno()
        except (OSError, ValueError, NotImplementedError) as error:  # SerialException is an OSError
            raise DeviceGoneError(_reason(error)) from error
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._writing = False
        self._ready: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """See `Device`."""
        await self._readable()
        if not self._port.is_open:
            raise DeviceGoneError("it takes nothing")
        try:
            data = os.read(self._file, READ_BYTES)
        except OSError as error:
            raise DeviceGoneError(_reason(error)) from error
        if not data:  # readable, and nothing there
            raise DeviceGoneError("it was unplugged")
        return data

    def write(self, data: bytes) -> None:
        """See `Device`."""
        if len(self._unsent) > UNSENT_BYTES_MAX:
            raise DeviceGoneError("it takes nothing")
        self._unsent += data
        self._flush()

    def close(self) -> None:
        """See `Device`."""
        if self._port.is_open:
            self._loop.remove_reader(self._file)
            self._watch_writing(False)
            with suppress(OSError):
                self._port.close()
            self._wake()

    async def _readable(self) -> None:
        if not self._port.is_open:
            return
        self._ready = self._loop.create_future()
        self._loop.add_reader(self._file, self._wake)
        try:
            await self._ready
        finally:
            self._ready = None
            if self._port.is_open:
                self._loop.remove_reader(self._file)

    def _wake(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._file, self._unsent)]
        except BlockingIOError:
            self._watch_writing(True)
            return
        except OSError:
            self._unsent.clear()  # whoever reads learns that it is gone
        self._watch_writing(False)

    def _watch_writing(self, on: bool) -> None:
        if on != self._writing:
            self._writing = on
            if on:
                self._loop.add_writer(self._file, self._flush)
            else:
                self._loop.remove_writer(self._file)


def _pyserial() -> Any:
    try:
        import serial
    except ImportError as error:
        raise NotInstalledError(
            "Serial lines need the package pyserial, which is not installed here.",
            safety="Nothing was sent.",
            todo="`pip install 'chasqui[radio]'`, or use a TNC over TCP: HOST:PORT.",
        ) from error
    return serial


def _reason(error: BaseException) -> str:
    """Why, without a path or an address."""
    number = getattr(error, "errno", None)
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, socket.gaierror):
        return "nobody knows this name"
    if number in (errno.EAGAIN, errno.EBUSY):  # it is locked: strerror would say "temporarily unavailable"
        return "another program has it, or another link"
    return os.strerror(number) if isinstance(number, int) else "it cannot be used"
