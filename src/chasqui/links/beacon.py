"""Announcements on one network: sent from a throw-away port, heard on the multicast group."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from chasqui.base.errors import PeerError
from chasqui.links.announcement import ANNOUNCEMENT_BYTES, Announcement, open_announcement
from chasqui.links.lan_limits import GROUP_V4, GROUP_V6, HEARD_PER_SECOND_MAX
from chasqui.links.places import Place

Heard = Callable[[Place, str, Announcement], None]
_IP_MULTICAST_ALL: Final = 49  # Linux: without it a socket hears groups that others joined elsewhere
_IPV6_MULTICAST_ALL: Final = 29
_READ_BYTES: Final = ANNOUNCEMENT_BYTES + 1  # one more shows that a datagram is too long
_READS_AT_ONCE: Final = 64  # then others get their turn


class Beacon:
    """The two UDP sockets of one place."""

    def __init__(self, place: Place, port: int, heard: Heard) -> None:
        """Joins the group. Raises OSError; then nothing is left open."""
        self._place = place
        self._heard = heard
        self._second = 0
        self._budget = HEARD_PER_SECOND_MAX
        group = GROUP_V6 if place.family is socket.AF_INET6 else GROUP_V4
        self._target = place.endpoint(group, port)
        self._sender = socket.socket(place.family, socket.SOCK_DGRAM)
        self._ear = socket.socket(place.family, socket.SOCK_DGRAM)
        try:
            self._prepare_sender()
            self._prepare_ear(group, port)
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._ear, self._readable)
        except BaseException:
            self._sender.close()
            self._ear.close()
            raise

    def send(self, datagram: bytes) -> None:
        """Raises OSError where the network does not take it now."""
        self._sender.sendto(datagram, self._target)

    def close(self) -> None:
        """Leaves the group."""
        self._loop.remove_reader(self._ear)
        self._ear.close()
        self._sender.close()

    def _prepare_sender(self) -> None:
        sender, place = self._sender, self._place
        sender.setblocking(False)
        sender.bind(place.endpoint(place.address, 0))
        if place.family is socket.AF_INET6:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, place.scope)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        else:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(place.address))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)  # daemons on one machine meet

    def _prepare_ear(self, group: str, port: int) -> None:
        ear, place = self._ear, self._place
        ear.setblocking(False)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            with suppress(OSError):
                ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if place.family is socket.AF_INET6:
            ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with suppress(OSError):
                ear.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            ear.bind((group, port, 0, place.scope))
            request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", place.scope)
            ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            with suppress(OSError):
                ear.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            ear.bind((group, port))
            request = socket.inet_aton(group) + socket.inet_aton(place.address)
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def _readable(self) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                datagram, source = self._ear.recvfrom(_READ_BYTES)
            except OSError:  # nothing more, or the interface went away: the next scan sees to that
                return
            self._take(datagram, source)

    def _take(self, datagram: bytes, source: tuple[Any, ...]) -> None:
        second = int(self._loop.time())
        if second != self._second:
            self._second, self._budget = second, HEARD_PER_SECOND_MAX
        if self._budget <= 0 or not self._place.holds(source):
            return
        self._budget -= 1
        try:
            announcement = open_announcement(datagram)
        except PeerError:
            return
        self._heard(self._place, str(source[0]).partition("%")[0], announcement)
