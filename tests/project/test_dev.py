"""dev.py: the warm way, its answers to wrong usage, and the shape of figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report
from tests.project.source import ROOT

ECHO = """\
import json, sys
print(json.dumps([sys.argv[1:], sys.stdin.read()]))
print("for people", file=sys.stderr)
sys.exit(4)
"""


def call(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "dev.py"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


@pytest.fixture
def warm(tmp_path: Path) -> Path:
    """An environment whose stamp is current and whose `chasqui` echoes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    (folder / "chasqui").write_text(ECHO)
    real = os.path.realpath(sys.executable)
    lock = (ROOT / "requirements.lock").read_bytes()
    (tmp_path / "chasqui-runtime.stamp").write_bytes(os.fsencode(f"{real}\n{ROOT}\n") + lock)
    return tmp_path


def test_a_warm_call_passes_all_through_and_says_nothing_itself(warm: Path) -> None:
    done = call("chasqui", "send", "ñ", "--json", "-", text="hello\n", CHASQUI_VENV=str(warm))
    assert json.loads(done.stdout) == [["send", "ñ", "--json", "-"], "hello\n"]
    assert done.stderr == "for people\n"
    assert done.returncode == 4


def test_a_warm_call_imports_next_to_nothing(warm: Path) -> None:
    code = "import sys; before = set(sys.modules); import dev; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dev"] or done.stdout.split() == ["__future__", "dev"]


def test_another_lock_is_not_warm(warm: Path) -> None:
    stamp = warm / "chasqui-runtime.stamp"
    stamp.write_bytes(stamp.read_bytes() + b"#")
    code = "import dev, sys; sys.exit(dev.is_ready('runtime'))"
    environment = {**os.environ, "CHASQUI_VENV": str(warm)}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    done = call("chasqui", "status", CHASQUI_VENV=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is no virtual environment" in done.stderr
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_wrong_usage() -> None:
    assert call("nonsense").returncode == 2
    assert call().returncode == 2
    assert call("--help").returncode == 0


def test_figures_have_one_shape() -> None:
    raw = {"name": "text", "value": 207, "unit": "bytes", "bound": "<= 207", "peer": None, "note": None}
    figure = report.figure(raw)
    done = report.Report("m", "2026-11-01", "abc", (figure,), ())
    assert json.loads(report.as_json(done)) == {"machine": "m", "date": "2026-11-01", "commit": "abc", "figures": [raw]}
    assert "207" in report.as_text(done)
    assert "| text | 207 | bytes | <= 207 | - |  |" in report.as_markdown(done)
    with pytest.raises(ValueError, match="not a figure"):
        report.figure({"value": 1})
