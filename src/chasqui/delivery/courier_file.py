"""The courier file `.chq`: bundles on a medium that a person carries (docs/spec/courier-file.md).

Pure: bytes in, bytes out. The hash behind each bundle shows tears and bad sectors, nothing more: whoever can
write to the medium can write what he likes there, and the node judges every bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import bundle_id
from chasqui.base.labels import MAGIC_COURIER, MAGIC_OFFER, MAGIC_REPLY
from chasqui.base.limits import BUNDLE_BYTES_MIN, BUNDLE_STEPS, COURIER_FILE_BYTES_MAX

COURIER_VERSION: Final = 1
HEADER_BYTES: Final = 11  # magic 4, version 1, day 2, count 4
LENGTH_BYTES: Final = 2
CHECK_BYTES: Final = 8  # the first bytes of the bundle's id; 2^-64 that a tear is missed
RECORD_BYTES_EXTRA: Final = LENGTH_BYTES + CHECK_BYTES
COUNT_MAX: Final = (COURIER_FILE_BYTES_MAX - HEADER_BYTES) // (BUNDLE_BYTES_MIN + RECORD_BYTES_EXTRA)
_DAY_MAX: Final = 0xFFFF  # the year 2149
_STEPS: Final = frozenset(BUNDLE_STEPS)


class ForeignFileError(PeerError):
    """The file is not a courier file."""

    code = "foreign-file"


class PairingFileError(ForeignFileError):
    """The file is an offer or a reply, which people hand to each other on the same sticks."""


class CourierVersionError(PeerError):
    """A courier file of a version that this program does not know."""

    code = "courier-version"


class Ending(Enum):
    """How the reading of a courier file ended."""

    WHOLE = "whole"  # as many records as the header says, and nothing behind them
    TORN = "torn"  # the file ends too early
    TRAILING = "trailing"  # bytes behind the last record; they were not read
    LOST = "lost"  # a length that no bundle has: where the next record begins is not known


@dataclass(frozen=True)
class CourierReport:
    """What the reading of one file came to. `expected`: the count of the header, 0 if that is torn."""

    ending: Ending
    expected: int
    read: int  # bundles given out
    damaged: int  # records of a legal length whose check did not hold; they were passed over

    @property
    def clean(self) -> bool:
        """Whether every bundle that the writer put in was read, and nothing else was there."""
        return self.ending is Ending.WHOLE and self.damaged == 0


def record_bytes(bundle: bytes) -> int:
    """The bytes that a bundle takes up in a courier file."""
    return len(bundle) + RECORD_BYTES_EXTRA


def courier_chunks(bundles: Sequence[bytes], day: int) -> Iterator[bytes]:
    """The bytes of a courier file, piece by piece: first the header, then one piece per bundle.

    `day` counts from 1970-01-01 UTC. Raises `ValueError` (our own fault) for a bundle of no legal size, a day
    or a count out of range, before the first piece.
    """
    if not 0 <= day <= _DAY_MAX:
        raise ValueError("day out of range")
    if len(bundles) > COUNT_MAX:
        raise ValueError("too many bundles for one file")
    if any(len(bundle) not in _STEPS for bundle in bundles):
        raise ValueError("not the size of a bundle")
    return _chunks(bundles, day)


def _chunks(bundles: Sequence[bytes], day: int) -> Iterator[bytes]:
    yield MAGIC_COURIER + bytes((COURIER_VERSION,)) + day.to_bytes(2, "big") + len(bundles).to_bytes(4, "big")
    for bundle in bundles:
        yield len(bundle).to_bytes(LENGTH_BYTES, "big") + bundle + bundle_id(bundle)[:CHECK_BYTES]


class CourierReader:
    """Reads one courier file as its bytes come. It holds at most one record and the piece that was fed.

    Feed it every byte in order, then call `finish`. A file cut at any byte gives every bundle before the cut.
    """

    __slots__ = ("_buffer", "_count", "_damaged", "_day", "_ending", "_read")

    def __init__(self) -> None:
        self._buffer = b""
        self._count: int | None = None
        self._day: int | None = None
        self._read = 0
        self._damaged = 0
        self._ending: Ending | None = None

    @property
    def day(self) -> int | None:
        """The day on which the file was written, by the writer's word; None before the header is whole."""
        return self._day

    @property
    def ended(self) -> bool:
        """Whether further bytes would be passed over: the caller may stop reading."""
        return self._ending in (Ending.TRAILING, Ending.LOST)

    def feed(self, data: bytes) -> list[bytes]:
        """The bundles that this piece of the file completes, in order.

        Raises `ForeignFileError` and `CourierVersionError`, both `PeerError`, as soon as it is clear.
        """
        found: list[bytes] = []
        if self._ending is not None:
            if data and self._ending is Ending.WHOLE:
                self._ending = Ending.TRAILING
            return found
        buffer = self._buffer + data
        position = 0
        if self._count is None:
            if not self._header(buffer):
                self._buffer = buffer
                return found
            position = HEADER_BYTES
        while self._read + self._damaged < (self._count or 0):
            length = int.from_bytes(buffer[position : position + LENGTH_BYTES], "big")
            end = position + length + RECORD_BYTES_EXTRA
            if len(buffer) >= position + LENGTH_BYTES and length not in _STEPS:
                self._ending = Ending.LOST
                self._buffer = b""
                return found
            if len(buffer) < max(end, position + LENGTH_BYTES):
                self._buffer = buffer[position:]
                return found
            bundle = buffer[position + LENGTH_BYTES : end - CHECK_BYTES]
            if bundle_id(bundle)[:CHECK_BYTES] == buffer[end - CHECK_BYTES : end]:
                self._read += 1
                found.append(bundle)
            else:
                self._damaged += 1
            position = end
        self._ending = Ending.TRAILING if position < len(buffer) else Ending.WHOLE
        self._buffer = b""
        return found

    def finish(self) -> CourierReport:
        """What it came to, after the last byte of the file."""
        return CourierReport(self._ending or Ending.TORN, self._count or 0, self._read, self._damaged)

    def _header(self, head: bytes) -> bool:
        """Takes the header in; False while it is not whole."""
        if head[: len(MAGIC_OFFER)] in (MAGIC_OFFER, MAGIC_REPLY):
            raise PairingFileError("The file is a pairing file.", todo="It is for `chasqui contact accept`.")
        known = min(len(head), len(MAGIC_COURIER))
        if head[:known] != MAGIC_COURIER[:known]:
            raise ForeignFileError("The file is not a courier file.")
        if len(head) > len(MAGIC_COURIER) and head[len(MAGIC_COURIER)] != COURIER_VERSION:
            raise CourierVersionError(
                "The courier file has a version that this program does not know.",
                todo="Install a newer chasqui and read it again.",
            )
        if len(head) < HEADER_BYTES:
            return False
        self._day = int.from_bytes(head[5:7], "big")
        count = int.from_bytes(head[7:11], "big")
        if count > COUNT_MAX:
            raise ForeignFileError("The courier file claims more bundles than a file can hold.")
        self._count = count
        return True
