"""Writes the check table of docs/mls.md from the code: number, rule, source, where enforced, what breaks it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import chasqui.mls
from chasqui.mls import Check
from tests.mls import rules_commits, rules_framing, rules_leaves, rules_welcome
from tests.mls.rules import REGISTER

SOURCES = Path(chasqui.mls.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "mls.md"
BEGIN, END = "<!-- checks begin -->", "<!-- checks end -->"
RULES = (rules_commits, rules_framing, rules_leaves, rules_welcome)


@cache
def enforced() -> dict[str, list[str]]:
    """Names of rows and the files that use them."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCES.glob("*.py")):
        if path.name == "checks.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Check":
                names = found.setdefault(node.attr, [])
                if path.stem not in names:
                    names.append(path.stem)
    return found


def table() -> str:
    """The table in Markdown."""
    where = enforced()
    lines = ["| no. | a peer's bytes are refused because | source | enforced in | broken by |", "|---|---|---|---|---|"]
    for check in Check:
        broken = ", ".join(f"`{name}`" for row, name, _ in REGISTER if row is check)
        lines.append(
            f"| {check.number} | {check.text} | {check.section} | {', '.join(where.get(check.name, []))} | {broken} |"
        )
    return "\n".join(lines)


def document() -> str:
    """docs/mls.md with a current table."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
