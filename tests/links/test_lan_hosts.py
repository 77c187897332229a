"""The LAN link between hosts in network namespaces, joined by a hub with delay and loss that sees every packet."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from chasqui.links.announcement import ANNOUNCEMENT_BYTES
from tests.links.conformance import CHECKS, Pair, run_check
from tests.links.hosts import Host, Hub, joined, wait_for, why_no_namespaces
from tests.links.test_lan import LanPair

_REASON = why_no_namespaces()
pytestmark = pytest.mark.skipif(_REASON is not None, reason=_REASON or "")
PORT = 47_183


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub(3, delay_s=0.005, jitter_s=0.002, loss=0.01)
    yield made
    made.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[Pair], object], hub: Hub) -> None:
    hub.loss = 0.0 if "many" in check.__name__ or "restart" in check.__name__ else 0.005

    @asynccontextmanager
    async def factory() -> AsyncIterator[Pair]:
        pair = LanPair(PORT, hub.names)
        try:
            yield pair
        finally:
            await asyncio.to_thread(pair.close)

    run_check(factory, check)


def udp_payloads(packets: list[bytes]) -> list[bytes]:
    """The payloads of the UDP datagrams to our discovery port, over IPv4 and IPv6."""
    found = []
    for packet in packets:
        kind = packet[12:14]
        if kind == b"\x08\x00" and packet[23] == 17:
            start = 14 + (packet[14] & 0x0F) * 4
        elif kind == b"\x86\xdd" and packet[20] == 17:
            start = 54
        else:
            continue
        _, target, length = struct.unpack("!HHH", packet[start : start + 6])
        if target == PORT:
            found.append(packet[start + 8 : start + length])
    return found


def tcp_payloads(packets: list[bytes]) -> list[bytes]:
    """The payloads of TCP segments."""
    found = []
    for packet in packets:
        kind = packet[12:14]
        if kind == b"\x08\x00" and packet[23] == 6:
            start, end = 14 + (packet[14] & 0x0F) * 4, 14 + int.from_bytes(packet[16:18], "big")
        elif kind == b"\x86\xdd" and packet[20] == 6:
            start, end = 54, 54 + int.from_bytes(packet[18:20], "big")
        else:
            continue
        found.append(packet[start + (packet[start + 12] >> 4) * 4 : end])
    return found


def extensions_of(client_hello: bytes) -> set[int]:
    """The extension types of a TLS ClientHello record (RFC 8446 4.1.2)."""
    at = 5 + 4 + 2 + 32
    at += 1 + client_hello[at]
    at += 2 + int.from_bytes(client_hello[at : at + 2], "big")
    at += 1 + client_hello[at]
    end = at + 2 + int.from_bytes(client_hello[at : at + 2], "big")
    at += 2
    kinds = set()
    while at < end:
        kind, length = struct.unpack("!HH", client_hello[at : at + 4])
        kinds.add(kind)
        at += 4 + length
    return kinds


@pytest.mark.must("M-LAN-2")
@pytest.mark.must("M-LAN-5")
def test_what_a_watcher_of_every_packet_sees(hub: Hub) -> None:
    dice = random.Random(3)
    marker = b"MARKER-" + dice.randbytes(9)
    hosts = [Host(PORT, namespace=name) for name in hub.names]
    try:
        wait_for(lambda: joined(*hosts), "three sessions")
        run_ids = [host.do(lambda host=host: host.link.own_run_id) for host in hosts]  # type: ignore[misc]
        for host in hosts:
            frames = [(marker + bytes(191)) for _ in range(200)]
            host.do(
                lambda host=host, frames=frames: [  # type: ignore[misc]
                    host.link.send(session, frame) for session in host.events.open for frame in frames
                ]
            )
        wait_for(lambda: all(len(host.events.got) == 400 for host in hosts), "all frames")
        wait_for(lambda: len(udp_payloads(hub.packets)) >= 24, "announcements")
    finally:
        for host in hosts:
            host.stop()
    packets = list(hub.packets)
    assert sum(map(len, packets)) > 6 * 200 * 207
    for secret in (marker, marker[:7], b"chasqui", *run_ids):  # shorter ones occur in random bytes by chance
        assert not any(secret in packet for packet in packets)
    announcements = udp_payloads(packets)
    assert {len(one) for one in announcements} == {ANNOUNCEMENT_BYTES}
    for offset in range(ANNOUNCEMENT_BYTES - 3):
        pieces = [one[offset : offset + 4] for one in announcements]
        assert len(set(pieces)) == len(pieces), f"two announcements are alike at byte {offset}"
    hellos = [data for data in tcp_payloads(packets) if data[:3] == b"\x16\x03\x01" and data[5:6] == b"\x01"]
    assert len(hellos) >= 3
    for data in hellos:
        kinds = extensions_of(data)
        assert 43 in kinds, "supported_versions: TLS 1.3"
        assert not kinds & {0, 16, 41}, "no server name, no ALPN, no resumed session"
    from_us = Counter(packet[12:14] for packet in packets)
    assert set(from_us) <= {b"\x08\x00", b"\x86\xdd", b"\x08\x06"}


def test_a_cut_cable_heals_by_itself(hub: Hub) -> None:
    hub.loss = 0.0
    first, second = (Host(PORT, namespace=name) for name in hub.names[:2])
    try:
        wait_for(lambda: joined(first, second), "a session")
        for number in range(2):
            hub.link(1, "down")
            wait_for(lambda: not first.events.open and not second.events.open, "both notice")
            assert "neighbour on" not in second.link.state
            hub.link(1, "up")
            wait_for(lambda: joined(first, second), "it heals")
            first.send([bytes((number + 1,))])
            wait_for(lambda number=number: second.events.got[-1:] == [bytes((number + 1,))], "a frame")  # type: ignore[misc]
    finally:
        first.stop()
        second.stop()


@pytest.mark.must("M-LAN-1")
def test_other_addresses_heal_by_themselves_and_another_network_means_another_run_id(hub: Hub) -> None:
    hub.loss = 0.0
    first, second = (Host(PORT, namespace=name) for name in hub.names[:2])
    try:
        wait_for(lambda: joined(first, second), "a session")
        wait_for(lambda: len(second.link._presences) == 2, "the IPv6 address")
        before = second.link.own_run_id
        hub.address(1, None)
        hub.address(1, "10.77.0.99/24")
        wait_for(lambda: "10.77.0.99" in {place.address for place in second.link._presences}, "the new address")
        wait_for(lambda: joined(first, second), "a session from there")
        assert second.link.own_run_id == before, "one network stayed"
        hub.link(1, "down")
        hub.address(1, None)
        wait_for(lambda: second.link.state == "no network; waiting for one", "no network")
        assert second.events.open == []
        hub.address(1, "10.77.0.98/24")
        hub.link(1, "up")
        wait_for(lambda: joined(first, second), "a session on the new network")
        assert second.link.own_run_id != before
    finally:
        first.stop()
        second.stop()


def test_nobody_listens_to_farther_networks(hub: Hub) -> None:
    """A host of another network on the same cable is not connected to and gets no connection."""
    first, second = (Host(PORT, namespace=name) for name in hub.names[:2])
    try:
        wait_for(lambda: joined(first, second), "a session")
        wait_for(lambda: len(first.link._presences) == 2, "the IPv6 address, which takes a second to be usable")
        places = first.do(lambda: list(first.link._presences))
        assert {place.network.version for place in places} == {4, 6}
        for place in places:
            assert place.holds(place.endpoint(place.address, 1))
            assert not place.holds(("192.168.7.7", 1))
            assert not place.holds(("fe80::1", 1, 0, place.scope + 1))
    finally:
        first.stop()
        second.stop()
