"""Tables of the spec and what the code has: equal, name by name and number by number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chasqui.base import labels, limits
from chasqui.base.schema import Body
from chasqui.mls import labels as mls_labels
from chasqui.node import records
from chasqui.sealed.kinds import CLASS_OF_KIND, LIFETIME_EXPONENT, BundleClass, Kind

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    lines = (SPEC / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def constants(module: Any) -> dict[str, bytes]:
    """The upper-case constants of a module of labels."""
    found = {name: value for name, value in vars(module).items() if name.isupper()}
    return {name: value.encode() if isinstance(value, str) else value for name, value in found.items()}


def test_labels_are_mirrored() -> None:
    written = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("labels.md")[1:]}
    assert written == {name: value.decode().replace("\0", "\\x00") for name, value in constants(labels).items()}


@pytest.mark.must("M-LAB-1")
def test_no_label_has_two_uses() -> None:
    # the prefix "MLS 1.0 " stands before MLS's labels, whose short words it keeps apart from everything else
    every = [*constants(labels).values(), *constants(mls_labels).values()]
    assert len({label.rstrip(b"\0") for label in every}) == len(every)
    for name, label in constants(labels).items():
        if name in ("HASH_MARK_BODY", "SHORT_ID", "DAY_PRINT", "VEIL_MAC", "VEIL_MASK"):
            assert len(label) <= 8, name
        elif name.startswith(("KDF_", "HASH_", "LAN_")):
            assert len(label) <= 16, name


@pytest.mark.must("M-RCD-1")
def test_spaces_and_records_are_mirrored() -> None:
    written = {int(cells[0]): cells[1] for cells in rows("records.md")[1:]}
    assert written == {int(space): space.name for space in records.Space}
    text = (SPEC / "records.md").read_text(encoding="utf-8")
    described = dict(re.findall(r"^- `(\w+)` \[(.*?)\]: ", text, re.M))
    assert described == {
        name: ", ".join(f"`{field}`" for field in fields_of(kind))
        for name, kind in vars(records).items()
        if isinstance(kind, type) and issubclass(kind, Body) and kind is not Body
    }


def fields_of(kind: type[Body]) -> list[str]:
    names = kind.__struct_fields__
    defaults = dict(zip(names[len(names) - len(kind.__struct_defaults__) :], kind.__struct_defaults__, strict=True))
    return [
        f"{name} {kind.__annotations__[name]}" + (f" = {defaults[name]!r}" if name in defaults else "")
        for name in names
    ]


def test_kinds_and_classes_are_mirrored() -> None:
    table = [cells for cells in rows("sealing.md") if cells[1].isdigit()]
    assert {cells[0].replace("operation", "op").replace(" ", "_"): int(cells[1]) for cells in table} == {
        kind.name.lower(): int(kind) for kind in Kind
    }
    for cells in table:
        assert re.split(r"[ ,]", cells[2])[0] == CLASS_OF_KIND[Kind(int(cells[1]))].name.lower()
    assert LIFETIME_EXPONENT == {
        BundleClass.URGENT: 12,
        BundleClass.TEXT: 12,
        BundleClass.BULK: 12,
        BundleClass.FILE: 10,
    }


def test_steps_are_mirrored() -> None:
    text = (SPEC / "sealing.md").read_text(encoding="utf-8")
    written = re.search(r"^Sizes \(steps\): ([\d, ]+)\.$", text, re.M)
    assert written is not None
    assert tuple(int(step) for step in written[1].split(", ")) == limits.BUNDLE_STEPS
