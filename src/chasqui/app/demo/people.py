"""The people of the demo: each a folder with a vault, a place with or without a network, and real processes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from chasqui.app.demo.networks import Place

COMMAND_S_MAX: Final = 60
DAEMON_END_S_MAX: Final = 10


class StoryError(Exception):
    """The demo cannot go on. `command` and `output` are what really ran and what it said, where there was one."""

    def __init__(self, what: str, command: str = "", output: str = "") -> None:
        super().__init__(what)
        self.command = command
        self.output = output


class Person:
    """Somebody with a vault. `address` is empty where there is no network."""

    def __init__(self, name: str, surname: str, folder: Path, place: Place, address: str = "") -> None:
        self.name = name
        self.full_name = f"{name} {surname}"
        self.folder = folder
        self.place = place
        self.address = address
        self.passphrase = f"{surname} sings to the river before dawn"
        self.commands = 0
        self.daemon_pid = 0
        self._running: subprocess.Popen[bytes] | None = None
        self._starting = False
        folder.mkdir()
        (folder / "passphrase").write_text(self.passphrase + "\n")

    def begin(self, *arguments: str, okay: tuple[int, ...] = (0,), vault: bool = True) -> Future[dict[str, Any]]:
        """Starts `chasqui ARGUMENTS` where this person is; the result is the JSON document that it prints, with its
        exit code under `exit`. Raises `StoryError` for an exit code that is not okay."""
        self.commands += 1
        command = [*_program(), *(self._vault() if vault else ()), "--json", *arguments]
        return self.place.start(lambda: self._run(command, okay))

    def start_daemon(self) -> Future[None]:
        """Runs `chasqui up --detach`; it is over once the daemon answers."""
        self.commands += 1
        command = [*_program(), *self._vault(), "--json", "up", "--detach"]

        def start() -> None:
            self._starting = True
            try:
                self.daemon_pid = int(self._run(command, (0,))["pid"])
            finally:
                self._starting = False

        return self.place.start(start)

    def daemon_memory(self) -> int:
        """Bytes of memory that the daemon has in use (resident), 0 where the system does not tell."""
        with suppress(OSError, StopIteration, ValueError):
            status = Path(f"/proc/{self.daemon_pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
            return int(line.split()[1]) * 1024
        return 0

    def end_daemon(self) -> Future[None]:
        """Ends what runs, then the daemon by `chasqui down`, and makes sure of it."""
        running = self._running
        if running is not None and not self._starting:  # a daemon half way up would be lost sight of
            running.kill()

        def end() -> None:
            with suppress(StoryError, OSError, subprocess.SubprocessError):
                if (self.folder / "vault").exists():
                    self._run([*_program(), *self._vault(), "--json", "down"], (0,))
            until = time.monotonic() + DAEMON_END_S_MAX
            while self._daemon_lives() and time.monotonic() < until:
                time.sleep(0.02)
            if self._daemon_lives():
                os.kill(self.daemon_pid, signal.SIGKILL)

        return self.place.start(end)

    def _daemon_lives(self) -> bool:
        with suppress(OSError):
            os.kill(self.daemon_pid, 0) if self.daemon_pid else None
            return self.daemon_pid != 0
        return False

    def _vault(self) -> list[str]:
        return ["--home", str(self.folder / "vault"), "--passphrase-file", str(self.folder / "passphrase")]

    def _run(self, command: list[str], okay: tuple[int, ...]) -> dict[str, Any]:
        with subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=0,
        ) as process:
            self._running = process
            try:
                said, complained = process.communicate(timeout=COMMAND_S_MAX)
            except BaseException:
                process.kill()
                raise
            finally:
                self._running = None
        code = process.returncode
        output = (complained + said).decode(errors="replace").strip()
        if code not in okay:
            raise StoryError(f"A command of {self.name}'s ended with exit code {code}.", shlex.join(command), output)
        try:
            document = json.loads(said or b"{}")
        except ValueError as error:
            raise StoryError(
                f"A command of {self.name}'s printed no JSON document.", shlex.join(command), output
            ) from error
        return {**document, "exit": code, "said": complained.decode(errors="replace").strip()}


def _program() -> list[str]:
    script = Path(sys.executable).parent / "chasqui"
    return [sys.executable, "-P", str(script)]


def _environment() -> dict[str, str]:
    ours = ("CHASQUI_", "XDG_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
