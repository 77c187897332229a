"""What others send in generations, and what of it is asked for."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.limits import BUNDLE_BYTES_MIN
from chasqui.base.ports import Entropy
from chasqui.delivery.chance import mostly_late
from chasqui.delivery.erasure import PARITY_FIRST
from chasqui.delivery.generations import CHECK_BYTES, HeardGeneration, checked
from chasqui.delivery.passage import Passage
from chasqui.delivery.radio_frames import CodedFrame, NeedFrame

GENERATIONS_MAX: Final = 64  # of all sources: 64 x 64 x 500 bytes, 2 MB
KEPT_MS: Final = 3_600_000
PASSING_MS: Final = 600_000  # of what was silent for longer nobody is told that it is coming
PATIENCE_GAPS: Final = 3  # after a symbol that said there was more, and no more came
PATIENCE_MS_MAX: Final = 600_000
RETRY_FRAMES: Final = 2  # of the largest size: for the first answer to a NEED; twice as long after each
RETRY_MS: Final = 1_000
ASKED_MAX: Final = 8  # a quarter of an hour on a slow link; then the next summary tells what is lacking
HOPED_MAX: Final = 3  # unanswered: whose generation it is has begun anew, or has gone; summaries help then
FRESH_MS: Final = 700  # after a symbol: so late does nobody ask who waited for a free channel while it was sent
SPREAD_MS: Final = 3_000  # those who lack most ask first, and are heard by those who lack less
JUST_FRAMES: Final = 6  # of the largest size: who waited so long for a free channel has not heard what was sent
LARGE: Final = 8  # sources: of so many nearly all lack some, and one answer is worth waiting for
SPREAD_FRAMES: Final = 8  # of the largest size, in place of that: who asks while others are answered asks in vain
OPEN_MS: Final = 1_200_000  # so long a generation takes in what comes one by one, of whomever
JOINED_MAX: Final = 24  # sources of several senders: whoever comes late is not to ask for more
JOIN_CALM_MS: Final = 3_000  # two who answer the same text at once must not take the same number
LATE_NUMBER: Final = 4  # nobody who was there misses so many symbols in a row
PACE_MS_MAX: Final = 90_000  # of sources that come one by one: what is lost of several of them is asked for together
PACE_SHARE: Final = 1.4  # of the pace: so long the next source is waited for
TOGETHER_MS: Final = 120_000  # nobody waits longer for what is lost
STREAM_SHARE: Final = 2.5  # of the pace: so long it is believed that more comes, as one may get lost
RECENT_SOURCES: Final = 6  # of what comes one by one: somebody may lack some of them still
ROUND_MS_MAX: Final = 600_000  # of one round; who comes later is no different from who comes by himself
ROUND_BYTES: Final = BUNDLE_BYTES_MIN  # what comes in a round; no operation is as small, so none waits for its end
ROUND_PLACES: Final = 1.5  # who heard nobody for so long in a round has lost somebody, whose number he would take
ROUND_TOGETHER: Final = 4  # lost sources in a round: parity for so many serves all, as each has lost others
TOGETHER: Final = 3  # lost sources: then nothing is gained any more by waiting


class Incoming:
    """Generations of others."""

    def __init__(self, frame_ms: int, held: Container[BundleId], entropy: Entropy) -> None:
        self._held = held
        self._entropy = entropy
        self.retry_ms: Final = RETRY_FRAMES * frame_ms + RETRY_MS
        self.just_ms: Final = JUST_FRAMES * frame_ms
        self._large_spread_ms = max(SPREAD_MS, SPREAD_FRAMES * frame_ms)
        self._heard: dict[tuple[int, int, bool], HeardGeneration] = {}
        self._round_ms = (0, 0)
        self._place_ms = 0

    def expect_round(self, from_ms: int, until_ms: int, place_ms: int) -> None:
        """Between these times many send one small bundle each, one in each `place_ms`."""
        self._round_ms = from_ms, min(until_ms, from_ms + ROUND_MS_MAX)
        self._place_ms = place_ms

    def round_ends_ms(self, now_ms: int) -> int | None:
        """When the round ends, where there is one now."""
        from_ms, until_ms = self._round_ms
        return until_ms if from_ms <= now_ms < until_ms else None

    def heard(self, frame: CodedFrame, now_ms: int, *, asked: bool) -> list[bytes]:
        """The bundles that a symbol brings. `asked`: we lacked something, and said so. Raises `PeerError`; nothing has
        changed then."""
        key = (frame.source, frame.generation, frame.parts)
        known = self._heard.get(key)
        if known is None or now_ms - known.heard_ms > KEPT_MS or _begins_anew(known, frame):
            known = HeardGeneration(frame.parts, answers=frame.asked, opened_ms=now_ms)
            known.pace_ms = 0 if frame.parts or frame.asked else self._pace_ms(now_ms)
            first = frame.number if frame.number < PARITY_FIRST and frame.symbol else frame.count - 1
            known.late = not frame.parts and first >= LATE_NUMBER
        grown, lacking = frame.count - known.count, known.lacking
        bundles = known.take(frame)
        known.news += sum(bundle_id(bundle) not in self._held for bundle in bundles)
        self._keep(key, known)
        _grew(known, grown, now_ms)
        if known.followed:
            known.gap_ms = max(known.gap_ms, now_ms - known.heard_ms)
        known.heard_ms, known.followed = now_ms, frame.followed
        if grown > 0 or known.lacking < lacking:
            known.asked = 0  # what helps nobody may be a liar's
        if not frame.asked or (asked and (known.parts or 2 * known.news >= len(known.sources))):
            self._plan(known, now_ms)
        return bundles

    def need_heard(self, need: NeedFrame, now_ms: int) -> None:
        """Somebody else asked. Who lacks no more than that waits for the answer."""
        for parts in (False, True):
            known = self._heard.get((need.source, need.generation, parts))
            if known is not None and known.need_ms is not None and need.count >= known.lacking:
                due_ms = now_ms + self.retry_ms + mostly_late(self._entropy, SPREAD_MS // 2)
                known.need_ms = max(known.need_ms, due_ms) if known.patient else due_ms

    def own(self, source: int, generation: int, now_ms: int) -> HeardGeneration:
        """One that this node begins, as others may go on with it."""
        known = HeardGeneration(False, opened_ms=now_ms, grown_ms=now_ms, heard_ms=now_ms)
        known.pace_ms = self._pace_ms(now_ms)
        self._keep((source, generation, False), known)
        return known

    def said(self, own: HeardGeneration, frame: CodedFrame, now_ms: int) -> None:
        """This node has sent a source of it."""
        grown = frame.count - own.count
        own.take(frame)
        _grew(own, grown, now_ms)
        own.heard_ms, own.followed = now_ms, frame.followed
        if own.need_ms is not None and not own.asked:
            self._plan(own, now_ms)

    def open_for(self, size: int, now_ms: int) -> tuple[int, int, HeardGeneration] | None:
        """The newest generation that takes in another bundle of this size."""
        for (source, generation, parts), known in reversed(self._heard.items()):
            shut = parts or known.answers or known.late or known.spoilt or known.followed
            if shut or known.size != size + CHECK_BYTES:
                continue
            calm = now_ms - known.grown_ms >= JOIN_CALM_MS
            if self.round_ends_ms(now_ms) is not None and now_ms > known.grown_ms + int(ROUND_PLACES * self._place_ms):
                continue
            if calm and known.count < JOINED_MAX and now_ms - known.opened_ms < OPEN_MS:
                return source, generation, known
        return None

    def passages(self, now_ms: int) -> list[Passage]:
        """What comes in parts now, what was heard last behind."""
        parted = [known for known in self._heard.values() if known.parts and not (known.done or known.spoilt)]
        return [
            Passage(min(len(known.sources) + len(known.parity), known.count), known.count, sent=False)
            for known in parted
            if now_ms - known.heard_ms < PASSING_MS
        ]

    def lacks(self, frame: CodedFrame) -> bool:
        """Whether something of this generation is lacking still."""
        known = self._heard.get((frame.source, frame.generation, frame.parts))
        return known is not None and known.lacking > 0

    def agreed(self) -> None:
        """Somebody holds just what this node holds: what was lost came in another way, or a summary tells of it. Who
        waits to ask for several losses at once goes on waiting."""
        for known in self._heard.values():
            if known.lacking and not known.patient and not known.parts:
                known.late, known.need_ms = True, None

    @property
    def hurries(self) -> bool:
        """Whether something is about to be asked for, and somebody may be there who answers."""
        asking = (known for known in self._heard.values() if known.need_ms is not None and not known.patient)
        return any(known.asked < HOPED_MAX for known in asking)

    @property
    def lacked_patiently(self) -> int:
        """How many bundles are lacking that are asked for together with what may get lost next."""
        return sum(known.lacking for known in self._heard.values() if known.need_ms is not None and known.patient)

    def expected(self, now_ms: int) -> list[BundleId]:
        """What others may lack still and are about to ask for: the newest of what comes one by one."""
        found: list[BundleId] = []
        for known in self._heard.values():
            if not known.spoilt and now_ms < expected_ms(known, STREAM_SHARE):
                newest = sorted(known.sources)[-RECENT_SOURCES:]
                found += [bundle_id(known.sources[at][CHECK_BYTES:]) for at in newest]
        return found[-RECENT_SOURCES:]

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
            known.need_ms = now_ms + (self.retry_ms << known.asked) + mostly_late(self._entropy, SPREAD_MS // 2)
            known.asked += 1
            known.patient = False
            return NeedFrame(source, generation, lacking)
        return None

    def _pace_ms(self, now_ms: int) -> int:
        """Of what comes one by one now: a generation that goes on from another goes on at its pace."""
        paces = (k.pace_ms for k in self._heard.values() if now_ms < k.grown_ms + int(STREAM_SHARE * k.pace_ms))
        return max(paces, default=0)

    def _patient_until_ms(self, known: HeardGeneration, now_ms: int) -> int:
        """Until when what is lacking is asked for together with what may get lost next."""
        ends_ms = self.round_ends_ms(now_ms)
        if ends_ms is not None and known.size == ROUND_BYTES + CHECK_BYTES and not known.parts:
            return ends_ms if known.lacking < ROUND_TOGETHER else 0
        if known.lacking >= TOGETHER:
            return 0
        since_ms = known.grown_ms if known.lacks_since_ms is None else known.lacks_since_ms
        return min(expected_ms(known), since_ms + TOGETHER_MS)

    def _keep(self, key: tuple[int, int, bool], known: HeardGeneration) -> None:
        self._heard.pop(key, None)
        self._heard[key] = known  # the one that was heard last comes last
        if len(self._heard) > GENERATIONS_MAX:
            del self._heard[next(iter(self._heard))]

    def _plan(self, known: HeardGeneration, now_ms: int) -> None:
        if not known.lacking:
            known.need_ms = known.lacks_since_ms = None
            return
        known.patient = False
        if known.lacks_since_ms is None:
            known.lacks_since_ms = now_ms
        if known.followed:
            patience_ms = min(PATIENCE_GAPS * max(known.gap_ms, self.retry_ms), PATIENCE_MS_MAX)
            known.need_ms = now_ms + patience_ms + mostly_late(self._entropy, SPREAD_MS)
        elif now_ms < (until_ms := self._patient_until_ms(known, now_ms)):
            known.need_ms = until_ms + mostly_late(self._entropy, SPREAD_MS)
            known.patient = True
        else:
            spread_ms = self._large_spread_ms if known.count >= LARGE else SPREAD_MS
            hurry = min(known.lacking / max(LARGE, known.count // 3), 1)
            known.need_ms = now_ms + FRESH_MS + int(spread_ms * (1 - hurry) * 0.5)
            known.need_ms += mostly_late(self._entropy, spread_ms // 2)


def expected_ms(known: HeardGeneration, share: float = PACE_SHARE) -> int:
    """Until when the next source is waited for, because they come one by one."""
    if not 0 < known.pace_ms <= PACE_MS_MAX or known.count >= JOINED_MAX:
        return 0
    return known.grown_ms + int(share * known.pace_ms)


def _begins_anew(known: HeardGeneration, frame: CodedFrame) -> bool:
    """Whether a sender has chosen source and number of a generation that was before."""
    if frame.number or not frame.symbol:
        return False
    if frame.parts:  # else whoever guesses the number beforehand keeps all of it from us
        return frame.count != known.count or known.sources.get(0, frame.symbol) != frame.symbol
    return frame.count < known.count and 0 in known.sources and known.sources[0] != checked(frame.symbol)


def _grew(known: HeardGeneration, sources: int, now_ms: int) -> None:
    if sources <= 0:
        return
    if known.count > sources and not known.followed:
        known.pace_ms = max((now_ms - known.grown_ms) // sources, known.pace_ms * 3 // 4)
    elif known.followed or sources > 1:
        known.pace_ms = 0  # they came in a row
    known.grown_ms = now_ms
