"""What a LoRa board says."""

from __future__ import annotations

from chasqui.links.kiss import KISS_BYTES_MAX
from chasqui.links.lora import Lora
from chasqui.links.rnode import Code, Heard, RNodeReader, wanted_of, write_command

_WANTED = wanted_of(Lora(868_100_000, 125_000, 9, 5, 14), 0.01)


def target(data: bytes) -> None:
    """Cut anywhere it is the same; any answer can be judged and told; after it, a frame is read."""
    whole, cut = RNodeReader(), RNodeReader()
    said = whole.feed(data)
    half = len(data) // 2
    assert cut.feed(data[:half]) + cut.feed(data[half:]) == said
    assert whole.held_bytes <= 2 * KISS_BYTES_MAX
    for one in said:
        if isinstance(one, Heard):
            assert one.signal_to_noise_db is None or -32 <= one.signal_to_noise_db < 32
            continue
        for wanted in _WANTED:
            if wanted.code == one.code:
                assert wanted.met_by(one.data) or one.data != wanted.data
                assert wanted.words(one.data)
    last = whole.feed(b"\xc0" + write_command(Code.DATA, b"x"))[-1]
    assert isinstance(last, Heard)
    assert last.frame == b"x"
