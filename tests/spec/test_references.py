"""What the pages of the docs point to is there: tests by their names, and other pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_tests_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for file, name in re.findall(r"(tests/[\w/]+\.py)::([\w:]+)", text):
        assert (ROOT / file).is_file(), file
        assert re.search(rf"def {name.split('::')[-1]}\b", (ROOT / file).read_text(encoding="utf-8")), f"{file}::{name}"


@pytest.mark.parametrize("folder", ["spec", "security", "adr"])
def test_links_lead_somewhere(folder: str) -> None:
    for page in sorted((ROOT / "docs" / folder).glob("*.md")):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
