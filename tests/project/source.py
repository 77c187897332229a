"""What the rules of the house look at: the files of the checkout and their syntax trees."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "src" / "chasqui"
PURE_FLOORS = ("node", "groups", "sealed", "delivery", "mls", "media", "base")
SKIPPED = {".git", ".venv", ".cache", "__pycache__", "dist", "node_modules"}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def pure_modules() -> list[Path]:
    """The modules from node/ down."""
    return [path for path in modules() if path.relative_to(PACKAGE).parts[0] in PURE_FLOORS]


def name(path: Path) -> str:
    """How a failure names a file."""
    return str(path.relative_to(ROOT))


@functools.cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def tracked() -> list[Path]:
    """The files that git knows, or, in an unpacked archive, all that are there."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        found = [ROOT / piece.decode() for piece in done.stdout.split(b"\0") if piece]
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in ROOT.rglob("*") if not SKIPPED & set(path.relative_to(ROOT).parts)]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def texts() -> list[tuple[Path, str]]:
    """The tracked files that are UTF-8 text."""
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8000]:
            found.append((path, data.decode("utf-8", errors="replace")))
    return found
