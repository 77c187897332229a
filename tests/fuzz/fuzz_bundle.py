"""Bundles: as a carrier parses them, as a member recognises and forces them open, and as an insider fills them."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.sealed.bundle import parse_bundle
from chasqui.sealed.chain import advance
from chasqui.sealed.recogniser import Recogniser
from tests.sealed.makers import DAY, epoch

EPOCH = epoch(1)
LIVE = Recogniser({EPOCH.id: EPOCH.secrets.days})


def target(data: bytes) -> None:
    """The first byte chooses: raw, or with a good head and a legal size."""
    if data[:1] == b"\x01":
        size = next((step for step in BUNDLE_STEPS if step >= len(data)), BUNDLE_STEPS[-1])
        data = (b"\x5c" + bytes((DAY & 0xFF,)) + data[1:]).ljust(size, b"\0")[:size]
    try:
        bundle = parse_bundle(data, DAY)
        LIVE.find(bundle.mark, bundle.mark_body, bundle.day)
        advance(EPOCH.chain(0), data[-1])
        EPOCH.open(data)
    except PeerError:
        pass
