"""What a person waits for: commands as processes, the daemon's memory, durable messages per second."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from chasqui.app import requests
from chasqui.app.client import DaemonClient
from chasqui.app.local import LocalDesk
from chasqui.app.making import make_vault
from chasqui.node import inputs

_PASSPHRASE: Final = b"six random words are a good one"
_COMMAND: Final = (sys.executable, "-P", "-m", "chasqui.app.main")
_TEXT: Final = (
    "The road is closed at the bridge; go round by the mill and wait there until it is dark. Bring two lamps."
)
_MESSAGES: Final = 10_000
_LAST: Final = 50
_REPEATS: Final = 7


class _Vault:
    """A vault with one group, as a script finds it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.secret = folder / "passphrase"
        self.secret.write_bytes(_PASSPHRASE)
        umask = os.umask(0o077)
        try:
            make_vault(self.home, "Ana", _PASSPHRASE)
        finally:
            os.umask(umask)
        with LocalDesk.open(self.home, _PASSPHRASE) as desk:
            desk.call(requests.CreateGroup("convoy", 0))

    def run(self, *arguments: str) -> tuple[float, int]:
        """Seconds and peak KiB of one command as a process."""
        command = [*_COMMAND, "--home", str(self.home), "--passphrase-file", str(self.secret), "--json", *arguments]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{arguments} ended with {process.returncode}")
        return took, usage.ru_maxrss

    def fill(self, count: int) -> None:
        """That many texts of our own."""
        with LocalDesk.open(self.home, _PASSPHRASE) as desk:
            runner = desk._runner
            group = bytes.fromhex(desk.call(requests.ListGroups())[0].document()["groups"][0]["id"])
            event = inputs.SendText(group, _TEXT)  # type: ignore[arg-type]
            for _ in range(0, count, 250):
                runner.run([lambda r: r.step(event)] * 250)


def figures() -> list[dict[str, Any]]:
    """The figures of the command line and the daemon."""
    with tempfile.TemporaryDirectory() as name:
        vault = _Vault(Path(name))
        return [*_start_up(vault), _in_process(vault), *_daemon(vault), *_long_conversation(vault)]


def _figure(name: str, value: float, unit: str, bound: str | None = None, note: str = "") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "bound": bound, "peer": None, "note": note}


def _start_up(vault: _Vault) -> list[dict[str, Any]]:
    runs = [vault.run("status") for _ in range(_REPEATS)]
    bare = min(_bare_python() for _ in range(_REPEATS))
    note = f"median of {_REPEATS}; no daemon; Argon2id with 64 MiB, 3 passes; bare Python: {bare:.3f} s"
    return [
        _figure("`status`, start to end", statistics.median(took for took, _ in runs), "s", "<= 0.45", note),
        _figure(
            "`status`, peak memory", max(peak for _, peak in runs) / 1024, "MiB", None, "64 MiB of it are Argon2id's"
        ),
    ]


def _bare_python() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "pass"], check=True)
    return time.perf_counter() - began


def _in_process(vault: _Vault) -> dict[str, Any]:
    with LocalDesk.open(vault.home, _PASSPHRASE) as desk:
        rate = _rate(lambda: desk.call(requests.SendText("convoy", _TEXT, False)), 300)
    return _figure("durable sends, one caller in process", rate, "1/s", None, "one commit each")


def _daemon(vault: _Vault) -> list[dict[str, Any]]:
    vault.run("up", "--detach")
    try:
        time.sleep(1)
        with DaemonClient(_connection(vault)) as client:
            status = client.call(requests.ShowStatus())[0].document()
            idle_kib = _resident_kib(status["daemon"]["pid"])
            one = _rate(lambda: client.call(requests.SendText("convoy", _TEXT, False)), 500)
        many = _many(vault, callers=16, each=100)
        through = statistics.median(vault.run("send", "convoy", _TEXT)[0] for _ in range(_REPEATS))
    finally:
        vault.run("down")
    return [
        _figure("daemon, idle memory", idle_kib / 1024, "MiB", "<= 80", "resident, a second after it came up"),
        _figure("durable sends through the daemon, 1 caller", one, "1/s"),
        _figure("durable sends through the daemon, 16 callers", many, "1/s", None, "they share commits"),
        _figure("`send` through the daemon, start to end", through, "s", None, f"median of {_REPEATS} processes"),
    ]


def _connection(vault: _Vault) -> Any:
    client = DaemonClient.connect(vault.home)
    if client is None:
        raise RuntimeError("the daemon does not answer")
    return client._connection


def _many(vault: _Vault, *, callers: int, each: int) -> float:
    clients = [DaemonClient(_connection(vault)) for _ in range(callers)]

    def work(client: DaemonClient) -> None:
        for _ in range(each):
            client.call(requests.SendText("convoy", _TEXT, False))

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(work, clients))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return callers * each / took


def _long_conversation(vault: _Vault) -> list[dict[str, Any]]:
    vault.fill(_MESSAGES)
    with LocalDesk.open(vault.home, _PASSPHRASE) as desk:
        last = max(m["pos"] for m in desk.call(requests.Read("convoy", 0))[0].document()["messages"])
        since = last - _LAST
        inside = 1 / _rate(lambda: desk.call(requests.Read("convoy", since)), 20)
    process = statistics.median(vault.run("read", "convoy", "--since", str(since))[0] for _ in range(_REPEATS))
    whole = vault.run("read", "convoy")[0]
    size = sum(path.stat().st_size for path in vault.home.iterdir()) / 2**20
    note = f"of {last:,} messages".replace(",", " ")
    return [
        _figure(f"`read` of the last {_LAST}, start to end", process, "s", None, note),
        _figure(f"`read` of the last {_LAST}, in an open vault", inside * 1000, "ms", None, note),
        _figure("`read` of everything, start to end", whole, "s", None, note),
        _figure("the vault with them", size, "MiB", None, "four equal files"),
    ]


def _rate(call: Any, count: int) -> float:
    call()
    began = time.perf_counter()
    for _ in range(count):
        call()
    return count / (time.perf_counter() - began)


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # not on Linux
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1])
