"""The watcher: keeps every packet and every file that passes him, and says what he sees."""

from __future__ import annotations

from collections import Counter
from typing import Final

from chasqui.app.demo.networks import Way, Wire
from chasqui.app.demo.packets import Dissector, Kind, Sighting
from chasqui.app.demo.sticks import SeenBundle, SeenFile

LINES_MAX: Final = 6  # sizes of bundles told of one file


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
        """What was on the wire between two counts of sightings, in few lines: by kind and sender."""
        grouped: dict[tuple[Kind, str], list[Sighting]] = {}
        own = []
        for sighting in self.sightings[since:until]:
            if sighting.kind is Kind.CHATTER:
                own.append(sighting)
            else:
                sender = "" if sighting.kind in (Kind.DATAGRAM, Kind.HELLO) else sighting.source.address
                grouped.setdefault((sighting.kind, sender), []).append(sighting)
        lines = [self._line(kind, seen) for (kind, _), seen in grouped.items()]
        if not grouped and not own and self.wire.way is not Way.NONE:
            lines.append(f"{'':7}nothing on the wire")
        if own:
            size = sum(sighting.size for sighting in own)
            lines.append(f"{'':7}{_count(len(own), 'packet')} of the network itself, {size:,} bytes")
        return lines

    def _line(self, kind: Kind, seen: list[Sighting]) -> str:
        size = sum(sighting.size for sighting in seen)
        when = f"{seen[0].at - self._started:5.1f}"
        sources, targets = (
            sorted({_short(end.address) for end in ends})
            for ends in ([sighting.source for sighting in seen], [sighting.target for sighting in seen])
        )
        where = f"{' '.join(sources)} > {' '.join(targets)}"
        if len(sources) > 1 and len(targets) > 1:
            where = "between them"
        what = f"{_count(len(seen), kind.value)} {size:,} bytes"
        return f"{when}  {where:<17} {what:<28} {seen[0].head.hex(' ')}"


def _short(address: str) -> str:
    return "all" if address.startswith("239.") else f".{address.rpartition('.')[2]}"


def file_lines(file: SeenFile) -> list[str]:
    """A courier file as the watcher reads it."""
    count = _count(len(file.bundles), "bundle")
    lines = [f"stick  {file.name}: {count}, {len(file.data):,} bytes"]
    alike = Counter((b.bundle_class, len(b.data)) for b in file.bundles)
    first: dict[tuple[str, int], SeenBundle] = {}
    for bundle in file.bundles:
        first.setdefault((bundle.bundle_class, len(bundle.data)), bundle)
    for (kind, size), number in sorted(alike.items(), key=lambda item: -item[1])[:LINES_MAX]:
        bundle = first[kind, size]
        what = f"{number} x {size:,} bytes" if number > 1 else f"{size:,} bytes"
        lines.append(f"{'':7}{bundle.day} {kind:<6} {what:<20} {bundle.data[:16].hex(' ')}")
    if len(alike) > LINES_MAX:
        lines.append(f"{'':7}and {sum(sorted(alike.values())[:-LINES_MAX])} more of other sizes")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
