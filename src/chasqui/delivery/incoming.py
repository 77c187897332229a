"""What others send in generations, and what of it is asked for."""

from __future__ import annotations

from typing import Final

from chasqui.base.ports import Entropy
from chasqui.delivery.chance import below
from chasqui.delivery.generations import HeardGeneration
from chasqui.delivery.radio_frames import CodedFrame, NeedFrame

GENERATIONS_MAX: Final = 64  # of all sources: 64 x 64 x 500 bytes, 2 MB
KEPT_MS: Final = 3_600_000
PATIENCE_GAPS: Final = 3  # after a symbol that said there was more, and no more came
PATIENCE_MS_MAX: Final = 600_000
RETRY_FRAMES: Final = 2  # of the largest size: for the first answer to a NEED; twice as long after each
RETRY_MS: Final = 1_000
ASKED_MAX: Final = 8  # a quarter of an hour on a slow link; then the next summary tells what is lacking
SPREAD_MS: Final = 3_000  # those who lack most ask first, and are heard by those who lack less


class Incoming:
    """Generations of others."""

    def __init__(self, frame_ms: int, entropy: Entropy) -> None:
        self._entropy = entropy
        self._retry_ms = RETRY_FRAMES * frame_ms + RETRY_MS
        self._heard: dict[tuple[int, int, bool], HeardGeneration] = {}

    def heard(self, frame: CodedFrame, now_ms: int, *, asked: bool) -> list[bytes]:
        """The bundles that a symbol brings. `asked`: we lacked something, and said so. Raises `PeerError`; nothing has
        changed then."""
        key = (frame.source, frame.generation, frame.parts)
        known = self._heard.get(key)
        if known is None or now_ms - known.heard_ms > KEPT_MS or (frame.count < known.count and frame.number == 0):
            known = HeardGeneration(frame.parts)
        bundles = known.take(frame)
        self._heard.pop(key, None)
        self._heard[key] = known  # the one that was heard last comes last
        if len(self._heard) > GENERATIONS_MAX:
            del self._heard[next(iter(self._heard))]
        if known.followed:
            known.gap_ms = max(known.gap_ms, now_ms - known.heard_ms)
        known.heard_ms, known.followed, known.asked = now_ms, frame.followed, 0
        if asked or not frame.asked:
            self._plan(known, now_ms)
        return bundles

    def need_heard(self, need: NeedFrame, now_ms: int) -> None:
        """Somebody else asked. Who lacks no more than that waits for the answer."""
        for parts in (False, True):
            known = self._heard.get((need.source, need.generation, parts))
            if known is not None and known.need_ms is not None and need.count >= known.lacking:
                known.need_ms = now_ms + self._retry_ms + below(self._entropy, SPREAD_MS // 2)

    @property
    def due_ms(self) -> int | None:
        """When to ask next."""
        return min((known.need_ms for known in self._heard.values() if known.need_ms is not None), default=None)

    def need(self, now_ms: int) -> NeedFrame | None:
        """What to ask for now."""
        for (source, generation, _), known in self._heard.items():
            if known.need_ms is None or known.need_ms > now_ms:
                continue
            lacking = known.lacking
            if not lacking or known.asked >= ASKED_MAX:
                known.need_ms = None
                continue
            known.need_ms = now_ms + (self._retry_ms << known.asked) + below(self._entropy, SPREAD_MS // 2)
            known.asked += 1
            return NeedFrame(source, generation, lacking)
        return None

    def _plan(self, known: HeardGeneration, now_ms: int) -> None:
        if not known.lacking:
            known.need_ms = None
        elif known.followed:
            patience_ms = min(PATIENCE_GAPS * max(known.gap_ms, self._retry_ms), PATIENCE_MS_MAX)
            known.need_ms = now_ms + patience_ms + below(self._entropy, SPREAD_MS)
        else:
            hurry = min(known.lacking, 8) / 8
            known.need_ms = now_ms + 200 + int(SPREAD_MS * (1 - hurry) * 0.5) + below(self._entropy, SPREAD_MS // 2)
