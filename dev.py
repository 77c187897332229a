"""The one door to the checkout: `python3 dev.py` lists what it does. Needs Python 3.11 and nothing else.

The warm way (everything is set up) is a comparison of two files and an exec; all else lives in `tools/`.
"""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.abspath(os.environ.get("CHASQUI_VENV") or os.path.join(ROOT, ".venv"))
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
PYTHON = os.path.join(BIN, "python.exe" if os.name == "nt" else "python")

LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}

USAGE = """python3 dev.py COMMAND ...

  chasqui ARGS...       run chasqui from this checkout
  demo                  a group of three talks over a LAN and a stick, in front of a watcher
  test [ARGS...]        every check and test; ARGS go to pytest; --long: soaks and wide seed ranges;
                        --only PART,...: ruff, mypy, imports, project, fuzz, pytest
  check                 the linters, types, floors and project rules only
  bench [NAME] [--json] [--write-docs]
  fuzz [NAME [FILE]] [--seconds N]     one target or all; FILE: replay an input
  musts                 write docs/spec/musts.md anew
  mutate [PATTERN]      mutmut on the checks of MLS (docs/mls-mutation.md): a quarter of an hour
  lock [--upgrade]      write the locks anew from pyproject.toml
  setup [runtime|dev]   only set up

The environment lives in .venv, or where CHASQUI_VENV says."""

# command: (what must be installed, arguments for the Python of the environment, run in the checkout?)
COMMANDS = {
    "chasqui": ("runtime", ["-P", os.path.join(BIN, "chasqui")], False),
    "demo": ("runtime", ["-P", "-m", "chasqui.app.demo"], False),
    "test": ("dev", ["-m", "tools.parts", "test"], True),
    "check": ("dev", ["-m", "tools.parts", "check"], True),
    "bench": ("dev", ["-m", "bench"], True),
    "fuzz": ("dev", ["-m", "tools.fuzz"], True),
    "musts": ("dev", ["-m", "tools.musts"], True),
    "mutate": ("dev", ["-m", "tools.mutate"], True),
}


def stamp_of(level: str) -> bytes:
    """What the stamp of a finished set-up holds: interpreter, checkout and the whole lock."""
    with open(os.path.join(ROOT, LOCKS[level]), "rb") as lock:
        return os.fsencode(f"{os.path.realpath(PYTHON)}\n{ROOT}\n") + lock.read()


def stamp_path(level: str) -> str:
    """The stamp's file."""
    return os.path.join(VENV, f"chasqui-{level}.stamp")


def is_ready(level: str) -> bool:
    """Whether the environment holds exactly this lock for this checkout, on a Python that is still there."""
    try:
        with open(stamp_path(level), "rb") as stamp:
            return stamp.read() == stamp_of(level) and os.path.exists(PYTHON)
    except OSError:
        return False


def main(argv: list[str]) -> int:
    """Runs one command; returns its exit code where it could not become that command."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older one is told so
        for minor in range(19, 10, -1):
            for folder in os.get_exec_path():
                newer = os.path.join(folder, f"python3.{minor}")
                if os.access(newer, os.X_OK):
                    os.execv(newer, [newer, os.path.abspath(__file__), *argv])
        here = ".".join(map(str, sys.version_info[:3]))
        print(f"chasqui needs Python 3.11 or newer; this is {here}.", file=sys.stderr)
        return 1
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name in ("lock", "setup"):
        sys.path.insert(0, ROOT)
        from tools import setup

        return setup.lock(rest) if name == "lock" else setup.ensure(rest[0] if rest else "dev")
    if name not in COMMANDS:
        print(f"There is no command {name!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    level, arguments, in_checkout = COMMANDS[name]
    if not is_ready(level):
        sys.path.insert(0, ROOT)
        from tools import setup

        failed = setup.ensure(level)
        if failed:
            return failed
    if in_checkout:
        os.environ["CHASQUI_VENV"] = VENV  # it may have been relative
        os.chdir(ROOT)
    sys.stdout.flush()
    command = [PYTHON, *arguments, *rest]
    if os.name != "nt":
        os.execv(PYTHON, command)
    import subprocess  # exec does not wait on Windows

    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
