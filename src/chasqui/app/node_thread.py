"""The one thread that owns node and store: it drains its queue, runs the jobs, commits once for all of them, and only
then lets effects and answers out (docs/adr/0003)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, TypeVar

from chasqui.app.runner import Job, Release, Runner
from chasqui.base.errors import ChasquiError, MachineError
from chasqui.base.ports import Uptime

T = TypeVar("T")
BATCH_JOBS_MAX: Final = 256  # one commit; bounds how long the first of them waits
WAIT_S_MAX: Final = 60.0  # a machine that slept has to notice that its clock went on
_RETRY_S: Final = 10.0  # after a failed Tick: a full disk stays full for a while

_Waiting = tuple[Job[Any], "Future[Any]"]


class NodeThread:
    """Jobs in, futures out. `released` gets the effects of each commit in order, `restarted` is called when the node
    was thrown away and its sessions with it, `broke` when it cannot go on; all on the node's thread."""

    def __init__(
        self,
        runner: Runner,
        *,
        released: Callable[[list[Release]], None],
        restarted: Callable[[], None],
        broke: Callable[[BaseException], None],
    ) -> None:
        self._runner = runner
        self._released = released
        self._restarted = restarted
        self._broke = broke
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._tick_not_before = 0.0
        self._thread = Thread(target=self._run, name="node", daemon=True)
        self._ended = False
        self._door = Lock()  # a job is queued before the end, or refused; nothing waits for ever

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def submit(self, job: Job[T]) -> Future[T]:
        """Queues a job; its future is done once it is durable. From any thread."""
        future: Future[T] = Future()
        with self._door:
            if not self._ended:
                self._queue.put((job, future))
                return future
        future.set_exception(_ending())
        return future

    def ask(self, job: Job[T]) -> T:
        """Queues a job and waits. From any thread but the loop's and the node's."""
        return self.submit(job).result()

    def uptime(self) -> Uptime:
        """The clock by which the books of airtime are kept."""
        return self._runner.uptime()

    @property
    def bundles_written(self) -> int:
        """Grows with every bundle that is new in the store."""
        return self._runner.bundles_written

    def stop(self) -> None:
        """Finishes what is queued, then ends. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:
            self._broke(error)
        finally:
            with self._door:
                self._ended = True
            self._refuse_rest()

    def _round(self) -> bool:
        """One batch; False once the end was asked for."""
        batch, going_on = self._take()
        restarts = self._runner.restarts
        outcomes = self._runner.run([job for job, _ in batch]) if batch else []
        if self._tick_due():
            self._tick()
        released = self._runner.release()
        if released:
            self._released(released)
        if self._runner.restarts != restarts:
            self._restarted()
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)
        return going_on

    def _take(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        try:
            first = self._queue.get(timeout=self._wait_s())
            while True:
                if first is None:
                    return batch, False
                batch.append(first)
                if len(batch) >= BATCH_JOBS_MAX:
                    break
                first = self._queue.get_nowait()
        except Empty:
            pass
        return batch, True

    def _wait_s(self) -> float:
        due_s = self._runner.timer_s
        if not due_s:
            return WAIT_S_MAX
        until = max(due_s - time.time(), self._tick_not_before - time.monotonic(), 0.0)
        return min(until + 0.01, WAIT_S_MAX)

    def _tick_due(self) -> bool:
        return 0 < self._runner.timer_s <= time.time() and time.monotonic() >= self._tick_not_before

    def _tick(self) -> None:
        try:
            self._runner.do(Runner.tick)
        except MachineError:
            self._tick_not_before = time.monotonic() + _RETRY_S
        else:
            self._tick_not_before = time.monotonic() + 0.5  # whatever the node says, never a busy loop

    def _refuse_rest(self) -> None:
        while True:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return
            if waiting is not None:
                waiting[1].set_exception(_ending())


def _ending() -> ChasquiError:
    return MachineError("The daemon is ending.", safety="Nothing of this was done.", todo="Do it again.")
