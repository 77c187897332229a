"""Networks for the demo: a network namespace per person, and a wire that keeps every byte.

Three ways, the best that the machine allows (`find_way`):

- `cable`: every person has a machine with a network card (a TAP device) in a namespace of its own. The watcher is the
  cable between them: no byte goes from one to another but through his hands.
- `loopback`: those on the LAN share one private loopback interface, and a packet socket there copies every packet.
- `none`: namespaces are not allowed; the LAN is this machine's loopback, and nobody can watch it.

With the first two, who has no network is in a namespace with no interface up at all. Linux only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

T = TypeVar("T")

CARD: Final = "eth0"
LOOPBACK_ADDRESS: Final = "127.0.0.1"
FORBID: Final = "CHASQUI_DEMO_FORBID"  # ways that the demo shall believe to be forbidden, for tests
INSIDE: Final = "CHASQUI_DEMO_INSIDE"  # set for the demo once it is in a user namespace of its own

_CLONE_NEWNET: Final = 0x40000000
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_UP: Final = 0x1 | 0x40 | 0x1000  # up, running, multicast
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_OUTGOING, _ETH_P_ALL = 263, 6, 4, 3
_UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net")
_FRAME_BYTES_MAX: Final = 1 << 17
_BUFFER_BYTES: Final = 1 << 25


class Way(Enum):
    """How the people of the demo are joined and watched."""

    CABLE = "cable"
    LOOPBACK = "loopback"
    NONE = "none"


@dataclass(frozen=True)
class Packet:
    """One Ethernet frame on the wire. `at` is a `time.monotonic`."""

    at: float
    data: bytes


class Place:
    """Where a person's processes run: a thread that entered a namespace, so that what it starts is there, too."""

    def __init__(self, *, private: bool) -> None:
        self._thread = ThreadPoolExecutor(1)
        if private:
            self.call(_enter_new_namespace)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Runs a function there."""
        return self._thread.submit(work)

    def call(self, work: Callable[[], T]) -> T:
        """Runs a function there and waits."""
        return self.start(work).result()

    def close(self) -> None:
        """Ends the thread; the namespace goes with the last process in it."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Wire:
    """The LAN of the demo. `packets` grows while it runs; `lost` counts those that the watcher missed."""

    way = Way.NONE

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.lost = 0
        self._ended = False
        self._thread: threading.Thread | None = None

    def join(self, number: int) -> tuple[Place, str]:
        """A place on the LAN and its address there."""
        return Place(private=False), LOOPBACK_ADDRESS

    def outside(self) -> Place:
        """A place with no network."""
        return Place(private=self.way is not Way.NONE)

    def watch(self) -> None:
        """From now on the watcher listens."""

    def close(self) -> None:
        """Ends the watching."""
        self._ended = True
        if self._thread is not None:
            self._thread.join(2)

    def _listen(self, body: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=body, daemon=True)
        self._thread.start()


class Cable(Wire):
    """A cable with a network card per person; the watcher passes every frame on, and keeps it."""

    way = Way.CABLE

    def __init__(self) -> None:
        super().__init__()
        self._cards: list[int] = []

    def join(self, number: int) -> tuple[Place, str]:
        place = Place(private=True)
        address = _address(number)
        self._cards.append(place.call(lambda: _plug_in(address)))
        return place, address

    def watch(self) -> None:
        self._listen(self._pass_on)

    def close(self) -> None:
        super().close()
        for card in self._cards:
            os.close(card)
        self._cards = []

    def _pass_on(self) -> None:
        while not self._ended:
            for card in select.select(self._cards, [], [], 0.1)[0]:
                with suppress(BlockingIOError):
                    while True:
                        data = os.read(card, _FRAME_BYTES_MAX)
                        self.packets.append(Packet(time.monotonic(), data))
                        for other in self._cards:
                            if other != card:
                                with suppress(OSError):  # that machine's card is down
                                    os.write(other, data)


