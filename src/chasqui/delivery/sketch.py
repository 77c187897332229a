"""PinSketch: what two sets differ in, from four bytes a difference (Dodis, Ostrovsky, Reyzin, Smith, 2004).

Syndrome j of a set is the sum of the powers 2j + 1 of its elements in GF(2^32). The sum of two sets' syndromes is that
of their difference; c of them give back up to c differences. Field and order are those of libminisketch for 32 bits, so
that another implementation may use that library. Elements are not zero. Byte-exact in `docs/spec/radio.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chasqui.delivery import field32
from chasqui.delivery.field32 import BITS, ELEMENT_MAX, gathered, spread, times

SYNDROME_BYTES: Final = BITS // 8
Polynomial = list[int]  # spread coefficients, the constant first; the last one is not zero


def syndromes_of(elements: Sequence[int], count: int) -> tuple[int, ...]:
    """The first `count` syndromes of a set."""
    if not elements:
        return (0,) * count
    if not all(0 < element <= ELEMENT_MAX for element in elements):
        raise ValueError("not an element of a sketch")
    power = field32.slices_of(elements)
    square = field32.squares(power)
    syndromes = [field32.lane_sum(power)]
    while len(syndromes) < count:
        power = field32.product(power, square)
        syndromes.append(field32.lane_sum(power))
    return tuple(syndromes[:count])


def summed(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """Syndromes of the difference of two sets, as many as both have."""
    return tuple(a ^ b for a, b in zip(one, other, strict=False))


def elements_from(syndromes: Sequence[int]) -> list[int] | None:
    """The set with these syndromes, if it has at most as many elements as there are syndromes; None where there is no
    such set. More elements than syndromes pass for a wrong set with a chance of 1 / c! or less: compare a
    fingerprint.
    """
    connection = _connection(syndromes)
    if connection is None:
        return None
    # the connection polynomial has the inverses of the elements as roots: turned round it has the elements
    roots = _roots(connection[::-1])
    return None if roots is None else sorted(gathered(root) for root in roots)


def _connection(syndromes: Sequence[int]) -> Polynomial | None:
    """Berlekamp and Massey, without the steps of which it is known that nothing happens in a field of two."""
    odd = [spread(syndrome) for syndrome in syndromes]
    sequence: list[int] = []
    for at in range(2 * len(odd)):  # s1 s2 s3 ...: the even ones are squares
        sequence.append(odd[at // 2] if at % 2 == 0 else field32.square(sequence[(at - 1) // 2]))
    current, before, length, gap, before_discrepancy = [1], [1], 0, 1, 1
    for at in range(0, len(sequence), 2):
        discrepancy = sequence[at]
        for back in range(1, min(length, len(current) - 1) + 1):
            if current[back]:
                discrepancy ^= times(current[back], sequence[at - back])
        if not discrepancy:
            gap += 2
            continue
        factor = times(discrepancy, field32.inverse(before_discrepancy))
        moved = [0] * gap + [times(factor, value) for value in before]
        changed = _sum(current, moved)
        if 2 * length <= at:
            before, before_discrepancy, gap, length = current, discrepancy, 2, at + 1 - length
        else:
            gap += 2
        current = changed
    current = _trimmed(current)
    return current if len(current) - 1 == length <= len(odd) else None


def _roots(polynomial: Polynomial) -> list[int] | None:
    """All roots, if there are as many different ones as its degree (Berlekamp's trace algorithm)."""
    polynomial = _monic(polynomial)
    degree = len(polynomial) - 1
    if degree == 0:
        return []
    if degree == 1:
        return [polynomial[0]]
    powers = _doubled_powers(polynomial)
    if powers is None:
        return None
    found: list[int] = []
    open_factors = [polynomial]
    for bit in range(BITS):
        trace = _trace(powers, bit, degree)
        split: list[Polynomial] = []
        for factor in open_factors:
            part = _divisor(factor, _remainder(trace, factor))
            if 0 < len(part) - 1 < len(factor) - 1:
                split += [part, _quotient(factor, part)]
            else:
                split.append(factor)
        found += [factor[0] for factor in split if len(factor) == 2]
        open_factors = [factor for factor in split if len(factor) > 2]
        if not open_factors:
            return found
    return None


def _doubled_powers(polynomial: Polynomial) -> list[list[int]] | None:
    """x^(2^i) modulo the polynomial for i = 0 to 31, not spread; None unless x^(2^32) is x again, that is unless the
    polynomial is a product of different linear factors."""
    degree = len(polynomial) - 1
    rows = [[0] * degree for _ in range(degree)]  # row i: x^(2i)
    power = [1] + [0] * (degree - 1)
    for exponent in range(2 * degree - 1):
        if exponent % 2 == 0:
            rows[exponent // 2] = power
        top = power[-1]
        power = [0, *power[:-1]]
        if top:
            power = [value ^ times(top, factor) for value, factor in zip(power, polynomial[:degree], strict=True)]
    table = field32.slices_of([gathered(value) for row in rows for value in row])
    repeated = sum(1 << at for at in range(degree))
    lanes = [repeated << degree * at for at in range(degree)]
    current = [0, 1] + [0] * (degree - 2)
    powers = [current]
    for _ in range(BITS):
        squared = field32.squares(field32.slices_of(current))
        spread_out = [sum(lanes[at] for at in range(degree) if piece >> at & 1) for piece in squared]
        current = field32.elements_of(_folded(field32.product(table, spread_out), degree), degree)
        powers.append(current)
    return powers[:BITS] if powers[BITS] == powers[0] else None


def _folded(slices: field32.Slices, degree: int) -> field32.Slices:
    """Sums the rows of a square of lanes."""
    mask = (1 << degree) - 1
    folded = []
    for piece in slices:
        total = 0
        while piece:
            total ^= piece & mask
            piece >>= degree
        folded.append(total)
    return folded


def _trace(powers: list[list[int]], bit: int, degree: int) -> Polynomial:
    """Tr(b x) modulo the polynomial, where b = x^bit of the field: the sum of b^(2^i) x^(2^i)."""
    total = [0] * degree
    scale = spread(1 << bit)
    for power in powers:
        for at, value in enumerate(power):
            if value:
                total[at] ^= times(scale, spread(value))
        scale = field32.square(scale)
    return _trimmed(total)


def _sum(one: Polynomial, other: Polynomial) -> Polynomial:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return [value ^ (shorter[at] if at < len(shorter) else 0) for at, value in enumerate(longer)]


def _trimmed(polynomial: Polynomial) -> Polynomial:
    end = len(polynomial)
    while end and not polynomial[end - 1]:
        end -= 1
    return polynomial[:end]


def _monic(polynomial: Polynomial) -> Polynomial:
    factor = field32.inverse(polynomial[-1])
    return [times(factor, value) for value in polynomial]


def _remainder(polynomial: Polynomial, monic: Polynomial) -> Polynomial:
    return _trimmed(_divided(polynomial, monic)[0])


def _quotient(polynomial: Polynomial, monic: Polynomial) -> Polynomial:
    return _divided(polynomial, monic)[1]


def _divided(polynomial: Polynomial, monic: Polynomial) -> tuple[Polynomial, Polynomial]:
    rest = list(polynomial)
    places = len(polynomial) - len(monic) + 1
    quotient = [0] * max(places, 0)
    for at in range(places - 1, -1, -1):
        factor = rest[at + len(monic) - 1]
        quotient[at] = factor
        if factor:
            for offset, value in enumerate(monic, at):
                rest[offset] ^= times(factor, value)
    return rest[: len(monic) - 1], quotient


def _divisor(one: Polynomial, other: Polynomial) -> Polynomial:
    """The greatest common one, monic."""
    while other:
        other = _monic(other)
        one, other = other, _remainder(one, other)
    return one
