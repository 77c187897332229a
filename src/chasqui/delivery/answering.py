"""Who of many that hold the same answers whoever lacks it. Nodes have no names and nobody can count his neighbours: how
many mean to answer follows from how often somebody else was sooner."""

from __future__ import annotations

from typing import Final, TypeVar

from chasqui.base.ids import BundleId
from chasqui.base.ports import Entropy
from chasqui.delivery.chance import below

ANSWERERS: Final = 5  # so many are to mean to answer: each one more is a chance that somebody misses the answer
STEP: Final = 0.05  # by so much fewer answers where another one was sooner
EAGER_MIN: Final = 1 / 16
LEFT_MS: Final = 600_000  # so long it is the same that is asked for again
SPARED_MS: Final = 600_000  # so long an answer that was spared once is not spared again
WAYS_GIVEN: Final = 3  # answers to one bundle that are left to whoever was sooner: perhaps nobody but us hears him
GIVEN_MS: Final = 3_600_000  # within that; who is asked is not to be silent because the asker is kept from asking
SAME_MS: Final = 30_000  # so long it is one asking, whoever else asks the same
_KEPT_MAX: Final = 4_096
_SCALE: Final = 1 << 16
_Noted = TypeVar("_Noted")


class Answering:
    """Which answers this node gives. Whoever is left to others is not left to them twice, no word of anybody spares an
    answer twice, and no answer is taken out of our mouth more often, so that a liar gains minutes and no more."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._share = 1.0  # of answers that this node means to give
        self._left: dict[BundleId, int] = {}  # to others, and when
        self._spared: dict[BundleId, int] = {}  # by somebody's word, and when
        self._given: dict[BundleId, tuple[int, int]] = {}  # since we sent it: how often to who was sooner; when last

    def means_to(self, bundle: BundleId, now_ms: int) -> bool:
        """Whether this node is among those who mean to answer. Who is asked again always is."""
        left_ms = self._left.pop(bundle, None)
        if left_ms is not None and now_ms < left_ms + LEFT_MS:
            return True
        given = self._times_given(bundle, now_ms) >= WAYS_GIVEN
        if given or below(self._entropy, _SCALE) < self._share * _SCALE:
            return True
        note(self._left, bundle, now_ms)
        return False

    def gives_way(self, bundle: BundleId, now_ms: int) -> bool:
        """Whether what somebody else sends, or has just sent, stands for our answer. That the same is asked for again
        tells that it did not come there; who has given way often enough does no more."""
        if now_ms < self._given.get(bundle, (0, -SAME_MS))[1] + SAME_MS:
            return True
        times = self._times_given(bundle, now_ms)
        if times < WAYS_GIVEN:
            note(self._given, bundle, (times + 1, now_ms))
        return times < WAYS_GIVEN

    def sent(self, bundle: BundleId, now_ms: int) -> None:
        """This node has sent it."""
        note(self._given, bundle, (0, now_ms))

    def _times_given(self, bundle: BundleId, now_ms: int) -> int:
        times, at_ms = self._given.get(bundle, (0, 0))
        return times if now_ms < at_ms + GIVEN_MS else 0

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


def note(notes: dict[BundleId, _Noted], bundle: BundleId, what: _Noted, most: int = _KEPT_MAX) -> None:
    """Notes something of a bundle, and forgets what was noted first."""
    notes.pop(bundle, None)
    notes[bundle] = what
    if len(notes) > most:
        del notes[next(iter(notes))]
