"""The local socket: requests as the daemon reads them, answers as the command line does."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import Any

from chasqui.base.errors import PeerError

WIRE: Any = None
if importlib.util.find_spec("chasqui.app") and importlib.util.find_spec("chasqui.app.wire"):
    from chasqui.app import wire

    WIRE = wire


def target(data: bytes) -> None:
    """The same bytes as a stream, a header, a request and an answer."""
    if WIRE is None:
        return
    for read in (WIRE.parse_stream, WIRE.parse_request, WIRE.parse_answer):
        with contextlib.suppress(PeerError):
            read(data)
    with contextlib.suppress(PeerError):
        WIRE.parse_header(data, document_max=WIRE.REQUEST_BYTES_MAX)
