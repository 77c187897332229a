"""Makes the environment: a venv, the hashed lock, the checkout on its path. Standard library only.

Everything it says goes to stderr. Two calls at once wait for each other; a call that was killed half-way is
repaired by the next one, because the stamp is written last.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dev

VENV = Path(dev.VENV)
GUARD = VENV / "chasqui-setup.lock"
MUTATE_LOCK = "requirements-mutate.lock"  # what only `dev.py mutate` installs, apart from the environment
PIP_FLAGS = ["--disable-pip-version-check", "--no-input"]
# settings of pip and Python that would send packages elsewhere or show pip another environment's
HARMFUL = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME")
SCRIPT = """\
#!{python}
import sys

from chasqui.app.main import main

sys.exit(main())
"""
NO_VENV = """\
This Python cannot make virtual environments. On Debian and Ubuntu:

    sudo apt-get install python3-venv

then call the same command again."""


class SetupError(Exception):
    """The set-up failed; the text says why and what to do."""


def say(text: str, end: str = "\n") -> None:
    """One line for a person."""
    print(f"set-up: {text}", end=end, file=sys.stderr, flush=True)


def ensure(level: str) -> int:
    """Makes the environment hold what `level` ('runtime' or 'dev') needs. Returns an exit code."""
    if level not in dev.LOCKS:
        say(f"there is no level {level!r}: runtime or dev")
        return 2
    try:
        VENV.mkdir(parents=True, exist_ok=True)
        with _alone():
            if not dev.is_ready(level):
                _make(level)
    except (SetupError, OSError) as error:
        say(str(error))
        return 1
    return 0


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Holds the guard file; waits while another call sets up."""
    with GUARD.open("a") as guard:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another call is setting up, waiting for it")
                fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _make(level: str) -> None:
    began = time.monotonic()
    keep_dev = level == "runtime" and dev.is_ready("dev")
    for other in dev.LOCKS:
        Path(dev.stamp_path(other)).unlink(missing_ok=True)
    if not _works():
        _make_venv()
    _install(level)
    _put_checkout_on_path()
    subprocess.run([dev.PYTHON, "-m", "compileall", "-q", str(Path(dev.ROOT) / "src")], check=False)
    for done in ("runtime", "dev") if level == "dev" or keep_dev else ("runtime",):
        stamp = Path(dev.stamp_path(done))
        draft = stamp.with_suffix(".new")
        draft.write_bytes(dev.stamp_of(done))
        draft.replace(stamp)
    say(f"done in {time.monotonic() - began:.1f} s")


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in HARMFUL}


def _works() -> bool:
    """Whether there is an interpreter that starts and finds its own packages."""
    if not Path(dev.PYTHON).exists():
        return False
    code = "import os, sys, sysconfig; sys.exit(not os.path.isdir(sysconfig.get_path('purelib')))"
    return subprocess.run([dev.PYTHON, "-I", "-c", code], capture_output=True, check=False).returncode == 0


def _make_venv() -> None:
    say(f"making {VENV} with Python {sys.version.split()[0]}")
    if any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").exists() and list(VENV.iterdir()) != [GUARD]:
        raise SetupError(f"{VENV} is there and is no virtual environment; move it, or set CHASQUI_VENV.")
    _clear_venv()
    if _has("ensurepip"):
        flags = []
    elif _has("pip"):  # Debian without python3-venv, but with python3-pip
        flags = ["--without-pip"]
    else:
        raise SetupError(NO_VENV)
    made = subprocess.run(
        [sys.executable, "-m", "venv", *flags, str(VENV)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        _clear_venv()
        raise SetupError(f"{made.stdout}{made.stderr}\n{NO_VENV}")


def _clear_venv() -> None:
    for old in VENV.iterdir():
        if old == GUARD:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()


def _has(module: str) -> bool:
    """Whether this Python has a module (and not only an empty folder of that name)."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


def pip_command() -> list[str]:
    """How to call pip for the environment: its own, or this Python's."""
    if subprocess.run([dev.PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0:
        return [dev.PYTHON, "-m", "pip", *PIP_FLAGS]
    if not _has("pip"):
        raise SetupError(NO_VENV)
    return [sys.executable, "-m", "pip", "--python", dev.PYTHON, *PIP_FLAGS]


def _install(level: str) -> None:
    lock = Path(dev.ROOT, dev.LOCKS[level])
    total = len(re.findall(r"^[a-z0-9].*==", lock.read_text(), re.MULTILINE))
    say(f"installing about {total} packages from {lock.name}, each held to its hash")
    flags = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
    command = [*pip_command(), "install", *flags, "-r", str(lock)]
    lines: list[str] = []
    seen = 0
    showing = sys.stderr.isatty()
    with subprocess.Popen(
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - for mypy
        for line in pip.stdout:
            lines.append(line)
            found = re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line)
            if found:
                seen += 1
            if showing and found:
                say(f"{seen}/{total} {found[1]:<40}", end="\r")
            elif showing and line.startswith("Installing"):
                say(f"{'unpacking':<50}", end="\r")
            elif found and seen % 10 == 0:
                say(f"{seen}/{total} packages")
    if showing:
        print(f"{'':<60}", end="\r", file=sys.stderr)
    if pip.returncode:
        raise SetupError(
            "".join(line for line in lines if not line.startswith("WARNING: Location"))[-3000:]
            + "\nThe packages could not be installed. Is the network there? Then the same command goes on "
            "where it stopped."
        )


def _put_checkout_on_path() -> None:
    """What an editable install would do, without a build tool: a .pth file and the command."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    got = subprocess.run([dev.PYTHON, "-I", "-c", code], capture_output=True, text=True, check=True)
    Path(got.stdout.strip(), "chasqui-checkout.pth").write_text(f"{Path(dev.ROOT, 'src')}\n")
    script = Path(dev.BIN, "chasqui")
    script.write_text(SCRIPT.format(python=dev.PYTHON))
    script.chmod(0o755)


def lock(arguments: list[str]) -> int:
    """Writes the locks anew: the largest first, the others held to the same versions."""
    uv = os.environ.get("CHASQUI_UV") or shutil.which("uv")
    if uv is None:
        folder = Path(dev.ROOT, ".cache", "uv")
        uv = str(folder / "bin" / "uv")
        if not Path(uv).exists():
            say("installing uv (for this command only)")
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run(
                [folder / "bin" / "python", "-m", "pip", *PIP_FLAGS, "-q", "install", "uv"], check=True
            )
    base = [uv, "pip", "compile", "-q", "--universal", "--generate-hashes", "--no-emit-index-url"]
    base += ["--custom-compile-command", "python3 dev.py lock", *arguments]
    same = ["-c", dev.LOCKS["dev"]]
    extras = ["--extra", "voice", "--extra", "radio", "--extra", "meshtastic"]  # a checkout can use any radio
    without = ["--no-emit-package", "numpy"]  # which the wheel around libcodec2 names and nothing of ours imports
    for name, flags in (
        (dev.LOCKS["dev"], ["pyproject.toml", *extras, "--group", "dev"]),
        (dev.LOCKS["runtime"], ["pyproject.toml", *extras, *without, *same]),
        (MUTATE_LOCK, ["--group", "mutate", *same]),
    ):
        done = subprocess.run([*base, *flags, "-o", name], cwd=dev.ROOT, check=False)
        if done.returncode:
            return done.returncode
        say(f"wrote {name}")
    return 0
