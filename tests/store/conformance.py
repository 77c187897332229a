"""The one suite that every `chasqui.node.store_port.Store` passes.

A test module derives from `StoreConformance` and gives a fixture `stores`: a maker of empty stores, and of stores that
hold what a given one had committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from chasqui.base.errors import MachineError
from chasqui.node.store_port import Store, Write, prefix_end


class Stores(Protocol):
    """What a test module gives to the suite."""

    def new(self) -> Store: ...

    def reopen(self, store: Store) -> Store:
        """Closes the store and opens what it left."""
        ...


def put(store: Store, *pairs: tuple[int, bytes, bytes]) -> None:
    store.apply([Write(*pair) for pair in pairs])


def fill(store: Store, n: int, space: int = 1) -> list[bytes]:
    keys = [i.to_bytes(2, "big") for i in range(n)]
    put(store, *((space, key, b"v" + key) for key in keys))
    return keys


class StoreConformance:
    """Derive from it; every test takes the fixture `stores`."""

    def test_an_empty_store_has_nothing(self, stores: Stores) -> None:
        store = stores.new()
        assert store.get(0, b"") is None
        assert list(store.scan(0)) == []
        assert list(store.scan(0, reverse=True)) == []
        assert store.count(0) == 0
        store.commit()
        store.rollback()

    def test_what_was_applied_is_seen_at_once(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (1, b"a", b"1"), (1, b"b", b""), (2, b"", b"3"))
        assert store.get(1, b"a") == b"1"
        assert store.get(1, b"b") == b""
        assert store.get(2, b"") == b"3"
        assert store.get(2, b"a") is None
        assert list(store.scan(1)) == [(b"a", b"1"), (b"b", b"")]
        assert store.count(1) == 2

    def test_the_last_write_to_a_key_wins(self, stores: Stores) -> None:
        store = stores.new()
        store.apply([Write(1, b"a", b"1"), Write(1, b"a", None), Write(1, b"a", b"2"), Write(1, b"b", None)])
        assert list(store.scan(1)) == [(b"a", b"2")]
        store.apply([Write(1, b"a", b"3"), Write(1, b"a", None)])
        assert store.get(1, b"a") is None
        assert store.count(1) == 0

    def test_keys_are_ordered_by_their_bytes(self, stores: Stores) -> None:
        store = stores.new()
        keys = [
            b"",
            b"\0",
            b"\0\0",
            b"\x01",
            b"a",
            b"a\0",
            b"aa",
            b"b",
            b"\x7f",
            b"\x80",
            b"\xff",
            b"\xff\0",
            b"\xff\xff",
        ]
        put(store, *((7, key, key) for key in reversed(keys)))
        assert [k for k, _ in store.scan(7)] == sorted(keys)
        assert [k for k, _ in store.scan(7, reverse=True)] == sorted(keys, reverse=True)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_scan_keeps_to_its_bounds(self, stores: Stores, reverse: bool) -> None:
        store = stores.new()
        keys = fill(store, 700)
        for low, high, limit in [
            (0, 700, None),
            (3, 4, None),
            (3, 3, None),
            (9, 3, None),
            (0, 690, 300),
            (5, 700, 1),
            (0, 9, 0),
        ]:
            start, end = low.to_bytes(2, "big"), high.to_bytes(2, "big")
            want = keys[low:high]
            want = want[::-1][:limit] if reverse else want[:limit]
            got = list(store.scan(1, start, end, limit=limit, reverse=reverse))
            assert got == [(k, b"v" + k) for k in want]
            assert store.count(1, start, end) == max(0, high - low)
        assert store.count(1, b"\1\0") == 700 - 256
        assert [k for k, _ in store.scan(1, b"\1\0", reverse=reverse)] == (keys[256:][::-1] if reverse else keys[256:])

    def test_a_prefix_is_a_range(self, stores: Stores) -> None:
        store = stores.new()
        put(store, *((1, key, b"") for key in (b"p", b"p\0", b"p\xff\xff", b"q", b"o\xff", b"\xff", b"\xff\xff")))
        assert [k for k, _ in store.scan(1, b"p", prefix_end(b"p"))] == [b"p", b"p\0", b"p\xff\xff"]
        assert [k for k, _ in store.scan(1, b"\xff", prefix_end(b"\xff"))] == [b"\xff", b"\xff\xff"]

    def test_spaces_are_apart(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (0, b"k", b"0"), (1, b"k", b"1"), (2**31 - 1, b"k", b"2"))
        store.apply([Write(1, b"k", None)])
        assert [store.get(s, b"k") for s in (0, 1, 2**31 - 1)] == [b"0", None, b"2"]

    def test_a_rollback_forgets_back_to_the_last_commit(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (1, b"a", b"1"), (1, b"b", b"1"))
        store.commit()
        store.apply([Write(1, b"a", b"2"), Write(1, b"b", None), Write(1, b"c", b"2")])
        put(store, (1, b"a", b"3"))
        store.rollback()
        assert list(store.scan(1)) == [(b"a", b"1"), (b"b", b"1")]
        store.rollback()
        store.commit()
        assert list(store.scan(1)) == [(b"a", b"1"), (b"b", b"1")]

    def test_only_what_was_committed_survives(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (1, b"a", b"1"))
        store.commit()
        store.apply([Write(1, b"a", None), Write(1, b"b", b"2")])
        store = stores.reopen(store)
        assert list(store.scan(1)) == [(b"a", b"1")]

    def test_a_bad_write_changes_nothing_of_its_batch(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (1, b"a", b"1"))
        bad: list[Write] = [
            Write(-1, b"k", b"v"),
            Write(2**31, b"k", b"v"),
            Write(1, bytes(1025), b"v"),
            Write(1, b"k", bytes(2**20 + 1)),
            Write(1, "k", b"v"),  # type: ignore[arg-type]
            Write(1, b"k", "v"),  # type: ignore[arg-type]
        ]
        for write in bad:
            with pytest.raises((ValueError, TypeError)):
                store.apply([Write(1, b"b", b"2"), write])
            assert list(store.scan(1)) == [(b"a", b"1")]
        store.commit()
        assert list(stores.reopen(store).scan(1)) == [(b"a", b"1")]

    def test_an_iterable_that_breaks_changes_nothing(self, stores: Stores) -> None:
        store = stores.new()

        def writes() -> Iterator[Write]:
            yield Write(1, b"a", b"1")
            raise KeyError("the caller's own")

        with pytest.raises(KeyError):
            store.apply(writes())
        assert store.count(1) == 0

    def test_the_largest_keys_and_values(self, stores: Stores) -> None:
        store = stores.new()
        keys = [bytes([i]) * 1024 for i in (1, 2, 255)]
        value = bytes(range(256)) * 4096
        put(store, *((1, key, value) for key in keys))
        store.commit()
        store = stores.reopen(store)
        assert [(k, v == value) for k, v in store.scan(1)] == [(k, True) for k in keys]

    @pytest.mark.parametrize("reverse", [False, True])
    def test_a_scan_goes_on_while_writes_are_applied(self, stores: Stores, reverse: bool) -> None:
        store = stores.new()
        keys = fill(store, 900)
        seen = []
        for key, _ in store.scan(1, reverse=reverse):
            seen.append(key)
            store.apply([Write(1, key, None), Write(2, key, b"moved")])
            if len(seen) % 100 == 0:
                store.commit()
        assert seen == (keys[::-1] if reverse else keys)
        assert store.count(1) == 0
        assert store.count(2) == 900

    def test_a_scan_is_lazy(self, stores: Stores) -> None:
        store = stores.new()
        fill(store, 900)
        scan = iter(store.scan(1))
        next(scan)
        put(store, (1, b"\x03\x84", b"late"))  # 900: behind every other
        assert list(scan)[-1] == (b"\x03\x84", b"late")

    def test_a_scan_survives_a_rollback(self, stores: Stores) -> None:
        store = stores.new()
        fill(store, 300)
        store.commit()
        scan = iter(store.scan(1))
        next(scan)
        fill(store, 600)
        store.rollback()
        assert len(list(scan)) == 299

    def test_a_closed_store_says_so(self, stores: Stores) -> None:
        store = stores.new()
        put(store, (1, b"a", b"1"))
        store.close()
        store.close()
        with pytest.raises(MachineError):
            store.get(1, b"a")
        with pytest.raises(MachineError):
            list(store.scan(1))
        with pytest.raises(MachineError):
            store.count(1)
        with pytest.raises(MachineError):
            put(store, (1, b"a", b"1"))
        with pytest.raises(MachineError):
            store.commit()
