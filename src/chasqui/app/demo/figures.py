"""The figures at the end, all measured in this run."""

from __future__ import annotations

import resource
import socket
import time
from dataclasses import dataclass

from chasqui.app.demo.networks import Way
from chasqui.app.demo.search import Found, chi_square, count_needles, search, share_a_run, writings
from chasqui.app.demo.stage import Stage
from chasqui.app.demo.story import CARO_AFTER_TEXT
from chasqui.base.labels import MAGIC_COURIER
from chasqui.delivery.courier_file import COURIER_VERSION
from chasqui.links.lan_limits import GROUP_V4

MIB = 2**20


@dataclass(frozen=True)
class Figure:
    """One line. `value` is for scripts, `words` for people."""

    name: str
    value: float | None
    unit: str
    words: str


def fetch_from_stranger(stage: Stage) -> None:
    """The stranger's own device writes down every bundle that it was handed on the LAN."""
    folder = stage.folder / "what-the-stranger-was-handed"
    stage.ask(stage.eve, "sync")
    stage.watcher.given = stage.look_into(sorted(folder.iterdir()))


def measure(stage: Stage) -> tuple[list[Figure], list[Found]]:
    """All figures, and what the watcher found (nothing, if chasqui does what it says)."""
    captured = stage.watcher.captured()
    found = search(stage.known, captured)
    figures = [*_traffic(stage), *_secrecy(stage, captured, found), *_cost(stage)]
    return figures, found


def _traffic(stage: Stage) -> list[Figure]:
    files = stage.watcher.files
    on_sticks = sum(len(file.data) for file in files)
    packets = stage.wire.packets
    if stage.wire.way is Way.NONE:
        wire = Figure("bytes on the wire", None, "bytes", "not captured: this machine does not allow it")
    else:
        size = sum(len(packet.data) for packet in packets)
        lost = f", {stage.wire.lost} missed" if stage.wire.lost else ", none missed"
        wire = Figure("bytes on the wire", size, "bytes", f"{size:,} in {len(packets):,} packets{lost}")
    text = max(len(b.data) for file in stage.carried_last for b in file.bundles if b.bundle_class == "text")
    letters = len(CARO_AFTER_TEXT)
    whole = len(stage.known["the picture"])
    parts = [bundle for bundle in stage.watcher.bundles().values() if bundle.bundle_class == "file"]
    carried = sum(len(bundle.data) for bundle in parts)
    return [
        wire,
        Figure("bytes on the sticks", on_sticks, "bytes", f"{on_sticks:,} in {len(files)} files"),
        Figure("a text as a bundle", text, "bytes", f"{text} bytes: Caro's last, of {letters} letters, signed"),
        Figure(
            "the picture as bundles",
            carried,
            "bytes",
            f"{carried:,} bytes in {len(parts)} bundles: {carried / whole - 1:.1%} more than the file",
        ),
    ]


def _secrecy(stage: Stage, captured: dict[str, bytes], found: list[Found]) -> list[Figure]:
    bundles = stage.watcher.bundles()
    bodies = [bundle.data[2:] for bundle in bundles.values()]
    statistic, total = chi_square(bodies)
    usual = 190 < statistic < 330
    linked = share_a_run(bodies)
    planted = _planted(stage)
    there = {hit.what for hit in search(_there_for_all(stage), captured)}
    size = sum(map(len, captured.values()))
    strings = count_needles(stage.known)
    handed = sum(len(file.bundles) for file in stage.watcher.given)
    verdict = "as random bytes do" if usual else "NOT as random bytes do"
    return [
        Figure(
            "bundles that the watcher saw",
            len(bundles),
            "",
            f"{len(bundles)} different ones: {len(_on_sticks(stage))} on sticks, {handed} handed to the stranger",
        ),
        Figure(
            "known things found",
            len(found),
            "",
            f"{len(found)} of {len(stage.known)} names, texts, keys, ids and secrets ({strings:,} ways to write them) "
            f"in {size:,} bytes",
        ),
        Figure("the same search, planted", planted, "", f"{planted} of {len(stage.known)} found where we hid them"),
        Figure("the same search, in clear", len(there), "", f"found, as it must be: {' and '.join(sorted(there))}"),
        Figure(
            "bytes of bundles, chi-square",
            round(statistic, 1),
            "",
            f"{statistic:.0f} over {total:,} bytes: spread {verdict} (255 is the mean, 200 to 315 usual)",
        ),
        Figure("bundles that share 8 bytes", linked, "pairs", f"{linked} pairs: none can be linked by what it holds"),
    ]


def _cost(stage: Stage) -> list[Figure]:
    memory = [(person, person.daemon_memory()) for person in stage.people if person.daemon_pid]
    seconds = time.monotonic() - stage.started
    each = ", ".join(f"{person.name} {size / MIB:.0f}" for person, size in memory if size)
    steps = [
        Figure(f"step {number}", round(took, 2), "s", f"{took:4.1f} s  {title}")
        for number, (title, took) in enumerate(stage.steps, 1)
    ]
    command = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return [
        Figure("daemons' memory", max((size for _, size in memory), default=0) / MIB, "MiB", f"{each} MiB"),
        Figure("largest command's memory", command / MIB, "MiB", f"{command / MIB:.0f} MiB while it ran"),
        Figure("commands run", sum(p.commands for p in stage.people), "", f"{sum(p.commands for p in stage.people)}"),
        *steps,
        Figure("the whole story", round(seconds, 1), "s", f"{seconds:.1f} s"),
    ]


def _on_sticks(stage: Stage) -> set[str]:
    return {bundle.id for file in stage.watcher.files for bundle in file.bundles}


def _there_for_all(stage: Stage) -> dict[str, bytes]:
    """What stands in clear for everybody, so that the search must find it."""
    clear = {"the mark of a courier file": MAGIC_COURIER + bytes((COURIER_VERSION,))}
    if stage.wire.way is not Way.NONE:
        # of a datagram: the end of the address it came from, and the address it goes to
        clear["the address of announcements"] = bytes((77, 0, 1)) + socket.inet_aton(GROUP_V4)
    return clear


def _planted(stage: Stage) -> int:
    """How many of the known things the same search finds in bytes that do hold them, each in another writing."""
    noise = stage.watcher.bundles().popitem()[1].data
    found = 0
    for number, (what, thing) in enumerate(stage.known.items()):
        written = list(writings(thing).values())
        hidden = noise + written[number % len(written)] + noise
        found += bool(search({what: thing}, {"planted": hidden}))
    return found
