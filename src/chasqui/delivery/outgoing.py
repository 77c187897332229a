"""What waits to be sent on a broadcast link, and the generations in which it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple

from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.ports import Entropy
from chasqui.delivery.airtime import HOUR_MS
from chasqui.delivery.answering import Answering, note
from chasqui.delivery.chance import below
from chasqui.delivery.erasure import PARITY_FIRST, PARITY_MAX
from chasqui.delivery.generations import HeardGeneration, OwnGeneration, cut, fits_whole, part_count
from chasqui.delivery.incoming import FRESH_MS, OPEN_MS, ROUND_BYTES, Incoming
from chasqui.delivery.index import Item
from chasqui.delivery.passage import Passage
from chasqui.delivery.radio_frames import BATCH_HEADER_BYTES, BUNDLES_MAX, BatchFrame, CodedFrame, NeedFrame, batch_of
from chasqui.delivery.sharing import WEIGHTS, Flows, in_turns

Fetch = Callable[[BundleId], bytes | None]
NEWS_JITTER_MS: Final = 4_000  # two nodes to which a stick brought the same must not send at once
GENERATION_KEPT_MS: Final = HOUR_MS  # so long it answers a NEED
GENERATIONS_MAX: Final = 128
TOLD_AGAIN_MS: Final = 8_000  # where texts come one by one: two of them must not take the same number
ROUND_TOLD_MS: Final = 2_000  # in a round: whoever comes next is to know of it before his turn
QUIET_MS: Final = 4_000  # after the last symbol: nobody asked, so whoever heard none of it has to be told
PUT_OFF_MS_MAX: Final = 600_000  # whoever never falls silent must not keep others from answering
ON_AIR_MAX: Final = 256  # more do not leave in a few airtimes
ANSWERS_MAX: Final = 4_096  # what exceeds it is asked for again
ANSWERED_SHARE: Final = 2  # symbols that NEEDs may draw for each source of a generation: half may be lost
ANSWERED_MORE: Final = 16  # and these; what is lacking then is asked for by name
STALE_MS: Final = FRESH_MS - 100  # a NEED that comes so soon after our symbol was worded before it
RETRIES_MS: Final = 30_000  # within that it is the same that is asked for again
NEWS: Final = "news"
ANSWERS: Final = "answers"  # whoever asks for everything must not keep back what is new
RANKS: Final = len(WEIGHTS)
ANSWER_OPEN_MS: Final = 30_000  # after that others ask: who has not heard the first of it asks for nothing behind it


@dataclass
class _Waiting:
    item: Item
    due_ms: int
    order: int
    answer: bool  # somebody lacks it, and others may have sent it before our turn comes
    latest_ms: int = 0  # to which it may be put off


class Turn(NamedTuple):
    """Whose turn it is: news, or answers to what somebody asked for; of which group."""

    kind: str
    flow: str


class Outgoing:
    """Bundles that wait, and our generations. `room` is what a frame may hold."""

    def __init__(self, room: int, incoming: Incoming, entropy: Entropy, now_ms: int) -> None:
        self._room = room
        self._incoming = incoming
        self._entropy = entropy
        self._waiting: dict[BundleId, _Waiting] = {}
        self._open: dict[tuple[int, int, bool], OwnGeneration] = {}  # by rank, size, asked for
        self._kept: dict[tuple[int, int], tuple[int, OwnGeneration]] = {}  # by source and number: rank, generation
        self._flows = tuple(Flows() for _ in range(RANKS))
        self._kinds = tuple(Flows() for _ in range(RANKS))
        self.answers_free = True  # whether answers may go out now
        self.drawn_free = True  # whether what NEEDs draw of news may
        self.drawn = False  # whether that was what went out last
        self.turn = Turn(NEWS, "")  # whose the frame is that went out last
        self._answering = Answering(entropy)
        self._order, self._number = 0, below(entropy, 256)
        self._on_air: dict[BundleId, int] = {}  # when each was last heard or sent whole, the last one last
        self._last: OwnGeneration | None = None  # of which a symbol of ours was on the air last
        self._in_row = 0  # how many of it since somebody asked for it, or something else was sent
        self._stale_ms = self._calm_ms = now_ms
        self._new_source(now_ms)

    # -- what is to be sent ---------------------------------------------------------------------------------

    def add_news(self, items: Iterable[Item], now_ms: int) -> None:
        """Became held, and not through this link: everybody may lack it."""
        for item in items:
            if self._can_carry(item):
                at_once = item.urgent or self._in_round(item.size, now_ms)
                due_ms = now_ms if at_once else now_ms + below(self._entropy, NEWS_JITTER_MS)
                self._wait(item, due_ms, answer=False)

    def add_answers(self, items: Iterable[Item], now_ms: int, delay_ms: Callable[[bool], int]) -> None:
        """Somebody lacks them; the newest and most urgent first. `delay_ms` tells how long to wait for others, by
        whether we have sent it before."""
        calm_ms = max(now_ms, self._calm_ms)
        ours_ms, others_ms = calm_ms + delay_ms(True), calm_ms + delay_ms(False)
        news = [own for _, own in self._kept.values() if not own.asked and not own.parts]
        ours = {bundle for own in news for bundle in own.flows}
        unsent = {bundle for _, own in self._kept.values() if own.unsent or own.owed for bundle in own.bundles}
        for item in sorted(items, key=lambda item: (item.rank, -item.day, item.size, item.id)):
            if len(self._waiting) >= ANSWERS_MAX:
                return
            just = now_ms - self._on_air.get(item.id, -HOUR_MS) < self._incoming.just_ms
            if just and self._answering.gives_way(item.id, now_ms):
                continue  # whoever asks had not heard it yet
            if item.id in self._waiting or item.id in unsent or not self._can_carry(item):
                continue
            if item.id in ours:
                self._wait(item, ours_ms, answer=True)
            elif self._answering.means_to(item.id, now_ms):
                self._wait(item, others_ms, answer=True)

    def overheard(self, bundle: BundleId, now_ms: int) -> None:
        """Somebody else sent it."""
        note(self._on_air, bundle, now_ms, ON_AIR_MAX)
        waiting = self._waiting.get(bundle)
        waits = waiting is not None and waiting.answer
        begun = [own for _, own in self._kept.values() if own.is_to_send(bundle)]
        if (waits or begun) and not self._answering.gives_way(bundle, now_ms):
            return
        self._waiting.pop(bundle, None)
        if waits:
            self._answering.was_sooner()
        for own in begun:
            self._withdraw(own, bundle, now_ms)

    def answered(self, now_ms: int) -> None:
        """Somebody holds all that we hold: whoever asked has it. Where not he asks again, and then it counts for
        nothing, so that nobody is kept from answering by what a liar says."""
        for bundle, waiting in list(self._waiting.items()):
            if waiting.answer and self._answering.spares(bundle, now_ms):
                del self._waiting[bundle]
        for own in [own for _, own in self._kept.values() if own.asked and own.unsent and not own.parts]:
            for name in [own.bundles[number] for number in own.unsent]:
                if name is not None and self._answering.spares(name, now_ms):
                    self._withdraw(own, name, now_ms)

    def put_off(self, now_ms: int, until_ms: int) -> None:
        """Somebody is sending: what is asked for may be among it. Who still waits then waits on for as long as was
        left, so that not all begin at once."""
        before_ms, self._calm_ms = max(now_ms, self._calm_ms), max(until_ms, self._calm_ms)
        for waiting in self._waiting.values():
            if waiting.answer:
                left_ms = max(waiting.due_ms - before_ms, 0)
                waiting.due_ms = max(waiting.due_ms, min(self._calm_ms + left_ms, waiting.latest_ms))

    def needed(self, need: NeedFrame, now_ms: int) -> bool:
        """Somebody lacks so many symbols of a generation; whether it is ours. Of several whose sources are in it
        he answers whose source was the last; the others where that did not help, one after the other."""
        found = self._kept.get((need.source, need.generation))
        if found is None:
            return False
        _, own = found
        own.untold = 0
        if not own.parts and not own.whole:
            return False
        if own is self._last and self._in_row > 1 and now_ms < self._stale_ms:
            self._stale_ms = now_ms + STALE_MS  # others wait behind it; who lacks something still asks again
        elif not own.unsent:  # else it counts what is still to come, and asks again
            behind, retry_ms = own.behind_us, self._incoming.retry_ms
            if behind and not now_ms - RETRIES_MS < own.asked_ms <= now_ms - retry_ms:
                if not now_ms - RETRIES_MS < own.asked_ms:
                    own.asked_ms = now_ms
                return True
            if not own.owed:
                own.answers_ms = now_ms + behind * retry_ms // 2
            most = ANSWERED_SHARE * own.count + ANSWERED_MORE - own.answered
            own.owed = max(own.owed, min(need.count, own.count, most))
            self._in_row = 0
        return True

    def left(self, now_ms: int) -> None:
        """A frame of ours has left."""
        self._stale_ms = now_ms + STALE_MS

    def heard(self, frame: CodedFrame) -> list[BundleId]:
        """Somebody else sent a symbol: what of ours has no room in its generation any more."""
        _, own = self._kept.get((frame.source, frame.generation), (0, None))
        of_ours = own is not None and own.heard is not None and not frame.parts
        return own.heard_of(frame) if own is not None and of_ours else []

    @property
    def has_news(self) -> bool:
        """Whether something waits that nobody has asked for: what others lack is no surprise then."""
        news = any(not waiting.answer for waiting in self._waiting.values())
        return news or any(own.unsent and not own.asked for _, own in self._kept.values())

    def passages(self) -> list[Passage]:
        """What goes out in parts now, what was sent last behind."""
        parted = [own for _, own in self._kept.values() if own.parts and own.unsent]
        return [
            Passage(own.parts - len(own.unsent), own.parts, sent=True, flow="".join(own.flows.values()))
            for own in sorted(parted, key=lambda own: own.touched_ms)
        ]

    def flows_of_news(self) -> set[str]:
        """Whose bundles go out unasked."""
        kept = {flow for _, own in self._kept.values() if own.unsent and not own.asked for flow in own.flows.values()}
        return kept | {waiting.item.flow for waiting in self._waiting.values() if not waiting.answer}

    # -- sending --------------------------------------------------------------------------------------------

    def ranks(self, now_ms: int) -> set[int]:
        """Whose turn it could be."""
        found = {w.item.rank for w in self._waiting.values() if w.due_ms <= now_ms and self._free(answer=w.answer)}
        return found | {rank for rank, own in self._kept.values() if self._ready(own, now_ms)}

    @property
    def due_ms(self) -> int | None:
        """When something of this is to be looked at again."""
        due = [waiting.due_ms for waiting in self._waiting.values() if self._free(answer=waiting.answer)]
        kept = [own for _, own in self._kept.values() if self._free(answer=own.asked)]
        due += [0 for own in kept if own.unsent]
        due += [own.answers_ms for own in kept if own.owed and (own.asked or self.drawn_free)]
        due += [own.tell_ms for _, own in self._kept.values() if own.untold]
        return min(due, default=None)

    def next(self, rank: int, now_ms: int, fetch: Fetch) -> CodedFrame | BatchFrame | None:
        """A frame of this rank; None where what waited is gone."""
        if now_ms - self._source_ms >= HOUR_MS:
            self._new_source(now_ms)
        while turns := self._turns(rank, now_ms):
            kind = self._kinds[rank].choose(dict.fromkeys(turn.kind for turn in turns))
            flow = self._flows[rank].choose(turn.flow for turn in turns if turn.kind == kind)
            self.turn = Turn(kind, flow)
            chosen = turns[self.turn]
            if isinstance(chosen, _Waiting):
                frame = self._begun(chosen, now_ms, fetch)
            else:
                frame = self._continued(*chosen, now_ms, fetch)
            if frame is not None:
                return frame
        return None

    def took(self, rank: int, turn: Turn, airtime_ms: int) -> None:
        """A frame of this rank has been on the air."""
        self._kinds[rank].add(turn.kind, airtime_ms)
        self._flows[rank].add(turn.flow, airtime_ms)

    def answers_wait(self, now_ms: int) -> bool:
        """Whether some answer is due, free or not."""
        wait = any(waiting.answer and waiting.due_ms <= now_ms for waiting in self._waiting.values())
        return wait or any(own.asked and own.ready(now_ms) for _, own in self._kept.values())

    def drawn_waits(self, now_ms: int) -> bool:
        """Whether something that a NEED draws of news is due, free or not."""
        return any(own.owed and not own.asked and own.ready(now_ms) for _, own in self._kept.values())

    def announcement(self, now_ms: int) -> CodedFrame | None:
        """After a while in which nobody asked: how many sources a generation had."""
        for _, own in self._kept.values():
            if own.untold and now_ms >= own.tell_ms and not (own.unsent or own.owed):
                own.untold -= 1
                own.count_said = own.count
                own.tell_ms = now_ms + TOLD_AGAIN_MS
                return own.announcement()
        return None

    def repeat(self, item: Item, now_ms: int, fetch: Fetch) -> CodedFrame | BatchFrame | None:
        """A bundle that everybody may have already."""
        if item.id in self._waiting or not self._can_carry(item):
            return None
        return self._begun(_Waiting(item, now_ms, 0, True), now_ms, fetch)

    # -- inside ---------------------------------------------------------------------------------------------

    def _free(self, *, answer: bool) -> bool:
        return self.answers_free or not answer

    def _ready(self, own: OwnGeneration, now_ms: int) -> bool:
        free = self._free(answer=own.asked) and (own.asked or self.drawn_free or bool(own.unsent))
        return free and own.ready(now_ms)

    def _turns(self, rank: int, now_ms: int) -> dict[Turn, tuple[OwnGeneration, int | None] | _Waiting]:
        """What each group would send next, of its own and in answer; what was begun first."""
        turns: dict[Turn, tuple[OwnGeneration, int | None] | _Waiting] = {}
        for owner, own in self._kept.values():
            if owner == rank and self._ready(own, now_ms):
                for flow, number in own.turns(now_ms).items():
                    turns.setdefault(Turn(ANSWERS if own.asked else NEWS, flow), (own, number))
        due = [w for w in self._waiting.values() if w.item.rank == rank and w.due_ms <= now_ms]
        for waiting in sorted(due, key=lambda w: (w.due_ms, w.order)):
            if self._free(answer=waiting.answer):
                turns.setdefault(Turn(ANSWERS if waiting.answer else NEWS, waiting.item.flow), waiting)
        return turns

    @staticmethod
    def _withdraw(own: OwnGeneration, bundle: BundleId, now_ms: int) -> None:
        if own.withdraw(bundle):
            own.untold, own.tell_ms = 1, now_ms

    def _can_carry(self, item: Item) -> bool:
        return fits_whole(item.size, self._room) or part_count(item.size, self._room) is not None

    def _wait(self, item: Item, due_ms: int, *, answer: bool) -> None:
        self._order += 1
        self._waiting[item.id] = _Waiting(item, due_ms, self._order, answer, due_ms + PUT_OFF_MS_MAX)

    def _begun(self, waiting: _Waiting, now_ms: int, fetch: Fetch) -> CodedFrame | BatchFrame | None:
        item = waiting.item
        self._waiting.pop(item.id, None)
        if waiting.answer:
            self._answering.answers()
        if fetch(item.id) is None:
            return None
        if fits_whole(item.size, self._room):
            own = self._sent_in(item, now_ms) or self._open_for(item, waiting.answer, now_ms)
            self._put(own, item)
            self._take_along(own, waiting, now_ms)
        else:
            parts = part_count(item.size, self._room) or 0
            own = self._generation(item, parts, waiting.answer, now_ms)
            own.bundles, own.unsent, own.flows = [item.id], list(range(parts)), {item.id: item.flow}
        first = own.unsent[0] if own.parts else own.bundles.index(item.id)
        return self._continued(own, first, now_ms, fetch)

    def _sent_in(self, item: Item, now_ms: int) -> OwnGeneration | None:
        """The generation in which it was sent already."""
        for _, own in self._kept.values():
            young = now_ms - own.touched_ms < ANSWER_OPEN_MS if own.asked else now_ms - own.opened_ms < OPEN_MS
            if young and not own.parts and item.id in own.flows:
                return own
        return None

    def _put(self, own: OwnGeneration, item: Item) -> None:
        if item.id not in own.bundles:
            own.bundles.append(item.id)
        own.flows[item.id] = item.flow
        own.unsent.append(own.bundles.index(item.id))

    def _take_along(self, own: OwnGeneration, waiting: _Waiting, now_ms: int) -> None:
        """What else is to be sent, of this rank and size, is announced from the first symbol on: of each group as
        much."""
        kind = waiting.item.rank, waiting.item.size, waiting.answer
        lines: dict[str, list[Item]] = {}
        for other in self._waiting.values():
            same = (other.item.rank, other.item.size, other.answer) == kind
            if same and (not other.answer or other.due_ms <= now_ms):
                lines.setdefault(other.item.flow, []).append(other.item)
        for item in islice(in_turns(lines.values()), max(BUNDLES_MAX - own.count, 0)):
            del self._waiting[item.id]
            self._put(own, item)

    def _continued(
        self, own: OwnGeneration, unsent: int | None, now_ms: int, fetch: Fetch
    ) -> CodedFrame | BatchFrame | None:
        self._in_row = self._in_row + 1 if own is self._last else 1
        own.touched_ms, self._last = now_ms, own
        self.drawn = unsent is None and not own.asked
        if unsent is not None:
            number = unsent
            own.unsent.remove(number)
            own.said.add(number)
            sources = self._sources(own, fetch, None if own.parts else number)
            one_by_one = own.heard is not None and own.heard.pace_ms > 0
            own.untold = 0 if own.asked else 2 if one_by_one else 1  # whoever lacks what was asked for asks again
            own.tell_ms = now_ms + (ROUND_TOLD_MS if self._in_round(own.size, now_ms) else QUIET_MS)
        else:
            own.owed -= 1
            own.answered += 1
            number = 0 if own.count == 1 else own.next_parity()  # of one alone: itself, which is shorter
            sources = self._sources(own, fetch, None)
        if sources is None:
            return None
        frame = own.frame(number, sources, followed=bool(own.unsent or own.owed))
        own.count_said = own.count
        if number >= PARITY_FIRST or own.parts:
            return frame
        frames = [frame, *self._more_of(own, number, fetch)]
        more = bool(own.unsent or own.owed)
        frames = [replace(each, followed=more or at < len(frames) - 1) for at, each in enumerate(frames)]
        for each in frames:
            note(self._on_air, bundle_id(each.symbol), now_ms, ON_AIR_MAX)
            self._answering.sent(bundle_id(each.symbol), now_ms)
            if own.heard is not None:
                self._incoming.said(own.heard, each, now_ms)
        return batch_of(frames) if len(frames) > 1 else frames[0]

    def _in_round(self, size: int, now_ms: int) -> bool:
        return size == ROUND_BYTES and self._incoming.round_ends_ms(now_ms) is not None

    def _more_of(self, own: OwnGeneration, number: int, fetch: Fetch) -> list[CodedFrame]:
        """The sources behind this one, as many as go into the same frame."""
        found: list[CodedFrame] = []
        room = (self._room - BATCH_HEADER_BYTES) // own.size - 1
        while (following := number + 1 + len(found)) in own.unsent and len(found) < room:
            sources = self._sources(own, fetch, following)
            if sources is None:
                break
            own.unsent.remove(following)
            own.said.add(following)
            found.append(own.frame(following, sources, followed=False))
        return found

    def _sources(self, own: OwnGeneration, fetch: Fetch, only: int | None) -> list[bytes] | None:
        """The symbols, as far as they are needed; None where one of them is no longer held."""
        wanted = own.bundles if only is None else own.bundles[only : only + 1]
        found = [data for bundle in wanted if bundle is not None and (data := fetch(bundle)) is not None]
        if len(found) < len(wanted):
            own.owed = 0
            return None
        if own.parts:
            return cut(found[0], own.parts)
        return found if only is None else [b""] * only + found

    def _open_for(self, item: Item, asked: bool, now_ms: int) -> OwnGeneration:
        together = not asked and not item.urgent
        joined = self._incoming.open_for(item.size, now_ms) if together else None
        if joined is not None:
            rank, known = self._kept.get(joined[:2], (item.rank, None))
            if rank == item.rank and (known is None or known.count < BUNDLES_MAX):
                return known or self._join(item, *joined, now_ms)
        found = self._open.get((item.rank, item.size, asked))
        age_ms = 0 if found is None else now_ms - (found.touched_ms if asked else found.opened_ms)
        young = found is not None and found.count < BUNDLES_MAX and age_ms < (ANSWER_OPEN_MS if asked else OPEN_MS)
        if found is not None and young and not found.behind_us and found.whole:
            return found
        opened = self._generation(item, 0, asked, now_ms)
        if not asked:
            opened.heard = self._incoming.own(opened.source, opened.number, now_ms)
        self._open[item.rank, item.size, asked] = opened
        return opened

    def _generation(self, item: Item, parts: int, asked: bool, now_ms: int) -> OwnGeneration:
        self._number = (self._number + 1) % 256
        own = OwnGeneration(self._source, self._number, item.size, parts, asked, now_ms)
        self._keep_generation(own, item.rank, now_ms)
        return own

    def _keep_generation(self, own: OwnGeneration, rank: int, now_ms: int) -> None:
        old = [key for key, (_, own) in self._kept.items() if now_ms - own.touched_ms >= GENERATION_KEPT_MS]
        for key in old:
            del self._kept[key]
        if len(self._kept) >= GENERATIONS_MAX:
            del self._kept[min(self._kept, key=lambda key: self._kept[key][1].touched_ms)]
        self._kept[own.source, own.number] = rank, own

    def _join(self, item: Item, source: int, number: int, heard: HeardGeneration, now_ms: int) -> OwnGeneration:
        """Goes on with what somebody else has begun: what is lost of both is made good together."""
        own = OwnGeneration(source, number, item.size, 0, False, now_ms, [None] * heard.count, heard=heard)
        own.parity_used = below(self._entropy, PARITY_MAX)  # several make parity: not the same
        self._keep_generation(own, item.rank, now_ms)
        return own

    def _new_source(self, now_ms: int) -> None:
        """Every hour another one, so that it is nobody's name."""
        self._source = below(self._entropy, 256)
        self._source_ms = now_ms
        self._open.clear()
