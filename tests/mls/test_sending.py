"""The sending side makes the bytes that it made before, and the manual's example runs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.mls import sending


def test_sending_vectors() -> None:
    assert sending.make() == sending.FILE.read_text(encoding="utf-8"), "bytes on the wire changed"


def test_the_example_in_the_docs_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mls.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    exec(compile(example.group(1), "docs/mls.md", "exec"), {})
