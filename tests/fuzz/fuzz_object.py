"""Objects, short and whole; the form that is accepted is the one that would be written."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.sealed.object import parse_whole, read_short, read_whole
from tests.sealed.makers import DAY, GROUP, epoch, member

MADE = epoch(1).text()


def target(data: bytes) -> None:
    """All three readers."""
    try:
        read = read_short(data, group=GROUP, author=member(0)[0], day=DAY, origin=MADE.origin)
        assert data.startswith(read.to_short())
    except PeerError:
        pass
    try:
        assert parse_whole(data, GROUP).to_whole() == data
        assert read_whole(data, GROUP).to_whole() == data
    except PeerError:
        pass