class Loopback(Wire):
    """One private loopback interface for all on the LAN, copied by a packet socket."""

    way = Way.LOOPBACK

    def __init__(self) -> None:
        super().__init__()
        self._lan = Place(private=True)
        self._tap: socket.socket = self._lan.call(_tap_loopback)

    def join(self, number: int) -> tuple[Place, str]:
        place = _Shared(self._lan)
        address = _address(number)
        place.call(lambda: _give_address(f"lo:{number}", address))
        return place, address

    def watch(self) -> None:
        self._listen(self._copy)

    def close(self) -> None:
        super().close()
        self._tap.close()
        self._lan.close()

    def _copy(self) -> None:
        while not self._ended:
            try:
                data, origin = self._tap.recvfrom(_FRAME_BYTES_MAX)
            except TimeoutError:
                statistics = self._tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
                self.lost += struct.unpack("II", statistics)[1]
                continue
            if origin[2] != _PACKET_OUTGOING:  # on loopback each packet goes out and comes in
                self.packets.append(Packet(time.monotonic(), data))


class _Shared(Place):
    """A thread of its own in the namespace of another place."""

    def __init__(self, other: Place) -> None:
        namespace = other.call(lambda: os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        try:
            super().__init__(private=False)
            self.call(lambda: _libc_call("setns", namespace, _CLONE_NEWNET))
        finally:
            os.close(namespace)


def make_wire(way: Way) -> Wire:
    """The LAN of the demo. Raises OSError where the machine does not allow this way."""
    if way.value in os.environ.get(FORBID, "").split(","):
        raise PermissionError(f"{way.value}: forbidden by {FORBID}")
    return {Way.CABLE: Cable, Way.LOOPBACK: Loopback, Way.NONE: Wire}[way]()


def best_way_here() -> Way:
    """The best way that this very process may go, found by going it."""
    for way in (Way.CABLE, Way.LOOPBACK):
        try:
            wire = make_wire(way)
            wire.join(1)[0].close()
            wire.close()
        except OSError:
            continue
        return way
    return Way.NONE


def find_way(module: str, arguments: Sequence[str]) -> Way:
    """The best way; where it needs a private user namespace, this process becomes `module` anew inside one."""
    if sys.platform != "linux":
        return Way.NONE
    here = best_way_here()
    if here is Way.CABLE or INSIDE in os.environ:
        return here
    inside = [*_UNSHARE, sys.executable, "-P", "-m"]
    try:
        probe = subprocess.run([*inside, __name__], capture_output=True, timeout=20, check=True, text=True)
    except (OSError, subprocess.SubprocessError):
        return here
    there = Way(probe.stdout.strip())
    if there is Way.NONE or there is here:
        return here
    os.environ[INSIDE] = "1"
    sys.stdout.flush()
    return os.execvp(inside[0], [*inside, module, *arguments])


def _enter_new_namespace() -> None:
    _libc_call("unshare", _CLONE_NEWNET)


def _libc_call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _plug_in(address: str) -> int:
    """Makes the network card of this namespace; gives the other end of its cable."""
    card = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(card, _TUNSETIFF, struct.pack("16sH22x", CARD.encode(), _IFF_TAP | _IFF_NO_PI))
        with suppress(OSError), open(f"/proc/sys/net/ipv6/conf/{CARD}/disable_ipv6", "w") as switch:
            switch.write("1")  # one address each is enough to follow
        _give_address(CARD, address)
        _switch_on(CARD)
    except OSError:
        os.close(card)
        raise
    return card


def _address(number: int) -> str:
    return f"10.77.0.{number}"


def _give_address(interface: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            packed = struct.pack("16sHH4s16x", interface.encode(), socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, packed)


def _tap_loopback() -> socket.socket:
    """Switches this namespace's loopback interface on and listens there."""
    _switch_on("lo")
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    try:
        tap.bind(("lo", 0))
        for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE, beyond the machine's limit
            with suppress(OSError):
                tap.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        tap.settimeout(0.1)
    except OSError:
        tap.close()
        raise
    return tap


def _switch_on(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request: Any = struct.pack("16sH22x", interface.encode(), _UP)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


if __name__ == "__main__":
    print(best_way_here().value)
