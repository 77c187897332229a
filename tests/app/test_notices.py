"""docs/reference/notices.md names the notices of the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_is_that_of_the_code() -> None:
    said = set()
    for path in (ROOT / "src" / "chasqui" / "node").glob("*.py"):
        for call in re.findall(r"Notice\(([^)]*\))", path.read_text(encoding="utf-8")):
            said |= set(re.findall(r'"([a-z -]+)"', call))
    table = (ROOT / "docs" / "reference" / "notices.md").read_text(encoding="utf-8")
    assert said == set(re.findall(r"^\| `([a-z -]+)` \|", table, re.MULTILINE))
