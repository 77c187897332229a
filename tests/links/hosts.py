"""Hosts for the tests of the LAN link: each a thread with its own event loop, in its own network namespace if
there is one; and a hub that joins namespaces with delay and loss and keeps every packet (after tapnet.py)."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from chasqui.links.lan import LanLink
from chasqui.links.lan_limits import LanPace
from chasqui.node.link_port import SessionId

T = TypeVar("T")
_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000

# The times of tests: everything that takes a minute takes a second.
FAST: Final = LanPace(
    rescan_s=0.3,
    announce_first_s=0.05,
    announce_max_s=1.0,
    announce_gap_s=0.1,
    dial_s=2.0,
    greet_s=1.5,
    redial_first_s=0.1,
    redial_max_s=0.5,
    keepalive_s=0.6,
    silent_s=3.0,
    stall_s=2.0,
    forget_s=10.0,
    tick_s=0.1,
    goodbye_s=0.5,
)


def enter_namespace(name: str | None) -> None:
    """Moves the calling thread into a network namespace."""
    if name is None:
        return
    file = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(file, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(file)


def run_in(namespace: str | None, work: Callable[[], T]) -> T:
    """Runs a function in a thread of its own inside the namespace."""
    outcome: list[T] = []
    trouble: list[BaseException] = []

    def body() -> None:
        try:
            enter_namespace(namespace)
            outcome.append(work())
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return outcome[0]


def free_udp_port() -> int:
    """A discovery port of this test alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Recorder:
    """`SessionEvents` that remembers."""

    def __init__(self) -> None:
        self.open: list[SessionId] = []
        self.opened_ever = 0
        self.got: list[bytes] = []

    def opened(self, session: SessionId) -> None:
        assert session not in self.open
        self.open.append(session)
        self.opened_ever += 1

    def received(self, session: SessionId, frame: bytes) -> None:
        assert session in self.open
        self.got.append(frame)

    def closed(self, session: SessionId) -> None:
        self.open.remove(session)


class Host:
    """One daemon's LAN link in a thread."""

    def __init__(
        self,
        port: int,
        *,
        namespace: str | None = None,
        addresses: Sequence[str] | None = None,
        pace: LanPace = FAST,
        seed: int | None = None,
    ) -> None:
        entropy = os.urandom if seed is None else random.Random(seed).randbytes
        self.link = LanLink(entropy=entropy, addresses=addresses, port=port, pace=pace)
        self.events = Recorder()
        self.namespace = namespace
        self.error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._body, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def _body(self) -> None:
        enter_namespace(self.namespace)
        try:
            self._loop.run_until_complete(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        self._ready.set()
        await self.link.run(self.events)

    def do(self, work: Callable[[], T]) -> T:
        """Runs a function on the host's loop."""

        async def body() -> T:
            return work()

        return self.run(body())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the host's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def send(self, frames: Sequence[bytes]) -> None:
        """Sends frames on the one session."""

        def work() -> None:
            [session] = self.events.open
            for frame in frames:
                self.link.send(session, frame)

        self.do(work)

    def listeners(self) -> list[tuple[Any, ...]]:
        """Where the host accepts TCP."""
        return self.do(lambda: [one.listener.getsockname() for one in self.link._presences.values()])

    def go_silent(self) -> None:
        """From now on the host neither reads nor writes nor ends: as if its power had failed."""

        def work() -> None:
            for task in list(self.link._tasks):
                task.cancel()
            for session in self.link._all:
                if session._transport is not None:
                    session._transport.pause_reading()

        self.do(work)

    def stop(self) -> None:
        """Ends the link in good order."""
        if self._thread.is_alive():
            task = self._task
            assert task is not None
            self._loop.call_soon_threadsafe(task.cancel)
            self._thread.join(10)
        assert not self._thread.is_alive()
        assert self.error is None, self.error


def wait_for(done: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Polls. The time-out only ends a test that hangs."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.01)


def joined(*hosts: Host) -> bool:
    """Whether each host has one session with each other one."""
    return all(len(host.events.open) == len(hosts) - 1 for host in hosts)


def why_no_namespaces() -> str | None:
    """Why this machine cannot run hosts in network namespaces, or None."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    name = f"chqtry{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "this machine makes no network namespaces"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


class Hub:
    """Namespaces joined by one Ethernet hub with delay and loss. Every packet sent is kept in `packets`."""

    def __init__(self, count: int, *, delay_s: float = 0.0, jitter_s: float = 0.0, loss: float = 0.0) -> None:
        tag = os.urandom(2).hex()
        self.names = [f"chq{tag}{number}" for number in range(count)]
        self.packets: list[bytes] = []
        self.loss = loss
        self._delay_s, self._jitter_s = delay_s, jitter_s
        self._dice = random.Random(1)
        self._taps: list[int] = []
        self._stop = threading.Event()
        for number, name in enumerate(self.names):
            self._taps.append(self._plug(name, number))
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def _plug(self, name: str, number: int) -> int:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        device = f"t{name}"
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", device.encode(), _IFF_TAP | _IFF_NO_PI))
        _ip("netns", "add", name)
        _ip("link", "set", device, "netns", name)
        _ip("-n", name, "link", "set", device, "name", "eth0")
        _ip("-n", name, "addr", "add", f"10.77.0.{number + 1}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "set", "eth0", "up")
        return tap

    def link(self, number: int, state: str) -> None:
        """Plugs (`up`) or unplugs (`down`) one host's interface."""
        _ip("-n", self.names[number], "link", "set", "eth0", state)

    def address(self, number: int, address: str | None) -> None:
        """Gives a host an IPv4 address, or takes all it has."""
        if address is None:
            _ip("-n", self.names[number], "-4", "addr", "flush", "dev", "eth0")
        else:
            _ip("-n", self.names[number], "addr", "add", address, "dev", "eth0")

    def _pump(self) -> None:
        waiting: list[tuple[float, int, int, bytes]] = []
        count = 0
        while not self._stop.is_set():
            pause = max(0.0, min(0.1, waiting[0][0] - time.monotonic())) if waiting else 0.1
            for tap in select.select(self._taps, [], [], pause)[0]:
                while True:
                    try:
                        packet = os.read(tap, 2048)
                    except OSError:
                        break
                    self.packets.append(packet)
                    for other in self._taps:
                        if other != tap and self._dice.random() >= self.loss:
                            delay = max(0.0, self._dice.gauss(self._delay_s, self._jitter_s))
                            count += 1
                            heapq.heappush(waiting, (time.monotonic() + delay, count, other, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, tap, packet = heapq.heappop(waiting)
                try:
                    os.write(tap, packet)
                except OSError:  # that host's interface is down
                    continue

    def close(self) -> None:
        """Ends the hub and its namespaces."""
        self._stop.set()
        self._thread.join()
        for tap in self._taps:
            os.close(tap)
        for name in self.names:
            _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
