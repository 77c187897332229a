"""stdout holds one JSON document whatever happens; the version needs no installation."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import chasqui
from chasqui.app import main
from tests.app.people import COMMAND, Person, environment

ROOT = Path(__file__).resolve().parents[2]


def test_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == chasqui.__version__
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout == f"chasqui {chasqui.__version__}\n"


@pytest.mark.parametrize("words", [("group",), ("link", "add")])
def test_without_a_command(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--json", *words]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "usage"
    assert "Usage:" in err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(main.cli, "main", interrupt)
    assert main.main(["--json", "status"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("--json", "status"), ("status",), ("--version",), ("--json", "nosuch")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_stdout_that_is_full(words: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    ana = Person.make(tmp_path, "ana")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            ana.command(*words),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            check=False,
        )
    assert done.returncode == (2 if "nosuch" in words else 1)
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "mistake" not in done.stderr


def test_bench_says_in_json_that_there_is_no_such() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "nosuch", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nosuch" in json.loads(done.stdout)["error"]["message"]
