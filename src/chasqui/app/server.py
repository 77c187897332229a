"""The daemon's end of the socket: requests in, answers out, for processes of the same user."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from chasqui.app import endpoint, wire
from chasqui.app.errors import document_of
from chasqui.app.requests import AnyRequest
from chasqui.app.results import Result
from chasqui.base.errors import PeerError

CONNECTIONS_MAX: Final = 128
REST_S_MAX: Final = 60.0  # for the rest of a request whose header came

Handler = Callable[[AnyRequest, bytes], Awaitable[tuple[Result, bytes]]]


class Server:
    """Answers on a listening socket. `handle` may raise; what it raises becomes the answer."""

    def __init__(self, listener: socket.socket, handle: Handler) -> None:
        self._listener = listener
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._talking: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to answer."""
        self._server = await asyncio.start_unix_server(self._accepted, sock=self._listener)

    async def stop(self, grace_s: float) -> None:
        """Takes no more requests; those at work get their answer if they are done in time."""
        if self._server is not None:
            self._server.close()
        for task in self._talking - self._busy:
            task.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=grace_s)
        for task in list(self._talking):
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        if not self._is_ours(writer) or len(self._talking) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._talking.add(task)
        try:
            while await self._one(reader, writer, task):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError):
            pass  # whoever asked has gone, or we end
        finally:
            self._talking.discard(task)
            writer.close()

    def _is_ours(self, writer: asyncio.StreamWriter) -> bool:
        connection = writer.get_extra_info("socket")
        # A duplicate: asyncio's own wrapper refuses what it calls blocking.
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            return endpoint.peer_uid(same) == os.getuid()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> bool:
        """One request and its answer; False once the connection is to end."""
        try:
            header = await reader.readexactly(wire.HEADER_BYTES)
            lengths = wire.parse_header(header, document_max=wire.REQUEST_BYTES_MAX)
            async with asyncio.timeout(REST_S_MAX):
                document = await reader.readexactly(lengths.document)
                beside = await reader.readexactly(lengths.beside)
            request = wire.parse_request(document)
        except PeerError as error:
            await _say(writer, _failure(error))
            return False
        self._busy.add(task)
        try:
            try:
                result, data = await self._handle(request, beside)
                answer = wire.frame(wire.succeeded(result), data)
            except Exception as error:
                answer = _failure(error)
            await _say(writer, answer)
        finally:
            self._busy.discard(task)
        return self._server is not None and self._server.is_serving()


def _failure(error: BaseException) -> bytes:
    document, exit_code = document_of(error)
    return wire.frame(wire.Failed(document, exit_code))


async def _say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
