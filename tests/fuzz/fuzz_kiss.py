"""What a TNC says: KISS, and the AX.25 inside."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.links.ax25 import BLANK, HEADER_BYTES, read_ui, write_ui
from chasqui.links.kiss import KISS_BYTES_MAX, KissReader, write_kiss


def target(data: bytes) -> None:
    """Cut anywhere it is the same; what was read is written alike; after it, a frame is read."""
    whole, cut = KissReader(), KissReader()
    frames = whole.feed(data)
    half = len(data) // 2
    assert cut.feed(data[:half]) + cut.feed(data[half:]) == frames
    assert whole.held_bytes <= 2 * KISS_BYTES_MAX
    for frame in frames:
        again = KissReader()
        assert again.feed(write_kiss(frame)) == [frame]
        try:
            info = read_ui(frame.data)
        except PeerError:
            continue
        assert write_ui(BLANK, info)[HEADER_BYTES:] == info
    last = write_kiss(frames[0]) if frames else b"\xc0\x00x\xc0"
    assert whole.feed(b"\xc0" + last)
