"""What a board with Meshtastic firmware says."""

from __future__ import annotations

from chasqui.links.meshtastic import HEAD_BYTES, MESSAGE_BYTES_MAX, SNR_DB_MAX, Complete, Heard, MeshtasticReader
from chasqui.links.meshtastic_board import Board, Preset

_COMPLETE = b"\x94\xc3\x00\x02\x38\x09"


def target(data: bytes) -> None:
    """Cut anywhere it is the same; anything can be judged; after the largest message, the next is read."""
    whole, cut, board = MeshtasticReader(), MeshtasticReader(), Board()
    said = whole.feed(data)
    half = len(data) // 2
    assert cut.feed(data[:half]) + cut.feed(data[half:]) == said
    assert whole.held_bytes <= HEAD_BYTES + MESSAGE_BYTES_MAX
    for one in said:
        board.take(one)
        if isinstance(one, Heard):
            assert len(one.payload) <= MESSAGE_BYTES_MAX
            assert one.snr_db is None or abs(one.snr_db) <= SNR_DB_MAX
    assert len(board.channels) <= 8
    for preset in Preset:
        assert board.refusal(preset, 0) != ""
    assert all(board.shows())
    whole.feed(bytes(HEAD_BYTES + MESSAGE_BYTES_MAX))
    assert whole.feed(_COMPLETE)[-1] == Complete(9)
