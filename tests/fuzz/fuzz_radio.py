"""Frames of broadcast links: parsed, and heard by an engine that holds a little, with and without a key."""

from __future__ import annotations

import contextlib
from functools import cache
from itertools import count

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item
from chasqui.delivery.radio_frames import read_radio_frame, write_radio_frame
from chasqui.delivery.veil import veil

TODAY = 20_780
AIR = Air(222, 1760, 83, 1.0)
KEY = Secret(b"k" * 32)


@cache
def held() -> dict[BundleId, bytes]:
    """Ten bundles of two sizes and days."""
    numbers = ((207 if n % 2 else 480, TODAY - n % 3, n) for n in range(10))
    bundles = [bytes((0x5C, day % 256)) + bytes((n,)) * (size - 2) for size, day, n in numbers]
    return {bundle_id(bundle): bundle for bundle in bundles}


def engine_of(key: Secret) -> Engine:
    """One that nothing has happened to."""
    index = Index(TODAY)
    for bundle, data in held().items():
        index.add(Item(bundle, len(data), 1, TODAY - (TODAY - data[1]) % 256))
    calls = count()

    def entropy(n: int, /) -> bytes:
        return (next(calls) * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big")[:n]

    return Engine(AIR, Settings(key), index, entropy, 0)


def target(data: bytes) -> None:
    """What was read is written alike. A few frames, each behind its length, are heard and answered."""
    with contextlib.suppress(PeerError):
        assert write_radio_frame(read_radio_frame(data)) == data
    for key in (NO_SECRET, KEY):
        engine = engine_of(key)
        now_ms, rest = 0, data
        for _ in range(8):
            if not rest:
                break
            frame, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            with contextlib.suppress(PeerError):
                engine.heard(veil(key, frame) if key else frame, 5.0, now_ms)
            for _ in range(3):
                turn = engine.turn(now_ms, held().get)
                if turn.frame is not None:
                    assert 0 < len(turn.frame) <= AIR.mtu_bytes
                    engine.sent(None, now_ms)
                now_ms = max(now_ms + 1, turn.wake_ms or 0)
