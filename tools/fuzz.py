"""Runs the fuzz targets `tests/fuzz/fuzz_*.py`, each a module with `target(data: bytes) -> None`.

Whatever escapes a target is a finding. Seeds are read from `tests/fuzz/corpus/NAME/`; what libFuzzer learns
and the inputs that failed go to `.cache/fuzz/NAME/`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "fuzz"
CACHE = ROOT / ".cache" / "fuzz"
START_SECONDS_MAX = 120  # importing under instrumentation, on a busy machine


def available() -> bool:
    """Whether atheris is installed: it has wheels for Linux only."""
    return importlib.util.find_spec("atheris") is not None


def targets() -> list[str]:
    """The names of all targets, sorted."""
    return sorted(path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.py"))


def run(name: str, seconds: float, replay: Path | None = None) -> str:
    """Fuzzes one target in a process of its own. Returns what went wrong, or an empty string."""
    learnt = CACHE / name
    learnt.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tools.fuzz", "--inside", name]
    if replay:
        command += [str(replay)]
    else:
        seeds = FOLDER / "corpus" / name
        command += [f"-max_total_time={max(1, round(seconds))}", "-timeout=20", "-rss_limit_mb=4096"]
        command += [f"-artifact_prefix={learnt}/", "-max_len=20000", "-len_control=20", str(learnt)]
        command += [str(seeds)] if seeds.is_dir() else []
        command += ["-seed=1"] if os.environ.get("CI") else []
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + START_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"fuzz target {name}: did not end in time"
    if done.returncode == 0:
        return ""
    output = done.stdout.decode(errors="backslashreplace")[-4000:]
    return f"fuzz target {name} (replay: python3 dev.py fuzz {name} FILE):\n{output}"


def inside(name: str, arguments: list[str]) -> None:
    """Imports one target under instrumentation and hands over to libFuzzer; does not return."""
    import atheris

    path = FOLDER / f"fuzz_{name}.py"
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    with atheris.instrument_imports(include=["chasqui"]):
        spec.loader.exec_module(module)
    target: Callable[[bytes], None] = module.target
    atheris.Setup([str(path), *arguments], target)
    atheris.Fuzz()


def main(argv: list[str]) -> int:
    """`fuzz [NAME [FILE]] [--seconds N]`."""
    if argv[:1] == ["--inside"]:
        inside(argv[1], argv[2:])
    parser = argparse.ArgumentParser(prog="dev.py fuzz")
    parser.add_argument("name", nargs="?", choices=targets())
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args(argv)
    if not available():
        print("atheris is not installed here: it has wheels for Linux only", file=sys.stderr)
        return 1
    failed = False
    for name in [options.name] if options.name else targets():
        print(f"{name} ...", end=" ", flush=True)
        found = run(name, options.seconds, options.file and options.file.resolve())
        print(found or "ok", flush=True)
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
