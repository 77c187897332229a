"""Runs a node on a store: what a step asks to persist is durable before anything else of it leaves.

Several jobs share one commit (group commit). One thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chasqui.app.uptime import uptime
from chasqui.base.errors import PeerError, UserError
from chasqui.base.ports import Clock, Entropy, UptimeClock
from chasqui.node.broadcasts import OnAir
from chasqui.node.effects import Answer, CloseSession, Notice, Persist, Send, Timer, Transmit, Wake
from chasqui.node.inputs import Input, Tick
from chasqui.node.node import Node
from chasqui.node.records import Space
from chasqui.node.store_port import Store
from chasqui.node.transaction import Transaction

T = TypeVar("T")
Release = Send | CloseSession | Transmit | Wake | Notice
Job = Callable[["Runner"], T]

_HARMLESS = (PeerError, UserError)  # the step that raises them has changed nothing


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of a job: `value`, or `error`."""

    value: T | None
    error: BaseException | None

    def get(self) -> T:
        """The value. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a job may give None


class Runner:
    """A node, its store, and what waits to be released.

    A job is a function of the runner that steps and looks; it may be run twice, so it does nothing else.
    """

    def __init__(self, store: Store, entropy: Entropy, clock: Clock, uptime: UptimeClock = uptime) -> None:
        self.clock = clock
        self.uptime = uptime
        self.timer_s = 0  # when the node wants a Tick; 0: never
        self.bundles_written = 0  # grows with every bundle that is new in the store
        self.restarts = 0  # grows with every node thrown away: its sessions are gone then
        self._store = store
        self._entropy = entropy
        self._node = Node(store, entropy)
        self._released: list[Release] = []
        self._staged: list[Release] = []

    # -- for jobs -------------------------------------------------------------------------------------------

    def step(self, event: Input) -> Any:
        """One step of the node; gives its answer. Durable when the batch is committed, not before."""
        answer: object = None
        for effect in self._node.step(event, self.clock()):
            match effect:
                case Persist(writes):
                    self._store.apply(writes)
                    self.bundles_written += sum(w.space == Space.BUNDLE and w.value is not None for w in writes)
                case Answer(value):
                    answer = value
                case Timer(at_s):
                    self.timer_s = at_s
                case _:
                    self._staged.append(effect)
        return answer

    def tick(self) -> None:
        """Tells the node that time has passed."""
        self.step(Tick(self.uptime()))

    def look(self) -> Transaction:
        """A look into the store as it is now."""
        return Transaction(self._store, self.clock(), self._entropy)

    def on_air(self) -> dict[str, OnAir]:
        """How each broadcast link fares that is there, by its name."""
        return {link.name: link for link in self._node.on_air(self.uptime().ms)}

    # -- for owners -----------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Job[Any]]) -> list[Outcome[Any]]:
        """Runs jobs, commits once, and gives the outcome of each.

        A job whose request is refused fails alone. If the store or the node fails, everything since the last commit
        is rolled back, the node is made anew, and each job has its own commit.
        """
        outcomes = self._attempt(jobs)
        if outcomes is not None:
            return outcomes
        singly: list[Outcome[Any]] = []
        for job in jobs:
            singly += self._attempt([job], alone=True) or []
        return singly

    def do(self, job: Job[T]) -> T:
        """Runs one job and commits. Raises its error."""
        outcome: Outcome[T] = self.run([job])[0]
        return outcome.get()

    def release(self) -> list[Release]:
        """What may leave now, in order; each is given once."""
        released, self._released = self._released, []
        return released

    def _attempt(self, jobs: Sequence[Job[Any]], *, alone: bool = False) -> list[Outcome[Any]] | None:
        """None where the batch failed as a whole."""
        alone = alone or len(jobs) == 1
        outcomes: list[Outcome[Any]] = []
        try:
            for job in jobs:
                try:
                    outcomes.append(Outcome(job(self), None))
                except _HARMLESS as error:
                    outcomes.append(Outcome(None, error))
            self._store.commit()
        except Exception as error:
            self._start_over()
            return [Outcome(None, error)] if alone else None
        self._released += self._staged
        self._staged = []
        return outcomes

    def _start_over(self) -> None:
        self._store.rollback()
        self._staged = []
        self.restarts += 1
        self._node = Node(self._store, self._entropy)
