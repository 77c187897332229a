"""The daemon: one event loop for links and socket, one thread for node and store, one vault."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chasqui.app import endpoint, requests, service
from chasqui.app.desk import Surroundings
from chasqui.app.hardening import give_memory_back, harden
from chasqui.app.home import patiently
from chasqui.app.live_links import LiveLinks
from chasqui.app.local import now_s
from chasqui.app.measuring import Measured
from chasqui.app.node_thread import NodeThread
from chasqui.app.requests import AnyRequest
from chasqui.app.results import DaemonState, Result
from chasqui.app.runner import Runner
from chasqui.app.server import Server
from chasqui.app.starting import require_none
from chasqui.node.store_port import Store
from chasqui.store import OpenVault, open_vault

Ready = Callable[[DaemonState], None]
GRACE_S: Final = 5.0  # for requests at work when the end is asked for
_LINK_REQUESTS = (requests.AddLink, requests.RemoveLink)


def run_daemon(home: Path, passphrase: bytes, ready: Ready) -> None:
    """Opens the vault and serves it until a signal or `down`. `ready` is called once the socket answers.

    Raises as `open_vault` does, `MachineError` without a socket; then nothing was changed.
    """
    harden()

    def meanwhile() -> OpenVault | None:
        require_none(home)  # another one came up first
        return None

    with patiently(lambda: open_vault(home, passphrase), meanwhile) as vault:
        service.require_owner(Runner(vault.store, secrets.token_bytes, now_s))
        listener = endpoint.listen(vault.home)
        try:
            asyncio.run(_Daemon(vault.home, vault.store).run(listener, ready))
        finally:
            endpoint.remove(vault.home)
            listener.close()


class _Daemon:
    """What lives as long as the loop."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home = home
        self._store = store
        self._failure: BaseException | None = None

    async def run(self, listener: socket.socket, ready: Ready) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._end.set)
        self._node = NodeThread(
            Runner(self._store, secrets.token_bytes, now_s),
            released=lambda effects: self._on_loop(lambda: self._links.carry_out(effects)),
            restarted=lambda: self._on_loop(lambda: self._links.close_sessions()),
            broke=self._broke,
        )
        self._links = LiveLinks(self._node)
        self._around = Surroundings(self._home, os.getpid(), self._links.states, self._measure)
        server = Server(listener, self._handle)
        self._node.start()
        try:
            await asyncio.wrap_future(self._node.submit(service.wake))
            await self._links.refresh()
            await server.start()
            give_memory_back()
            ready(DaemonState(True, os.getpid()))
            await self._end.wait()
        finally:
            endpoint.remove(self._home)  # from now on commands wait for the vault itself
            await server.stop(GRACE_S)
            await self._links.close()
            await asyncio.to_thread(self._node.stop)
        if self._failure is not None:
            raise self._failure

    async def _handle(self, request: AnyRequest, beside: bytes) -> tuple[Result, bytes]:
        if isinstance(request, requests.Stop):
            self._loop.call_soon(self._end.set)
            return DaemonState(False, os.getpid()), b""
        if service.is_quick(type(request)):
            job = self._node.submit(lambda runner: service.quick(runner, request, beside, self._around))
            answer = await asyncio.wrap_future(job)
        elif isinstance(request, requests.Sync):
            async with self._links.exchanging:
                answer = await asyncio.to_thread(self._slow, request)
                self._links.forget_exchanges()
        else:
            answer = await asyncio.to_thread(self._slow, request)
        if isinstance(request, _LINK_REQUESTS):
            await self._links.refresh()
        return answer

    def _slow(self, request: AnyRequest) -> tuple[Result, bytes]:
        return service.carry_out(self._node.ask, request, b"", self._around)

    def _measure(self, link: str) -> Measured | None:
        """In the thread of a request."""
        return asyncio.run_coroutine_threadsafe(self._links.measure(link), self._loop).result()

    def _broke(self, error: BaseException) -> None:
        self._failure = error
        self._on_loop(self._end.set)

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)
