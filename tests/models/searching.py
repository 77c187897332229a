"""The search that models of what devices do have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

State = TypeVar("State", bound=Hashable)


def reachable(start: State, after: Callable[[State], Iterable[State]], most: int) -> Iterator[State]:
    """Every state that can be reached, each once; no further states are looked for when so many are known."""
    seen, todo = {start}, [start]
    while todo and len(seen) < most:
        pick = len(seen) * 7919 % len(todo)  # anywhere, so that a bounded search sees some of everything
        todo[pick], todo[-1] = todo[-1], todo[pick]
        state = todo.pop()
        yield state
        for then in after(state):
            if then not in seen:
                seen.add(then)
                todo.append(then)
