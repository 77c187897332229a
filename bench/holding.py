"""A node that holds 50,000 bundles on two radios, in a process of its own: what it takes of memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from bench.store import PASSPHRASE, vault

BUNDLES: Final = 50_000

_FILL = """
import json, os, sys, time
from pathlib import Path
from chasqui.base.days import day_of
from chasqui.base.ids import bundle_id
from chasqui.base.schema import encode
from chasqui.node.keys import u16, u64
from chasqui.node.records import BundleRecord, ForeignRecord, Space
from chasqui.node.store_port import Write
from chasqui.sealed.bundle import parse_bundle
from chasqui.store import open_vault

count, now_s = int(sys.argv[3]), int(time.time())
with open_vault(Path(sys.argv[1]), sys.argv[2].encode()) as vault:
    for first in range(0, count, 1_000):
        writes = []
        for n in range(first, min(first + 1_000, count)):
            head = bytes((0x5C, (day_of(now_s) - n % 100) % 256))
            bundle = parse_bundle(head + os.urandom(205), day_of(now_s))
            record = ForeignRecord(bundle.mark, bundle.mark_body, bundle.day, 207, 1, now_s, "lora")
            writes += [
                Write(Space.BUNDLE, bundle.id, encode(BundleRecord(bundle.data, n % 2 == 0, now_s))),
                Write(Space.EXPIRY, u64(bundle.expires_s) + bundle.id, u16(207)),
            ]
            if n % 2:
                writes.append(Write(Space.FOREIGN, bundle.id, encode(record)))
        vault.store.apply(writes)
        vault.store.commit()
"""

_HOLD = """
import json, os, secrets, sys, time
from pathlib import Path
from chasqui.app.runner import Runner
from chasqui.base.days import day_of
from chasqui.delivery.radio_frames import DaysFrame, PackFrame, write_radio_frame
from chasqui.node import inputs
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.store import open_vault

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000

now_s = int(time.time())
profile = LinkProfile("lora", 222, 1760, True, True, 0.2, 1.0, 83)
with open_vault(Path(sys.argv[1]), sys.argv[2].encode()) as vault:
    runner = Runner(vault.store, secrets.token_bytes, lambda: now_s)
    runner.step(inputs.Tick())
    before = resident()
    began = time.perf_counter()
    runner.step(inputs.BroadcastOpened(BroadcastId(1), profile, Uptime(b"boot", 0), "one"))
    opened_s = time.perf_counter() - began
    one = resident()
    runner.step(inputs.BroadcastOpened(BroadcastId(2), profile, Uptime(b"boot", 0), "two"))
    two = resident()
    frames = []
    for n in range(300):
        bundle = bytes((0x5C, day_of(now_s) % 256)) + os.urandom(126)
        frames.append(write_radio_frame(PackFrame((bundle,))))
    began = time.perf_counter()
    for at, frame in enumerate(frames):
        runner.step(inputs.BroadcastHeard(BroadcastId(1), frame, None, at))
    heard_s = time.perf_counter() - began
    today = day_of(now_s) % 256
    days = [write_radio_frame(DaysFrame(today, os.urandom(2), (0, b"zz"), ((9, b"zz"),))) for _ in range(50)]
    began = time.perf_counter()
    for at, frame in enumerate(days):
        runner.step(inputs.BroadcastHeard(BroadcastId(1), frame, None, 400_000 + 60_000 * at))
    days_s = time.perf_counter() - began
    print(json.dumps({
        "before": before, "one": one, "two": two, "opened": opened_s, "heard": len(frames) / heard_s,
        "days": 1000 * days_s / len(days), "after": resident(),
    }))
"""


def _run(script: str, home: Path, count: int) -> str:
    command = [sys.executable, "-c", script, str(home), PASSPHRASE.decode(), str(count)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def _measure(count: int) -> dict[str, float]:
    with vault() as home:
        _run(_FILL, home, count)
        found: dict[str, float] = json.loads(_run(_HOLD, home, count))
        return found


def figures() -> list[dict[str, Any]]:
    """An empty node beside the one that holds them, each in a process of its own."""
    empty, full = _measure(0), _measure(BUNDLES)

    def figure(name: str, value: float, unit: str, note: str) -> dict[str, Any]:
        return {"name": name, "value": round(value, 1), "unit": unit, "bound": None, "peer": None, "note": note}

    return [
        figure("a node without a bundle, one radio", empty["one"], "MB", "resident, with interpreter and vault"),
        figure("a node with 50,000 bundles, before a radio opens", full["before"], "MB", "resident"),
        figure("with one radio", full["one"], "MB", "resident: the index, which all radios share, and one engine"),
        figure("with two radios", full["two"], "MB", "resident"),
        figure("after frames and summaries", full["after"], "MB", "resident"),
        figure("its first radio opens", full["opened"], "s", "all bundles are read, and asked whose they are"),
        figure(
            "it hears new bundles", full["heard"], "frames/s", "parsed, recognised, stored; without the disk's flush"
        ),
        figure("it hears a summary that differs", full["days"], "ms", "of 100 days"),
    ]
