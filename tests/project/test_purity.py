"""From node/ down: no clock, no entropy, no network, no disk, no terminal of its own."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Set as AbstractSet

import pytest

from tests.project.source import PACKAGE, PURE_FLOORS, ROOT, name, pure_modules, tree

pytestmark = pytest.mark.rule

MODULES = {
    "asyncio", "concurrent", "ctypes", "fcntl", "http", "io", "logging", "mmap", "multiprocessing", "os", "pathlib",
    "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl",
    "sqlcipher3", "sqlite3", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
# The doors to libcodec2: what loads it, and what calls it. A contract of import-linter keeps node/ and below away.
DOORS = {"media/library.py": {"ctypes", "pathlib"}, "media/codec2.py": {"ctypes"}, "media/modem.py": {"ctypes"}}
CALLS = {"print", "input", "open", "breakpoint", "exec", "eval", "__import__"}
METHODS = {"generate", "generate_key", "now", "utcnow", "today", "urandom", "token_bytes", "uuid4", "uuid1"}
CLOCK_OWNERS = {"datetime", "date", "dt"}


def offences(module: ast.Module, allowed: AbstractSet[str] = frozenset()) -> list[tuple[int, str]]:
    """(line, what) for everything in a module that reaches outside its arguments, but for the modules allowed to it."""
    refused = MODULES - allowed
    found: list[tuple[int, str]] = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
            found += [(node.lineno, f"import {n}") for n in names if n in refused]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            if node.module.partition(".")[0] in refused:
                found.append((node.lineno, f"from {node.module} import"))
            elif node.module == "nacl.utils":
                found.append((node.lineno, "from nacl.utils import"))
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in CALLS:
                found.append((node.lineno, f"{called.id}("))
            elif isinstance(called, ast.Attribute) and called.attr in METHODS:
                owner = ast.unparse(called.value)
                clock = called.attr in {"now", "utcnow", "today"}
                if not clock or owner.rpartition(".")[2] in CLOCK_OWNERS:
                    found.append((node.lineno, f"{owner}.{called.attr}("))
    return found


def test_the_core_reaches_outside_through_its_arguments_only() -> None:
    found = [
        f"{name(path)}:{line} {what}"
        for path in pure_modules()
        for line, what in offences(tree(path), DOORS.get(path.relative_to(PACKAGE).as_posix(), frozenset()))
    ]
    assert not found, found


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import time as t",
        "from secrets import token_bytes",
        "from os import urandom",
        "key = X25519PrivateKey.generate()",
        "at = datetime.now(UTC)",
        "at = datetime.datetime.utcnow()",
        "ident = uuid.uuid4()",
        "print('here')",
        "import urllib.request",
    ],
)
def test_an_offence_is_seen(line: str) -> None:
    assert offences(ast.parse(line))


@pytest.mark.parametrize("line", ["now = clock.now", "seed = entropy(32)", "item.generate", "from datetime import UTC"])
def test_what_is_allowed_passes(line: str) -> None:
    assert not offences(ast.parse(line))


def test_every_pure_floor_is_in_the_contract() -> None:
    """import-linter refuses floors that are not there yet, so a new one has to be added by hand."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = {m.removeprefix("chasqui.") for m in contracts[-1]["source_modules"]}
    there = {floor for floor in PURE_FLOORS if (PACKAGE / floor / "__init__.py").exists()}
    assert there == listed
