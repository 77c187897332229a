"""What the lab's store has beside the protocol: faults and crashes."""

from __future__ import annotations

import pytest

from chasqui.base.errors import DiskFullError
from chasqui.lab.memory_store import MemoryStore, fail_at
from chasqui.node.store_port import Write


def test_a_commit_that_fails_forgets_the_open_transaction() -> None:
    store = MemoryStore(before_commit=fail_at(2))
    store.apply([Write(1, b"a", b"1")])
    store.commit()
    store.apply([Write(1, b"a", b"2"), Write(1, b"b", b"2")])
    with pytest.raises(DiskFullError):
        store.commit()
    assert list(store.scan(1)) == [(b"a", b"1")]
    store.commit()
    assert list(store.after_crash().scan(1)) == [(b"a", b"1")]


def test_an_apply_that_fails_forgets_the_open_transaction() -> None:
    store = MemoryStore(before_apply=fail_at(3, 5))
    store.apply([Write(1, b"a", b"1")])
    store.commit()
    store.apply([Write(1, b"a", None)])
    with pytest.raises(DiskFullError):
        store.apply([Write(1, b"c", b"3")])
    assert list(store.scan(1)) == [(b"a", b"1")]
    store.apply([Write(1, b"d", b"4")])
    with pytest.raises(DiskFullError):
        store.apply([])
    assert store.count(1) == 1


def test_a_crash_leaves_what_was_committed_and_the_store_goes_on() -> None:
    store = MemoryStore()
    store.apply([Write(1, b"a", b"1"), Write(2, b"z", b"1")])
    store.commit()
    store.apply([Write(1, b"a", None), Write(1, b"b", b"2"), Write(1, b"b", b"3"), Write(2, b"z", b"2")])
    left = store.after_crash()
    assert list(left.scan(1)) == [(b"a", b"1")]
    assert left.get(2, b"z") == b"1"
    assert list(store.scan(1)) == [(b"b", b"3")]
    left.apply([Write(1, b"a", b"9")])
    assert store.get(1, b"a") is None
