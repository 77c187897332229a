"""A frozen set of whole numbers, kept as spans."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranges:
    """Disjoint, ascending spans (first, last), both ends included, never touching each other."""

    spans: tuple[tuple[int, int], ...] = ()

    def __contains__(self, number: int) -> bool:
        index = bisect_left(self.spans, (number + 1,)) - 1
        return index >= 0 and self.spans[index][0] <= number <= self.spans[index][1]

    @property
    def last(self) -> int:
        """The largest number, or 0."""
        return self.spans[-1][1] if self.spans else 0

    def add(self, number: int) -> Ranges:
        """With one more number."""
        return self.union(Ranges(((number, number),)))

    def union(self, other: Ranges) -> Ranges:
        """All numbers of both."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(self.spans + other.spans):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return Ranges(tuple(merged))

    def common(self, other: Ranges) -> Ranges:
        """The numbers that are in both."""
        shared = []
        for first, last in self.spans:
            for low, high in other.spans[max(0, bisect_left(other.spans, (first,)) - 1) :]:
                if low > last:
                    break
                if high >= first:
                    shared.append((max(first, low), min(last, high)))
        return Ranges(tuple(shared))

    def end_of_run(self, start: int) -> int:
        """The last number of the unbroken run that begins at `start`; start - 1 if it is not there."""
        for first, last in self.spans:
            if first <= start <= last:
                return last
        return start - 1

    def last_up_to(self, number: int) -> int:
        """The largest number that is here and not above this one, or 0."""
        index = bisect_left(self.spans, (number + 1,)) - 1
        return min(number, self.spans[index][1]) if index >= 0 else 0

    def missing(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """The spans of numbers in start..end that are not here."""
        holes: list[tuple[int, int]] = []
        for first, last in self.spans[max(0, bisect_left(self.spans, (start,)) - 1) :]:
            if last < start:
                continue
            if first > end:
                break
            if first > start:
                holes.append((start, first - 1))
            start = last + 1
        if start <= end:
            holes.append((start, end))
        return tuple(holes)
