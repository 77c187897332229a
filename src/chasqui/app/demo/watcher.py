"""The watcher: keeps every packet and every file that passes him, and says what he sees."""

from __future__ import annotations

from collections import Counter
from typing import Final

from chasqui.app.demo.networks import Wire
from chasqui.app.demo.packets import Dissector, Endpoint, Kind, Sighting
from chasqui.app.demo.sticks import SeenBundle, SeenFile

LINES_MAX: Final = 9


class Watcher:
    """Everything that was seen."""

    def __init__(self, wire: Wire, started: float) -> None:
        self.wire = wire
        self.sightings: list[Sighting] = []
        self.files: list[SeenFile] = []
        self.given: list[SeenFile] = []  # what his own daemon was handed on the LAN
        self._dissector = Dissector()
        self._looked_at = 0
        self._started = started

    def look(self) -> int:
        """Takes in the packets that have come; gives the number of sightings so far."""
        packets = self.wire.packets
        while self._looked_at < len(packets):
            packet = packets[self._looked_at]
            self._looked_at += 1
            self.sightings += self._dissector.feed(packet.at, packet.data)
        return len(self.sightings)

    def bundles(self) -> dict[str, SeenBundle]:
        """All bundles that he has, by id."""
        return {bundle.id: bundle for file in (*self.files, *self.given) for bundle in file.bundles}

    def captured(self) -> dict[str, bytes]:
        """Everything he has: raw packets one after another, connections put together, files."""
        self.look()
        everything = {"the packets": b"".join(packet.data for packet in self.wire.packets)}
        everything["the connections"] = b"".join(self._dissector.streams)
        everything |= {f"stick file {file.name}": file.data for file in self.files}
        everything |= {f"file of his own {file.name}": file.data for file in self.given}
        everything["names of files"] = " ".join(file.name for file in self.files).encode()
        return everything

    def wire_lines(self, since: int, until: int | None = None) -> list[str]:
        """What was on the wire between two counts of sightings, in few lines."""
        grouped: dict[tuple[Kind, Endpoint, Endpoint], list[Sighting]] = {}
        own = []
        for sighting in self.sightings[since:until]:
            if sighting.kind is Kind.CHATTER:
                own.append(sighting)
                continue
            source, target = sighting.source, sighting.target
            if sighting.kind is Kind.DATAGRAM:
                source = Endpoint(source.address, 0)
            grouped.setdefault((sighting.kind, source, target), []).append(sighting)
        lines = [self._line(*key, seen) for key, seen in grouped.items()]
        if len(lines) > LINES_MAX:
            rest = [seen for group in list(grouped.values())[LINES_MAX:] for seen in group]
            lines[LINES_MAX:] = [f"       and {len(rest)} more like these, {sum(s.size for s in rest):,} bytes"]
        if own:
            size = sum(sighting.size for sighting in own)
            lines.append(f"       {_count(len(own), 'packet')} of the network's own (ARP, TCP), {size:,} bytes")
        return lines

    def _line(self, kind: Kind, source: Endpoint, target: Endpoint, seen: list[Sighting]) -> str:
        size = sum(sighting.size for sighting in seen)
        when = f"{seen[0].at - self._started:5.1f}"
        head = seen[0].head.hex(" ")
        where = f"{self._short(source)} > {self._short(target)}"
        if kind is Kind.DATAGRAM:
            what = f"{_count(len(seen), 'datagram')} of {seen[0].size} bytes"
            if target.address.startswith("239."):
                where = f"{self._short(source)} > all"
        elif kind is Kind.HELLO:
            what = f"TLS hello, {size:,} bytes"
        else:
            name = kind.value if len(seen) == 1 else f"{kind.value}s"
            what = f"{'' if len(seen) == 1 else f'{len(seen)} '}{name}, {size:,} bytes"
        return f"{when}  {where}  {what}  {head}"

    def _short(self, endpoint: Endpoint) -> str:
        if endpoint.address.startswith("127."):
            return f":{endpoint.port}" if endpoint.port else "lo"
        return f".{endpoint.address.rpartition('.')[2]}"


def file_lines(file: SeenFile, *, own: bool = False) -> list[str]:
    """A courier file as the watcher reads it."""
    head = "handed to him" if own else "on the stick"
    count = _count(len(file.bundles), "bundle")
    lines = [f"{head}  {file.name}  {count}, {len(file.data):,} bytes"]
    alike = Counter((b.bundle_class, len(b.data)) for b in file.bundles)
    first: dict[tuple[str, int], SeenBundle] = {}
    for bundle in file.bundles:
        first.setdefault((bundle.bundle_class, len(bundle.data)), bundle)
    for (kind, size), number in sorted(alike.items(), key=lambda item: -item[1])[:LINES_MAX]:
        bundle = first[kind, size]
        times = f"{number} x " if number > 1 else ""
        lines.append(f"   {bundle.day}  {times}{kind}, {size:,} bytes  {bundle.data[:16].hex(' ')}")
    if len(alike) > LINES_MAX:
        lines.append(f"   and {sum(alike.values()) - sum(sorted(alike.values())[-LINES_MAX:])} more")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
