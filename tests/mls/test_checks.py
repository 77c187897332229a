"""Every row of the check table is enforced somewhere and broken by a test that violates exactly this rule."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import chasqui.mls
from chasqui.mls import Check, PeerError
from tests.mls import rules_commits, rules_framing, rules_leaves, rules_welcome
from tests.mls.rules import REGISTER, Attempt

SOURCES = Path(chasqui.mls.__file__).parent
assert all((rules_commits, rules_framing, rules_leaves, rules_welcome))


def enforced() -> dict[str, list[str]]:
    """Names of rows and the files that use them."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCES.glob("*.py")):
        if path.name == "checks.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Check":
                names = found.setdefault(node.attr, [])
                if path.name not in names:
                    names.append(path.name)
    return found


@pytest.mark.parametrize(("check", "name", "attempt"), REGISTER, ids=[f"{c.number}-{n}" for c, n, _ in REGISTER])
def test_breaking(check: Check, name: str, attempt: Attempt) -> None:
    with pytest.raises(PeerError) as caught:
        attempt()
    assert caught.value.check is check, str(caught.value)


@pytest.mark.parametrize("check", list(Check), ids=[check.name for check in Check])
def test_every_row_is_enforced_and_broken(check: Check) -> None:
    assert check.name in enforced()
    assert any(check is row for row, _, _ in REGISTER)


def test_numbers_are_unique_and_sections_are_named() -> None:
    numbers = [check.number for check in Check]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    for check in Check:
        assert re.fullmatch(r"RFC \d+(\.\d+)*|beyond", check.section)
