"""Bursts of one recording laid end to end, and what is missing between them. Knows no codec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chasqui.media.burst import Burst


@dataclass(frozen=True)
class Layout:
    """Which of some stretches of a recording follow each other, by their numbers; what is missing before and between
    them; and those that lie over others, which no honest speaker says."""

    order: tuple[int, ...]
    holes: tuple[tuple[int, int], ...]
    over: tuple[int, ...]


def lay_out(stretches: Sequence[tuple[int, int]]) -> Layout:
    """Where stretches from a place to another lie, in any unit."""
    order: list[int] = []
    holes: list[tuple[int, int]] = []
    over: list[int] = []
    reached = 0
    for number in sorted(range(len(stretches)), key=lambda number: stretches[number][0]):
        begins, ends = stretches[number]
        if order and begins < reached:
            over.append(number)
            continue
        if begins > reached:
            holes.append((reached, begins))
        order.append(number)
        reached = ends
    return Layout(tuple(order), tuple(holes), tuple(sorted(over)))


def in_order(bursts: Iterable[Burst]) -> tuple[Burst, ...]:
    """The bursts of a recording as they follow each other; one that lies over another is left out."""
    every = tuple(bursts)
    return tuple(every[number] for number in lay_out([(burst.begins, burst.ends) for burst in every]).order)
