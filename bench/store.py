"""The vault and its store: durable commits, reads, opening, room on the disk."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chasqui.node.store_port import Store, Write
from chasqui.store import KdfCost, create_vault, open_vault
from chasqui.store.passphrase import COST_LEAST, COST_USUAL, stretch

PASSPHRASE = b"correct horse"
VALUE_300 = os.urandom(300)
VALUE_15K = os.urandom(15_000)


def per_second(n: int, work: Callable[[], object]) -> float:
    """n divided by the seconds that the work takes."""
    began = time.perf_counter()
    work()
    return n / (time.perf_counter() - began)


def median_ms(work: Callable[[], object], times: int = 15) -> float:
    """The median of several runs."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


@contextmanager
def vault(cost: KdfCost = COST_LEAST) -> Iterator[Path]:
    """A new vault's home."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        create_vault(home, PASSPHRASE, os.urandom, cost=cost)
        yield home


def commits(store: Store, turns: int, width: int) -> Callable[[], None]:
    """`turns` durable commits of `width` puts each."""

    def run() -> None:
        for _ in range(turns):
            store.apply([Write(1, os.urandom(16), VALUE_300) for _ in range(width)])
            store.commit()

    return run


def plain_commits(turns: int, width: int) -> float:
    """Puts per second of the standard library's SQLite, unencrypted, same journal and durability."""
    with TemporaryDirectory() as folder:
        plain = sqlite3.connect(Path(folder) / "plain", isolation_level=None)
        for sql in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA locking_mode=EXCLUSIVE",
            "CREATE TABLE records(space INTEGER, key BLOB, value BLOB, PRIMARY KEY(space, key))",
        ):
            plain.execute(sql)

        def run() -> None:
            for _ in range(turns):
                plain.execute("BEGIN")
                for _ in range(width):
                    plain.execute("INSERT INTO records VALUES (1, ?, ?)", (os.urandom(16), VALUE_300))
                plain.execute("COMMIT")

        rate = per_second(turns * width, run)
        plain.close()
        return rate


def fsync_ms() -> float:
    """What this disk takes for one durable write; some disks of rented machines do not wait at all."""
    with TemporaryDirectory() as folder:
        fd = os.open(Path(folder) / "probe", os.O_WRONLY | os.O_CREAT)

        def write() -> None:
            os.write(fd, bytes(4096))
            os.fsync(fd)

        spent = median_ms(write, 50)
        os.close(fd)
        return spent


def fresh_process_ms(script: str, *args: str) -> float:
    """What a fresh interpreter prints as its own milliseconds; the median of seven."""
    command = [sys.executable, "-c", script, *args]
    return statistics.median(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(7))


IMPORT = """
import time
began = time.perf_counter()
import chasqui.store
print((time.perf_counter() - began) * 1000)
"""

OPEN = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from chasqui.store import header, open_vault
spent = 0
real = header.stretch
def timed(*args):
    global spent
    began = time.perf_counter()
    kek = real(*args)
    spent = time.perf_counter() - began
    return kek
header.stretch = timed
vault = open_vault(Path(sys.argv[1]), b"correct horse")
print((time.perf_counter() - began - (0 if sys.argv[2] == "all" else spent)) * 1000)
vault.close()
"""


def figures() -> list[dict[str, Any]]:
    """The figures of the store, for `dev.py bench`."""
    found: list[dict[str, Any]] = []

    def add(
        name: str, value: float, unit: str, *, bound: str | None = None, peer: float | None = None, note: str = ""
    ) -> None:
        digits = 0 if value >= 100 else 2
        peer = None if peer is None else round(peer, digits)
        found.append(
            {"name": f"store: {name}", "value": round(value, digits), "unit": unit}
            | {"bound": bound, "peer": peer, "note": note or None}
        )

    sync = fsync_ms()
    plain = "peer: plain SQLite of the standard library"
    with vault() as home, open_vault(home, PASSPHRASE) as opened:
        store = opened.store
        one = per_second(1500, commits(store, 1500, 1))
        add(
            "durable puts of 300 bytes, one caller",
            one,
            "1/s",
            bound=">= 2000",
            peer=plain_commits(1500, 1),
            note=f"{plain}; one fsync takes {sync:.3f} ms here",
        )
        many = per_second(60 * 128, commits(store, 60, 128))
        add(
            "durable puts of 300 bytes, 128 per commit",
            many,
            "1/s",
            bound=">= 9600",
            peer=plain_commits(60, 128),
            note=f"{plain}; files grow under way",
        )

    with vault() as home, open_vault(home, PASSPHRASE) as opened:
        store = opened.store
        keys = [os.urandom(16) for _ in range(10_000)]
        store.apply(Write(1, key, VALUE_300) for key in keys)
        store.commit()
        store.apply(Write(2, key, VALUE_15K) for key in keys[:200])
        store.commit()
        add("get of 300 bytes, 10,000 keys", per_second(10_000, lambda: [store.get(1, key) for key in keys]), "1/s")
        add("get of 15,000 bytes", per_second(200, lambda: [store.get(2, key) for key in keys[:200]]), "1/s")
        add("scan of 300-byte values", per_second(10_000, lambda: list(store.scan(1))), "1/s")
        add("last 50 of 10,000", median_ms(lambda: list(store.scan(1, limit=50, reverse=True))), "ms")
        add("count of 10,000", median_ms(lambda: store.count(1)), "ms")

    with vault(COST_USUAL) as home:
        size = sum(path.stat().st_size for path in home.iterdir())
        add("new vault on disk", size / 2**20, "MiB", note="four equal files, whatever is in them")
        add("import", fresh_process_ms(IMPORT), "ms", note="fresh process")
        add(
            "import and open without Argon2id",
            fresh_process_ms(OPEN, str(home), "rest"),
            "ms",
            bound="<= 30",
            note="fresh process; without Argon2id and the loading of its library",
        )
        add(
            "import and open",
            fresh_process_ms(OPEN, str(home), "all"),
            "ms",
            note="fresh process; Argon2id: 64 MiB, 3 passes, 4 lanes",
        )
        add("Argon2id", median_ms(lambda: stretch(PASSPHRASE, bytes(16), COST_USUAL), 5), "ms")

    with vault() as home:

        def reopen() -> None:
            open_vault(home, PASSPHRASE).close()

        add("open and close, again", median_ms(reopen), "ms", bound="<= 30", note="with the least Argon2id")
    return found


if __name__ == "__main__":
    for item in figures():
        print(f"{item['name']:55} {item['value']:>10} {item['unit']:5} bound {item['bound']} peer {item['peer']}")
