"""`chasqui lab`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from chasqui.app.main import main

BROKEN = """
name = "cut-for-ever"
story = "Two admins change the group on both sides of a cut, and no time is left to heal."
days = 2
people = ["ana", "ben"]
settle_days = 0.1
[[cuts]]
sides = [["ana"], ["ben"]]
from_day = 0
to_day = 3
[[events]]
day = 1
who = "ana"
do = "renew"
[[events]]
day = 1
who = "ben"
do = "renew"
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
    assert svg.read_text(encoding="utf-8").startswith("<svg")


def test_a_failure_says_how_to_see_it_again_and_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "cut.toml"
    file.write_text(BROKEN, encoding="utf-8")
    assert main(["lab", "run", str(file), "--json", "--keep", str(tmp_path / "kept")]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["held"] is False
    (run,) = document["runs"]
    assert run["failed"][0].startswith("one-head: ana A2, ben B2")
    assert f"chasqui lab run {file} --seed 1 --watch" in run["replay"]
    kept = tomllib.loads((tmp_path / "kept" / "cut-for-ever-1.toml").read_text(encoding="utf-8"))
    assert (kept["scenario"], kept["seed"]) == (str(file), 1)


def test_a_scenario_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "run", "nothing"]) == 1
    assert "There is no scenario 'nothing'" in capsys.readouterr().err
