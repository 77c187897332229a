"""Every MUST of the spec is held by a test, and the table says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import musts


@pytest.mark.rule
def test_every_must_has_a_test_and_every_mark_a_must() -> None:
    wrong = musts.problems(musts.collect_musts(), musts.collect_tests())
    assert not wrong, "\n".join(wrong)


@pytest.mark.rule
def test_the_table_is_current() -> None:
    current = musts.TABLE.read_text(encoding="utf-8") if musts.TABLE.exists() else musts.HEAD
    assert current == musts.table(musts.collect_musts(), musts.collect_tests()), "run: python3 dev.py musts"


def test_the_collector(tmp_path: Path) -> None:
    spec, tests = tmp_path / "spec", tmp_path / "tests"
    spec.mkdir()
    tests.mkdir()
    (spec / "a.md").write_text(
        "# A\n\n**M-OBJ-1** A reader MUST refuse\nwhat is long.\n\n- **M-OBJ-2**. A writer MUST pad.\n"
        "- **M-OBJ-3** nothing.\n\nSee **M-OBJ-1**.\n\n```\n**M-OBJ-9** MUST not count\n```\n"
    )
    (tests / "test_a.py").write_text(
        "import pytest\n\n@pytest.mark.must('M-OBJ-1', 'M-OBJ-7')\ndef test_one() -> None: ...\n\n"
        "class TestTwo:\n    @pytest.mark.must('M-OBJ-2')\n    def test_pad(self) -> None: ...\n"
    )
    found, named = musts.collect_musts(spec), musts.collect_tests(tests)
    assert [m.number for m in found] == ["M-OBJ-1", "M-OBJ-2", "M-OBJ-3"]
    assert found[0].text == "A reader MUST refuse what is long."
    assert named["M-OBJ-2"] == ["tests/test_a.py::TestTwo::test_pad"]
    assert musts.problems(found, named) == [
        "M-OBJ-3 (a.md) has no test",
        "M-OBJ-3 (a.md) does not say MUST",
        "tests/test_a.py::test_one names M-OBJ-7, which docs/spec does not have",
    ]
    row = "| M-OBJ-1 | [a.md](a.md) | A reader MUST refuse what is long. | `tests/test_a.py::test_one` |\n"
    assert row in musts.table(found, named)
