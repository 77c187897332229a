"""The broadcast engine: what one node says on one broadcast link, and when. Pure: frames and times in, frames out.

It holds no bundle: it knows ids (`Index`) and asks for bytes when they are sent. What it forgets when it is made anew
costs airtime and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chasqui.base.ids import bundle_id
from chasqui.base.ports import Entropy
from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.airtime import HOUR_MS, Air, AirtimeLedger, part_of
from chasqui.delivery.chance import below, exponential, mostly_late
from chasqui.delivery.incoming import Incoming
from chasqui.delivery.index import Index, Item
from chasqui.delivery.outgoing import ANSWERS, Fetch, Outgoing
from chasqui.delivery.outgoing import Turn as OutgoingTurn
from chasqui.delivery.passage import Passage
from chasqui.delivery.radio_frames import (
    BatchFrame,
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    PackFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.reconciler import Findings, Reconciler
from chasqui.delivery.sharing import Shares
from chasqui.delivery.veil import MAC_BYTES, unveil, veil

ASKED_MS = 600_000  # so long after we said what we hold, answers may be for us
OURS_SPREAD_FRAMES = 3  # of the largest size: who sent it before answers first
ANSWER_SPREAD_FRAMES = 18  # then the others, who hears the asker best before the rest
STRENGTH_BEST_DB = 20.0
SUMMARIES_SHARE = 0.2  # of a budget: what anybody can make us say by disagreeing
ANSWERS_SHARE = 0.5  # of a budget: what anybody can make us send by asking
NEEDS_SHARE = 0.2  # of a budget: what anybody can make us ask for by generations that are none
DRAWN_SHARE = 0.4  # of a budget: what anybody can draw of our news by NEEDs
RESERVE_DRAWN_SHARE = 0.5  # of what is kept for urgent: NEEDs leave the rest to what nobody has heard yet
RESERVE_SHARE = 0.2  # of a budget that has a bound: for what is urgent, whatever else waits
CALM_FRAMES = 6  # of the largest size: after so long without a symbol or a NEED a burst is over
CALM_MS = 3_000
OVER_FRAMES = 2  # of the largest size: so long after the last of a burst nobody answers what others lack
PASSED_OVER_MS_MAX = 1_800_000  # so long small differences may be left to the texts that follow
KEPT_OFF_MS_MAX = 600_000  # a channel that is never calm must not keep sets apart
DUMMY_CHOICE = 64  # dummies are repeats of the newest bundles


@dataclass(frozen=True)
class Settings:
    """What the owner of a link chose. `key`: of the neighbourhood, or empty; `dummy_share` of the airtime budget."""

    key: Secret = NO_SECRET
    dummy_share: float = 0.0


@dataclass(frozen=True)
class Turn:
    """What to do now: send `frame`, and come back at `wake_ms`. While a frame is under way there is no turn."""

    frame: bytes | None = None
    wake_ms: int | None = None


@dataclass(frozen=True)
class _UnderWay:
    """The frame that the link has. `rank` and `turn` where it brings a bundle; `summary`: it says what is held.
    `need`: it asks for symbols; `drawn`: it answers that, of news."""

    expected_ms: int
    rank: int | None
    turn: OutgoingTurn | None
    summary: bool
    need: bool
    drawn: bool


class Engine:
    """One node's end of one broadcast link."""

    def __init__(self, air: Air, settings: Settings, index: Index, entropy: Entropy, now_ms: int) -> None:
        self._air = air
        self._settings = settings
        self._frame_ms = air.airtime_ms(air.mtu_bytes)
        self._index = index
        self._entropy = entropy
        self.ledger = AirtimeLedger(air)
        self._summaries = AirtimeLedger(part_of(air, SUMMARIES_SHARE))
        self._answers = AirtimeLedger(part_of(air, ANSWERS_SHARE))
        self._needs = AirtimeLedger(part_of(air, NEEDS_SHARE))
        self._drawn = AirtimeLedger(part_of(air, DRAWN_SHARE))
        self._under_way: _UnderWay | None = None
        self._room = air.mtu_bytes - (MAC_BYTES if settings.key else 0)
        self._begin(now_ms)

    def _begin(self, now_ms: int) -> None:
        self._shares = Shares(now_ms)
        self._incoming = Incoming(self._frame_ms, self._index, self._entropy)
        self._outgoing = Outgoing(self._room, self._incoming, self._entropy, now_ms)
        self._reconciler = Reconciler(self._room, self._frame_ms, self._index, self._entropy, now_ms)
        self._dummy_ms = self._next_dummy(now_ms)
        self._asked_ms: int | None = None
        self._calm_ms = now_ms
        self._kept_off_ms: int | None = None
        self._passed_ms: int | None = None  # since when summaries of others are passed over

    def begin_again(self, index: Index, now_ms: int) -> None:
        """Knows nothing any more but what has been on the air and what is under way."""
        self._index = index
        self._begin(now_ms)

    # -- for people -----------------------------------------------------------------------------------------

    def passages(self, now_ms: int) -> list[Passage]:
        """What is on its way in parts."""
        return [*self._outgoing.passages(), *self._incoming.passages(now_ms)]

    def flows_of_news(self) -> set[str]:
        """Whose bundles go out unasked. Others go out when somebody asks, and then at half the speed at most."""
        return self._outgoing.flows_of_news()

    def plain_ms(self, now_ms: int) -> int:
        """The first moment at which the budget lets out a frame that is not urgent."""
        return self._leaves_ms(1, now_ms)

    # -- what happens ---------------------------------------------------------------------------------------

    def gained(self, items: Iterable[Item], now_ms: int) -> None:
        """Bundles have become held that this link did not bring: they are sent."""
        news = list(items)
        if news:
            self._outgoing.add_news(news, now_ms)
            self._reconciler.changed(now_ms)

    def expect_round(self, from_ms: int, until_ms: int, place_ms: int) -> None:
        """Between these times many will send one small bundle each, one in each `place_ms`: what gets lost of it is
        asked for, and compared, when all have."""
        self._incoming.expect_round(from_ms, until_ms, place_ms)

    def heard(self, data: bytes, strength_db: float | None, now_ms: int) -> list[bytes]:
        """The bundles that a frame brings, not judged yet. Raises `PeerError` for what is no frame, or not of this
        neighbourhood."""
        frame = read_radio_frame(unveil(self._settings.key, data) if self._settings.key else data)
        match frame:
            case PackFrame(bundles):
                return self._came(list(bundles), now_ms)
            case CodedFrame():
                return self._heard_symbol(frame, now_ms)
            case BatchFrame():
                return [bundle for symbol in frame.symbols for bundle in self._heard_symbol(symbol, now_ms)]
            case NeedFrame():
                self._stir(now_ms, followed=False)
                if not self._outgoing.needed(frame, now_ms):
                    self._incoming.need_heard(frame, now_ms)
            case DaysFrame():
                self._reconciler.thanks_ms = None
                if self._reconciler.agrees(frame):
                    self._incoming.agreed()
                    self._outgoing.answered(now_ms)
                if not self._listens(frame, now_ms):
                    self._reconciler.passed_over()
                else:
                    self._answer(self._reconciler.heard_days(frame, now_ms), strength_db, now_ms)
            case SumFrame():
                self._answer(self._reconciler.heard_sum(frame, now_ms), strength_db, now_ms)
            case MoreFrame():
                self._answer(self._reconciler.heard_more(frame, now_ms), strength_db, now_ms)
            case WantFrame():
                self._answer(self._reconciler.heard_want(frame, now_ms), strength_db, now_ms)
        return []

    def sent(self, airtime_ms: int | None, now_ms: int) -> None:
        """The frame under way has left. None: it took what was expected."""
        if self._under_way is None:
            return
        was, self._under_way = self._under_way, None
        took_ms = was.expected_ms if airtime_ms is None else airtime_ms
        self.ledger.add(now_ms, took_ms)
        if was.summary:
            self._summaries.add(now_ms, took_ms)
        if was.need:
            self._needs.add(now_ms, took_ms)
        if was.drawn:
            self._drawn.add(now_ms, took_ms)
        if was.rank is not None and was.turn is not None:
            self._shares.add(was.rank, took_ms)
            self._outgoing.took(was.rank, was.turn, took_ms)
            self._outgoing.left(now_ms)
            if was.turn.kind == ANSWERS:
                self._answers.add(now_ms, took_ms)

    # -- turns ----------------------------------------------------------------------------------------------

    def turn(self, now_ms: int, fetch: Fetch) -> Turn:
        """What to do now. `fetch` gives the bytes of a bundle that is still held."""
        if self._under_way is not None:
            return Turn()
        frame_ms = self._air.airtime_ms(self._air.mtu_bytes)
        free_ms = self.ledger.free_at_ms(now_ms, frame_ms)
        if free_ms is None:
            return Turn()  # not even one frame fits into the budget of an hour
        if free_ms > now_ms:
            return Turn(wake_ms=free_ms)
        plain_ms = self.plain_ms(now_ms)
        self._outgoing.answers_free = self._answers.free_at_ms(now_ms, frame_ms) == now_ms
        self._outgoing.drawn_free = self._drawn_ms(now_ms) == now_ms
        frame, rank = self._urgent(now_ms, fetch) if plain_ms > now_ms else self._anything(now_ms, fetch)
        if frame is None:
            return Turn(wake_ms=max(self._due_ms(now_ms) if plain_ms <= now_ms else plain_ms, now_ms + 1))
        if isinstance(frame, CodedFrame | BatchFrame | NeedFrame):
            self._stir(now_ms, followed=not isinstance(frame, NeedFrame) and frame.followed)
        data = write_radio_frame(frame)
        if self._settings.key:
            data = veil(self._settings.key, data)
        whose = None if rank is None else self._outgoing.turn
        summary = isinstance(frame, DaysFrame | SumFrame | MoreFrame | WantFrame)
        drawn = rank is not None and self._outgoing.drawn
        expected_ms = self._air.airtime_ms(len(data))
        self._under_way = _UnderWay(expected_ms, rank, whose, summary, isinstance(frame, NeedFrame), drawn)
        return Turn(data)

    def _urgent(self, now_ms: int, fetch: Fetch) -> tuple[RadioFrame | None, int | None]:
        """A frame and its rank, out of what is kept of the budget."""
        while 0 in self._outgoing.ranks(now_ms):
            frame = self._outgoing.next(0, now_ms, fetch)
            if frame is not None:
                return frame, 0
        return None, None

    def _anything(self, now_ms: int, fetch: Fetch) -> tuple[RadioFrame | None, int | None]:
        """A frame, and its rank where it brings a bundle."""
        frame: RadioFrame | None = self._incoming.need(now_ms) if self._needs_ms(now_ms) == now_ms else None
        frame = frame or self._outgoing.announcement(now_ms)
        summaries_free = self._summaries.free_at_ms(now_ms, self._frame_ms) == now_ms
        if summaries_free:
            frame = frame or self._reconciler.thanks(now_ms)
        if frame is None and summaries_free and self._reconciles(now_ms):
            frame = self._reconciler.frame(now_ms)
            if frame is not None:
                self._asked_ms, self._kept_off_ms = now_ms, None
        if frame is not None:
            return frame, None
        while ranks := self._outgoing.ranks(now_ms):
            rank = self._shares.choose(ranks, now_ms)
            frame = self._outgoing.next(rank, now_ms, fetch)
            if frame is not None:
                return frame, rank
        if self._dummy_ms is not None and self._dummy_ms <= now_ms:
            self._dummy_ms = self._next_dummy(now_ms)
            newest = self._index.newest(DUMMY_CHOICE)
            if newest:
                return self._outgoing.repeat(newest[below(self._entropy, len(newest))], now_ms, fetch), None
        return None, None

    # -- inside ---------------------------------------------------------------------------------------------

    def _leaves_ms(self, share: float, now_ms: int) -> int:
        """When another frame leaves so much of what is kept for what is urgent."""
        kept_ms = int(share * RESERVE_SHARE * self._air.hour_ms) if self._air.airtime_share_max < 1 else 0
        return self.ledger.free_at_ms(now_ms, min(self._frame_ms + kept_ms, self._air.hour_ms)) or now_ms

    def _needs_ms(self, now_ms: int) -> int:
        """When a NEED may go out."""
        return self._needs.free_at_ms(now_ms, self._frame_ms) or now_ms

    def _drawn_ms(self, now_ms: int) -> int:
        """When what NEEDs draw of news may go out."""
        free_ms = self._drawn.free_at_ms(now_ms, self._frame_ms) or now_ms
        return max(free_ms, self._leaves_ms(RESERVE_DRAWN_SHARE, now_ms))

    def _heard_symbol(self, frame: CodedFrame, now_ms: int) -> list[bytes]:
        brought = self._incoming.heard(frame, now_ms, asked=self._asks(now_ms))
        self._stir(now_ms, followed=frame.followed)  # what is refused keeps nobody waiting
        without_room = self._outgoing.heard(frame)
        self._outgoing.add_news((item for b in without_room if (item := self._index.item(b)) is not None), now_ms)
        fresh = any(bundle_id(bundle) not in self._index for bundle in brought)
        if fresh and not frame.followed and not self._incoming.lacks(frame):
            self._reconciler.served(now_ms)
        return self._came(brought, now_ms)

    def _came(self, bundles: list[bytes], now_ms: int) -> list[bytes]:
        for bundle in bundles:
            known = bundle_id(bundle)
            self._outgoing.overheard(known, now_ms)
            self._reconciler.came(known)
            if known not in self._index:
                self._reconciler.changed(now_ms)
        return bundles

    def _answer(self, findings: Findings, strength_db: float | None, now_ms: int) -> None:
        near = 0.5 if strength_db is None else min(max(strength_db / STRENGTH_BEST_DB, 0.0), 1.0)

        def delay_ms(ours: bool) -> int:
            first_ms = OURS_SPREAD_FRAMES * self._frame_ms
            if ours:
                return 200 + mostly_late(self._entropy, first_ms)
            spread_ms = ANSWER_SPREAD_FRAMES * self._frame_ms
            return first_ms + int(spread_ms / 4 * (1 - near)) + mostly_late(self._entropy, spread_ms)

        self._outgoing.add_answers(findings.they_lack, now_ms, delay_ms)

    def _asks(self, now_ms: int) -> bool:
        """Whether what others answer may be for us."""
        return self._asked_ms is not None and now_ms - self._asked_ms < ASKED_MS

    def _stir(self, now_ms: int, *, followed: bool) -> None:
        """A burst goes on: what differs now may come by itself. `followed`: whoever speaks says that he goes on."""
        calm_ms = now_ms + CALM_FRAMES * self._air.airtime_ms(self._air.mtu_bytes) + CALM_MS
        self._calm_ms = calm_ms + mostly_late(self._entropy, 2 * CALM_MS)
        wait_ms = CALM_FRAMES * self._frame_ms + CALM_MS if followed else OVER_FRAMES * self._frame_ms
        self._outgoing.put_off(now_ms, now_ms + wait_ms)

    @property
    def _waits(self) -> bool:
        """Whether what differs may be what is about to be asked for, or sent."""
        return self._incoming.hurries or self._outgoing.has_news

    def _reconciles(self, now_ms: int) -> bool:
        """Whether it is time for summaries. Nobody can keep them off for longer than ten minutes."""
        if now_ms >= self._calm_at_ms(now_ms) and not self._waits:
            self._kept_off_ms = None
            return True
        if self._kept_off_ms is None:
            self._kept_off_ms = now_ms
        return now_ms >= self._kept_off_ms + KEPT_OFF_MS_MAX

    def _listens(self, frame: DaysFrame, now_ms: int) -> bool:
        """Whether a summary is to be acted on. While texts come one by one the next of them tells what little is
        lacking; but nobody can make us go on like that for longer than half an hour."""
        recent, lacking = self._incoming.expected(now_ms), self._incoming.lacked_patiently
        if not (recent or lacking) or not self._reconciler.explained(frame, recent, lacking, now_ms):
            self._passed_ms = None
            return not self._waits or self._reconciles(now_ms)
        if self._passed_ms is None:
            self._passed_ms = now_ms
        if now_ms < self._passed_ms + PASSED_OVER_MS_MAX:
            return False
        self._passed_ms = None
        return True

    def _due_ms(self, now_ms: int) -> int:
        answers_ms = None
        if not self._outgoing.answers_free and self._outgoing.answers_wait(now_ms):
            answers_ms = self._answers.free_at_ms(now_ms, self._frame_ms)
        drawn_ms = None
        if not self._outgoing.drawn_free and self._outgoing.drawn_waits(now_ms):
            drawn_ms = self._drawn_ms(now_ms)
        need_ms = self._incoming.due_ms
        if need_ms is not None:
            need_ms = max(need_ms, self._needs_ms(now_ms))
        dues = self._outgoing.due_ms, need_ms, answers_ms, drawn_ms, self._dummy_ms
        due = [at_ms for at_ms in dues if at_ms is not None]
        free_ms = self._summaries.free_at_ms(now_ms, self._frame_ms) or now_ms
        if free_ms > now_ms:
            return min([free_ms, *due])
        if self._reconciler.thanks_ms is not None:
            due.append(self._reconciler.thanks_ms)
        if self._reconciles(now_ms) or self._kept_off_ms is None:
            return min([self._reconciler.due_ms, *due])
        until_ms = self._kept_off_ms + KEPT_OFF_MS_MAX
        until_ms = until_ms if self._waits else min(until_ms, self._calm_at_ms(now_ms))
        return min([max(self._reconciler.due_ms, until_ms), *due])

    def _calm_at_ms(self, now_ms: int) -> int:
        """When a burst is over, or a round."""
        ends_ms = self._incoming.round_ends_ms(now_ms)
        return self._calm_ms if ends_ms is None else max(self._calm_ms, ends_ms + CALM_MS)

    def _next_dummy(self, now_ms: int) -> int | None:
        share = self._settings.dummy_share * self._air.airtime_share_max
        if share <= 0:
            return None
        mean_ms = self._air.airtime_ms(self._air.mtu_bytes) / share
        return now_ms + int(min(exponential(self._entropy, mean_ms), 24 * HOUR_MS))
