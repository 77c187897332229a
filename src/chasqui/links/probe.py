"""Probes of a link test: numbered frames that say what of the others' probes was heard. Pure. Spec:
`docs/spec/link-test.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NewType
from zlib import crc32

from chasqui.base.errors import PeerError

StationId = NewType("StationId", bytes)  # random, for one test

PROBE_TYPE: Final = 0xF0
PROBES: Final = 12  # of one test: one that is lost is 8 %
STATION_BYTES: Final = 2
PROBE_BYTES: Final = 130  # with padding: as long as a short text, for short frames get through where those do not
STATIONS_MAX: Final = 16  # told apart in one test
_CHECK_BYTES: Final = 4
_HEAD_BYTES: Final = 1 + _CHECK_BYTES + STATION_BYTES + 2
_REPORT_BYTES: Final = STATION_BYTES + 2


@dataclass(frozen=True)
class Report:
    """What somebody heard of a station: `heard` probes, the last of them number `upto`."""

    station: StationId
    heard: int
    upto: int


@dataclass(frozen=True)
class Probe:
    """One of them. `number` begins with 1."""

    station: StationId
    number: int
    reports: tuple[Report, ...]


def write_probe(probe: Probe, mtu_bytes: int) -> bytes:
    """The frame, with as many reports as fit, filled up with zeroes."""
    room = (mtu_bytes - _HEAD_BYTES) // _REPORT_BYTES
    reports = probe.reports[: max(0, min(room, STATIONS_MAX))]
    body = probe.station + bytes((probe.number, len(reports)))
    for report in reports:
        body += report.station + bytes((report.heard, report.upto))
    body = body.ljust(min(mtu_bytes, PROBE_BYTES) - 1 - _CHECK_BYTES, b"\0")
    return bytes((PROBE_TYPE,)) + crc32(body).to_bytes(_CHECK_BYTES, "big") + body


def read_probe(frame: bytes) -> Probe:
    """Raises `PeerError` for any other frame."""
    body = frame[1 + _CHECK_BYTES :]
    if len(frame) < _HEAD_BYTES or frame[0] != PROBE_TYPE:
        raise PeerError("Not a probe.")
    if int.from_bytes(frame[1 : 1 + _CHECK_BYTES], "big") != crc32(body):
        raise PeerError("A damaged probe.")
    station, number, count = StationId(body[:STATION_BYTES]), body[STATION_BYTES], body[STATION_BYTES + 1]
    start = STATION_BYTES + 2
    end = start + count * _REPORT_BYTES
    if not number or count > STATIONS_MAX or len(body) < end or any(body[end:]):
        raise PeerError("A probe that breaks its rules.")
    reports = []
    for at in range(start, end, _REPORT_BYTES):
        heard, upto = body[at + STATION_BYTES], body[at + STATION_BYTES + 1]
        if not 0 < heard <= upto:
            raise PeerError("A probe that breaks its rules.")
        reports.append(Report(StationId(body[at : at + STATION_BYTES]), heard, upto))
    return Probe(station, number, tuple(reports))


@dataclass(frozen=True)
class Heard:
    """What one test found out about another station. Shares are None where nothing was learned."""

    station: StationId
    arrived: float  # share of its probes that came here
    reached: float | None  # share of ours that came there
    strength_db: float | None


@dataclass
class _Other:
    numbers: set[int] = field(default_factory=set)
    report: Report | None = None
    strengths_db: list[float] = field(default_factory=list)


class Tally:
    """The books of one test."""

    def __init__(self, own: StationId) -> None:
        self._own = own
        self._others: dict[StationId, _Other] = {}

    def heard(self, probe: Probe, strength_db: float | None) -> None:
        """A probe came. What is beyond the bound of stations is passed over."""
        if probe.station == self._own or (probe.station not in self._others and len(self._others) >= STATIONS_MAX):
            return
        other = self._others.setdefault(probe.station, _Other())
        other.numbers.add(probe.number)
        if strength_db is not None:
            other.strengths_db = [*other.strengths_db[-254:], strength_db]
        for report in probe.reports:
            if report.station == self._own and (other.report is None or report.upto >= other.report.upto):
                other.report = report

    def probe(self, number: int) -> Probe:
        """Our next one."""
        reports = (Report(s, len(o.numbers), max(o.numbers)) for s, o in self._others.items())
        return Probe(self._own, number, tuple(reports))

    def result(self) -> tuple[Heard, ...]:
        """All others, the best first."""
        found = [
            Heard(
                station,
                len(other.numbers) / max(other.numbers),
                None if other.report is None else other.report.heard / other.report.upto,
                sum(other.strengths_db) / len(other.strengths_db) if other.strengths_db else None,
            )
            for station, other in self._others.items()
        ]
        return tuple(sorted(found, key=lambda heard: (-worst(heard), heard.station)))


def worst(heard: Heard) -> float:
    """The share in the worse direction. A station that has not told what it heard counts as one that heard nothing."""
    return min(heard.arrived, heard.reached or 0.0)
