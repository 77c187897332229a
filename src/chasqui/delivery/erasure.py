"""An erasure code over GF(256) that is as good as one can be (MDS): of K symbols any that are lost are made good by as
many parity symbols, whichever they are. Byte-exact in `docs/spec/radio.md`.

Symbols 0 to 191 are sources, 192 to 255 parity. Parity symbol p is the sum over the sources i of c(p, i) times the
source, with c(p, i) = 1 / (p + i) (a Cauchy matrix, every square part of which is invertible). It does not depend on K:
a generation may grow, and a parity symbol covers as many sources as there were. Products of whole symbols are
`bytes.translate`, sums are whole integers: 100 MB/s without any library (docs/adr/0021).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

SOURCES_MAX: Final = 192
PARITY_FIRST: Final = SOURCES_MAX
PARITY_MAX: Final = 256 - PARITY_FIRST
_POLYNOMIAL: Final = 0x11D


def _tables() -> tuple[bytes, list[int]]:
    powers = bytearray(510)
    logs = [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logs[value] = exponent
        value = value << 1 ^ (_POLYNOMIAL if value & 0x80 else 0)
    return bytes(powers), logs


_POWERS, _LOGS = _tables()


def _product(one: int, other: int) -> int:
    return _POWERS[_LOGS[one] + _LOGS[other]] if one and other else 0


def _inverse(value: int) -> int:
    return _POWERS[255 - _LOGS[value]]


@cache
def _times(factor: int) -> bytes:
    """A table for `bytes.translate`."""
    return bytes(_product(factor, value) for value in range(256))


def coefficient(parity: int, source: int) -> int:
    """c(p, i) of the parity symbol p and the source i."""
    return _inverse(parity ^ source)


def parity_symbol(number: int, sources: Sequence[bytes], size: int) -> bytes:
    """Parity symbol `number` (192 to 255) over sources, each filled up with zeroes to `size`."""
    total = 0
    for at, source in enumerate(sources):
        total ^= _int(source.translate(_times(coefficient(number, at))), size)
    return total.to_bytes(size, "big")


def repair(sources: Mapping[int, bytes], parity: Mapping[int, tuple[int, bytes]], size: int) -> dict[int, bytes]:
    """The lost sources that follow from what is there; nothing where it is not enough.

    `sources` by number; `parity` by number, with how many sources each covers; all of at most `size` bytes. What is
    given out has `size` bytes. Wrong symbols give wrong sources: whoever calls checks them.
    """
    covered = max((count for count, _ in parity.values()), default=0)
    lost = [at for at in range(covered) if at not in sources]
    if not lost or len(parity) < len(lost):
        return {}
    counts = sorted(count for count, _ in parity.values())
    if any(len(counts) - bisect_right(counts, at) < behind for behind, at in enumerate(reversed(lost), 1)):
        return {}  # of those lost from here on there are more than parity that covers them
    rows: list[tuple[list[int], int]] = []
    for number, (count, symbol) in sorted(parity.items()):
        rest = _int(symbol, size)
        for at, source in sources.items():
            if at < count:
                rest ^= _int(source.translate(_times(coefficient(number, at))), size)
        rows.append(([coefficient(number, at) if at < count else 0 for at in lost], rest))
    return _solve(rows, lost, size)


def _solve(rows: list[tuple[list[int], int]], lost: list[int], size: int) -> dict[int, bytes]:
    """Gauss and Jordan. Rows that cover few sources beside rows that cover many may not be enough together."""
    solved: list[tuple[list[int], int]] = []
    for column in range(len(lost)):
        pivot = next((row for row in rows if row[0][column]), None)
        if pivot is None:
            return {}
        rows = [row for row in rows if row is not pivot]
        pivot = _scaled(pivot, _inverse(pivot[0][column]), size)
        rows = [_without(row, pivot, column, size) for row in rows]
        solved = [_without(row, pivot, column, size) for row in solved]
        solved.append(pivot)
    return {at: value.to_bytes(size, "big") for at, (_, value) in zip(lost, solved, strict=True)}


def _scaled(row: tuple[list[int], int], factor: int, size: int) -> tuple[list[int], int]:
    factors, value = row
    return [_product(factor, f) for f in factors], _int(value.to_bytes(size, "big").translate(_times(factor)), size)


def _without(row: tuple[list[int], int], pivot: tuple[list[int], int], column: int, size: int) -> tuple[list[int], int]:
    factor = row[0][column]
    if not factor:
        return row
    factors, value = _scaled(pivot, factor, size)
    return [one ^ other for one, other in zip(row[0], factors, strict=True)], row[1] ^ value


def _int(symbol: bytes, size: int) -> int:
    return int.from_bytes(symbol, "big") << 8 * (size - len(symbol))
