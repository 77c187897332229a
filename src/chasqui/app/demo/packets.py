"""What a packet is, as anybody with a sniffer can tell: Ethernet, IPv4, UDP, TCP, and the records of TLS inside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

_ETHERNET_BYTES: Final = 14
_IPV4, _ARP = 0x0800, 0x0806
_ICMP, _IGMP, _TCP, _UDP = 1, 2, 6, 17
_SYN: Final = 2
_RECORD_HEADER_BYTES: Final = 5
_HANDSHAKE: Final = 22
_HELLOS: Final = {1: "client", 2: "server"}


class Kind(Enum):
    """What is seen."""

    DATAGRAM = "datagram"
    HELLO = "TLS hello"
    RECORD = "TLS record"
    STREAM = "bytes"  # of a connection that is not TLS
    CHATTER = "network's own"  # ARP, IGMP, ICMP, TCP without data


class Endpoint(NamedTuple):
    """An address with a port; port 0 where there is none."""

    address: str
    port: int


@dataclass(frozen=True)
class Sighting:
    """One thing seen. `size`: its bytes without the headers of the network; `head`: the first of them."""

    at: float
    kind: Kind
    source: Endpoint
    target: Endpoint
    size: int
    head: bytes


@dataclass
class _Stream:
    """One direction of a TCP connection, put in order."""

    next_number: int | None = None
    waiting: dict[int, bytes] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    parsed: int = 0

    def feed(self, number: int, syn: bool, payload: bytes) -> None:
        if syn:
            self.next_number = number + 1 & 0xFFFFFFFF
            return
        if self.next_number is None:
            self.next_number = number
        if payload:
            self.waiting[number] = max(payload, self.waiting.get(number, b""), key=len)
        moved = True
        while moved:
            moved = False
            for start in sorted(self.waiting):
                behind = self.next_number - start & 0xFFFFFFFF
                if behind < 1 << 31:  # not a hole
                    piece = self.waiting.pop(start)[behind:]
                    self.data += piece
                    self.next_number = self.next_number + len(piece) & 0xFFFFFFFF
                    moved = True


class Dissector:
    """Turns packets into sightings, in order, and keeps what the connections carried."""

    def __init__(self) -> None:
        self._streams: dict[tuple[Endpoint, Endpoint], _Stream] = {}

    @property
    def streams(self) -> list[bytes]:
        """What each direction of each connection carried, put together."""
        return [bytes(stream.data) for stream in self._streams.values()]

    def feed(self, at: float, frame: bytes) -> Iterator[Sighting]:
        """What this frame shows, given those before it."""
        nobody = Endpoint("?", 0)
        if int.from_bytes(frame[12:14], "big") != _IPV4 or len(frame) < _ETHERNET_BYTES + 20:
            yield Sighting(at, Kind.CHATTER, nobody, nobody, len(frame), frame[:16])
            return
        packet = frame[_ETHERNET_BYTES : _ETHERNET_BYTES + int.from_bytes(frame[16:18], "big")]
        inner = packet[(packet[0] & 15) * 4 :]
        addresses = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        if packet[9] not in (_TCP, _UDP) or len(inner) < 8:
            yield Sighting(at, Kind.CHATTER, nobody, nobody, len(frame), frame[:16])
            return
        source = Endpoint(addresses[0], int.from_bytes(inner[:2], "big"))
        target = Endpoint(addresses[1], int.from_bytes(inner[2:4], "big"))
        if packet[9] == _UDP:
            yield Sighting(at, Kind.DATAGRAM, source, target, len(inner) - 8, inner[8:24])
            return
        payload = inner[(inner[12] >> 4) * 4 :]
        stream = self._streams.setdefault((source, target), _Stream())
        stream.feed(int.from_bytes(inner[4:8], "big"), bool(inner[13] & _SYN), payload)
        if not payload:
            yield Sighting(at, Kind.CHATTER, source, target, len(frame), b"")
        yield from _records(at, source, target, stream)


def _records(at: float, source: Endpoint, target: Endpoint, stream: _Stream) -> Iterator[Sighting]:
    data = stream.data
    while len(data) - stream.parsed >= _RECORD_HEADER_BYTES:
        start = stream.parsed
        if not 20 <= data[start] <= 24 or data[start + 1] != 3:
            stream.parsed = len(data)
            yield Sighting(at, Kind.STREAM, source, target, len(data) - start, bytes(data[start : start + 16]))
            return
        end = start + _RECORD_HEADER_BYTES + int.from_bytes(data[start + 3 : start + 5], "big")
        if end > len(data):
            return
        stream.parsed = end
        hello = data[start] == _HANDSHAKE and data[start + _RECORD_HEADER_BYTES] in _HELLOS
        kind = Kind.HELLO if hello else Kind.RECORD
        yield Sighting(at, kind, source, target, end - start, bytes(data[start : start + 16]))
