"""A twin of chasqui.mls that lacks the refusals of some rows: what a member who breaks just those rules would run.

Twin and original share no types, only bytes. What the twin makes is whole in every other respect (path, signatures,
tags, confirmation tag), so an original that refuses it does so for that row alone, and a second twin must accept it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import chasqui.mls

SOURCES = Path(chasqui.mls.__file__).parent


class _Cut(ast.NodeTransformer):
    """Takes out every `raise PeerError(Check.ROW...)` of those rows."""

    def __init__(self, rows: Iterable[str]) -> None:
        self.rows = re.compile(rf"PeerError\(.*Check\.({'|'.join(rows)})\b")
        self.cut = 0

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if not self.rows.search(ast.unparse(node)):
            return node
        self.cut += 1
        return ast.copy_location(ast.Pass(), node)


class _Finder:
    """Finds the modules of one twin."""

    def __init__(self, name: str, rows: Iterable[str]) -> None:
        self.name, self.rows = name, tuple(rows)
        self.cut = 0

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.name and not name.startswith(self.name + "."):
            return None
        return ModuleSpec(name, self, is_package=name == self.name)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        part = module.__name__.removeprefix(self.name).lstrip(".") or "__init__"
        text = (SOURCES / f"{part}.py").read_text(encoding="utf-8").replace("chasqui.mls", self.name)
        cut = _Cut(self.rows)
        tree = ast.fix_missing_locations(cut.visit(ast.parse(text)))
        self.cut += cut.cut
        exec(compile(tree, f"<{module.__name__}>", "exec"), module.__dict__)


@cache
def twin(*rows: str) -> Any:
    """The package without the refusals of those rows."""
    name = "lawless_" + "_".join(rows).lower()
    finder = _Finder(name, rows)
    sys.meta_path.append(finder)
    try:
        made = import_module(name)
    finally:
        sys.meta_path.remove(finder)
    assert finder.cut, "no such refusal"
    return made
