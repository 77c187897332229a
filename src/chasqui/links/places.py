"""The places where neighbours can be: one per address of an interface."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import ifaddr

from chasqui.links.lan_limits import PLACES_MAX

# A tunnel leads to somebody else's network, not to neighbours; announcing there tells its operator.
_TUNNELS: Final = ("tun", "utun", "wg", "ppp", "ipsec", "tailscale", "nordlynx", "proton", "zt")


@dataclass(frozen=True)
class Place:
    """One address of ours and the network it is on. `scope` is the interface's index for IPv6, else 0."""

    address: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    scope: int
    index: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if self.network.version == 6 else socket.AF_INET

    def endpoint(self, address: str, port: int) -> tuple[Any, ...]:
        """What the socket calls take for a port at an address of this network."""
        return (address, port, 0, self.scope) if self.network.version == 6 else (address, port)

    def holds(self, sockaddr: tuple[Any, ...]) -> bool:
        """Whether a peer's socket address is on this network: nobody farther away is listened to."""
        try:
            address = ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
        except ValueError:
            return False
        if address.version != self.network.version or address not in self.network:
            return False
        return address.version == 4 or (len(sockaddr) == 4 and sockaddr[3] == self.scope)


def find_places(only: Collection[str] | None = None) -> frozenset[Place]:
    """The places now. Without `only`: every IPv4 address and IPv6 link-local address, but no loopback and no
    tunnel. With `only`: exactly these addresses of ours, where they exist."""
    found: list[Place] = []
    for adapter in ifaddr.get_adapters():
        index = int(adapter.index or 0)
        for entry in adapter.ips:
            if isinstance(entry.ip, tuple):
                text, scope = entry.ip[0].partition("%")[0], entry.ip[2] or index
            else:
                text, scope = entry.ip, 0
            network = ipaddress.ip_network(f"{text}/{entry.network_prefix}", strict=False)
            address = ipaddress.ip_address(text)
            if only is not None:
                wanted = text in only
            elif address.is_loopback or adapter.nice_name.lower().startswith(_TUNNELS):
                wanted = False
            elif address.version == 6:
                wanted = address.is_link_local
            else:
                wanted = network.num_addresses > 1
            if wanted:
                found.append(Place(text, network, scope, index))
    return frozenset(sorted(found, key=lambda place: (place.index, place.address))[:PLACES_MAX])
