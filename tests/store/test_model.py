"""Random histories over both stores, against a dictionary."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chasqui.lab.memory_store import MemoryStore
from chasqui.node.store_port import Store, Write
from tests.store.homes import new_home, unlock

Model = dict[tuple[int, bytes], bytes]
spaces = st.integers(0, 2)
keys = st.one_of(st.binary(max_size=3), st.sampled_from([b"", b"\0", b"\xff", b"\xff\xff", b"a" * 1024]))
values = st.one_of(
    st.binary(max_size=40), st.builds(lambda b, n: b * n, st.binary(min_size=1, max_size=1), st.integers(0, 20_000))
)
writes = st.lists(st.builds(Write, spaces, keys, st.none() | values), max_size=8)


class StoreModel(RuleBasedStateMachine):
    """The store does what a dictionary with a saved copy does."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.now: Model = {}
        self.durable: Model = {}

    @rule(batch=writes)
    def apply(self, batch: list[Write]) -> None:
        self.store.apply(batch)
        for space, key, value in batch:
            if value is None:
                self.now.pop((space, key), None)
            else:
                self.now[space, key] = value

    @rule()
    def commit(self) -> None:
        self.store.commit()
        self.durable = dict(self.now)

    @rule()
    def rollback(self) -> None:
        self.store.rollback()
        self.now = dict(self.durable)

    @rule()
    def reopen(self) -> None:
        self.restart()
        self.now = dict(self.durable)

    @rule(space=spaces, start=keys, end=st.none() | keys, limit=st.none() | st.integers(0, 30), reverse=st.booleans())
    def scan(self, space: int, start: bytes, end: bytes | None, limit: int | None, reverse: bool) -> None:
        want = sorted(
            (k, v) for (s, k), v in self.now.items() if s == space and start <= k and (end is None or k < end)
        )
        assert self.store.count(space, start, end) == len(want)
        if reverse:
            want.reverse()
        assert list(self.store.scan(space, start, end, limit=limit, reverse=reverse)) == want[:limit]

    @rule(space=spaces, key=keys)
    def get(self, space: int, key: bytes) -> None:
        assert self.store.get(space, key) == self.now.get((space, key))

    @invariant()
    def same_count(self) -> None:
        if hasattr(self, "store"):
            assert sum(self.store.count(space) for space in range(3)) == len(self.now)

    def restart(self) -> None:
        raise NotImplementedError


class MemoryModel(StoreModel):
    """The lab's store; a restart is a crash."""

    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore()

    def restart(self) -> None:
        assert isinstance(self.store, MemoryStore)
        self.store = self.store.after_crash()


class VaultModel(StoreModel):
    """The encrypted store; a restart closes and opens the vault."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(mkdtemp())
        self.vault = unlock(new_home(self.folder))
        self.store = self.vault.store

    def restart(self) -> None:
        self.vault.close()
        self.vault = unlock(self.vault.home)
        self.store = self.vault.store

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            self.vault.close()
            shutil.rmtree(self.folder)


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestVaultModel = VaultModel.TestCase
TestVaultModel.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
