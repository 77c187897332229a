"""Airtime: never more than the budget in any hour, wherever the hour begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.delivery.airtime import HOUR_MS, Air, AirtimeLedger

SF9 = Air(mtu_bytes=222, bit_rate_bps=1760, frame_overhead_ms=83, airtime_share_max=0.01)


def test_what_a_frame_takes() -> None:
    assert SF9.airtime_ms(0) == 83
    assert SF9.airtime_ms(1) == 83 + 5  # 4.5 ms, rounded up
    assert SF9.hour_ms == 36_000


def test_what_can_never_be_sent() -> None:
    tight = Air(222, 1760, 83, 0.0001)  # 360 ms an hour
    assert AirtimeLedger(tight).free_at_ms(0, 361) is None
    assert AirtimeLedger(tight).free_at_ms(5, 360) == 5


@pytest.mark.must("M-RAD-1")
@given(
    st.lists(st.tuples(st.integers(0, 900_000), st.integers(1, 9_000)), max_size=120),
    st.sampled_from([0.001, 0.01, 0.1, 1.0]),
)
def test_no_hour_holds_more_than_the_budget(steps: list[tuple[int, int]], share: float) -> None:
    air = Air(222, 1760, 83, share)
    ledger = AirtimeLedger(air)
    now_ms = 12_345
    left: list[tuple[int, int]] = []
    for wait_ms, airtime_ms in steps:
        now_ms += wait_ms
        free_ms = ledger.free_at_ms(now_ms, airtime_ms)
        if free_ms is None:
            assert airtime_ms > air.hour_ms
            continue
        assert free_ms >= now_ms
        now_ms = max(now_ms, free_ms) + airtime_ms
        ledger.add(now_ms, airtime_ms)
        left.append((now_ms, airtime_ms))
        window = [spent for ended, spent in left if now_ms - HOUR_MS < ended]
        assert sum(window) <= air.hour_ms


def test_the_wait_is_no_longer_than_a_grain_too_long() -> None:
    ledger = AirtimeLedger(SF9)
    ledger.add(15_000, 20_000)
    ledger.add(100_000, 16_000)
    assert ledger.free_at_ms(100_000, 1) == 20_000 + HOUR_MS
    assert ledger.free_at_ms(100_000, 20_001) == 110_000 + HOUR_MS
    assert ledger.used_ms(19_999 + HOUR_MS) == 36_000
    assert ledger.used_ms(20_000 + HOUR_MS) == 16_000
