"""Days, minutes, and the day number that a bundle shows in one byte."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.limits import (
    BUNDLE_AGE_DAYS_MAX,
    BUNDLE_FUTURE_DAYS_MAX,
    MINUTES_PER_DAY,
    SECONDS_PER_DAY,
)


class MisdatedError(PeerError):
    """The day of a bundle is out of range: it is too old, its sender's clock is wrong, or ours is."""

    code = "misdated"


def day_of(now_s: int) -> int:
    """The day number (since 1970-01-01 UTC) of a time in seconds."""
    return now_s // SECONDS_PER_DAY


def minute_of(now_s: int) -> int:
    """Minutes since 1970-01-01 UTC."""
    return now_s // 60


def minute_in_day(now_s: int) -> int:
    """Minutes since the day began, 0 to 1439."""
    return now_s // 60 % MINUTES_PER_DAY


def resolve_day(day_byte: int, today: int) -> int:
    """The one day in [today-172, today+1] that shows this byte. Raises `MisdatedError` if there is none."""
    latest = today + BUNDLE_FUTURE_DAYS_MAX
    day = latest - (latest - day_byte) % 256
    if day < today - BUNDLE_AGE_DAYS_MAX:
        raise MisdatedError("The day of the bundle is out of range.")
    return day
