"""Searches everything that the watcher has for everything that the people would keep to themselves."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

NEEDLE_BYTES_MIN: Final = 5  # shorter ones turn up by chance in a megabyte of noise
_SLICE_BYTES: Final = 32  # of a long thing, pieces are searched: a whole one could be cut by frames
_SLICES_MAX: Final = 64
_GRAM_BYTES: Final = 8


@dataclass(frozen=True)
class Found:
    """A thing that turned up: which, in which writing, where."""

    what: str
    writing: str
    where: str


def writings(thing: bytes) -> dict[str, bytes]:
    """The ways in which a thing could be written down: raw, hex, Base64 at its three offsets, UTF-16."""
    written = {"raw": thing, "hex": thing.hex().encode(), "HEX": thing.hex().upper().encode()}
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + thing)
        clean = encoded[(0, 2, 3)[shift] : (len(thing) + shift) // 3 * 4]  # letters that depend on the thing alone
        written[f"Base64 {shift}"] = clean
        written[f"Base64url {shift}"] = clean.translate(bytes.maketrans(b"+/", b"-_"))
    try:
        text = thing.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and text:
        written |= {"UTF-16 LE": text.encode("utf-16-le"), "UTF-16 BE": text.encode("utf-16-be")}
        written |= {"lower case": text.lower().encode(), "UPPER CASE": text.upper().encode()}
    return {name: value for name, value in written.items() if len(value) >= NEEDLE_BYTES_MIN}


def pieces(thing: bytes) -> list[bytes]:
    """The thing; of one that is long, pieces from everywhere in it."""
    if len(thing) <= 4 * _SLICE_BYTES:
        return [thing] if len(thing) >= NEEDLE_BYTES_MIN else []
    step = max(_SLICE_BYTES, len(thing) // _SLICES_MAX)
    return [thing[at : at + _SLICE_BYTES] for at in range(0, len(thing) - _SLICE_BYTES, step)]


def search(known: Mapping[str, bytes], captured: Mapping[str, bytes]) -> list[Found]:
    """Every known thing, in every writing, in everything captured."""
    found = []
    for what, thing in known.items():
        for piece in pieces(thing):
            for writing, needle in writings(piece).items():
                found += [Found(what, writing, where) for where, data in captured.items() if needle in data]
    return found


def count_needles(known: Mapping[str, bytes]) -> int:
    """How many different strings `search` looks for."""
    return len({n for thing in known.values() for piece in pieces(thing) for n in writings(piece).values()})


def chi_square(data: Iterable[bytes]) -> tuple[float, int]:
    """Pearson's statistic of the bytes against 256 values equally likely, and how many bytes. Random bytes give about
    255, and in 99 of 100 cases 200 to 315."""
    counts: Counter[int] = Counter()
    for piece in data:
        counts.update(piece)
    total = counts.total()
    expected = total / 256 or 1.0
    return sum((counts[value] - expected) ** 2 / expected for value in range(256)), total


def share_a_run(bundles: Iterable[bytes]) -> int:
    """How many pairs of bundles have eight bytes in a row in common, as far as a watcher could link them by it."""
    owner: dict[bytes, int] = {}
    pairs: set[tuple[int, int]] = set()
    for number, bundle in enumerate(bundles):
        for at in range(len(bundle) - _GRAM_BYTES + 1):
            first = owner.setdefault(bundle[at : at + _GRAM_BYTES], number)
            if first != number:
                pairs.add((first, number))
    return len(pairs)
