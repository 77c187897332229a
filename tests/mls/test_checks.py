"""Every row of the check table is enforced somewhere and broken by a test that violates exactly this rule."""

from __future__ import annotations

import re

import pytest

from chasqui.mls import Check, PeerError
from tests.mls import check_table
from tests.mls.rules import REGISTER, Attempt


@pytest.mark.parametrize(("check", "name", "attempt"), REGISTER, ids=[f"{c.number}-{n}" for c, n, _ in REGISTER])
def test_breaking(check: Check, name: str, attempt: Attempt) -> None:
    with pytest.raises(PeerError) as caught:
        attempt()
    assert caught.value.check is check, str(caught.value)


@pytest.mark.parametrize("check", list(Check), ids=[check.name for check in Check])
def test_every_row_is_enforced_and_broken(check: Check) -> None:
    assert check.name in check_table.enforced()
    assert any(check is row for row, _, _ in REGISTER)


def test_numbers_are_unique_and_sections_are_named() -> None:
    numbers = [check.number for check in Check]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    for check in Check:
        assert re.fullmatch(r"RFC \d+(\.\d+)*|beyond", check.section)


def test_the_table_in_the_docs_is_current() -> None:
    assert check_table.DOCUMENT.read_text(encoding="utf-8") == check_table.document(), (
        "run python -m tests.mls.check_table"
    )
