"""Generations: bundles that are sent so that any of their symbols make good any other.

A source of a generation is a whole bundle (all of one size), or a part of one large bundle. Parity is over check and
bundle: two bytes of its id, so that a mixture of two generations is not taken for a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.delivery.erasure import PARITY_FIRST, PARITY_MAX, SOURCES_MAX, parity_symbol, repair
from chasqui.delivery.radio_frames import BUNDLES_MAX, CODED_HEADER_BYTES, CodedFrame

CHECK_BYTES: Final = 2
FAILURES_MAX: Final = 2  # after that a summary tells what is lacking; every one of them costs others' airtime


def checked(bundle: bytes) -> bytes:
    """What parity is over."""
    return bundle_id(bundle)[:CHECK_BYTES] + bundle


def unchecked(data: bytes, size: int) -> bytes:
    """The bundle of this size at the beginning. Raises `PeerError` where check or filling are wrong."""
    bundle = data[CHECK_BYTES : CHECK_BYTES + size]
    if any(data[CHECK_BYTES + size :]) or bundle_id(bundle)[:CHECK_BYTES] != data[:CHECK_BYTES]:
        raise PeerError("The symbols of a generation do not belong together.")
    return bundle


def fits_whole(size: int, room: int) -> bool:
    """Whether a bundle of this size and parity over it fit into frames of `room` bytes."""
    return CODED_HEADER_BYTES + CHECK_BYTES + size <= room


def part_count(size: int, room: int) -> int | None:
    """Into how many parts a bundle of this size is cut; None where frames are too small for it."""
    count = -(-(size + CHECK_BYTES) // max(room - CODED_HEADER_BYTES, 1))
    return count if count <= SOURCES_MAX else None


def cut(bundle: bytes, count: int) -> list[bytes]:
    """The parts, all of one size; the last one is filled up."""
    data = checked(bundle)
    size = -(-len(data) // count)
    return [data[at : at + size].ljust(size, b"\0") for at in range(0, count * size, size)]


def joined(parts: list[bytes]) -> bytes:
    """The bundle. Raises `PeerError`."""
    data = b"".join(parts)
    size = max((step for step in BUNDLE_STEPS if step + CHECK_BYTES <= len(data)), default=0)
    return unchecked(data, size)


@dataclass
class OwnGeneration:
    """A generation that this node sends. Of parts: `bundles` has one."""

    source: int
    number: int
    size: int
    parts: int  # 0: the sources are bundles
    asked: bool  # somebody lacked them
    opened_ms: int
    bundles: list[BundleId | None] = field(default_factory=list)  # None: of somebody else, and not heard
    unsent: list[int] = field(default_factory=list)  # sources that nobody has heard yet
    owed: int = 0  # symbols that somebody asked for
    answered: int = 0  # symbols that were drawn like that
    parity_used: int = 0
    touched_ms: int = 0
    untold: int = 0  # how often it is still to be said how many sources there are
    tell_ms: int = 0  # when
    heard: HeardGeneration | None = None  # the same as others go on with it; of parts and answers there is none
    asked_ms: int = -3_600_000  # when somebody asked whose answer was the business of another
    answers_ms: int = 0  # when what is owed is sent, unless somebody else sends it before
    flows: dict[BundleId, str] = field(default_factory=dict)  # what this node has put into it, and whose it is
    said: set[int] = field(default_factory=set)  # sources that this node has sent
    count_said: int = 0  # how many sources there are, as others have heard it last

    @property
    def count(self) -> int:
        """How many sources it has."""
        return self.parts or len(self.bundles)

    def frame(self, number: int, sources: list[bytes], followed: bool) -> CodedFrame:
        """A source, or parity over all; `sources` are the bundles or the parts."""
        if number < PARITY_FIRST:
            symbol = sources[number]
        else:
            over = sources if self.parts else [checked(source) for source in sources]
            symbol = parity_symbol(number, over, len(over[0]))
        return CodedFrame(self.source, self.number, self.count, number, symbol, bool(self.parts), followed, self.asked)

    def announcement(self) -> CodedFrame:
        """Only says how many sources there are."""
        last = self.count - 1
        return CodedFrame(self.source, self.number, self.count, last, b"", bool(self.parts), False, self.asked)

    def next_parity(self) -> int:
        """The number of a parity symbol, each once before any comes again."""
        self.parity_used += 1
        return PARITY_FIRST + (self.parity_used - 1) % PARITY_MAX

    def is_to_send(self, bundle: BundleId) -> bool:
        """Whether this is what was asked of us and has not gone out."""
        asked = self.asked and not self.parts and bundle in self.flows
        return asked and self.bundles.index(bundle) in self.unsent

    def withdraw(self, bundle: BundleId) -> bool:
        """Somebody else has sent what was asked of us, too: it need not go out again, and what stands last takes its
        place. Whether others are to be told that there is less to come."""
        if not self.is_to_send(bundle):
            return False
        number, last = self.bundles.index(bundle), self.count - 1
        if number in self.said:
            self.unsent.remove(number)
        elif last in self.unsent and last not in self.said:
            self.unsent.remove(last)
            self.bundles[number] = self.bundles[last]
            del self.bundles[last], self.flows[bundle]
        return not self.unsent and self.count < self.count_said

    def ready(self, now_ms: int) -> bool:
        """Whether something of it is to be sent now."""
        return bool(self.unsent) or (self.owed > 0 and self.answers_ms <= now_ms)

    def turns(self, now_ms: int) -> dict[str, int | None]:
        """Which source of each group would go out next; None: parity, which is for everybody in turn."""
        if not self.ready(now_ms):
            return {}
        if not self.unsent:
            return {self._flow_of(self.answered % self.count): None}
        found: dict[str, int | None] = {}
        for number in self.unsent:
            found.setdefault(self._flow_of(number), number)
        return found

    def _flow_of(self, number: int) -> str:
        bundle = self.bundles[0 if self.parts else number]
        return "" if bundle is None else self.flows.get(bundle, "")

    @property
    def behind_us(self) -> int:
        """How many sources of others came after the last of ours: whose was the last is the first to answer."""
        last = max((at for at, bundle in enumerate(self.bundles) if bundle in self.flows), default=0)
        return self.count - 1 - last if self.heard is not None else 0

    @property
    def whole(self) -> bool:
        """Whether all sources are known, so that parity can be made; looks after what was repaired meanwhile."""
        if self.heard is not None:
            for at, known in enumerate(self.bundles):
                if known is None and at in self.heard.sources:
                    self.bundles[at] = bundle_id(self.heard.sources[at][CHECK_BYTES:])
        return None not in self.bundles and not (self.heard is not None and self.heard.spoilt)

    def heard_of(self, frame: CodedFrame) -> list[BundleId]:
        """A symbol that somebody else sent. What of ours nobody has heard, and has no room behind it any more."""
        if frame.number >= PARITY_FIRST:
            if frame.count >= self.count:
                self.owed = max(self.owed - 1, 0)
                self.asked_ms = -3_600_000
            self.bundles += [None] * (frame.count - len(self.bundles))
            return []
        moved: list[BundleId] = []
        if frame.symbol:
            theirs = bundle_id(frame.symbol)
            self.bundles += [None] * (frame.number + 1 - len(self.bundles))
            ours = self.bundles[frame.number]
            if frame.number in self.unsent and ours is not None and ours != theirs:
                self.unsent.remove(frame.number)  # nobody has heard ours yet: it comes behind
                moved = [ours]
            self.bundles[frame.number] = theirs
        self.bundles += [None] * (frame.count - len(self.bundles))
        if frame.count >= len(self.bundles):
            self.untold = 0  # whoever hears of the last one knows of ours
        if self.count >= BUNDLES_MAX:
            for bundle in moved:
                del self.flows[bundle]
            return moved
        for bundle in moved:
            self.unsent.append(len(self.bundles))
            self.bundles.append(bundle)
        return []


@dataclass
class HeardGeneration:
    """A generation of somebody else, as far as it came."""

    parts: bool
    count: int = 0
    sources: dict[int, bytes] = field(default_factory=dict)  # as parity is over them
    parity: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    size: int = 0  # of what parity is over; 0: not known yet
    heard_ms: int = 0
    followed: bool = False  # the last symbol said that more comes
    gap_ms: int = 0  # the longest between two symbols that came unasked
    asked: int = 0  # how often since something came
    need_ms: int | None = None  # when to ask
    done: bool = False
    answers: bool = False  # somebody lacked what is in it
    opened_ms: int = 0
    grown_ms: int = 0  # when the last source was added
    pace_ms: int = 0  # between the last two; 0: they did not come one by one
    lacks_since_ms: int | None = None
    patient: bool = False  # what is lacking is asked for together with what may get lost next
    late: bool = False  # much had been said before anything was heard: a summary tells better what is lacking
    news: int = 0  # how many bundles it brought that this node did not hold
    failures: int = 0  # how often what was put together was wrong
    spoilt: bool = False  # two sources have one number, or somebody poisons it: nobody asks for more of it

    @property
    def lacking(self) -> int:
        """How many symbols are needed; 0 where nothing is lost."""
        if self.late or self.spoilt:
            return 0
        lost = self.count - len(self.sources)
        return max(lost - len(self.parity), 1 if lost else 0)

    def take(self, frame: CodedFrame) -> list[bytes]:
        """The bundles that a symbol brings. Raises `PeerError` for a symbol that cannot belong here."""
        if frame.parts != self.parts or (self.parts and self.count and frame.count != self.count):
            raise PeerError("A symbol of a generation that is something else.")
        parity = frame.number >= PARITY_FIRST
        size = len(frame.symbol) + (0 if parity or self.parts else CHECK_BYTES)
        if frame.symbol and not self.parts and size - CHECK_BYTES not in BUNDLE_STEPS:
            raise PeerError("A symbol that is neither a bundle nor parity over bundles.")
        if frame.symbol and self.size and size != self.size:
            if parity or self.parts:
                raise PeerError("A symbol of another size than the rest of its generation.")
            return self._spoil(frame.symbol)  # two generations of one name: a bundle is one all the same
        self.count = self._counted(frame)
        if not frame.symbol:
            return []
        self.size = size
        brought: list[bytes] = []
        if not parity:
            if frame.number in self.sources:
                if self.parts or self.sources[frame.number] == checked(frame.symbol):
                    return []
                return self._spoil(frame.symbol)
            self.sources[frame.number] = frame.symbol if self.parts else checked(frame.symbol)
            if not self.parts:
                brought.append(frame.symbol)
        elif self.spoilt or frame.count <= self.parity.get(frame.number, (0, b""))[0]:
            return []  # it is here, and what is put together again and again costs us more than him who says it
        else:
            self.parity[frame.number] = (frame.count, frame.symbol)
        return brought + self._completed()

    def _counted(self, frame: CodedFrame) -> int:
        """How many sources there are. Of what somebody asked for it may become less: others have sent it as well."""
        if not (frame.asked and self.answers) or self.parts:  # else anybody says of news that there is less of it
            return max(self.count, frame.count)
        known = max(self.sources, default=-1) + 1
        return max(frame.count, known, *(count for count, _ in self.parity.values()), 0)

    def _spoil(self, bundle: bytes) -> list[bytes]:
        self.spoilt = True
        self.parity.clear()
        return [bundle]

    def _completed(self) -> list[bytes]:
        if self.done and self.parts:
            return []
        try:
            found = repair(self.sources, self.parity, self.size) if self.parity else {}
            if self.parts:
                together = {**self.sources, **found}
                if len(together) < self.count:
                    return []
                bundles = [joined([together[at] for at in range(self.count)])]
                self.done = True
            else:
                bundles = [unchecked(data, self.size - CHECK_BYTES) for data in found.values()]
        except PeerError:
            self.parity.clear()  # somebody's symbols are in it that do not belong to it
            self.failures += 1
            if self.parts:
                self.sources.clear()
            self.spoilt = self.failures >= FAILURES_MAX
            return []
        self.sources.update(found)
        if not self.count - len(self.sources):
            self.parity.clear()
        return bundles
