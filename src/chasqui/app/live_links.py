"""The links of a running daemon: sessions are told to the node and told by it, folders are looked at now and then."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from chasqui.app.links import folder_link, folder_state
from chasqui.app.live_broadcasts import LiveBroadcasts
from chasqui.app.measuring import Measured, Measurement
from chasqui.app.node_thread import NodeThread
from chasqui.app.radios import RADIO_KINDS, dummies_of, key_of, radio_link
from chasqui.app.runner import Release
from chasqui.app.syncing import Exchange
from chasqui.base.errors import ChasquiError
from chasqui.links.folder import COURIER_SUFFIX
from chasqui.links.lan import LanLink
from chasqui.links.lan_limits import DISCOVERY_PORT
from chasqui.node import inputs
from chasqui.node.effects import CloseSession, Send, Transmit, Wake
from chasqui.node.link_port import BroadcastLink, SessionId, SessionLink
from chasqui.node.records import LinkRecord
from chasqui.node.views import list_links

FOLDER_POLL_S: Final = 10.0
RESTART_S: Final = 5.0  # a link that broke by a mistake of ours
INBOX_BYTES_MAX: Final = 16 * 2**20  # frames of one session that the node has not taken yet


@dataclass
class _LiveSession:
    """One neighbour: which link has it, under which number there, and how much of it waits for the node."""

    link: SessionLink
    number: SessionId
    waiting_bytes: int = 0


@dataclass
class _LiveFolder:
    """A folder and what it was like when we last exchanged with it."""

    settings: Mapping[str, str]
    state: str = "starting"
    files_seen: frozenset[tuple[str, int, int]] | None = None
    bundles_given: int = -1


@dataclass
class _Events:
    """`SessionEvents` of one link."""

    owner: LiveLinks
    link: SessionLink
    name: str
    ids: dict[SessionId, SessionId] = field(default_factory=dict)  # the link's number: the node's

    def opened(self, session: SessionId) -> None:
        """See `SessionEvents`."""
        self.ids[session] = self.owner.session_opened(self.link, session, self.name)

    def received(self, session: SessionId, frame: bytes) -> None:
        """See `SessionEvents`."""
        self.owner.frame_received(self.ids[session], frame)

    def closed(self, session: SessionId) -> None:
        """See `SessionEvents`."""
        self.owner.session_closed(self.ids.pop(session))


class LiveLinks:
    """Runs what the vault's links say. Lives on the daemon's event loop."""

    def __init__(self, node: NodeThread) -> None:
        self._node = node
        self.broadcasts = LiveBroadcasts(node)
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, _LiveSession] = {}
        self._session_links: dict[str, SessionLink] = {}
        self._radios: dict[str, BroadcastLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._folders: dict[str, _LiveFolder] = {}
        self._poller: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()
        self.exchanging = asyncio.Lock()  # one exchange with folders at a time

    # -- owner ----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Starts links that are new in the vault, ends those that are gone."""
        async with self._refreshing:
            job = self._node.submit(lambda runner: dict(list_links(runner.look())))
            wanted: dict[str, LinkRecord] = await asyncio.wrap_future(job)
            for link in [link for link in (*self._tasks, *self._folders) if link not in wanted]:
                await self._end(link)
            for link, record in wanted.items():
                if link not in self._tasks and link not in self._folders:
                    self._begin(link, record)

    async def close(self) -> None:
        """Ends all links."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller
        for link in [*self._tasks, *self._folders]:
            await self._end(link)

    def states(self) -> dict[str, str]:
        """One line per link. May be called from another thread."""
        lines = {link: live.state for link, live in list(self._session_links.items())}
        lines |= {link: live.state for link, live in list(self._radios.items())}
        return lines | {link: live.state for link, live in list(self._folders.items())}

    async def measure(self, link: str) -> Measured | None:
        """Tests a radio: for a minute or more. None where its device is not there, or is tested already."""
        radio = self._radios.get(link)
        prober = None if radio is None else self.broadcasts.prober(radio)
        if prober is None or prober.tested:
            return None
        return await Measurement(prober).run()

    def forget_exchanges(self) -> None:
        """After a `sync` by hand: the folders are as it left them."""
        for live in self._folders.values():
            live.files_seen = None

    def _begin(self, link: str, record: LinkRecord) -> None:
        settings = dict(record.settings)
        if record.kind == "folder":
            self._folders[link] = _LiveFolder(settings)
            if self._poller is None:
                self._poller = asyncio.create_task(self._poll())
        elif record.kind == "lan":
            self._tasks[link] = asyncio.create_task(self._keep_running(link, settings))
        elif record.kind in RADIO_KINDS:
            self._tasks[link] = asyncio.create_task(self._keep_on_air(link, record.kind, settings))

    async def _end(self, link: str) -> None:
        self._folders.pop(link, None)
        task = self._tasks.pop(link, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._session_links.pop(link, None)
        self._radios.pop(link, None)

    async def _keep_on_air(self, link: str, kind: str, settings: Mapping[str, str]) -> None:
        while True:
            with suppress(Exception):  # a mistake of ours must not take the vault's other links along
                radio = radio_link(kind, settings)
                self._radios[link] = radio
                await self.broadcasts.run(radio, link, key=key_of(settings), dummy_share=dummies_of(settings))
            await asyncio.sleep(RESTART_S)

    # -- sessions -------------------------------------------------------------------------------------------

    async def _keep_running(self, link: str, settings: Mapping[str, str]) -> None:
        while True:
            lan = lan_link(settings)
            self._session_links[link] = lan
            with suppress(Exception):  # as above
                await lan.run(_Events(self, lan, link))
            await asyncio.sleep(RESTART_S)

    def session_opened(self, link: SessionLink, number: SessionId, name: str) -> SessionId:
        """Tells the node of a neighbour on the link of this name, under a number that no other link uses."""
        session = SessionId(next(self._numbers))
        self._sessions[session] = _LiveSession(link, number)
        mtu_bytes = link.profile.mtu_bytes
        self._node.submit(lambda runner: runner.step(inputs.SessionOpened(session, mtu_bytes, name)))
        return session

    def frame_received(self, session: SessionId, frame: bytes) -> None:
        """Queues a frame for the node. A neighbour that sends faster than it takes is cut off."""
        live = self._sessions.get(session)
        if live is None:
            return
        live.waiting_bytes += len(frame)
        if live.waiting_bytes > INBOX_BYTES_MAX:
            live.link.close(live.number)
            return
        done = self._node.submit(lambda runner: runner.step(inputs.FrameReceived(session, frame)))
        size = len(frame)

        def taken(_: Any) -> None:
            live.waiting_bytes -= size

        done.add_done_callback(taken)

    def session_closed(self, session: SessionId) -> None:
        """Tells the node that a neighbour is gone."""
        if self._sessions.pop(session, None) is not None:
            self._node.submit(lambda runner: runner.step(inputs.SessionClosed(session)))

    def carry_out(self, released: list[Release]) -> None:
        """What the node wants done with its sessions, after the commit."""
        for effect in released:
            match effect:
                case Send(session, frame):
                    live = self._sessions.get(session)
                    if live is not None:
                        live.link.send(live.number, frame)
                case CloseSession(session):
                    live = self._sessions.get(session)
                    if live is not None:
                        live.link.close(live.number)
                case Transmit() | Wake():
                    self.broadcasts.carry_out(effect)

    def close_sessions(self) -> None:
        """The node was made anew and knows no session and no broadcast link: they begin again."""
        self.broadcasts.begin_again()
        for live in list(self._sessions.values()):
            live.link.close(live.number)

    # -- folders --------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(0)
            for link, live in list(self._folders.items()):
                async with self.exchanging:
                    await asyncio.to_thread(self._visit, link, live)
            await asyncio.sleep(FOLDER_POLL_S)

    def _visit(self, link: str, live: _LiveFolder) -> None:
        """One look at a folder, and an exchange where something changed there or here. In a thread of its own."""
        files = _files(live.settings["path"])
        if files is None:
            live.state, live.files_seen = "not there now", None
            return
        if files == live.files_seen and self._node.bundles_written == live.bundles_given:
            return
        exchange = Exchange(self._node.ask)
        medium = folder_link(live.settings)
        try:
            came = files == live.files_seen or exchange.collect(link, medium)
            if exchange.taken:
                exchange.flush()
            given = self._node.bundles_written
            wrote = came and exchange.deposit(link, medium)
        except ChasquiError as error:  # the vault's disk, not the folder's
            live.state = str(error)
            return
        failed = [problem.message for problem in exchange.problems if problem.failed]
        live.state = failed[0] if failed else folder_state(live.settings["path"])
        if wrote:
            live.files_seen, live.bundles_given = _files(live.settings["path"]), given


def lan_link(settings: Mapping[str, str]) -> LanLink:
    """The LAN link of a record."""
    addresses = settings.get("addresses")
    return LanLink(
        entropy=secrets.token_bytes,
        addresses=addresses.split() if addresses else None,
        port=int(settings.get("port", DISCOVERY_PORT)),
    )


def _files(path: str) -> frozenset[tuple[str, int, int]] | None:
    """Names, sizes and times of the courier files of a folder; None where it is not there."""
    found = set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(COURIER_SUFFIX):
                    stat = entry.stat(follow_symlinks=False)
                    found.add((entry.name, stat.st_size, stat.st_mtime_ns))
    except OSError:
        return None
    return frozenset(found)
