"""`dev.py test` and `dev.py check`: the parts, two at a time, pytest last: CI reads its closing line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tools import fuzz

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["src", "tests", "tools", "bench", "dev.py"]
FUZZ_SECONDS = 1.5
FUZZ_SECONDS_LONG = 60.0
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run(['--no-logo'])"


@dataclass(frozen=True)
class Result:
    """How one part ended."""

    name: str
    ok: bool
    seconds: float
    note: str = ""


def python(*arguments: str) -> Callable[[], tuple[bool, str]]:
    """A part that runs this Python and shows the output where it fails."""

    def run() -> tuple[bool, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode == 0, "" if done.returncode == 0 else (done.stdout + done.stderr).strip()

    return run


def timed(name: str, run: Callable[[], tuple[bool, str]]) -> Result:
    """Runs one part and says at once how it went."""
    began = time.monotonic()
    ok, note = run()
    result = Result(name, ok, time.monotonic() - began, note if ok else "")
    text = f"{'ok  ' if ok else 'FAIL'}  {name:<8} {result.seconds:6.1f} s  {result.note}".rstrip()
    print(text if ok else f"{text}\n{note}", flush=True)
    return result


def fuzz_part(seconds: float) -> Callable[[], tuple[bool, str]]:
    """All fuzz targets for a while each."""

    def run() -> tuple[bool, str]:
        if not fuzz.available():
            return True, "skipped: atheris is not installed here"
        names = fuzz.targets()
        failures = [text for text in (fuzz.run(name, seconds) for name in names) if text]
        return not failures, "\n".join(failures) or f"{len(names)} targets, {seconds:g} s each"

    return run


def quick_parts() -> dict[str, Callable[[], tuple[bool, str]]]:
    """The parts of `check`."""
    return {
        "ruff": python("-m", "ruff", "check", "--quiet", *SOURCES),
        "imports": python("-c", LINT_IMPORTS),
        "mypy": python("-m", "mypy", "--no-error-summary"),
        "project": python("-m", "pytest", "tests/project", "-m", "rule", "-p", "no:cacheprovider", "--tb=line"),
    }


def run_pytest(arguments: list[str], results: list[Result], *, long: bool) -> int:
    """pytest, with the table of the other parts before its closing line. Returns its exit code."""
    environment = dict(os.environ)
    environment["CHASQUI_PARTS"] = json.dumps([asdict(result) for result in results])
    environment["CHASQUI_HYPOTHESIS"] = "long" if long else "short"
    parallel = [] if any(a.startswith(("-n", "--pdb", "--numprocesses")) for a in arguments) else ["-n", "2"]
    marks = [] if long or "-m" in arguments else ["-m", "not long"]
    command = [sys.executable, "-m", "pytest", "-p", "tools.pytest_parts", *parallel, *marks, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def main(argv: list[str]) -> int:
    """`test [--long] [--only PART,...] [pytest arguments]` or `check [--only PART,...]`."""
    kind, arguments = argv[0], argv[1:]
    long = "--long" in arguments
    if long:
        arguments.remove("--long")
    only: set[str] | None = None
    if "--only" in arguments:
        at = arguments.index("--only")
        only = set(arguments[at + 1].split(",")) if at + 1 < len(arguments) else set()
        del arguments[at : at + 2]
    parts = quick_parts()
    if kind == "test":
        del parts["project"]  # pytest runs these rules with all else
        parts["fuzz"] = fuzz_part(FUZZ_SECONDS_LONG if long else FUZZ_SECONDS)
    known = {*parts, "pytest"} if kind == "test" else {*parts}
    if only is not None and (not only or only - known):
        print(f"--only takes some of: {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    chosen = {name: run for name, run in parts.items() if only is None or name in only}
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda part: timed(*part), chosen.items()))
    failed = [result.name for result in results if not result.ok]
    if kind == "test" and (only is None or "pytest" in only):
        code = run_pytest(arguments, results, long=long)
        return code or bool(failed)
    if arguments:
        print(f"not understood: {' '.join(arguments)}", file=sys.stderr)
        return 2
    print(f"{len(results)} parts in {time.monotonic() - began:.1f} s: {_verdict(failed)}")
    return bool(failed)


def _verdict(failed: list[str]) -> str:
    return f"failed: {', '.join(failed)}" if failed else "all well"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
