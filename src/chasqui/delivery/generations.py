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
from chasqui.delivery.radio_frames import CODED_HEADER_BYTES, CodedFrame

CHECK_BYTES: Final = 2
BUNDLES_MAX: Final = 64  # sources that are bundles: 64 of them come within 4 % of what the largest generation costs
PARITY_KEPT_MAX: Final = 96


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
    bundles: list[BundleId] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)  # sources that nobody has heard yet
    owed: int = 0  # symbols that somebody asked for
    parity_used: int = 0
    touched_ms: int = 0
    announced: bool = True  # nothing was sent since, of which nobody may know

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
        return CodedFrame(self.source, self.number, self.count, PARITY_FIRST, b"", bool(self.parts), False, self.asked)

    def next_parity(self) -> int:
        """The number of a parity symbol, each once before any comes again."""
        self.parity_used += 1
        return PARITY_FIRST + (self.parity_used - 1) % PARITY_MAX


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

    @property
    def lacking(self) -> int:
        """How many symbols are needed; 0 where nothing is lost."""
        lost = self.count - len(self.sources)
        return max(lost - len(self.parity), 1 if lost else 0)

    def take(self, frame: CodedFrame) -> list[bytes]:
        """The bundles that a symbol brings. Raises `PeerError` for a symbol that cannot belong here."""
        if frame.parts != self.parts or (self.parts and self.count and frame.count != self.count):
            raise PeerError("A symbol of a generation that is something else.")
        self.count = max(self.count, frame.count)
        if not frame.symbol:
            return []
        parity = frame.number >= PARITY_FIRST
        size = len(frame.symbol) + (0 if parity or self.parts else CHECK_BYTES)
        if not self.parts and size - CHECK_BYTES not in BUNDLE_STEPS:
            raise PeerError("A symbol that is neither a bundle nor parity over bundles.")
        if self.size and size != self.size:
            raise PeerError("A symbol of another size than the rest of its generation.")
        self.size = size
        brought: list[bytes] = []
        if not parity:
            if frame.number in self.sources:
                return []
            self.sources[frame.number] = frame.symbol if self.parts else checked(frame.symbol)
            if not self.parts:
                brought.append(frame.symbol)
        elif len(self.parity) < PARITY_KEPT_MAX:
            self.parity[frame.number] = (frame.count, frame.symbol)
        return brought + self._completed()

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
            if self.parts:
                self.sources.clear()
            return []
        self.sources.update(found)
        if not self.count - len(self.sources):
            self.parity.clear()
        return bundles
