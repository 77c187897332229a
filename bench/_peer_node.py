"""One node of the nearest peer, unmodified Reticulum and LXMF, as a process of its own: runs in the peer's environment,
takes orders as lines of JSON and tells events so. Started by `bench/_peer.py` only."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import LXMF
import RNS

_OUT = threading.Lock()


def tell(event: str, **what: object) -> None:
    """One line to whoever started this."""
    with _OUT:
        sys.stdout.write(json.dumps({"event": event, **what}) + "\n")
        sys.stdout.flush()


class Node:
    """A router with one delivery address."""

    def __init__(self, folder: str, name: str) -> None:
        RNS.Reticulum(configdir=folder)
        self.router = LXMF.LXMRouter(storagepath=os.path.join(folder, "messages"))
        self.identity = RNS.Identity()
        self.inbox = self.router.register_delivery_identity(self.identity, display_name=name)
        self.router.register_delivery_callback(lambda message: tell("came", id=message.title.decode()))
        tell("ready", address=self.inbox.hash.hex(), relay=self.router.propagation_destination.hash.hex())

    def announce(self) -> None:
        """Says who it is."""
        self.router.announce(self.inbox.hash)

    def knows(self, addresses: list[str]) -> None:
        """Tells how many of these it can write to."""
        known = [bytes.fromhex(address) for address in addresses]
        tell("knows", count=sum(bool(RNS.Identity.recall(a) and RNS.Transport.has_path(a)) for a in known))

    def send(self, to: str, id: str, method: str, text: str, attached: int) -> None:
        """A message; `text` is what people read, the title only tells which it is."""
        identity = RNS.Identity.recall(bytes.fromhex(to))
        outbox = RNS.Destination(identity, RNS.Destination.OUT, RNS.Destination.SINGLE, "lxmf", "delivery")
        fields = {LXMF.FIELD_FILE_ATTACHMENTS: [["map", os.urandom(attached)]]} if attached else None
        way = getattr(LXMF.LXMessage, method.upper())
        message = LXMF.LXMessage(outbox, self.inbox, text, id, fields, desired_method=way)
        message.register_delivery_callback(lambda _: tell("delivered", id=id))
        message.register_failed_callback(lambda _: tell("failed", id=id))
        self.router.handle_outbound(message)

    def be_relay(self) -> None:
        """Keeps messages for others from now on, and says so after a while."""
        self.router.enable_propagation()

    def use_relay(self, relay: str) -> None:
        """Sends and fetches there."""
        self.router.set_outbound_propagation_node(bytes.fromhex(relay))

    def fetch(self) -> None:
        """Asks the relay for messages."""
        self.router.request_messages_from_propagation_node(self.identity)

    def stored(self) -> None:
        """Tells how many messages it keeps for others."""
        tell("stored", count=len(self.router.propagation_entries))


def main() -> None:
    """Until the orders end."""
    folder, name = sys.argv[1:]
    node = Node(folder, name)
    for line in os.fdopen(os.dup(0)):  # stamps fork, and a fork may not hold the lock of sys.stdin
        order: dict[str, Any] = json.loads(line)
        try:
            getattr(node, order.pop("do"))(**order)
        except Exception as error:
            tell("trouble", what=repr(error))
    os._exit(0)


if __name__ == "__main__":
    main()
