"""Both stores pass the one suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chasqui.lab.memory_store import MemoryStore
from chasqui.node.store_port import Store
from chasqui.store import OpenVault
from tests.store.conformance import StoreConformance, Stores
from tests.store.homes import new_home, unlock


class VaultStores:
    """Stores in vaults."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.open: list[OpenVault] = []

    def new(self) -> Store:
        folder = self._folder / str(len(self.open))
        folder.mkdir()
        self.open.append(unlock(new_home(folder)))
        return self.open[-1].store

    def reopen(self, store: Store) -> Store:
        (vault,) = (v for v in self.open if v.store is store)
        vault.close()
        self.open.append(unlock(vault.home))
        return self.open[-1].store


class MemoryStores:
    """Stores in memory."""

    def new(self) -> Store:
        return MemoryStore()

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, MemoryStore)
        left = store.after_crash()
        store.close()
        return left


class TestVaultStore(StoreConformance):
    """The encrypted store."""

    @pytest.fixture
    def stores(self, tmp_path: Path) -> Iterator[Stores]:
        made = VaultStores(tmp_path)
        yield made
        for vault in made.open:
            vault.close()


class TestMemoryStore(StoreConformance):
    """The lab's store."""

    @pytest.fixture
    def stores(self) -> Stores:
        return MemoryStores()
