"""A sender that begins anew in the middle of a large bundle: whoever waits for the rest of it does not wait long."""

from __future__ import annotations

import pytest

from chasqui.base.ids import bundle_id
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from tests.delivery.place import LORA_SF9, Place, bundle_of, seeded

PACKET = Air(mtu_bytes=256, bit_rate_bps=1200, frame_overhead_ms=400, airtime_share_max=1.0)


@pytest.mark.parametrize("air", [LORA_SF9, PACKET])
@pytest.mark.parametrize("seed", range(3))
def test_the_rest_comes_soon(air: Air, seed: int) -> None:
    place = Place(["ana", "ben"], loss=0.05, seed=seed, air=air)
    ana, ben = place.stations["ana"], place.stations["ben"]
    large = bundle_of(seed, 15_360, rank=3)
    ana.hold([large], news=True)
    place.run(30_000)
    assert ben.engine.passages(place.now_ms)
    place.run(60_000, lambda: ana.queued is None)
    ana.engine = Engine(air, Settings(), ana.index, seeded(f"{seed} again"), place.now_ms)
    began_ms = place.now_ms
    ana.turn()
    while bundle_id(large) not in ben.held:
        place.run(place.now_ms + 10_000)
        assert place.now_ms - began_ms < 900_000
    whole_ms = 70 * air.airtime_ms(air.mtu_bytes)
    assert place.now_ms - began_ms < 1.5 * whole_ms + 180_000
