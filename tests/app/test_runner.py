"""The runner: nothing leaves before the commit; a refused job fails alone, a failed disk loses nothing."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from chasqui.app.node_thread import NodeThread
from chasqui.app.runner import Release, Runner
from chasqui.base.errors import DiskFullError, UserError
from chasqui.lab.memory_store import MemoryStore, fail_at
from chasqui.node import inputs
from chasqui.node.effects import Notice
from chasqui.node.views import list_groups
from tests.node.world import START_S, SeededEntropy


def runner_on(store: MemoryStore) -> Runner:
    runner = Runner(store, SeededEntropy("runner"), lambda: START_S)
    runner.do(lambda r: r.step(inputs.SetUp("ana")))
    return runner


def group_names(runner: Runner) -> list[str]:
    return [line.name for line in list_groups(runner.look())]


def create(name: str) -> Any:
    return lambda r: r.step(inputs.CreateGroup(name))


def test_a_batch_has_one_commit() -> None:
    store = MemoryStore()
    runner = runner_on(store)
    before = store.commits
    outcomes = runner.run([create("a"), create("b"), create("c")])
    assert store.commits == before + 1
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert group_names(runner) == ["a", "b", "c"]


def test_a_refused_job_fails_alone() -> None:
    store = MemoryStore()
    runner = runner_on(store)
    outcomes = runner.run([create("a"), create("a"), create("b")])
    assert isinstance(outcomes[1].error, UserError)
    with pytest.raises(UserError):
        outcomes[1].get()
    assert group_names(runner) == ["a", "b"]
    assert runner.restarts == 0


@pytest.mark.parametrize("where", ["apply", "commit"])
def test_a_failing_disk_loses_nothing_and_lets_nothing_out(where: str) -> None:
    store = MemoryStore()
    runner = runner_on(store)
    group = runner.do(create("a"))
    runner.release()
    if where == "apply":
        store.before_apply = fail_at(store.applies + 1)
    else:
        store.before_commit = fail_at(store.commits + 1)
    with pytest.raises(DiskFullError):
        runner.do(lambda r: r.step(inputs.SendText(group, "lost")))
    assert runner.release() == []
    assert runner.restarts == 1
    first = runner.do(lambda r: r.step(inputs.SendText(group, "kept")))
    assert first
    assert any(isinstance(effect, Notice) for effect in runner.release())
    assert store.after_crash().count(8) == 1


def test_one_job_that_does_not_fit_does_not_fail_the_others() -> None:
    store = MemoryStore()
    runner = runner_on(store)

    def broken(r: Runner) -> None:
        r.step(inputs.CreateGroup("never"))
        raise DiskFullError("no room")

    outcomes = runner.run([create("a"), broken, create("b")])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), DiskFullError, type(None)]
    assert group_names(runner) == ["a", "b"]


def test_effects_leave_after_the_commit_that_they_belong_to() -> None:
    store = MemoryStore()
    runner = runner_on(store)
    group = runner.do(create("a"))
    runner.release()
    seen: list[tuple[int, int]] = []
    committed: list[int] = []

    def released(effects: list[Release]) -> None:
        seen.append((len(effects), store.commits))

    thread = NodeThread(runner, released=released, restarted=lambda: None, broke=lambda error: None)
    before = store.commits
    store.before_commit = lambda call: committed.append(len(seen))
    thread.start()
    futures = [thread.submit(lambda r, n=n: r.step(inputs.SendText(group, f"{n}"))) for n in range(20)]  # type: ignore[misc]
    assert len({future.result(10) for future in futures}) == 20
    thread.stop()
    assert store.commits > before
    assert seen
    assert all(commits > before for _, commits in seen)


def test_the_thread_refuses_what_comes_after_its_end() -> None:
    runner = runner_on(MemoryStore())
    broke: list[BaseException] = []
    thread = NodeThread(runner, released=lambda _: None, restarted=lambda: None, broke=broke.append)
    thread.start()
    assert thread.ask(group_names) == []
    thread.stop()
    late: Future[list[str]] = thread.submit(group_names)
    with pytest.raises(Exception, match="ending"):
        late.result(5)
    assert not broke
    assert threading.active_count() >= 1
