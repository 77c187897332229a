"""The demo, whole: real processes, a real wire, a search that could find something."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chasqui.app.demo import __main__ as program
from chasqui.app.demo.networks import FORBID, Place, Way, make_wire
from chasqui.app.demo.packets import Dissector, Kind
from chasqui.app.demo.people import Person, StoryError
from chasqui.app.demo.picture import draw_picture
from chasqui.app.demo.screen import Screen
from chasqui.app.demo.search import chi_square, pieces, search, share_a_run, writings
from chasqui.app.demo.stage import Stage

COMMAND = [sys.executable, "-P", "-m", "chasqui.app.demo"]
SECONDS_MAX = 240

TOLD = [
    "Same words on both screens",
    "Ben reads: Ana Quispe: The lorries leave",
    "Caro reads: Ana Quispe: The lorries leave",
    "Ben reads: Caro Lindqvist: Received in the valley.",
    "Ben delivered, Caro waiting, Dov delivered",
    "Ben delivered, Caro delivered, Dov delivered",
    "Ben's copy: SHA-256 ",
    "Caro's copy: SHA-256 ",
    "state: removed",
    "You were removed from this group. (exit 1)",
    "Caro's list: Dov: current",
    "Caro's list: Dov: removed",
    "reads none of it",
]


@pytest.mark.parametrize("forbidden", ["", "cable,loopback", pytest.param("cable", marks=pytest.mark.long)])
def test_the_whole_story(tmp_path: Path, forbidden: str) -> None:
    done = subprocess.run(
        [*COMMAND, "--json"], env=_environment(tmp_path, forbidden), capture_output=True, text=True, timeout=SECONDS_MAX
    )
    story = done.stderr
    assert done.returncode == 0, story
    missing = [line for line in TOLD if line not in " ".join(story.split())]
    assert not missing, story
    report = json.loads(done.stdout)
    figures: dict[str, dict[str, Any]] = {figure["name"]: figure for figure in report["figures"]}
    assert figures["known things found"]["value"] == 0
    assert re.match(r"(\d+) of \1 found", figures["the same search, planted"]["words"])
    assert figures["the same search, planted"]["value"] >= 35
    assert figures["a text as a bundle"]["value"] == 207
    assert figures["bundles that the watcher saw"]["value"] >= 40
    assert figures["bundles that share 8 bytes"]["value"] == 0
    assert 150 < figures["bytes of bundles, chi-square"]["value"] < 400  # beyond: less than one run in a million
    assert not list(tmp_path.iterdir()), "something was left behind"
    watched = 1 if report["way"] == "none" else 2  # a thing that the search must find on the sticks, one on the wire
    assert figures["the same search, in clear"]["value"] == watched
    if report["way"] == "none":
        assert "not captured" in figures["bytes on the wire"]["words"]
        assert "TLS" not in story
    else:
        assert figures["bytes on the wire"]["value"] > 3 * 198_000, "the picture went to three neighbours"
        assert "network card" in story
        assert "TLS records" in story
        assert "none missed" in figures["bytes on the wire"]["words"]


def test_who_stops_it_finds_nothing_left(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, env=_environment(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "They meet once" in line:  # the daemons are up
                break
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        assert demo.wait(60) == 130
    assert not list(tmp_path.iterdir())
    end = time.monotonic() + 10
    while (alive := _processes_of(tmp_path)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive


def test_a_step_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(stage: Stage) -> None:
        stage.chapter("The chapter")
        stage.do(stage.ana, "status")  # there is no vault

    handlers = [(number, signal.getsignal(number)) for number in program.ENDING]
    monkeypatch.setattr(program, "tell", fail)
    try:
        assert program._show(tmp_path, make_wire(Way.NONE), Screen(sys.stdout), False, kept=False) == 1
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
    said = capsys.readouterr().out
    assert "Step: The chapter" in said
    assert "--passphrase-file" in said
    assert "exit code" in said
    assert "no vault" in said.lower()


def test_keep_takes_no_folder_that_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert program.main(["--keep", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_command_that_fails_says_what_ran(tmp_path: Path) -> None:
    person = Person("Ana", "Quispe", tmp_path / "ana", Place(private=False))
    try:
        with pytest.raises(StoryError) as caught:
            person.begin("nonsense").result()
    finally:
        person.place.close()
    assert "nonsense" in caught.value.command
    assert "nonsense" in caught.value.output


# -- the search ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hide", [
    bytes, bytes.hex, base64.b64encode, base64.urlsafe_b64encode,
    lambda b: base64.b64encode(b"x" + b), lambda b: base64.b64encode(b"xy" + b + b"z"),
    lambda b: b.decode().encode("utf-16"), bytes.upper, bytes.lower,
])  # fmt: skip
def test_the_search_finds_a_name_however_it_is_written(hide: Any) -> None:
    hidden = hide(b"Quispe")
    data = random.Random(1).randbytes(5000) + (hidden.encode() if isinstance(hidden, str) else hidden) + bytes(100)
    found = search({"the name": b"Quispe"}, {"somewhere": data, "elsewhere": random.Random(2).randbytes(5000)})
    assert {hit.where for hit in found} == {"somewhere"}


def test_the_search_finds_a_piece_of_something_long() -> None:
    picture = draw_picture()
    assert 190_000 < len(picture) < 210_000
    captured = random.Random(3).randbytes(1000) + picture[60_000:68_000]
    assert search({"picture": picture}, {"wire": captured})
    assert not search({"picture": picture}, {"wire": random.Random(4).randbytes(300_000)})
    assert max(map(len, pieces(picture))) < 64


def test_what_is_searched_for_is_too_long_for_chance() -> None:
    assert min(len(written) for written in writings(b"Amsel").values()) >= 5


def test_random_bytes_and_others() -> None:
    noise = [random.Random(seed).randbytes(1000) for seed in range(100)]
    assert 190 < chi_square(noise)[0] < 330
    assert chi_square([draw_picture()])[0] > 400
    assert chi_square([b"plain words in plain letters" * 100])[0] > 10_000
    assert share_a_run(noise) == 0
    assert share_a_run([*noise, noise[7][100:108] + bytes(20)]) == 1


# -- what the watcher sees ----------------------------------------------------------------------------------------


def test_the_dissector_puts_a_connection_together() -> None:
    record = b"\x17\x03\x03\x00\x40" + bytes(range(64))
    stream = record * 3
    dissector = Dissector()
    seen = list(dissector.feed(0.0, _tcp(99, b"", syn=True)))
    for start in (0, 50, 20, 100, 150, 100):  # overlapping, out of order, one of them twice
        seen += dissector.feed(1.0, _tcp(100 + start, stream[start : start + 60]))
    records = [sighting for sighting in seen if sighting.kind is Kind.RECORD]
    assert [sighting.size for sighting in records] == [69] * 3
    assert stream in dissector.streams


def test_the_dissector_takes_any_bytes() -> None:
    source = random.Random(5)
    dissector = Dissector()
    for _ in range(2000):
        frame = source.randbytes(12) + b"\x08\x00\x45" + source.randbytes(source.randrange(80))
        list(dissector.feed(0.0, frame))


# -- the screen ---------------------------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "beside"), [(80, False), (99, False), (100, True), (140, True), (200, True)])
def test_columns(monkeypatch: pytest.MonkeyPatch, columns: int, beside: bool) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    out = _Terminal()
    screen = Screen(out)
    screen.heading("Chapter")
    screen.live = lambda: ["seen " * 60, "seen again"]
    screen.says("A sentence that is told. " * 8)
    screen.end()
    shown = out.getvalue().replace("\x1b[K", "").split("── Chapter")[1]
    lines = shown.splitlines()[1:]
    assert max(map(len, lines)) <= columns
    assert "\x1b[36m" not in shown
    first = next(line for line in lines if "A sentence" in line)
    assert ("│ seen" in first) is beside
    assert any(line.startswith("    | seen") for line in lines) is not beside


def test_no_terminal_no_control(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Screen(out)
    screen.heading("Chapter")
    screen.says("Ana's copy … the same")
    screen.watcher(["stick │ seen"])
    screen.end()
    out.seek(0)
    said = out.read()
    assert "\x1b" not in said
    assert said.endswith("Ana's copy . the same\n    | stick | seen\n")


# -- helpers ------------------------------------------------------------------------------------------------------


def _environment(folder: Path, forbidden: str = "") -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), FORBID: forbidden}


def _processes_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def _tcp(number: int, payload: bytes, *, syn: bool = False) -> bytes:
    ports = (40_000).to_bytes(2, "big") + (443).to_bytes(2, "big")
    tcp = ports + number.to_bytes(4, "big") + bytes(4) + bytes((0x50, 2 if syn else 0)) + bytes(6) + payload
    ip = b"\x45\x00" + (20 + len(tcp)).to_bytes(2, "big") + bytes(5) + b"\x06" + bytes(2) + bytes((10, 77, 0, 1) * 2)
    return bytes(12) + b"\x08\x00" + ip + tcp
