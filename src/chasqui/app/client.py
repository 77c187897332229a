"""A command's end of the socket."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from chasqui.app import endpoint, wire
from chasqui.app.answers import ANSWER_OF
from chasqui.app.errors import RemoteError
from chasqui.app.requests import Request
from chasqui.app.results import Result
from chasqui.base.errors import MachineError


class DaemonClient:
    """One connection to the daemon; one request after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, home: Path) -> DaemonClient | None:
        """None where no daemon answers."""
        connection = endpoint.connect(home)
        return None if connection is None else cls(connection)

    def call(self, request: Request, beside: bytes = b"") -> tuple[Result, bytes]:
        """The result and the bytes beside it. Raises `RemoteError` with the daemon's error, `MachineError` where it
        ended meanwhile, `PeerError` where it is of another version."""
        try:
            self._connection.sendall(wire.frame(request, beside))
            lengths = wire.parse_header(self._take(wire.HEADER_BYTES), document_max=wire.ANSWER_BYTES_MAX)
            document, data = self._take(lengths.document), self._take(lengths.beside)
        except OSError as error:
            raise _ended() from error
        answer = wire.parse_answer(document)
        if isinstance(answer, wire.Failed):
            raise RemoteError(answer.error, answer.exit_code)
        return wire.parse_result(answer.result, ANSWER_OF[type(request)]), data

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, size: int) -> bytes:
        if size == 0:
            return b""
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._connection.recv_into(view)
            if count == 0:
                raise _ended()
            view = view[count:]
        return bytes(data)


def _ended() -> MachineError:
    return MachineError(
        "The daemon ended before it answered.",
        safety="Whether this was done is not known.",
        todo="Look (`chasqui read`, `chasqui status`) before you repeat it.",
    )
