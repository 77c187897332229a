"""The LAN link: neighbours on the same network find each other and hold one TLS session per pair.

`presence` is what we run at each place, `session` talks; this file decides who talks to whom and how much.
The daemon with the lower run id dials. docs/spec/lan.md has the bytes, docs/howto/link-lan.md the limits.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

from chasqui.base.errors import PeerError
from chasqui.base.limits import FRAME_BYTES_MAX, SESSIONS_MAX
from chasqui.base.ports import Entropy
from chasqui.links.announcement import Announcement, RunId
from chasqui.links.gate import Gate
from chasqui.links.identity import LanIdentity, make_identity
from chasqui.links.lan_limits import (
    DIALS_AT_ONCE_MAX,
    DISCOVERY_PORT,
    PROFILE,
    QUEUES_BYTES_MAX,
    SESSIONS_PER_ADDRESS_MAX,
    LanPace,
)
from chasqui.links.neighbours import Neighbour, Neighbours
from chasqui.links.places import Place
from chasqui.links.presence import Presences
from chasqui.links.session import LanSession
from chasqui.node.link_port import LinkProfile, SessionEvents, SessionId


class LanLink:
    """`SessionLink` over the networks that this machine is on.

    `addresses`: only these addresses of ours (for example `["127.0.0.1"]`: daemons on one machine meet without
    any privilege); None: every network interface, but neither loopback nor tunnels. `port` is the UDP port of
    the announcements and must be the same for all who want to meet.
    """

    def __init__(
        self,
        *,
        entropy: Entropy,
        addresses: Collection[str] | None = None,
        port: int = DISCOVERY_PORT,
        pace: LanPace | None = None,
    ) -> None:
        self.pace = pace or LanPace()
        self._entropy = entropy
        self._identity: LanIdentity | None = None
        self._events: SessionEvents | None = None
        self._presences = Presences(self, entropy=entropy, addresses=addresses, port=port, heard=self._heard)
        self._neighbours = Neighbours(self.pace, busy=self._busy, draw=self._draw, jitter=self.jitter)
        self._dialling: set[RunId] = set()  # until the hello came: TLS alone is no session yet
        self._gate = Gate()
        self._sessions: dict[SessionId, LanSession] = {}
        self._by_run: dict[RunId, LanSession] = {}
        self._all: set[LanSession] = set()  # those before their hello, too
        self._leaving: set[LanSession] = set()  # ended, but their connection may not be closed yet
        self._queued_bytes = 0
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] | None = None
        self._nudge = asyncio.Event()  # something may be due earlier than thought

    # -- SessionLink ------------------------------------------------------------------------------------------

    @property
    def profile(self) -> LinkProfile:
        return PROFILE

    async def run(self, events: SessionEvents) -> None:
        """See `SessionLink.run`. An exception of `events` other than `PeerError` ends it and is raised."""
        if self._events is not None:
            raise RuntimeError("the link runs already")
        self._events = events
        self._broken = asyncio.get_running_loop().create_future()
        self._nudge = asyncio.Event()
        self._identity = make_identity(self._entropy)
        try:
            self._start(self._presences.scan())
            self._start(self._watch())
            await self._broken
        finally:
            await self._stop()

    def send(self, session: SessionId, frame: bytes) -> None:
        """See `SessionLink.send`. Raises `ValueError` for an empty frame or one above the MTU."""
        if not 0 < len(frame) <= FRAME_BYTES_MAX:
            raise ValueError("a frame has 1 to 65535 bytes")
        found = self._sessions.get(session)
        if found is not None:
            found.send(frame)

    def close(self, session: SessionId) -> None:
        """See `SessionLink.close`. The neighbour may come back; refusing him for longer is not our decision."""
        found = self._sessions.get(session)
        if found is not None:
            found.cut()

    def queued_bytes(self, session: SessionId) -> int:
        """Bytes of frames that wait for this neighbour; 0 for a session that is gone."""
        found = self._sessions.get(session)
        return found.queued_bytes if found is not None else 0

    @property
    def state(self) -> str:
        """One line for people. It names nobody and no address."""
        if self._events is None:
            return "not running"
        networks, talking, trouble = self._presences.networks, len(self._sessions), self._presences.trouble
        if not networks:
            if trouble is not None:
                return f"cannot use the network ({trouble}); trying again"
            return "no network; waiting for one"
        line = f"{_count(talking, 'neighbour')} on {_count(networks, 'network')}"
        if not talking:
            line = f"looking for neighbours on {_count(networks, 'network')}"
        if trouble is not None:
            line += f"; not all of it can be used now ({trouble})"
        return line

    # -- SessionHost ------------------------------------------------------------------------------------------

    @property
    def own_run_id(self) -> RunId:
        """The run id of this start."""
        assert self._identity is not None  # noqa: S101
        return self._identity.run_id

    def jitter(self, mean_s: float) -> float:
        """Between half and one and a half of the mean."""
        return mean_s * (0.5 + int.from_bytes(self._entropy(4), "big") / 2**32)

    def greeted(self, session: LanSession) -> None:
        """Admits a session, so that there is one per pair of run ids."""
        peer = session.peer
        assert peer is not None  # noqa: S101
        if peer == self.own_run_id:
            raise PeerError("We reached ourselves.")
        if (session.dialled is None) != (peer < self.own_run_id):
            raise PeerError("The neighbour with the higher run id dialled.")
        older = self._by_run.get(peer)
        if older is not None:
            older.cut()  # only he dials, one at a time: he knows that the older one is dead
        if len(self._sessions) >= SESSIONS_MAX:
            raise PeerError("There are too many neighbours.")
        if session.dialled is None:
            self._gate.leave(session.address)
        session.id = SessionId(next(self._numbers))
        self._sessions[session.id] = session
        self._by_run[peer] = session
        self._dialling.discard(peer)
        self._call(session, lambda events, number: events.opened(number))

    def frame(self, session: LanSession, frame: bytes) -> None:
        """Hands a frame to the owner."""
        self._call(session, lambda events, number: events.received(number, frame))

    def ended(self, session: LanSession) -> None:
        """Forgets a session."""
        self._all.discard(session)
        self._leaving.add(session)
        if session.dialled is not None:
            self._dialling.discard(session.dialled)
            now = asyncio.get_running_loop().time()
            self._neighbours.dialled(session.dialled, session.age_s, now)
        elif session.id is None:
            self._gate.leave(session.address)
        if session.id is None:
            return
        del self._sessions[session.id]
        if session.peer is not None and self._by_run.get(session.peer) is session:
            del self._by_run[session.peer]
        self._hurry()
        self._call(session, lambda events, number: events.closed(number))

    def queued(self, session: LanSession, change_bytes: int) -> None:
        """Keeps all queues together below their bound by ending the session with the longest."""
        self._queued_bytes += change_bytes
        if change_bytes > 0 and self._queued_bytes > QUEUES_BYTES_MAX:
            max(self._all, key=lambda each: each.queued_bytes).cut()

    def _call(self, session: LanSession, tell: Any) -> None:
        if self._events is None or session.id is None:
            return
        try:
            tell(self._events, session.id)
        except PeerError:
            session.cut()
        except Exception as error:  # the owner is broken: better to end than to go on half alive
            if self._broken is not None and not self._broken.done():
                self._broken.set_exception(error)

    # -- PresenceHost -----------------------------------------------------------------------------------------

    def came(self, place: Place, sock: socket.socket, address: str) -> None:
        """Lets somebody in, if there is room."""
        if not self._has_room(address, asyncio.get_running_loop().time()):
            sock.close()
            return
        sock.setblocking(False)
        self._start(self._welcome(place, sock, address))

    def left(self, place: Place) -> None:
        """Forgets whom we met there."""
        self._neighbours.forget_place(place)
        for session in [session for session in self._all if session.place == place]:
            session.cut()

    def moved(self) -> None:
        """On the next network we are somebody else."""
        self._identity = make_identity(self._entropy)

    def recovered(self, place: Place, now: float) -> None:
        """Everybody there may be dialled at once."""
        self._neighbours.hurry(place, now)

    # -- time -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        tick_at = loop.time()
        while True:
            self._nudge.clear()
            now = loop.time()
            self._presences.announce(now)
            if now >= tick_at:
                tick_at = now + self.pace.tick_s
                for session in list(self._all):
                    session.tick(now)
                self._neighbours.forget_silent(now)
                self._leaving = {session for session in self._leaving if not session.gone}
            self._dial_who_is_due(now)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(tick_at, self._presences.due_at) - loop.time()):
                    await self._nudge.wait()
            await asyncio.sleep(_GRAIN_S)

    def _hurry(self, only: Place | None = None) -> None:
        self._presences.hurry(only)
        self._nudge.set()

    # -- neighbours -------------------------------------------------------------------------------------------

    def _busy(self, run_id: RunId) -> bool:
        return run_id in self._by_run or run_id in self._dialling

    def _draw(self, below: int) -> int:
        return int.from_bytes(self._entropy(4), "big") % below

    def _heard(self, place: Place, address: str, announcement: Announcement) -> None:
        if announcement.run_id == self.own_run_id:
            return
        if self._neighbours.heard(place, address, announcement, asyncio.get_running_loop().time()):
            self._hurry(place)

    def _dial_who_is_due(self, now: float) -> None:
        room = min(DIALS_AT_ONCE_MAX - len(self._dialling), SESSIONS_MAX - len(self._sessions))
        if room <= 0:
            return
        for one in self._neighbours.due(now, self.own_run_id, room):
            self._dialling.add(one.run_id)
            self._start(self._dial(one))

    async def _dial(self, one: Neighbour) -> None:
        identity, place = self._identity, one.place
        assert identity is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        session = self._session(place, one.address, one.run_id)
        try:
            sock = socket.socket(place.family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.bind(place.endpoint(place.address, 0))
                async with asyncio.timeout(self.pace.dial_s):
                    await loop.sock_connect(sock, place.endpoint(one.address, one.port))
            except BaseException:
                sock.close()
                raise
            session.begin()
            async with asyncio.timeout(self.pace.greet_s):
                await loop.create_connection(
                    lambda: session,
                    sock=sock,
                    ssl=identity.dialling,
                    server_hostname="",  # no name in the hello
                    ssl_shutdown_timeout=self.pace.goodbye_s,
                )
        except (OSError, TimeoutError):
            session.cut()
        except asyncio.CancelledError:
            session.cut()
            raise

    # -- accepting --------------------------------------------------------------------------------------------

    def _has_room(self, address: str, now: float) -> bool:
        beside = sum(session.address == address for session in self._sessions.values())
        return (
            len(self._sessions) < SESSIONS_MAX and beside < SESSIONS_PER_ADDRESS_MAX and self._gate.enter(address, now)
        )

    async def _welcome(self, place: Place, sock: socket.socket, address: str) -> None:
        identity = self._identity
        assert identity is not None  # noqa: S101
        session = self._session(place, address, None)
        session.begin()
        try:
            async with asyncio.timeout(self.pace.greet_s):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: session,
                    sock,
                    ssl=identity.accepting,
                    ssl_shutdown_timeout=self.pace.goodbye_s,
                )
        except (OSError, TimeoutError):
            session.cut()
        except asyncio.CancelledError:
            session.cut()
            raise

    def _session(self, place: Place, address: str, dialled: RunId | None) -> LanSession:
        session = LanSession(self, place, address, dialled)
        self._all.add(session)
        return session

    # -- tasks ------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        if self._broken is not None and not self._broken.done():
            error = task.exception()
            assert error is not None  # noqa: S101
            self._broken.set_exception(error)

    async def _stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._presences.close()
        await self._wait_until(lambda: not self._queued_bytes)
        for session in list(self._all):
            session.leave()
        await self._wait_until(lambda: all(session.gone for session in self._leaving))
        for session in self._leaving:
            session.cut()
        await self._wait_until(lambda: all(session.gone for session in self._leaving))
        self._leaving.clear()
        self._neighbours.clear()
        self._dialling.clear()
        self._gate = Gate()
        self._identity = None
        self._events = None

    async def _wait_until(self, done: Callable[[], bool]) -> None:
        """Waits at most `goodbye_s`."""
        for _ in range(20):
            if done():
                return
            await asyncio.sleep(self.pace.goodbye_s / 20)


_GRAIN_S: Final = 0.02  # never wake more often than this, whatever is due


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
