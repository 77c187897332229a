"""Bursts: bodies as a member signs them, and what a person who wants to hear them runs; WAV files of one's own."""

from __future__ import annotations

from contextlib import suppress

from chasqui.base.errors import PeerError, UsageError
from chasqui.media.burst import Burst, Quality, cut, frames_in, read_burst
from chasqui.media.codec2 import decode
from chasqui.media.wav import speech_of, wav_of


def target(data: bytes) -> None:
    """The first byte chooses: a body, a WAV file, or speech that is to be cut."""
    how, body = data[:1], data[1:]
    if how == b"\x01":
        with suppress(UsageError):
            speech_of(body)
    elif how == b"\x02":
        with suppress(UsageError):
            assert b"".join(burst.speech for burst in cut(Quality(1 + len(body) % 3), body)) == body
    else:
        with suppress(PeerError):
            _hear(read_burst(body), body)


def _hear(burst: Burst, body: bytes) -> None:
    assert burst.to_body() == body
    heard = wav_of(decode(burst))
    assert len(heard) == 44 + 2 * frames_in(burst.quality, burst.speech) * burst.quality.shape.frame_samples
