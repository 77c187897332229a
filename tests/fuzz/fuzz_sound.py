"""What a modem hears: payloads of bursts."""

from __future__ import annotations

from chasqui.links.sound_frames import Joiner, mtu_of, split
from chasqui.media.modes import Mode


def target(data: bytes) -> None:
    """Any payloads are legal; after them, a burst is joined; what was joined is split alike."""
    shape = Mode.DATAC0.shape
    joiner = Joiner(shape)
    size = shape.payload_bytes
    payloads = [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
    for number, payload in enumerate(payloads):
        frame = joiner.hear(payload)
        if frame is not None:
            assert 0 < len(frame) <= mtu_of(shape)
            parts = split(frame, shape)
            assert payloads[number - len(parts) + 1 : number + 1] == parts
    assert [joiner.hear(payload) for payload in split(b"a frame of two parts", shape)][-1] == b"a frame of two parts"
