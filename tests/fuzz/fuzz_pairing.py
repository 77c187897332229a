"""Pairing files: parsed, opened, and given to a node."""

from __future__ import annotations

from contextlib import suppress

from chasqui.base.errors import ChasquiError, PeerError
from chasqui.base.schema import encode
from chasqui.groups.pairing import Offer, ReplyBody, open_reply, read_pairing_file, write_reply
from chasqui.node import inputs
from tests.fuzz.common import NOW_S, mls_group, node_of, world
from tests.node.world import SeededEntropy


def target(data: bytes) -> None:
    """As a file; and, behind the byte 1, as what a hostile contact seals into a reply."""
    keys = mls_group()[2]
    if data[:1] == b"\x01":
        offer = read_pairing_file(b"CHQO\x01" + keys.key_package, NOW_S)
        assert isinstance(offer, Offer)
        body = ReplyBody(data[1:], (data[1:9],))
        data = write_reply(offer, body, SeededEntropy("reply"))
        reply = read_pairing_file(data, NOW_S)
        assert not isinstance(reply, Offer)
        assert encode(open_reply(reply, keys)) == encode(body)
        return
    try:
        file = read_pairing_file(data, NOW_S)
        if not isinstance(file, Offer):
            open_reply(file, keys)
    except PeerError:
        pass
    with suppress(ChasquiError):  # our own offer, or one that was answered, is nobody's attack
        node_of(world().victim).step(inputs.AcceptPairing(data, "zoe"), NOW_S)
