"""The day that one byte shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.days import day_of, minute_in_day, minute_of, resolve_day
from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_AGE_DAYS_MAX, BUNDLE_FUTURE_DAYS_MAX, MINUTES_PER_DAY


@pytest.mark.parametrize("today", [300, 20_479, 20_480, 20_500, 20_735, 20_736])
def test_the_window_is_172_days_back_and_one_ahead(today: int) -> None:
    """Every byte is one day of the window or refused, and every day of the window has its byte."""
    window = range(today - BUNDLE_AGE_DAYS_MAX, today + BUNDLE_FUTURE_DAYS_MAX + 1)
    assert len(window) == 174
    resolved = set()
    for byte in range(256):
        possible = [day for day in window if day & 0xFF == byte]
        if possible:
            assert [resolve_day(byte, today)] == possible
            resolved.add(possible[0])
        else:
            with pytest.raises(PeerError):
                resolve_day(byte, today)
    assert resolved == set(window)


@given(st.integers(0, 2**34))
def test_days_and_minutes_fit_together(now_s: int) -> None:
    assert minute_of(now_s) == day_of(now_s) * MINUTES_PER_DAY + minute_in_day(now_s)
    assert 0 <= minute_in_day(now_s) < MINUTES_PER_DAY
    assert minute_of(now_s) * 60 <= now_s < (minute_of(now_s) + 1) * 60
