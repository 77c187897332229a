"""The Trickle timer (RFC 6206): who has news speaks soon, who agrees with what he hears speaks ever more rarely."""

from __future__ import annotations

from typing import Final

from chasqui.base.ports import Entropy
from chasqui.delivery.chance import below

INTERVAL_MS_MIN: Final = 30_000
INTERVAL_MS_MAX: Final = 32 * 60_000  # 30 s doubled six times
REDUNDANCY: Final = 1  # who heard one that agrees stays silent
SILENT_MS_MAX: Final = 2 * 3_600_000  # but not for longer: what he heard may be a liar's


class Trickle:
    """One timer. It fires once in the second half of each interval, unless enough others have."""

    def __init__(self, entropy: Entropy, now_ms: int) -> None:
        self._entropy = entropy
        self._interval_ms = INTERVAL_MS_MIN
        self._fired = False
        self._spoke_ms = now_ms
        self._begin(now_ms)

    @property
    def due_ms(self) -> int:
        """When to look again."""
        return self._end_ms if self._fired else self._fire_ms

    def agreed(self) -> None:
        """Somebody said what we would have said."""
        self._heard += 1

    def disagreed(self, now_ms: int) -> None:
        """Somebody holds something else, or we have news."""
        if self._interval_ms > INTERVAL_MS_MIN:
            self._interval_ms = INTERVAL_MS_MIN
            self._begin(now_ms)

    def fires(self, now_ms: int) -> bool:
        """Whether it is time to speak."""
        fires = False
        if not self._fired and now_ms >= self._fire_ms:
            self._fired = True
            fires = self._heard < REDUNDANCY or now_ms >= self._spoke_ms + SILENT_MS_MAX
            self._spoke_ms = now_ms if fires else self._spoke_ms
        if now_ms >= self._end_ms:
            self._interval_ms = min(2 * self._interval_ms, INTERVAL_MS_MAX)
            self._begin(now_ms)
        return fires

    def _begin(self, now_ms: int) -> None:
        half_ms = self._interval_ms // 2
        self._fire_ms = now_ms + half_ms + below(self._entropy, half_ms)
        self._end_ms = now_ms + self._interval_ms
        self._heard = 0
        self._fired = False
