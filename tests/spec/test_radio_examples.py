"""The examples of docs/spec/radio.md: each is what its fields give, byte by byte, and is read back as that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chasqui.base.ids import bundle_id
from chasqui.base.secret import Secret
from chasqui.delivery.erasure import parity_symbol
from chasqui.delivery.generations import checked, cut
from chasqui.delivery.index import Index, Item, fingerprint, short_id
from chasqui.delivery.radio_frames import (
    BatchFrame,
    CodedFrame,
    DaysFrame,
    MoreFrame,
    NeedFrame,
    PackFrame,
    RadioFrame,
    RadioFrameType,
    SumFrame,
    WantFrame,
    read_radio_frame,
    write_radio_frame,
)
from chasqui.delivery.sketch import syndromes_of
from chasqui.delivery.veil import unveil, veil

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "radio.md"
KEY = Secret(bytes(range(32)))
EXAMPLE = re.compile(r"^([A-Z]+|veiled) +([0-9a-f* ]+)\n        = (.*)$", re.MULTILINE)
EXAMPLES = EXAMPLE.findall(SPEC.read_text().split("## Examples")[1].split("\n## ")[0])


def unhex(text: str) -> bytes:
    """`41*128` is one byte, so often."""
    pieces = (piece.partition("*") for piece in text.split())
    return b"".join(bytes.fromhex(value) * int(times or 1) for value, _, times in pieces)


class Fields:
    """What stands behind the equals sign: names and values, and words alone."""

    def __init__(self, text: str) -> None:
        self._values = dict(self._pair(piece) for piece in text.split("; "))

    @staticmethod
    def _pair(piece: str) -> tuple[str, str]:
        for name in ("part of", "parity over", "day before", "day itself"):
            if piece.startswith(name + " "):
                return name, piece.removeprefix(name + " ")
        name, _, value = piece.partition(" ")
        return name, value

    def has(self, name: str) -> bool:
        return name in self._values

    def hex(self, name: str) -> bytes:
        return unhex(self._values[name])

    def byte(self, name: str) -> int:
        return self.hex(name)[0]

    def number(self, name: str) -> int:
        return int(self._values[name])

    def bundles(self, name: str) -> tuple[bytes, ...]:
        return tuple(unhex(one) for one in self._values[name].split(", "))


def short_ids(fields: Fields) -> tuple[int, ...]:
    return tuple(short_id(fields.hex("salt"), bundle_id(bundle)) for bundle in fields.bundles("of"))


def coded(fields: Fields) -> CodedFrame:
    number, count = fields.number("number"), fields.number("count")
    symbol = fields.hex("symbol") if fields.has("symbol") else b""
    if fields.has("part of"):
        symbol = cut(fields.hex("part of"), count)[number]
    if fields.has("parity over"):
        over = [checked(bundle) for bundle in fields.bundles("parity over")]
        symbol = parity_symbol(number, over, len(over[0]))
    flags = (fields.has(flag) for flag in ("parts", "followed", "asked"))
    return CodedFrame(fields.byte("source"), fields.byte("generation"), count, number, symbol, *flags)


def days(fields: Fields) -> DaysFrame:
    day, salt, index = fields.byte("day"), fields.hex("salt"), Index(fields.byte("day"))
    for name, back in (("older", 2), ("day before", 1), ("day itself", 0)):
        for bundle in fields.bundles(name):
            index.add(Item(bundle_id(bundle), len(bundle), 1, day - back))
    entries = [index.entry(salt, [day - back]) for back in (2, 1, 0)]
    return DaysFrame(day, salt, entries[0], tuple(entries[1:]))


def built(kind: str, fields: Fields) -> RadioFrame:
    """The frame of these fields."""
    match kind:
        case "BUNDLE":
            return PackFrame(fields.bundles("bundles"))
        case "PACK" if not fields.has("source"):
            return PackFrame(fields.bundles("bundles"))
        case "PACK":
            names = fields.byte("source"), fields.byte("generation"), fields.number("count"), fields.number("number")
            return BatchFrame(*names, fields.bundles("bundles"), fields.has("followed"), fields.has("asked"))
        case "CODED":
            return coded(fields)
        case "SUM":
            ids, salt = short_ids(fields), fields.hex("salt")
            syndromes = syndromes_of(ids, fields.number("syndromes"))
            short = len(syndromes) < 16
            check = fingerprint(salt, len(ids), sum(ids)) if short else b""
            count = len(ids) if short else None
            return SumFrame(fields.byte("day"), salt, fields.number("split"), count, check, syndromes)
        case "MORE":
            first = fields.number("first")
            syndromes = syndromes_of(short_ids(fields), first + fields.number("syndromes"))[first:]
            return MoreFrame(fields.byte("day"), fields.hex("salt"), first, syndromes)
        case "REQ":
            return WantFrame(fields.hex("salt"), short_ids(fields))
        case "NEED":
            return NeedFrame(fields.byte("source"), fields.byte("generation"), fields.number("count"))
        case "DAYS":
            return days(fields)
    raise AssertionError(f"an example of an unknown kind: {kind}")


@pytest.mark.must("M-RAD-3", "M-RAD-6", "M-RAD-9")
@pytest.mark.parametrize(("kind", "data", "fields"), EXAMPLES, ids=[f"{at} {e[0]}" for at, e in enumerate(EXAMPLES)])
def test_an_example_is_what_its_fields_give(kind: str, data: Any, fields: Any) -> None:
    data = unhex(data)
    if kind == "veiled":
        kind, _, fields = fields.partition("; ")
        frame = built(kind, Fields(fields))
        assert veil(KEY, write_radio_frame(frame)) == data
        data = unveil(KEY, data)
    frame = built(kind, Fields(fields))
    assert write_radio_frame(frame) == data
    assert read_radio_frame(data) == frame
    assert data[0] >> 4 == RadioFrameType[kind]


def test_no_kind_of_frame_is_without_an_example() -> None:
    kinds = [kind for kind, _, _ in EXAMPLES]
    assert set(kinds) == {"veiled", *RadioFrameType.__members__}
    flags = {int(data.split()[0][1], 16) for kind, data, _ in EXAMPLES if kind == "CODED"}
    assert {flag for flag in (1, 2, 4, 8) if any(flags_of & flag for flags_of in flags)} == {1, 2, 4, 8}
    forms = [(kind, Fields(fields).has("source")) for kind, _, fields in EXAMPLES if kind == "PACK"]
    assert sorted(forms) == [("PACK", False), ("PACK", True)]
    assert sorted(Fields(fields).number("syndromes") for kind, _, fields in EXAMPLES if kind == "SUM") == [2, 16]
