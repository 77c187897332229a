"""Frames: parsed, and given to a node with one neighbour."""

from __future__ import annotations

import contextlib

from chasqui.base.errors import PeerError
from chasqui.delivery.frames import read_frame, write_frame
from chasqui.node import inputs
from chasqui.node.link_port import SessionId
from tests.fuzz.common import NOW_S, node_of, world

SESSION = SessionId(1)


def target(data: bytes) -> None:
    """What was read is written alike; the node answers or closes the session."""
    with contextlib.suppress(PeerError):
        assert write_frame(read_frame(data)) == data
    node = node_of(world().victim)
    node.step(inputs.SessionOpened(SESSION, 65_535), NOW_S)
    effects = node.step(inputs.FrameReceived(SESSION, data), NOW_S)
    answered = sum(len(getattr(effect, "frame", b"")) for effect in effects)
    assert answered <= 65 * 15_361
