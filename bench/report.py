"""Collects figures, prints them for people or as JSON, and writes `docs/figures.md`."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bench

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "figures.md"
OWN = {"report"}  # modules here that measure nothing
HEAD = """\
# Figures

Written by `python3 dev.py bench --write-docs`; do not edit. 'Peer' is the nearest comparable program, measured in
the same run where the note does not say otherwise.

"""


@dataclass(frozen=True)
class Figure:
    """One measured number. `value` is None where the module's partner is not installed."""

    name: str
    value: float | None
    unit: str
    bound: str | None
    peer: float | None
    note: str | None


@dataclass(frozen=True)
class Report:
    """What one run measured, and where and when."""

    machine: str
    date: str
    commit: str
    figures: tuple[Figure, ...]
    failed: tuple[str, ...]


def names() -> list[str]:
    """The modules that measure."""
    found = {module.name for module in pkgutil.iter_modules(bench.__path__)}
    return sorted(name for name in found - OWN if not name.startswith("_"))


def figure(raw: dict[str, Any]) -> Figure:
    """A figure as a module gives it: a dict with keys name, value, unit, bound, peer and note.

    `bound` may be a number or words such as '<= 207'. Raises ValueError for another shape.
    """
    unknown = raw.keys() - {"name", "value", "unit", "bound", "peer", "note"}
    if unknown or not isinstance(raw.get("name"), str):
        raise ValueError(f"not a figure: {raw!r}")
    bound = raw.get("bound")
    return Figure(
        name=raw["name"],
        value=raw.get("value"),
        unit=str(raw.get("unit") or ""),
        bound=None if bound is None else bound if isinstance(bound, str) else number(bound),
        peer=raw.get("peer"),
        note=raw.get("note"),
    )


def measure(chosen: list[str]) -> Report:
    """Runs `figures()` of each module; a module that fails is named and the others go on. Progress on stderr."""
    found: list[Figure] = []
    failed: list[str] = []
    for at, name in enumerate(chosen, 1):
        print(f"[{at}/{len(chosen)}] {name} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            found += [figure(raw) for raw in importlib.import_module(f"bench.{name}").figures()]
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"      {name} took {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return Report(machine(), time.strftime("%Y-%m-%d", time.gmtime()), commit(), tuple(found), tuple(failed))


def machine() -> str:
    """Processor, cores, memory, system and Python in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return f"{model}, {cores} cores, {system}, {platform.python_implementation()} {platform.python_version()}"


def commit() -> str:
    """The short id of the commit, with '+' where the tree has changes, or an empty string outside git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def as_json(report: Report) -> str:
    """`{machine, date, commit, figures: [...]}`, null where there is none."""
    document = asdict(report)
    del document["failed"]
    return json.dumps(document, indent=1, ensure_ascii=False)


def number(value: float | None) -> str:
    """Digits that say something, thousands apart; '-' for none."""
    if value is None:
        return "-"
    if (value == int(value) and abs(value) < 1e15) or abs(value) >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"


def rows(report: Report) -> list[tuple[str, ...]]:
    """The cells of the table, its head first."""
    table: list[tuple[str, ...]] = [("figure", "value", "unit", "bound", "peer", "note")]
    for f in report.figures:
        table.append((f.name, number(f.value), f.unit, f.bound or "-", number(f.peer), f.note or ""))
    return table


def as_text(report: Report) -> str:
    """A table for a terminal."""
    table = rows(report)
    widths = [max(len(row[i]) for row in table) for i in range(6)]
    lines = [f"{report.machine}\n{report.date}  {report.commit}\n"]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        for i in (1, 4):  # numbers
            cells[i] = row[i].rjust(widths[i])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(report: Report) -> str:
    """The text of `docs/figures.md`."""
    text = f"{HEAD}{report.machine}; {report.date}; commit {report.commit}.\n\n"
    table = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows(report)]
    lines = [f"| {' | '.join(table[0])} |", "|---|--:|---|---|--:|---|"]
    return text + "\n".join(lines + [f"| {' | '.join(row)} |" for row in table[1:]]) + "\n"
