"""Frames of broadcast links. Byte-exact in `docs/spec/radio.md`. The first nibble is the type; nothing names a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chasqui.base.codec import Reader
from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_STEPS
from chasqui.delivery.erasure import SOURCES_MAX

SHORT_ID_BYTES: Final = 4
CODED_HEADER_BYTES: Final = 5
BATCH_HEADER_BYTES: Final = 6
SUM_HEADER_BYTES: Final = 8
LONG_SUM_HEADER_BYTES: Final = 3  # of a sketch that needs no other check than itself
LONG_SUM_SYNDROMES: Final = 16  # a larger set passes for a wrong one once in 16!, which is rarer than 2^-44
MORE_HEADER_BYTES: Final = 5
REQUEST_HEADER_BYTES: Final = 3
DAYS_HEADER_BYTES: Final = 4
DAY_BYTES: Final = 3
BATCH: Final = 1  # low nibble of PACK: the bundles are sources of a generation
PARTS: Final = 1  # low nibble of CODED: the sources are the parts of one bundle
FOLLOWED: Final = 2  # low nibble of CODED: more of this generation comes without being asked for
ASKED: Final = 4  # low nibble of CODED: somebody lacked these; who did not has them
NEWEST: Final = 8  # low nibble of CODED: the number is left out, it is that of the last source
BUNDLES_MAX: Final = 64  # sources that are bundles: 64 of them come within 4 % of what the largest generation costs
_SIZES: Final = frozenset(BUNDLE_STEPS)


class RadioFrameType(IntEnum):
    """The high nibble of the first byte."""

    BUNDLE = 1
    PACK = 2
    CODED = 3
    SUM = 4
    MORE = 5
    REQ = 6
    NEED = 7
    DAYS = 8


@dataclass(frozen=True)
class PackFrame:
    """Bundles, one behind the other; one of them is a BUNDLE."""

    bundles: tuple[bytes, ...]


@dataclass(frozen=True)
class CodedFrame:
    """A symbol of a generation that has `count` sources so far; no symbol, and the number of the last one: only says
    that."""

    source: int
    generation: int
    count: int
    number: int
    symbol: bytes
    parts: bool
    followed: bool
    asked: bool = False


@dataclass(frozen=True)
class BatchFrame:
    """A PACK of bundles of one size that are sources of a generation, from `number` on."""

    source: int
    generation: int
    count: int
    number: int
    bundles: tuple[bytes, ...]
    followed: bool
    asked: bool = False

    @property
    def symbols(self) -> list[CodedFrame]:
        """The same, one by one."""
        return [
            CodedFrame(
                self.source,
                self.generation,
                self.count,
                self.number + at,
                bundle,
                parts=False,
                followed=self.followed or at < len(self.bundles) - 1,
                asked=self.asked,
            )
            for at, bundle in enumerate(self.bundles)
        ]


def batch_of(symbols: Sequence[CodedFrame]) -> BatchFrame:
    """Sources of one generation whose numbers follow each other, as one frame."""
    first, last = symbols[0], symbols[-1]
    bundles = tuple(symbol.symbol for symbol in symbols)
    return BatchFrame(
        first.source, first.generation, last.count, first.number, bundles, last.followed, asked=first.asked
    )


@dataclass(frozen=True)
class SumFrame:
    """What the sender holds of a day (mod 256): of those whose short id ends in `split` zero bits, their count (mod
    2^16), a fingerprint, and the first syndromes of their sketch. A long sketch comes without count and fingerprint,
    and the second byte of its salt is 0."""

    day: int
    salt: bytes
    split: int
    count: int | None
    fingerprint: bytes
    syndromes: tuple[int, ...]


@dataclass(frozen=True)
class MoreFrame:
    """Further syndromes of a SUM, from the number `first` on; none: the sender asks for them."""

    day: int
    salt: bytes
    first: int
    syndromes: tuple[int, ...]


@dataclass(frozen=True)
class WantFrame:
    """Short ids under the salt of a SUM that are wanted."""

    salt: bytes
    short_ids: tuple[int, ...]


@dataclass(frozen=True)
class NeedFrame:
    """How many symbols of a generation are still wanted."""

    source: int
    generation: int
    count: int


@dataclass(frozen=True)
class DaysFrame:
    """Counts (mod 256) and fingerprints: first of everything older than the days listed, then of each day up to `day`
    (mod 256), the oldest first."""

    day: int
    salt: bytes
    older: tuple[int, bytes]
    days: tuple[tuple[int, bytes], ...]


RadioFrame = PackFrame | CodedFrame | BatchFrame | SumFrame | MoreFrame | WantFrame | NeedFrame | DaysFrame


def write_radio_frame(frame: RadioFrame) -> bytes:
    """The bytes of a frame."""
    match frame:
        case PackFrame((bundle,)):
            return _head(RadioFrameType.BUNDLE) + bundle
        case PackFrame(bundles):
            return _head(RadioFrameType.PACK) + b"".join(
                bytes((BUNDLE_STEPS.index(len(bundle)),)) + bundle for bundle in bundles
            )
        case BatchFrame(source, generation, count, number, bundles, followed, asked):
            flags = BATCH | (FOLLOWED if followed else 0) | (ASKED if asked else 0)
            head = bytes((source, generation, count, number, BUNDLE_STEPS.index(len(bundles[0]))))
            return _head(RadioFrameType.PACK, flags) + head + b"".join(bundles)
        case CodedFrame(source, generation, count, number, symbol, parts, followed, asked):
            flags = (PARTS if parts else 0) | (FOLLOWED if followed else 0) | (ASKED if asked else 0)
            if number == count - 1:
                return _head(RadioFrameType.CODED, flags | NEWEST) + bytes((source, generation, count)) + symbol
            return _head(RadioFrameType.CODED, flags) + bytes((source, generation, count, number)) + symbol
        case SumFrame(day, salt, split, count, fingerprint, syndromes):
            head = _head(RadioFrameType.SUM, split) + bytes((day,)) + salt
            if count is None:
                return head[:LONG_SUM_HEADER_BYTES] + _words(syndromes)
            return head + count.to_bytes(2, "big") + fingerprint + _words(syndromes)
        case MoreFrame(day, salt, first, syndromes):
            return _head(RadioFrameType.MORE) + bytes((day,)) + salt + bytes((first,)) + _words(syndromes)
        case WantFrame(salt, short_ids):
            return _head(RadioFrameType.REQ) + salt + _words(short_ids)
        case NeedFrame(source, generation, count):
            return _head(RadioFrameType.NEED) + bytes((source, generation, count))
        case DaysFrame(day, salt, older, days):
            entries = (bytes((count,)) + fingerprint for count, fingerprint in (older, *days))
            return _head(RadioFrameType.DAYS) + bytes((day,)) + salt + b"".join(entries)


def read_radio_frame(data: bytes) -> RadioFrame:
    """Raises `PeerError` for anything that `write_radio_frame` would not write."""
    reader = Reader(data)
    first = reader.uint(1)
    low = first & 15
    try:
        kind = RadioFrameType(first >> 4)
    except ValueError:
        raise PeerError("A frame is of an unknown type.") from None
    if low and kind not in (RadioFrameType.CODED, RadioFrameType.SUM, RadioFrameType.PACK):
        raise PeerError("A frame is of an unknown type.")
    return _READERS[kind](reader, low)


def _read_bundle(reader: Reader, low: int) -> PackFrame:
    if reader.left not in _SIZES:
        raise PeerError("A frame carries something that is no bundle.")
    return PackFrame((reader.rest(),))


def _read_pack(reader: Reader, low: int) -> RadioFrame:
    if low:
        return _read_batch(reader, low)
    bundles = []
    while reader.left:
        step = reader.uint(1)
        if step >= len(BUNDLE_STEPS):
            raise PeerError("A frame carries something that is no bundle.")
        bundles.append(reader.take(BUNDLE_STEPS[step]))
    if len(bundles) < 2:
        raise PeerError("A pack of one bundle or none.")
    return PackFrame(tuple(bundles))


def _read_batch(reader: Reader, low: int) -> BatchFrame:
    if low & ~(BATCH | FOLLOWED | ASKED) or not low & BATCH:
        raise PeerError("A frame is of an unknown type.")
    source, generation, count, number, step = reader.take(5)
    if step >= len(BUNDLE_STEPS):
        raise PeerError("A frame carries something that is no bundle.")
    bundles = []
    while reader.left:
        bundles.append(reader.take(BUNDLE_STEPS[step]))
    if len(bundles) < 2 or not number + len(bundles) <= count <= BUNDLES_MAX:
        raise PeerError("A pack of one bundle or none, or of a generation that cannot be.")
    return BatchFrame(source, generation, count, number, tuple(bundles), bool(low & FOLLOWED), bool(low & ASKED))


def _read_coded(reader: Reader, low: int) -> CodedFrame:
    source, generation, count = reader.take(3)
    number = count - 1 if low & NEWEST else reader.uint(1)
    symbol = reader.rest()
    most = SOURCES_MAX if low & PARTS else BUNDLES_MAX
    if not 0 < count <= most or (number >= count - 1 and not low & NEWEST and number < SOURCES_MAX):
        raise PeerError("A symbol of a generation that cannot be.")
    flags = bool(low & PARTS), bool(low & FOLLOWED), bool(low & ASKED)
    return CodedFrame(source, generation, count, number, symbol, *flags)


def _read_sum(reader: Reader, low: int) -> SumFrame:
    if reader.left % 4 == (LONG_SUM_HEADER_BYTES - 1) % 4:
        day, salt, syndromes = reader.uint(1), reader.take(1) + b"\0", _read_words(reader)
        if len(syndromes) < LONG_SUM_SYNDROMES:
            raise PeerError("A short sketch without a check.")
        return SumFrame(day, salt, low, None, b"", syndromes)
    day, salt, count, fingerprint = reader.uint(1), reader.take(2), reader.uint(2), reader.take(2)
    syndromes = _read_words(reader)
    if len(syndromes) >= LONG_SUM_SYNDROMES:
        raise PeerError("A long sketch with a check that it does not need.")
    return SumFrame(day, salt, low, count, fingerprint, syndromes)


def _read_more(reader: Reader, low: int) -> MoreFrame:
    return MoreFrame(reader.uint(1), reader.take(2), reader.uint(1), _read_words(reader))


def _read_want(reader: Reader, low: int) -> WantFrame:
    salt, short_ids = reader.take(2), _read_words(reader)
    if not short_ids or len(set(short_ids)) < len(short_ids) or 0 in short_ids:
        raise PeerError("A frame asks for nothing, or for something twice.")
    return WantFrame(salt, short_ids)


def _read_need(reader: Reader, low: int) -> NeedFrame:
    source, generation, count = reader.take(3)
    reader.end()
    if not 0 < count <= SOURCES_MAX:
        raise PeerError("A frame needs more than there is, or nothing.")
    return NeedFrame(source, generation, count)


def _read_days(reader: Reader, low: int) -> DaysFrame:
    day, salt = reader.uint(1), reader.take(2)
    entries: list[tuple[int, bytes]] = []
    while reader.left or not entries:
        entries.append((reader.uint(1), reader.take(2)))
    if len(entries) > 256:
        raise PeerError("A frame lists a day twice.")
    return DaysFrame(day, salt, entries[0], tuple(entries[1:]))


_READERS: Final[dict[RadioFrameType, Callable[[Reader, int], RadioFrame]]] = {
    RadioFrameType.BUNDLE: _read_bundle,
    RadioFrameType.PACK: _read_pack,
    RadioFrameType.CODED: _read_coded,
    RadioFrameType.SUM: _read_sum,
    RadioFrameType.MORE: _read_more,
    RadioFrameType.REQ: _read_want,
    RadioFrameType.NEED: _read_need,
    RadioFrameType.DAYS: _read_days,
}


def _head(kind: RadioFrameType, low: int = 0) -> bytes:
    return bytes((kind << 4 | low,))


def _words(values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def _read_words(reader: Reader) -> tuple[int, ...]:
    words = []
    while reader.left:
        words.append(reader.uint(4))
    return tuple(words)
