"""`chasqui lab`."""

from __future__ import annotations

import json
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from chasqui.app.main import main
from chasqui.node import handlers

DULL = """
name = "deaf"
story = "Two people, and nothing goes wrong."
days = 1
people = ["ana", "ben"]
settle_days = 1
[[events]]
day = 0.5
who = "ana"
do = "say"
text = "hello"
"""


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "list"]) == 0
    assert "two-sides" in capsys.readouterr().out
    assert main(["lab", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["scenarios"]
    assert {"name", "story", "days", "people", "outsiders", "seeds", "expects"} == listed[0].keys()


def test_run_watch_and_draw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    svg = tmp_path / "a.svg"
    assert main(["lab", "run", "first-light", "--seed", "2", "--watch", "--svg", str(svg)]) == 0
    told = capsys.readouterr().out
    assert "day 5, 01:00  ana removes cy" in told
    assert ": ana, ben, dee" in told[told.index("At the end: ") :]
    drawn = svg.read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert drawn.count("A thick one: all do") == 2, "to be seen, and to be read aloud"


def test_a_failure_says_how_to_see_it_again_and_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deaf.toml"
    file.write_text(DULL, encoding="utf-8")
    command = ["lab", "run", str(file), "--json", "--keep", str(tmp_path / "kept")]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["held"] is True
    monkeypatch.setattr(handlers, "keep_message", lambda tx, signed, arrival: None)  # texts are counted and not kept
    assert main(command) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["held"] is False
    (run,) = document["runs"]
    assert "all-read: ben has not read 'ana 1: hello' of ana" in run["failed"]
    assert f"chasqui lab run {file} --seed 1 --watch" in run["replay"]
    kept = tomllib.loads((tmp_path / "kept" / "deaf-1.toml").read_text(encoding="utf-8"))
    assert (kept["scenario"], kept["seed"]) == (str(file), 1)


def test_a_scenario_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "run", "nothing"]) == 1
    assert "There is no scenario 'nothing'" in capsys.readouterr().err


def test_seeds_beside_each_other_are_told_of_in_their_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "deaf.toml"
    file.write_text(DULL.replace("settle_days", "seeds = [5, 3, 9]\nsettle_days"), encoding="utf-8")
    told = []
    for jobs in ("1", "2", "7"):
        svg = tmp_path / f"{jobs}.svg"
        assert main(["lab", "run", str(file), "--jobs", jobs, "--svg", str(svg), "--json"]) == 0
        runs = json.loads(capsys.readouterr().out)["runs"]
        assert [run["seed"] for run in runs] == [5, 3, 9]
        pictures = [(tmp_path / f"{jobs}-{seed}.svg").read_text(encoding="utf-8") for seed in (5, 3, 9)]
        told.append(([{**run, "seconds": 0} for run in runs], pictures))
    assert told[0] == told[1] == told[2]


def test_whoever_watches_sees_one_world_after_the_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "deaf.toml"
    file.write_text(DULL.replace("settle_days", "seeds = [5, 3]\nsettle_days"), encoding="utf-8")
    assert main(["lab", "run", str(file), "--jobs", "2", "--watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    starts = [at for at, line in enumerate(lines) if line.startswith("--- ")]
    ends = [at for at, line in enumerate(lines) if line.startswith("At the end: ")]
    assert [lines[at] for at in starts] == ["--- deaf, seed 5", "--- deaf, seed 3"]
    assert starts[0] < ends[0] < starts[1] < ends[1]
    assert all("all demands hold" in "\n".join(lines[a:b]) for a, b in zip(starts, ends, strict=True))


TOWN = """
name = "hamlet"
story = "Two houses behind walls, and one who walks."
days = 0.3
people = ["ana", "ben", "cy"]
settle_days = 1
[[radios]]
spreading = 8
power_dbm = 14
dummies = 0
share = 0.1
[[districts]]
name = "mill & barn"
at = [0, 0]
radius = 100
walls_db = 60
people = ["ana"]
[[districts]]
name = "inn"
at = [900, 0]
radius = 100
walls_db = 60
people = ["ben"]
[[walks]]
who = "cy"
stops = ["mill & barn", "inn"]
stay_hours = 0.5
[[events]]
day = 0.1
who = "ana"
do = "renew"
"""


def test_a_town_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, svg = tmp_path / "hamlet.toml", tmp_path / "map.svg"
    file.write_text(TOWN, encoding="utf-8")
    assert main(["lab", "run", str(file), "--seed", "1", "--map", str(svg), "--keep", str(tmp_path)]) == 0
    assert f"The town is drawn in {svg}" in capsys.readouterr().out
    drawn = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "mill & barn, walls 60 dB" in texts
    assert [text[:3] for text in texts[-3:]] == ["ana", "ben", "cyd"], "cy, and then the day"
    lines = list(drawn.iter("{http://www.w3.org/2000/svg}line"))
    assert len(lines) == 2, "who walks heard both of them, who do not hear each other"
    assert len([each for each in drawn.iter("{http://www.w3.org/2000/svg}circle") if each.get("r") == "8"]) == 1
    for each in drawn.iter("{http://www.w3.org/2000/svg}text"):
        half = 2 if each.get("text-anchor") else 1
        letter = 0.6 * int(each.get("font-size", "12"))
        ends = int(each.get("x", "")) + letter * len("".join(each.itertext())) / half
        assert ends <= 900, "nobody is cut off"
    assert main(["lab", "run", "first-light", "--map", str(svg)]) == 2
    assert "has no town" in capsys.readouterr().err
