"""Failing seeds are kept: one small file each, which a test plays again for ever."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chasqui.base.errors import UserError
from chasqui.lab.run import Outcome

FOLDER: Final = "lab-failures"


@dataclass(frozen=True)
class Kept:
    """A failure that was kept. `known` tells that it is not mended yet."""

    scenario: str
    seed: int
    failed: tuple[str, ...]
    known: bool = False


def replay_command(scenario: str, seed: int) -> str:
    """What shows it once more."""
    return f"chasqui lab run {scenario} --seed {seed} --watch"


def keep(folder: Path, outcome: Outcome, scenario: str) -> Path:
    """Writes a failure down; `scenario` is its name, or the path of its file. Raises `UserError`."""
    path = folder / f"{outcome.scenario}-{outcome.seed}.toml"
    lines = [
        f"# replay: {replay_command(scenario, outcome.seed)}",
        f"scenario = {_quoted(scenario)}",
        f"seed = {outcome.seed}",
        "failed = [",
        *(f"  {_quoted(complaint)}," for complaint in outcome.complaints()),
        "]",
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"The failure could not be kept in {folder}.") from error
    return path


def read_kept(path: Path) -> Kept:
    """A failure that was kept. Raises `UserError` for another file."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Kept)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(f"{path} is no failure that was kept.") from error


def _quoted(text: str) -> str:
    return '"' + text.translate({ord("\\"): "\\\\", ord('"'): '\\"', **dict.fromkeys(range(32), " ")}) + '"'
