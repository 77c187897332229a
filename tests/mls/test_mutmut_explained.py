"""The explanations of surviving mutants name functions that are there, and `dev.py mutate` judges rightly."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import chasqui.mls
from tests.mls.mutmut_explained import EXPLAINED
from tools import mutate

SOURCES = Path(chasqui.mls.__file__).parent
SOURCE = """
def x_first__mutmut_orig(a):
    raise PeerError(Check.TOO_LARGE, 'a word')
def x_first__mutmut_1(a):
    raise PeerError(Check.TOO_LARGE, 'XXa wordXX')
def x_first__mutmut_2(a):
    raise PeerError(Check.TRUNCATED, 'a word')
def xǁReaderǁlength__mutmut_orig(self):
    if pos + 2 > end: raise UsageError('a word', Check.TOO_LARGE)
def xǁReaderǁlength__mutmut_1(self):
    if pos + 3 > end: raise UsageError('a word', Check.TOO_LARGE)
def xǁReaderǁlength__mutmut_2(self):
    if pos + 2 > end: raise UsageError('a word', None)
"""
CODES: dict[str, dict[int, int | None]] = {
    "x_first": {1: 0, 2: 0, 3: 1},
    "xǁReaderǁlength": {1: 0, 2: 0, 3: -11, 4: 33, 5: None},
}


def functions(file: str) -> set[str]:
    found = set()
    for node in ast.parse((SOURCES / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


def test_what_is_explained_is_there() -> None:
    places = {place for by_place in EXPLAINED.values() for place in by_place}
    assert not [place for place in places if place.split()[1] not in functions(place.split()[0])]


def test_survivors_are_judged_by_what_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutate, "EXPLAINED", {"because": {"codec.py Reader.length": ("pos + 3",)}})
    folder = tmp_path / "mutants" / "src" / "chasqui" / "mls"
    folder.mkdir(parents=True)
    (folder / "codec.py").write_text(SOURCE, encoding="utf-8")
    codes = {f"chasqui.mls.codec.{name}__mutmut_{n}": code for name, of in CODES.items() for n, code in of.items()}
    (folder / "codec.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    found = list(mutate.mutants(tmp_path, []))
    assert [(item.function, item.number, item.column) for item in found] == [
        ("first", 1, "words"),
        ("first", 2, "unexplained"),
        ("first", 3, "killed"),
        ("Reader.length", 1, "explained"),
        ("Reader.length", 2, "unexplained"),
        ("Reader.length", 3, "timed out"),
        ("Reader.length", 4, "no test"),
        ("Reader.length", 5, "not run"),
    ]
    assert found[3].inserted == ("if pos + 3 > end:",)
    assert "| `codec.py` | 8 | 1 | 1 | 1 | 2 | 1 | 1 | 1 |" in mutate.figures(found)
    assert mutate.survivors(found) == "- **because** (1): `codec.Reader.length` 1."
    assert [item.function for item in mutate.mutants(tmp_path, ["*.x_first*"])] == ["first"] * 3
