"""`python -m chasqui.app.demo [--keep DIR] [--json]`"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from chasqui.app.demo.figures import Figure, fetch_from_stranger, measure
from chasqui.app.demo.networks import Way, Wire, find_way, make_wire
from chasqui.app.demo.people import StoryError
from chasqui.app.demo.screen import Screen
from chasqui.app.demo.search import Found
from chasqui.app.demo.stage import Stage
from chasqui.app.demo.story import GROUP, tell

MODULE = "chasqui.app.demo"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCHED = {
    Way.CABLE: "Each machine here has a network card in a network namespace of its own, and the watcher is the cable "
    "between them: not a byte passes but through his hands.",
    Way.LOOPBACK: "Those on the network share one private loopback interface, and a packet socket copies every packet. "
    "Caro's processes have a network namespace of their own, with nothing in it.",
    Way.NONE: "This machine does not allow private networks, so nobody can capture packets here: the right column "
    "shows the sticks only.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; 0 if everything happened as told and the watcher found nothing, else 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser("chasqui demo", description="A group talks over a LAN and a stick, watched.")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the vaults and sticks in DIR, to look around")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on stdout, the story on stderr")
    options = parser.parse_args(given)
    if options.keep is not None and options.keep.exists() and any(options.keep.iterdir()):
        print(f"{options.keep} is not empty: name a new folder for --keep.", file=sys.stderr)
        return 2
    way = find_way(MODULE, given)
    for number in ENDING:
        signal.signal(number, _end)
    screen = Screen(sys.stderr if options.json else sys.stdout)
    try:
        with _folder(options.keep) as folder, _wire(way) as wire:
            return _show(folder, wire, screen, options.json, kept=options.keep is not None)
    except KeyboardInterrupt:
        screen.end()
        print("\nStopped. Every process of the demo has ended.", file=sys.stderr)
        return 130
    finally:
        screen.end()


def _show(folder: Path, wire: Wire, screen: Screen, as_json: bool, *, kept: bool) -> int:
    screen.wide("chasqui: a group talks over a network and a stick, in front of a watcher", bold=True)
    screen.exact("")
    screen.wide(
        "Everything here happens now, on this machine: every line with a $ is a process, run as you would run it, with "
        "--home and --passphrase-file left out."
    )
    screen.wide(WATCHED[wire.way])
    screen.columns_are("WHAT PEOPLE DO AND SEE", "WHAT THE WATCHER SEES")
    stage = Stage(folder, wire, screen)
    try:
        tell(stage)
        fetch_from_stranger(stage)
        figures, found = measure(stage)
        _print_figures(screen, figures, found)
        if as_json:
            print(json.dumps({"way": wire.way.value, "figures": [vars(figure) for figure in figures]}, indent=1))
        if kept:
            _print_ways_around(screen, stage)
        return 1 if found else 0
    except StoryError as error:
        _print_failure(screen, stage, error)
        return 1
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient would leave daemons behind
        for ending in [person.end_daemon() for person in stage.people]:
            ending.result()
        for person in stage.people:
            person.place.close()


def _print_figures(screen: Screen, figures: Sequence[Figure], found: Sequence[Found]) -> None:
    screen.heading("Figures of this run")
    for figure in figures:
        screen.exact(f"  {figure.name:<30} {figure.words}")
    for hit in found:
        screen.exact(f"  FOUND: {hit.what}, as {hit.writing}, in {hit.where}")
    screen.exact("")
    screen.wide(
        "What the watcher does learn: that chasqui is in use, which machines take part and when, how much they send, "
        "and of each bundle its day, class and size step. docs/demo.md tells how to read his column."
    )


def _print_failure(screen: Screen, stage: Stage, error: StoryError) -> None:
    screen.heading("The demo stops here")
    screen.wide(f"Step: {stage.current}")
    screen.wide(str(error))
    if error.command:
        screen.exact(f"$ {error.command}")
        for line in error.output.splitlines():
            screen.exact(f"  {line}")


def _print_ways_around(screen: Screen, stage: Stage) -> None:
    screen.exact("")
    screen.wide("Kept, to look around (in a checkout say `python3 dev.py chasqui` for `chasqui`):", bold=True)
    for person in stage.members:
        home = person.folder / "vault"
        screen.exact(f"  chasqui --home {home} --passphrase-file {person.folder / 'passphrase'} read {GROUP}")
    for stick in stage.sticks.values():
        screen.exact(f"  chasqui bundle inspect {min(stick.iterdir())}")


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="chasqui-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _wire(way: Way) -> Iterator[Wire]:
    wire = make_wire(way)
    try:
        yield wire
    finally:
        wire.close()


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
