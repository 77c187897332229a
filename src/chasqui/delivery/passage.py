"""How far a large bundle is on its way over a broadcast link, as the engine knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Passage:
    """A bundle that takes several frames: how many of its symbols have left (`sent`) or come, of how many are needed.
    `flow`: whose it is; empty where that shows only when it is whole."""

    here: int
    of: int
    sent: bool
    flow: str = ""
