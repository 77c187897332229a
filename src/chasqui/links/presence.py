"""What we run at each place: a listener for those who dial us, a beacon that announces it, and when it does so.

`places` says where we are. Who is listened to, let in or dialled is the host's business (`lan.py`).
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from chasqui.base.ports import Entropy
from chasqui.links.announcement import NONCE_BYTES, Announcement, RunId, seal_announcement
from chasqui.links.beacon import Beacon, Heard
from chasqui.links.lan_limits import BACKLOG, LanPace
from chasqui.links.places import Place, find_places


class PresenceHost(Protocol):
    """What the presences ask of the link that holds them."""

    @property
    def own_run_id(self) -> RunId: ...

    @property
    def pace(self) -> LanPace: ...

    def jitter(self, mean_s: float) -> float:
        """Between half and one and a half of the mean."""
        ...

    def came(self, place: Place, sock: socket.socket, address: str) -> None:
        """Somebody of this network connected. The socket is the host's now."""
        ...

    def left(self, place: Place) -> None:
        """We are not there any more."""
        ...

    def moved(self) -> None:
        """We have left every network on which we were; called after `left` for each, before we are elsewhere."""
        ...

    def recovered(self, place: Place, now: float) -> None:
        """The network takes announcements again."""
        ...


@dataclass
class Presence:
    """What we run at one place. Times are those of the event loop, in seconds."""

    place: Place
    beacon: Beacon
    listener: socket.socket
    port: int  # of the listener
    announce_at: float
    announced_at: float
    pause_s: float
    deaf: bool = False  # the network did not take the last announcement


class Presences(Mapping[Place, Presence]):
    """Where we are now. `heard` is called for each announcement that a beacon takes in."""

    def __init__(
        self,
        host: PresenceHost,
        *,
        entropy: Entropy,
        addresses: Collection[str] | None,
        port: int,
        heard: Heard,
    ) -> None:
        self._host = host
        self._entropy = entropy
        self._addresses = None if addresses is None else frozenset(addresses)
        self._port = port
        self._heard = heard
        self._here: dict[Place, Presence] = {}
        self._refused = 0  # places that could not be used at the last scan
        self._why = ""

    def __getitem__(self, place: Place) -> Presence:
        return self._here[place]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._here)

    def __len__(self) -> int:
        return len(self._here)

    # -- for people -------------------------------------------------------------------------------------------

    @property
    def networks(self) -> int:
        """How many networks we are on; one may have several places."""
        return len({place.index for place in self._here})

    @property
    def trouble(self) -> str | None:
        """Why not all of it, or nothing, can be used now; None if all is well. It names no address."""
        if self._refused or any(presence.deaf for presence in self._here.values()):
            return self._why
        return None

    # -- coming and going -------------------------------------------------------------------------------------

    async def scan(self) -> None:
        """Follows the interfaces of this machine until cancelled."""
        while True:
            self._look_around()
            await asyncio.sleep(self._host.jitter(self._host.pace.rescan_s))

    def close(self) -> None:
        """Leaves every place; the host is not told."""
        for presence in self._here.values():
            _withdraw(presence)
        self._here.clear()

    def _look_around(self) -> None:
        try:
            now_here = find_places(self._addresses)
        except OSError as error:
            self._refused, self._why = 1, _plain(error)
            return
        moved = bool(self._here) and not now_here & set(self._here)
        for place in [place for place in self._here if place not in now_here]:
            _withdraw(self._here.pop(place))
            self._host.left(place)
        if moved:
            self._host.moved()
        self._refused = 0
        for place in now_here:
            if place not in self._here:
                try:
                    self._arrive(place)
                except OSError as error:
                    self._refused += 1
                    self._why = _plain(error)

    def _arrive(self, place: Place) -> None:
        listener = socket.socket(place.family, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(place.endpoint(place.address, 0))
            listener.listen(BACKLOG)
            beacon = Beacon(place, self._port, self._heard)
        except BaseException:
            listener.close()
            raise
        now = asyncio.get_running_loop().time()
        first = self._host.pace.announce_first_s
        self._here[place] = Presence(
            place, beacon, listener, listener.getsockname()[1], now + self._host.jitter(first / 2), 0.0, first
        )
        self._listen(place)

    # -- announcing -------------------------------------------------------------------------------------------

    @property
    def due_at(self) -> float:
        """When the next announcement is due."""
        return min((presence.announce_at for presence in self._here.values()), default=math.inf)

    def announce(self, now: float) -> None:
        """Announces us wherever it is due."""
        for presence in list(self._here.values()):
            if now >= presence.announce_at:
                self._announce(presence, now)

    def hurry(self, only: Place | None = None) -> None:
        """Somebody is new, or was lost: we announce ourselves soon, but not more often than others can use."""
        gap = self._host.pace.announce_gap_s
        for presence in self._here.values():
            if only is None or presence.place == only:
                presence.announce_at = min(presence.announce_at, presence.announced_at + self._host.jitter(gap))
                if only is None:
                    presence.pause_s = min(presence.pause_s, gap)

    def _announce(self, presence: Presence, now: float) -> None:
        pace = self._host.pace
        announcement = Announcement(self._host.own_run_id, presence.port)
        datagram = seal_announcement(announcement, bytes(self._entropy(NONCE_BYTES)))
        try:
            presence.beacon.send(datagram)
        except OSError as error:
            presence.deaf, self._why = True, _plain(error)
            presence.announce_at = now + self._host.jitter(pace.rescan_s)
            return
        if presence.deaf:
            presence.deaf, presence.pause_s = False, pace.announce_first_s
            self._host.recovered(presence.place, now)
        presence.announced_at = now
        presence.announce_at = now + self._host.jitter(presence.pause_s)
        presence.pause_s = min(presence.pause_s * 2, pace.announce_max_s)

    # -- listening --------------------------------------------------------------------------------------------

    def _listen(self, place: Place) -> None:
        presence = self._here.get(place)
        if presence is not None:
            asyncio.get_running_loop().add_reader(presence.listener, self._accept, presence)

    def _accept(self, presence: Presence) -> None:
        for _ in range(BACKLOG):
            try:
                sock, source = presence.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # out of file descriptors, or the interface is going: not again at once
                self._why = _plain(error)
                loop = asyncio.get_running_loop()
                loop.remove_reader(presence.listener)
                loop.call_later(self._host.pace.rescan_s, self._listen, presence.place)
                return
            if presence.place.holds(source):
                self._host.came(presence.place, sock, str(source[0]).partition("%")[0])
            else:
                sock.close()


def _withdraw(presence: Presence) -> None:
    """Neither announces nor listens there any more. Readers go before sockets: numbers are used again."""
    asyncio.get_running_loop().remove_reader(presence.listener)
    presence.listener.close()
    presence.beacon.close()


def _plain(error: OSError) -> str:
    return (error.strerror or "no reason given").lower()
