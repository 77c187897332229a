"""SIGKILL at any moment: what `commit` returned for is there, nothing half done is, and the vault opens clean."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.homes import AT_REST, MIB, child, names, new_home, sizes, unlock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL here")

WRITER = """
import os, sys
from pathlib import Path
from chasqui.node.store_port import Write
from chasqui.store import open_vault
home, width, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with open_vault(home, b"correct horse") as vault:
    store = vault.store
    turn = 1 + int.from_bytes(store.get(0, b"turn") or b"", "big")
    while True:
        store.apply([Write(0, b"turn", turn.to_bytes(4, "big"))])
        value = (turn.to_bytes(4, "big") * (size // 4 + 1))[:size]
        store.apply(Write(1, turn.to_bytes(4, "big") + bytes((i,)), value) for i in range(width))
        if turn > 3:
            store.apply([Write(1, (turn - 3).to_bytes(4, "big") + b"\\0", None)])
        store.commit()
        os.write(1, b"%d\\n" % turn)
        turn += 1
"""


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Kills the writer that many seconds after its first commit; the last turn that it said was durable."""
    assert process.stdout is not None
    first = process.stdout.readline()
    if not first:
        raise AssertionError(process.communicate()[1].decode())
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = (first + process.communicate()[0]).split(b"\n")[:-1]  # a line without its end was not said
    return int(said[-1])


def check(home: Path, said: int, width: int, size: int) -> int:
    """The last turn in the vault, after every turn was found whole."""
    with unlock(home) as vault:
        store = vault.store
        turn = int.from_bytes(store.get(0, b"turn") or b"", "big")
        assert said <= turn <= said + 1
        want = []
        for i in range(1, turn + 1):
            value = (i.to_bytes(4, "big") * (size // 4 + 1))[:size]
            erased = 1 if 1 <= i <= turn - 3 else 0
            want += [(i.to_bytes(4, "big") + bytes((j,)), value) for j in range(erased, width)]
        assert list(store.scan(1)) == want
        assert store._database.pragma("integrity_check") == "ok"
        assert store._database.pragma("cipher_integrity_check") is None
    assert len(set(sizes(home))) == 1
    assert names(home) == AT_REST
    return turn


@pytest.mark.must("M-VLT-18")
def test_thirty_kills_during_commits(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    dice = random.Random(30)
    turns = 0
    for _ in range(30):
        said = kill_after(child(WRITER, home, 5, 300), dice.uniform(0, 0.03))
        assert said > turns
        turns = check(home, said, 5, 300)
    assert turns > 30


@pytest.mark.must("M-VLT-18")
def test_twenty_kills_while_the_files_grow(tmp_path: Path) -> None:
    """A turn writes 600 KB: the fourth or so grows the files to 8 MiB, the thirteenth to 16, and so on."""
    dice = random.Random(20)
    cut = 0
    for i in range(20):
        (folder := tmp_path / str(i)).mkdir()
        home = new_home(folder)
        said = kill_after(child(WRITER, home, 40, 15_000), dice.uniform(0, 0.3))
        cut += len(set(sizes(home))) > 1 or bool(list(home.glob("*-journal")))
        check(home, said, 40, 15_000)
        shutil.rmtree(folder)
    print(f"{cut} of 20 kills cut a growth")


GROWER = """
import os, signal, sys
from pathlib import Path
from chasqui.node.store_port import Write
from chasqui.store import open_vault
from chasqui.store.database import Database
from chasqui.store.slots import SlotFiles
home, where, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
left = at

def strike():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def entropy(n):
    if where == "extend":
        strike()
    return os.urandom(n)

real_fill = Database._insert_fill
def fill(self, pages):
    if where == "fill":
        self.connection.set_trace_callback(lambda _: strike())
        real_fill(self, pages)
        strike()
    else:
        real_fill(self, pages)
    if where == "end":
        self.connection.set_trace_callback(lambda _: strike())
Database._insert_fill = fill

vault = open_vault(home, b"correct horse", entropy=entropy)
if where == "journal":
    vault.store._database.connection.set_trace_callback(lambda sql: "journal_mode" in sql and strike())
vault.store.apply([Write(0, b"first", b"1")])
vault.store.commit()
vault.store.apply(Write(1, i.to_bytes(4, "big"), os.urandom(15000)) for i in range(300))
vault.store.commit()
os.write(1, b"grown")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.must("M-VLT-18")
@pytest.mark.parametrize(
    ("where", "at"),
    [
        *(("extend", at) for at in (1, 2, 4, 17, 40, 63, 64)),
        *(("fill", at) for at in (1, 2, 3, 5, 12, 20, 30, 37)),
        *(("end", at) for at in (1, 2, 3, 4)),
        *(("journal", at) for at in (1, 2)),
        ("never", 1),
    ],
)
def test_a_kill_at_each_stage_of_a_growth(tmp_path: Path, where: str, at: int) -> None:
    home = new_home(tmp_path)
    out, err = child(GROWER, home, where, at).communicate(timeout=60)
    assert err == b""
    cut = sizes(home)
    with unlock(home) as vault:
        assert vault.store.get(0, b"first") == b"1"
        assert vault.store.count(1) in ((300,) if out == b"grown" else (0, 300))
        assert vault.store._database.pragma("integrity_check") == "ok"
        assert vault.store._database.pragma("journal_mode") == "wal"
        assert vault.store._database.pragma("page_count") * 4096 == sizes(home)[0]
    assert sizes(home) in ([4 * MIB] * 4, [8 * MIB] * 4), cut
    assert not list(home.glob("*-*"))
    with unlock(home) as vault:
        assert vault.store.get(0, b"first") == b"1"
