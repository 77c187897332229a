"""The simulated world: a virtual clock, links, couriers, faults, people, checkers; it runs the real node.

The way of a run: `scenario` (what a file says) -> `stage` (people who know each other, in one group) -> `world` (a heap
of things to come) -> `device`, `network`, `courier`, `people`, `mallory` (what happens) -> `ledger` and `safety` (what
is checked at every step) -> `liveness` (what is demanded once all is well again) -> `run` (all of it).
"""
