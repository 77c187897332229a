"""Reconciliation on a broadcast link: summaries by day, sketches where days differ, and what follows from them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Final

from chasqui.base.days import resolve_day
from chasqui.base.ids import BundleId
from chasqui.base.ports import Entropy
from chasqui.delivery.chance import below, mostly_late
from chasqui.delivery.index import Index, Item, fingerprint, short_id
from chasqui.delivery.radio_frames import (
    DAY_BYTES,
    DAYS_HEADER_BYTES,
    LONG_SUM_HEADER_BYTES,
    LONG_SUM_SYNDROMES,
    MORE_HEADER_BYTES,
    REQUEST_HEADER_BYTES,
    SHORT_ID_BYTES,
    SUM_HEADER_BYTES,
    DaysFrame,
    MoreFrame,
    RadioFrame,
    SumFrame,
    WantFrame,
)
from chasqui.delivery.sketch import SYNDROME_BYTES, elements_from, summed, syndromes_of
from chasqui.delivery.trickle import Trickle

SYNDROMES_MAX: Final = 64  # 0.2 s to decode; more differences are found a part at a time
DECODING_MS: Final = 25  # between two sketches, by syndrome: whoever sends junk gets a tenth of a processor, not all
HASHES_A_MS: Final = 50  # of short ids, for the same reason: two microseconds each
SYNDROMES_SPARE: Final = 2  # above the difference of the counts: both sides may lack something
SPLIT_MAX: Final = 15
DAYS_LISTED: Final = 1  # in a summary: what differs is nearly always of today
SUMS_KEPT: Final = 32
YIELDS_MS_MAX: Final = 600_000  # so long a sketch is left unsaid: who is always sooner may be a liar
OWN_SUMS_KEPT: Final = 8  # with the set that each was of: 200 kB of a day of 50,000 bundles
WANTED_MAX: Final = 2 * SYNDROMES_MAX  # under one salt: both halves of a day
SPREAD_MS: Final = 4_000  # over which those who may say the same are spread
SPREAD_FRAMES: Final = 8  # of the largest size: or over these, where that is longer
THANKS_SPREAD_MS: Final = 1_000
THANKS_MS: Final = 60_000  # what comes later was not sent because we asked
ALONE_MS: Final = 500  # over which one is spread who is asked by himself
BEHIND_MS: Final = 60_000  # so long the next text may take that tells what was lost of a conversation
EXPLAINED_MAX: Final = 2  # bundles that somebody lacks of a conversation that goes on
SILENT_WHEN_EMPTY_MS: Final = 300_000  # a node that holds nothing says so at first, then waits to be told


@dataclass
class _Known:
    """A SUM that was sent or heard. `elements` is our own set at that moment, where we sent it. `whole`: of which this
    is the half that ends in one zero bit more, where that came under the same salt and was too much."""

    day: int
    split: int
    count: int | None  # None: the sketch is long enough to need no other check
    fingerprint: bytes
    syndromes: tuple[int, ...]
    elements: Sequence[int] | None = None
    whole: _Known | None = None


@dataclass
class _Planned:
    due_ms: int
    frame: Callable[[int], RadioFrame | None]


@dataclass
class Findings:
    """What a summary showed: `they_lack` some of ours."""

    they_lack: list[Item] = field(default_factory=list)


class Reconciler:
    """What this node says about what it holds. `room` is what a frame may hold."""

    def __init__(self, room: int, frame_ms: int, index: Index, entropy: Entropy, now_ms: int) -> None:
        self._room = room
        self._spread_ms = max(SPREAD_MS, SPREAD_FRAMES * frame_ms)
        self._index = index
        self._entropy = entropy
        self._began_ms = now_ms
        self._trickle = Trickle(entropy, now_ms)
        self._sums: dict[tuple[int, bytes], _Known] = {}
        self._yields_ms: int | None = None  # since when others' sketches came before ours, and none agreed
        self._verified = False  # whether what was compared last held: garbage takes the place of no sketch of ours
        self._planned: dict[tuple[object, ...], _Planned] = {}
        self._wanted: dict[bytes, set[int]] = {}
        self._decodes_ms = self._hashes_ms = now_ms
        self._behind_ms = now_ms - 3 * BEHIND_MS  # when somebody first held a little more
        self._asked_ms: int | None = None  # by a sketch or by name, since we last said what we hold
        self.thanks_ms: int | None = None  # when to say it

    # -- what happens ---------------------------------------------------------------------------------------

    def changed(self, now_ms: int) -> None:
        """Something became held."""
        self._trickle.disagreed(now_ms)

    def came(self, bundle: BundleId) -> None:
        """A bundle was heard: it is wanted no more."""
        for salt, wanted in self._wanted.items():
            wanted.discard(short_id(salt, bundle))

    def served(self, now_ms: int) -> None:
        """Something came. Where we asked, others may be about to send it, too, unless they hear that we have it."""
        if self._asked_ms is not None and now_ms < self._asked_ms + THANKS_MS and self.thanks_ms is None:
            self.thanks_ms = now_ms + 50 + mostly_late(self._entropy, THANKS_SPREAD_MS)

    def thanks(self, now_ms: int) -> RadioFrame | None:
        """Says what we hold, as soon as it came."""
        if self.thanks_ms is None or now_ms < self.thanks_ms:
            return None
        self.thanks_ms = self._asked_ms = None
        return self._days(self._newest(), DAYS_LISTED)

    def agrees(self, frame: DaysFrame) -> bool:
        """Whether somebody holds just what we hold."""
        newest = resolve_day(frame.day, self._index.today)
        return self._agree_before(frame, newest) and self._index.entry(frame.salt, (newest,)) in frame.days[-1:]

    def explained(self, frame: DaysFrame, recent: Sequence[BundleId], lacking: int, now_ms: int) -> bool:
        """Whether somebody differs from us by nothing but what one of us is about to ask for: he by one or two of
        the `recent` ones, we by as many as we know to be `lacking`."""
        newest = resolve_day(frame.day, self._index.today)
        if not frame.days or not self._agree_before(frame, newest):
            return False
        apart = (len(self._index.of_day(newest)) - frame.days[-1][0] + 128) % 256 - 128
        if lacking:
            return -lacking <= apart <= EXPLAINED_MAX
        if -EXPLAINED_MAX <= apart < 0:
            return not self._stays_behind(now_ms)
        if not 0 < apart <= EXPLAINED_MAX:
            return False
        ours = [bundle for bundle in recent if bundle in self._index.of_day(newest)]
        return any(
            self._index.entry(frame.salt, (newest,), without) == frame.days[-1] for without in combinations(ours, apart)
        )

    def _stays_behind(self, now_ms: int) -> bool:
        """Somebody holds a little more than we do: whether that was so a minute ago, too."""
        behind_ms = now_ms - self._behind_ms
        if BEHIND_MS <= behind_ms < 3 * BEHIND_MS:
            return True
        if behind_ms >= 3 * BEHIND_MS:
            self._behind_ms = now_ms
        return False

    def _agree_before(self, frame: DaysFrame, newest: int) -> bool:
        """Whether nothing differs but the newest day."""
        listed = range(newest - len(frame.days) + 1, newest + 1)
        older = [day for day in self._index.days if day < listed.start]
        entries = tuple(self._index.entry(frame.salt, (day,)) for day in listed[:-1])
        none_later = newest >= self._newest()
        return none_later and self._index.entry(frame.salt, older) == frame.older and entries == frame.days[:-1]

    def passed_over(self) -> None:
        """Somebody spoke, and we did not act on it: we need not speak as well."""
        self._trickle.agreed()

    def heard_days(self, frame: DaysFrame, now_ms: int) -> Findings:
        """Somebody said what he holds, day by day."""
        newest = resolve_day(frame.day, self._index.today)
        listed = range(newest - len(frame.days) + 1, newest + 1)
        nothing = self._index.entry(frame.salt, ())
        differ = [
            (day, theirs)
            for day, theirs in zip(listed, frame.days, strict=True)
            if self._index.entry(frame.salt, (day,)) != theirs
        ]
        if newest >= self._index.today - 1:
            differ += [(day, nothing) for day in self._index.days if day > newest]
        older = [day for day in self._index.days if day < listed.start]
        older_differ = self._index.entry(frame.salt, older) != frame.older
        if not differ and not older_differ:
            self._trickle.agreed()
            self._yields_ms = None
            return Findings()
        self._trickle.disagreed(now_ms)
        self._trickle.agreed()  # whoever answers it shows what we hold as well as we would
        findings = Findings()
        for day, theirs in sorted(differ, reverse=True):
            if theirs == nothing:
                findings.they_lack += self._index.of_day(day).values()
            else:
                self._plan_sum(day, theirs[0], now_ms)
        if older_differ:
            last = listed.start - 1
            most = (self._room - DAYS_HEADER_BYTES) // DAY_BYTES - 1
            self._plan(("days", last), now_ms, lambda _: self._days(last, most))
        return findings

    def heard_sum(self, frame: SumFrame, now_ms: int) -> Findings:
        """Somebody said what he holds of a day."""
        day = resolve_day(frame.day, self._index.today)
        ours = self._planned.get(("sum", day))
        syndromes = frame.syndromes[:SYNDROMES_MAX]
        known = _Known(day, frame.split, frame.count, frame.fingerprint, syndromes)
        before = self._sums.get((day, frame.salt))
        if before is not None and before.elements is None and before.split + 1 == frame.split:
            before.whole = None
            known.whole = before
        self._keep(frame.salt, known)
        self._verified = False
        findings = self._compare(frame.salt, known, now_ms)
        if self._verified and ours is not None and self._planned.get(("sum", day)) is ours:
            self._yields_ms = now_ms if self._yields_ms is None else self._yields_ms
            if now_ms < self._yields_ms + YIELDS_MS_MAX:
                del self._planned["sum", day]
        return findings

    def heard_more(self, frame: MoreFrame, now_ms: int) -> Findings:
        """Further syndromes, or somebody asks for them."""
        day = resolve_day(frame.day, self._index.today)
        known = self._sums.get((day, frame.salt))
        if known is None:
            return Findings()
        if not frame.syndromes:
            self._planned.pop(("ask", day), None)
            if known.elements is not None:
                more = ("more", day, frame.salt)
                self._plan(more, now_ms, lambda _: self._more(frame.salt, known, frame.first), alone=True)
            return Findings()
        if known.elements is not None or frame.first != len(known.syndromes):
            return Findings()
        known.syndromes = (known.syndromes + frame.syndromes)[:SYNDROMES_MAX]
        return self._compare(frame.salt, known, now_ms)

    def heard_want(self, frame: WantFrame, now_ms: int) -> Findings:
        """Somebody lacks these. What we want, too, need not be asked for twice."""
        asked = set(frame.short_ids)
        if frame.salt in self._wanted:
            self._wanted[frame.salt] -= asked
        found: list[Item] = []
        for day in [day for day, salt in self._sums if salt == frame.salt and now_ms >= self._hashes_ms]:
            if ours := self._short_ids(frame.salt, day, 0, now_ms):
                found += [ours[short] for short in asked if short in ours]
        return Findings(found)

    # -- sending --------------------------------------------------------------------------------------------

    @property
    def due_ms(self) -> int:
        """When to look again."""
        return min([self._trickle.due_ms, *(planned.due_ms for planned in self._planned.values())])

    def frame(self, now_ms: int) -> RadioFrame | None:
        """What to say now."""
        for key, planned in sorted(self._planned.items(), key=lambda pair: pair[1].due_ms):
            if planned.due_ms <= now_ms:
                del self._planned[key]
                frame = planned.frame(now_ms)
                if frame is not None:
                    if isinstance(frame, SumFrame):
                        self._yields_ms = None
                    if isinstance(frame, SumFrame | WantFrame):
                        self._asked_ms = now_ms
                    return frame
        if self._trickle.fires(now_ms) and (len(self._index) or now_ms - self._began_ms < SILENT_WHEN_EMPTY_MS):
            return self._days(self._newest(), DAYS_LISTED)
        return None

    # -- inside ---------------------------------------------------------------------------------------------

    def _newest(self) -> int:
        return max([self._index.today, *self._index.days[-1:]])

    def _days(self, newest: int, count: int) -> DaysFrame | None:
        salt = self._entropy(2)
        listed = range(newest - count + 1, newest + 1)
        older = [day for day in self._index.days if day < listed.start]
        entries = tuple(self._index.entry(salt, (day,)) for day in listed)
        return DaysFrame(newest % 256, salt, self._index.entry(salt, older), entries)

    def _plan(
        self, key: tuple[object, ...], now_ms: int, frame: Callable[[int], RadioFrame | None], *, alone: bool = False
    ) -> None:
        """`alone`: nobody else would say it."""
        if key in self._planned:
            self._planned[key].frame = frame
        else:
            late_ms = below(self._entropy, ALONE_MS) if alone else mostly_late(self._entropy, self._spread_ms)
            self._planned[key] = _Planned(now_ms + 200 + late_ms, frame)

    def _plan_sum(self, day: int, theirs_count: int, now_ms: int, split: int | None = None) -> None:
        """`theirs_count` is known mod 256."""
        ours = len(self._index.of_day(day))
        apart = (ours - theirs_count + 128) % 256 - 128
        self._plan(("sum", day), now_ms, lambda _: self._sum(day, abs(apart) + SYNDROMES_SPARE, split))

    def _sum(self, day: int, capacity: int, split: int | None) -> SumFrame:
        most = min((self._room - LONG_SUM_HEADER_BYTES) // SYNDROME_BYTES, SYNDROMES_MAX)
        if most < LONG_SUM_SYNDROMES:
            most = min((self._room - SUM_HEADER_BYTES) // SYNDROME_BYTES, LONG_SUM_SYNDROMES - 1)
        if split is None:
            split = 0
            while capacity >> split > most and split < SPLIT_MAX:
                split += 1
        count = min((capacity >> split) + SYNDROMES_SPARE * bool(split), most)
        long = count >= LONG_SUM_SYNDROMES
        salt = self._entropy(1) + b"\0" if long else self._entropy(2)
        elements = array("I", self._index.short_ids(salt, day, split))
        return self._said(salt, day, split, elements, count)

    def _more(self, salt: bytes, known: _Known, first: int) -> MoreFrame | SumFrame | None:
        if first >= SYNDROMES_MAX:
            return self._half(salt, known)
        room = (self._room - MORE_HEADER_BYTES) // SYNDROME_BYTES
        count = min(room, max(first, 4), SYNDROMES_MAX - first)
        if known.elements is None or count <= 0:
            return None
        known.syndromes = syndromes_of(known.elements, first + count)
        return MoreFrame(known.day % 256, salt, first, known.syndromes[first:])

    def _half(self, salt: bytes, known: _Known) -> SumFrame | None:
        """Of what we said, those that end in one zero bit more. The other half is what is left of the whole: nothing
        of a sketch that was too small is lost."""
        split = known.split + 1
        if known.elements is None or split > SPLIT_MAX or not known.elements:
            return None
        elements = array("I", (element for element in known.elements if not element & ((1 << split) - 1)))
        return self._said(salt, known.day, split, elements, SYNDROMES_MAX)

    def _said(self, salt: bytes, day: int, split: int, elements: Sequence[int], capacity: int) -> SumFrame:
        """A SUM, with as many syndromes as asked for and as fit."""
        if elements and capacity >= LONG_SUM_SYNDROMES and salt.endswith(b"\0"):
            most = (self._room - LONG_SUM_HEADER_BYTES) // SYNDROME_BYTES
            if min(capacity, most) >= LONG_SUM_SYNDROMES:
                syndromes = syndromes_of(elements, min(capacity, most, SYNDROMES_MAX))
                self._keep(salt, _Known(day, split, None, b"", syndromes, elements))
                return SumFrame(day % 256, salt, split, None, b"", syndromes)
        most = min((self._room - SUM_HEADER_BYTES) // SYNDROME_BYTES, LONG_SUM_SYNDROMES - 1)
        count, check = len(elements) % 65_536, fingerprint(salt, len(elements), sum(elements))
        syndromes = syndromes_of(elements, min(capacity, most)) if elements else ()
        self._keep(salt, _Known(day, split, count, check, syndromes, elements))
        return SumFrame(day % 256, salt, split, count, check, syndromes)

    def _compare(self, salt: bytes, known: _Known, now_ms: int) -> Findings:
        if now_ms < self._hashes_ms:
            return Findings()  # another summary will come
        ours = self._short_ids(salt, known.day, known.split, now_ms)
        self._verified = True
        if known.count is not None and _is(known, salt, len(ours), sum(ours)):
            if not known.split:
                self._trickle.agreed()
                self._yields_ms = None
            return Findings()
        self._trickle.disagreed(now_ms)
        if not known.count and not known.syndromes:
            return Findings(list(ours.values()))
        self._verified = False
        if now_ms < self._decodes_ms:
            return Findings()  # another summary will come
        self._decodes_ms = now_ms + DECODING_MS * len(known.syndromes) * (1 if known.whole is None else 2)
        differ = self._differ(salt, known, ours)
        if differ is None:
            self._look_closer(salt, known, len(ours), now_ms)
            return Findings()
        self._verified = True
        if known.whole is not None:
            wider = self._short_ids(salt, known.day, known.whole.split, now_ms)
            differ += self._of_other_half(known, known.whole, wider, ours)
            ours = wider
        missing = [short for short in differ if short not in ours]
        if missing:
            self._want(salt, missing, now_ms)
        return Findings([ours[short] for short in differ if short in ours])

    def _differ(self, salt: bytes, known: _Known, ours: Mapping[int, Item]) -> list[int] | None:
        """What one of the two holds and the other does not; None where the sketch is too small for it."""
        differ = elements_from(summed(syndromes_of(tuple(ours), len(known.syndromes)), known.syndromes))
        if differ is None or any(short & ((1 << known.split) - 1) for short in differ):
            return None
        if known.count is None:
            return differ
        missing = [short for short in differ if short not in ours]
        total = sum(ours) + sum(missing) - sum(short for short in differ if short in ours)
        return differ if _is(known, salt, len(ours) + 2 * len(missing) - len(differ), total) else None

    def _of_other_half(
        self, half: _Known, whole: _Known, wider: Mapping[int, Item], ours: Mapping[int, Item]
    ) -> list[int]:
        """What differs of the half that was not said: its sketch is that of the whole less that of the other."""
        theirs = summed(whole.syndromes, half.syndromes)
        if len(theirs) < LONG_SUM_SYNDROMES:
            return []  # too small to be its own check; another summary will come
        rest = tuple(short for short in wider if short not in ours)
        return elements_from(summed(syndromes_of(rest, len(theirs)), theirs)) or []

    def _look_closer(self, salt: bytes, known: _Known, ours: int, now_ms: int) -> None:
        """The sketch was too small: more of it, or the half of what it was about."""
        apart = 0 if known.count is None else abs((ours - known.count + 32_768) % 65_536 - 32_768)
        first = len(known.syndromes)
        halved = apart < SYNDROMES_MAX and known.split < SPLIT_MAX
        if halved or max(apart, first) < SYNDROMES_MAX:
            self._plan(("ask", known.day), now_ms, lambda _: MoreFrame(known.day % 256, salt, first, ()))
        elif known.split < SPLIT_MAX:
            split = min(known.split + max(1, (apart // SYNDROMES_MAX).bit_length()), SPLIT_MAX)
            self._plan(("sum", known.day), now_ms, lambda _: self._sum(known.day, SYNDROMES_MAX << split, split))

    def _short_ids(self, salt: bytes, day: int, split: int, now_ms: int) -> dict[int, Item]:
        """What is held of a day. As nobody has to prove anything for it, the next ones have to wait."""
        self._hashes_ms = max(self._hashes_ms, now_ms) + len(self._index.of_day(day)) // HASHES_A_MS
        return self._index.short_ids(salt, day, split)

    def _want(self, salt: bytes, missing: Iterable[int], now_ms: int) -> None:
        wanted = self._wanted.setdefault(salt, set())
        wanted.update(islice(missing, max(WANTED_MAX - len(wanted), 0)))

        def frame(_: int) -> WantFrame | None:
            most = (self._room - REQUEST_HEADER_BYTES) // SHORT_ID_BYTES
            salt = max(self._wanted, key=lambda salt: len(self._wanted[salt]), default=b"")
            wanted = tuple(sorted(self._wanted.get(salt, ())))[:most]
            self._wanted.clear()  # what else is lacking is the same by other names, or found again
            return WantFrame(salt, wanted) if wanted else None

        self._plan(("want",), now_ms, frame)

    def _keep(self, salt: bytes, known: _Known) -> None:
        self._sums.pop((known.day, salt), None)
        self._sums[known.day, salt] = known
        own = [key for key, known in self._sums.items() if known.elements is not None]
        if len(own) > OWN_SUMS_KEPT or len(self._sums) > SUMS_KEPT:
            day, gone = own[0] if len(own) > OWN_SUMS_KEPT else next(iter(self._sums))
            del self._sums[day, gone]
            self._wanted.pop(gone, None)
            self._planned.pop(("more", day, gone), None)


def _is(known: _Known, salt: bytes, count: int, total: int) -> bool:
    return known.count == count % 65_536 and known.fingerprint == fingerprint(salt, count, total)
