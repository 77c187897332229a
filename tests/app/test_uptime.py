"""The clock for the books of airtime: of which boot it says it is, and when two readings can be compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chasqui.app.uptime import clock_of, uptime


def boot_of(boot_id: Path, offsets: Path) -> bytes:
    return clock_of(boot_id, offsets, lambda: 0)().boot


def test_a_boot_is_named_by_what_the_system_says_and_the_beginning_of_the_clock(tmp_path: Path) -> None:
    one, other, offsets, none = (tmp_path / name for name in ("one", "other", "offsets", "none"))
    one.write_text("11111111-2222-3333-4444-555555555555\n")
    other.write_text("11111111-2222-3333-4444-555555555556\n")
    offsets.write_text("boottime 86400 0\n")
    boots = [boot_of(one, none), boot_of(other, none), boot_of(one, offsets), boot_of(none, none), boot_of(none, none)]
    assert len(set(boots)) == len(boots), "two processes of a system that names no boot know nothing of one another"
    assert {len(boot) for boot in boots} == {16}
    assert boot_of(one, none) == boots[0]
    assert b"1111" not in boots[0], "a vault need not hold what the logs of the machine are full of"


@pytest.mark.skipif(sys.platform != "linux", reason="only there a boot has a name")
def test_two_processes_of_one_boot_read_the_same_clock() -> None:
    before = uptime()
    code = "from chasqui.app.uptime import uptime; now = uptime(); print(now.boot.hex(), now.ms)"
    boot, ms = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    after = uptime()
    assert bytes.fromhex(boot) == before.boot == after.boot
    assert before.ms <= int(ms) <= after.ms
