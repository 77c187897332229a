"""People with homes on this machine, driven through real processes as a script would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chasqui.app import requests, results
from chasqui.app.local import LocalDesk
from chasqui.app.making import make_vault
from chasqui.store import KdfCost

PASSPHRASE = b"correct horse"
CHEAP = KdfCost(8 * 1024, 1, 1)  # a guess costs 5 ms: most tests are not about that
COMMAND = (sys.executable, "-P", "-m", "chasqui.app.main")
TIMEOUT_S = 60
BACKSTOP_S = 400.0  # a machine that is busy, or a slow link, may need long; nothing here measures time


def environment(**more: str) -> dict[str, str]:
    """No CHASQUI_ variable of the caller gets in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHASQUI_")}
    return kept | {"TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"} | more


@dataclass(frozen=True)
class Done:
    """What a process left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Person:
    """A vault and its passphrase file."""

    name: str
    home: Path
    passphrase_file: Path

    @classmethod
    def make(cls, folder: Path, name: str, *, cost: KdfCost = CHEAP) -> Person:
        """A new vault, in this process: its making is tested elsewhere."""
        person = cls(name, folder / name, folder / "passphrase")
        person.passphrase_file.write_bytes(PASSPHRASE + b"\n")
        umask = os.umask(0o077)
        try:
            make_vault(person.home, name, PASSPHRASE, cost=cost)
        finally:
            os.umask(umask)
        return person

    def command(self, *arguments: str) -> list[str]:
        """The command line of a call."""
        return [*COMMAND, "--home", str(self.home), "--passphrase-file", str(self.passphrase_file), *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A process that goes on."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """A call to its end."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def do(self, *arguments: str, stdin: str = "") -> Any:
        """A call with --json that must succeed; its document."""
        done = self.run("--json", *arguments, stdin=stdin)
        assert done.code == 0, (arguments, done)
        return done.document

    def fail(self, code: int, *arguments: str) -> Any:
        """A call with --json that must fail so; its error."""
        done = self.run("--json", *arguments)
        assert done.code == code, (arguments, done)
        error = done.document["error"]
        assert {"code", "message", "safety", "todo"} <= set(error)
        return error

    def send(self, group: str, text: str) -> str:
        """The id of a text that was sent."""
        found: str = self.do("send", group, text)["id"]
        return found

    def texts(self, group: str) -> list[str]:
        """What `read` gives."""
        return [message["text"] for message in self.do("read", group)["messages"]]

    def sync(self) -> results.Synced:
        """As `do("sync")`, in this process: for tests that are not about processes."""
        with LocalDesk.open(self.home, PASSPHRASE) as desk:
            result, _ = desk.call(requests.Sync())
        assert isinstance(result, results.Synced)
        return result

    def up(self) -> int:
        """A daemon; its process."""
        pid: int = self.do("up", "--detach")["pid"]
        return pid


def pair(one: Person, other: Person, folder: Path) -> None:
    """Two files make a contact."""
    offer, reply = (folder / f"{one.name}-{other.name}.{end}" for end in ("offer", "reply"))
    one.do("contact", "offer", str(offer))
    theirs = other.do("contact", "accept", str(offer), "--as", one.name, "--reply", str(reply))
    mine = one.do("contact", "accept", str(reply), "--as", other.name)
    assert theirs["words"] == mine["words"]
    assert len(set(mine)) == 3


def convoy(folder: Path) -> tuple[Person, Person]:
    """Ana and Ben, who are a group. They have a stick for that, and no daemons."""
    ana, ben = Person.make(folder, "ana"), Person.make(folder, "ben")
    pair(ana, ben, folder)
    use_folder(folder / "stick", ana, ben)
    ana.do("group", "create", "convoy")
    go_around(ana, ben, ana)
    ana.do("group", "add", "convoy", "ben")
    go_around(ana, ben)
    ben.do("group", "join", "convoy")
    go_around(ben, ana)
    return ana, ben


def wait_until(true: Callable[[], bool]) -> None:
    """Waits for what has to come."""
    end = time.monotonic() + BACKSTOP_S
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def until_ready(*people: Person) -> None:
    """Waits until the first link of each is."""
    for person in people:
        wait_until(partial(_is_ready, person))


def _is_ready(person: Person) -> bool:
    return str(person.do("link", "list")["links"][0]["state"]).startswith("ready")


def use_folder(folder: Path, *people: Person) -> None:
    """A folder that all of them sync with."""
    folder.mkdir(exist_ok=True)
    for person in people:
        person.do("link", "add", "folder", str(folder))


def go_around(*people: Person, times: int = 1) -> None:
    """The stick is passed from hand to hand."""
    for _ in range(times):
        for person in people:
            person.sync()
