"""Who of many that hold the same answers whoever lacks it. Nodes have no names and nobody can count his neighbours: how
many mean to answer follows from how often somebody else was sooner."""

from __future__ import annotations

from typing import Final

from chasqui.base.ids import BundleId
from chasqui.base.ports import Entropy
from chasqui.delivery.chance import below

ANSWERERS: Final = 5  # so many are to mean to answer: each one more is a chance that somebody misses the answer
STEP: Final = 0.05  # by so much fewer answers where another one was sooner
EAGER_MIN: Final = 1 / 16
LEFT_MS: Final = 600_000  # so long it is the same that is asked for again
SPARED_MS: Final = 600_000  # so long an answer that was spared once is not spared again
_KEPT_MAX: Final = 4_096
_SCALE: Final = 1 << 16


class Answering:
    """Which answers this node gives. Whoever is left to others is not left to them twice, and no word of anybody spares
    an answer twice, so that a liar gains ten minutes and no more."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._share = 1.0  # of answers that this node means to give
        self._left: dict[BundleId, int] = {}  # to others, and when
        self._spared: dict[BundleId, int] = {}  # by somebody's word, and when

    def means_to(self, bundle: BundleId, now_ms: int) -> bool:
        """Whether this node is among those who mean to answer. Who is asked again always is."""
        left_ms = self._left.pop(bundle, None)
        if left_ms is not None and now_ms < left_ms + LEFT_MS:
            return True
        if below(self._entropy, _SCALE) < self._share * _SCALE:
            return True
        note(self._left, bundle, now_ms)
        return False

    def was_sooner(self) -> None:
        """Somebody else has sent what this node was about to send."""
        self._share = max(self._share * (1 - STEP), EAGER_MIN)

    def answers(self) -> None:
        """Nobody else did: where one in so many is sooner, the share stays as it is."""
        self._share = min(self._share * (1 + STEP * (ANSWERERS - 1)), 1.0)

    def spares(self, bundle: BundleId, now_ms: int) -> bool:
        """Whether somebody's word that nothing is lacking counts. Notes that it did."""
        if now_ms < self._spared.get(bundle, -SPARED_MS) + SPARED_MS:
            return False
        note(self._spared, bundle, now_ms)
        return True


def note(notes: dict[BundleId, int], bundle: BundleId, now_ms: int, most: int = _KEPT_MAX) -> None:
    """Notes when something was, and forgets what was noted first."""
    notes.pop(bundle, None)
    notes[bundle] = now_ms
    if len(notes) > most:
        del notes[next(iter(notes))]
