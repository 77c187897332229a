"""How a daemon comes up: in the foreground, or as a process of its own that is told the passphrase through a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from chasqui.app.client import DaemonClient
from chasqui.app.errors import RemoteError, document_of
from chasqui.app.results import DaemonState
from chasqui.app.wire import Failed
from chasqui.base.errors import MachineError, VaultBusyError
from chasqui.store.header_file import read_header


class _Up(msgspec.Struct, frozen=True, tag_field="is", tag="up"):
    """The child's word that it answers."""

    pid: int


def require_none(home: Path) -> None:
    """Raises `NoVaultError` without a vault, `VaultBusyError` where a daemon runs on it."""
    read_header(home)
    client = DaemonClient.connect(home)
    if client is not None:
        client.close()
        raise VaultBusyError("A daemon runs on this vault already.", todo="`chasqui status` shows it.")


def foreground(home: Path, passphrase: bytes, ready: Callable[[DaemonState], None]) -> None:
    """Runs the daemon in this process until it ends."""
    from chasqui.app.daemon import run_daemon

    run_daemon(home, passphrase, ready)


def detached(home: Path, passphrase: bytes) -> DaemonState:
    """Starts the daemon as a process of its own; returns once it answers. Raises the error that kept it from that."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "chasqui.app.detached", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != "CHASQUI_PASSPHRASE_FILE"},
    )
    if child.stdin is None or child.stdout is None:
        raise AssertionError("a child without pipes")
    with suppress(BrokenPipeError):
        child.stdin.write(passphrase)
        child.stdin.close()
    said = child.stdout.read()  # ends with the child's one word: it closes the pipe, and lives on
    child.stdout.close()
    try:
        answer = msgspec.json.decode(said, type=_Up | Failed)
    except msgspec.MsgspecError as error:
        raise MachineError(
            "The daemon ended before it answered.", todo="Try `chasqui up` in the foreground; it says why."
        ) from error
    if isinstance(answer, Failed):
        child.wait()
        raise RemoteError(answer.error, answer.exit_code)
    child.returncode = 0  # it is not ours to wait for
    return DaemonState(True, answer.pid)


def be_detached(home: Path) -> int:
    """The child's side: the passphrase comes on stdin; one document goes to stdout, and then nothing ever more."""
    passphrase = sys.stdin.buffer.read()

    def say(document: msgspec.Struct) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(document))
        sys.stdout.buffer.flush()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)

    try:
        foreground(home, passphrase, lambda state: say(_Up(state.pid or 0)))
    except Exception as error:
        document, code = document_of(error)
        say(Failed(document, code))
        return code
    return 0
