"""One TLS session with one neighbour: hello, frames, keepalives, a bounded queue.

It decides nothing about others: who may be here, and how many, is the host's business (`lan.py`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Protocol, cast

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.links.announcement import RunId
from chasqui.links.framing import KEEPALIVE, FrameReader, framed, hello, read_hello
from chasqui.links.identity import run_id_of
from chasqui.links.lan_limits import (
    FRAMES_PER_SECOND_MAX,
    KEEPALIVES_PER_MINUTE_MAX,
    QUEUE_BYTES_MAX,
    WRITE_BYTES,
    LanPace,
)
from chasqui.links.places import Place
from chasqui.node.link_port import SessionId


class SessionHost(Protocol):
    """What a session asks of the link that holds it."""

    @property
    def own_run_id(self) -> RunId: ...

    @property
    def pace(self) -> LanPace: ...

    def jitter(self, mean_s: float) -> float:
        """Between half and one and a half of the mean."""
        ...

    def greeted(self, session: LanSession) -> None:
        """The hello came; the session may be used. Raises `PeerError` to refuse it."""
        ...

    def frame(self, session: LanSession, frame: bytes) -> None:
        """Raises `PeerError` to end the session."""
        ...

    def ended(self, session: LanSession) -> None:
        """Called once for each session whose connection was made."""
        ...

    def queued(self, session: LanSession, change_bytes: int) -> None:
        """The queue grew or shrank."""
        ...


class LanSession(asyncio.Protocol):
    """A session from the moment at which TLS stands. `dialled` is the run id that we went for, if we did."""

    def __init__(self, host: SessionHost, place: Place, address: str, dialled: RunId | None) -> None:
        self.place = place
        self.address = address
        self.dialled = dialled
        self.peer: RunId | None = None  # known after the hello
        self.id: SessionId | None = None  # given by the host when the hello was good
        self.queued_bytes = 0
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._queue: deque[bytes] = deque()
        self._writable = True
        self._pump_due = False
        self._begun = False
        self._over = False
        now = self._loop.time()
        self._born_at = self._heard_at = self._moved_at = now
        self._speak_at = now + host.jitter(host.pace.keepalive_s)
        self._frames_left = FRAMES_PER_SECOND_MAX
        self._frames_since = now
        self._keepalives_left = KEEPALIVES_PER_MINUTE_MAX
        self._keepalives_since = now

    # -- what the host does ---------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether it has been ended; nothing is delivered any more."""
        return self._over

    @property
    def gone(self) -> bool:
        """Whether nothing of the connection is left."""
        return self._transport is None

    @property
    def age_s(self) -> float:
        """Seconds since `begin`."""
        return self._loop.time() - self._born_at

    def begin(self) -> None:
        """The TCP connection stands: the time for TLS and hello runs."""
        self._born_at = self._loop.time()
        self._begun = True

    def send(self, frame: bytes) -> None:
        """Queues a frame. A queue beyond its bound ends the session."""
        if self._over:
            return
        if not 0 < len(frame) <= FRAME_BYTES_MAX:
            raise ValueError("a frame has 1 to 65535 bytes")
        if not self._queue:
            self._moved_at = self._loop.time()
        self._queue.append(frame)
        self._grew(len(frame))
        if self.queued_bytes > QUEUE_BYTES_MAX:
            self.cut()
        elif not self._pump_due and self._writable:
            self._pump_due = True
            self._loop.call_soon(self._pump)  # what is sent in one turn shares records

    def cut(self) -> None:
        """Ends it at once."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Ends it after what is queued has gone out, as far as the transport takes it."""
        if self._transport is None or self._over:
            self._end()
            return
        if self._writable:
            self._pump()
        self._end()
        self._transport.close()

    def tick(self, now: float) -> None:
        """Looks at the time-outs."""
        pace = self._host.pace
        if self._over:
            return
        if self.id is None:
            gone = self._begun and now - self._born_at > pace.greet_s
        else:
            gone = now - self._heard_at > pace.silent_s
        if gone or (self._queue and now - self._moved_at > pace.stall_s):
            self.cut()
        elif now >= self._speak_at and not self._queue and self._writable and self._transport is not None:
            self._write(KEEPALIVE)

    # -- what asyncio calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._over:  # ended while TLS was being made
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BYTES)
        if self.dialled is not None:
            tls = cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))
            certificate = tls.getpeercert(binary_form=True)
            if certificate is None or run_id_of(certificate) != self.dialled:
                self.cut()  # whoever answers there is not the one that was announced
                return
        self._write(framed(hello(self._host.own_run_id)))

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
                if self._over:
                    return
        except PeerError:
            self.cut()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._transport = None

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    # -- inside ---------------------------------------------------------------------------------------------

    def _take(self, frame: bytes) -> None:
        now = self._loop.time()
        self._heard_at = now
        if self.id is None:
            self.peer = read_hello(frame)
            if self.dialled is not None and self.peer != self.dialled:
                raise PeerError("The neighbour says two different run ids.")
            self._host.greeted(self)
            return
        if not frame:
            if now - self._keepalives_since > 60:
                self._keepalives_since, self._keepalives_left = now, KEEPALIVES_PER_MINUTE_MAX
            self._keepalives_left -= 1
            if self._keepalives_left < 0:
                raise PeerError("The neighbour floods us with empty frames.")
            return
        if now - self._frames_since > 1:
            self._frames_since, self._frames_left = now, FRAMES_PER_SECOND_MAX
        self._frames_left -= 1
        if self._frames_left == 0 and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(1, self._read_on)
        self._host.frame(self, frame)

    def _read_on(self) -> None:
        if self._transport is not None and not self._over:
            self._transport.resume_reading()

    def _pump(self) -> None:
        self._pump_due = False
        while self._queue and self._writable and not self._over:
            parts: list[bytes] = []
            size = taken = 0
            while self._queue and size < WRITE_BYTES:
                frame = self._queue.popleft()
                taken += len(frame)
                parts.append(framed(frame))
                size += len(parts[-1])
            self._moved_at = self._loop.time()
            self._grew(-taken)
            self._write(b"".join(parts))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
            self._speak_at = self._loop.time() + self._host.jitter(self._host.pace.keepalive_s)

    def _grew(self, change_bytes: int) -> None:
        self.queued_bytes += change_bytes
        self._host.queued(self, change_bytes)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._queue.clear()
        self._grew(-self.queued_bytes)
        self._host.ended(self)
