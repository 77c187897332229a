"""What every chapter of the story needs: people, sticks, the watcher, the screen, and waiting for what is true."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from pathlib import Path
from typing import Any, Final, TypeVar

from chasqui.app.demo.networks import Way, Wire
from chasqui.app.demo.people import Person, StoryError
from chasqui.app.demo.screen import Screen
from chasqui.app.demo.sticks import SeenFile, carry, inspect, seen_file
from chasqui.app.demo.watcher import Watcher, file_lines

T = TypeVar("T")

WAIT_S_MAX: Final = 40
GLANCE_S: Final = 0.05
PAUSE_S: Final = 0.15
Document = dict[str, Any]


class Stage:
    """The world of one run of the demo. `known` collects everything that the watcher must not find."""

    def __init__(self, folder: Path, wire: Wire, screen: Screen) -> None:
        self.started = time.monotonic()
        self.folder = folder
        self.wire = wire
        self.screen = screen
        self.known: dict[str, bytes] = {}
        self.steps: list[tuple[str, float]] = []  # title and seconds of every chapter that is over
        self.carried_last: list[SeenFile] = []
        self._chapter: tuple[str, float] | None = None
        self.port = _free_port() if wire.way is Way.NONE else 0
        self.people: list[Person] = []
        self.ana = self._arrive("Ana", "Quispe", 1)
        self.ben = self._arrive("Ben", "Okafor", 2)
        self.caro = self._arrive("Caro", "Lindqvist", 0)
        self.dov = self._arrive("Dov", "Amsel", 3)
        self.eve = self._arrive("stranger", "Nobody", 9)
        self.members = (self.ana, self.ben, self.caro, self.dov)
        for person in self.members:
            self.known[f"{person.name}'s name"] = person.full_name.encode()
            self.known[f"{person.name}'s family name"] = person.full_name.split()[1].encode()
            self.known[f"{person.name}'s passphrase"] = person.passphrase.encode()
        self.sticks = {self.ana: folder / "stick-in-town", self.caro: folder / "stick-in-the-valley"}
        for stick in self.sticks.values():
            stick.mkdir()
        self.watcher = Watcher(wire, self.started)
        wire.watch()

    # -- telling ----------------------------------------------------------------------------------------------

    def chapter(self, title: str) -> None:
        """A new chapter; the figures tell how long each took."""
        self._end_step()
        self.screen.heading(f"{len(self.steps) + 1}  {title}")
        self._chapter = (title, time.monotonic())
        self._block()

    def block(self) -> None:
        """The next step begins: both columns start anew, at one height."""
        self.screen.gap()
        self._block()

    def says(self, text: str) -> None:
        """A sentence of the story."""
        self.screen.says(text)

    def end(self) -> None:
        """The story is told."""
        self.screen.close_block()
        self._end_step()

    @property
    def current(self) -> str:
        """The chapter that is being told."""
        return self._chapter[0] if self._chapter else "the figures"

    # -- doing ------------------------------------------------------------------------------------------------

    def do(self, person: Person, *arguments: str, okay: tuple[int, ...] = (0,)) -> Document:
        """Runs a command of somebody's and shows it in small print."""
        self.show_command(person, *arguments)
        return self.ask(person, *arguments, okay=okay)

    def show_command(self, person: Person, *arguments: str) -> None:
        """The small print of a command."""
        quoted = " ".join(_quote(argument) for argument in arguments)
        self.screen.small(f"{person.name.lower()}$ chasqui {quoted}")

    def ask(self, person: Person, *arguments: str, okay: tuple[int, ...] = (0,)) -> Document:
        """Runs a command of somebody's without showing it."""
        return self.attend(person.begin(*arguments, okay=okay))

    def attend(self, future: Future[T]) -> T:
        """Waits for something while the screen goes on."""
        while not wait_for_futures([future], GLANCE_S).done:
            self.glance()
        self.glance()
        return future.result()

    def all_of(self, futures: Iterable[Future[T]]) -> list[T]:
        """Waits for several."""
        return [self.attend(future) for future in list(futures)]

    def until(self, what: str, true: Callable[[], T | None]) -> T:
        """Asks again and again until it is true. Raises `StoryError`, naming `what`, if it never is."""
        until = time.monotonic() + WAIT_S_MAX
        while True:
            answer = true()
            if answer:
                return answer
            if time.monotonic() > until:
                raise StoryError(f"Waited {WAIT_S_MAX} seconds in vain until {what}.")
            pause = time.monotonic() + PAUSE_S
            while time.monotonic() < pause:
                self.glance()
                time.sleep(GLANCE_S)

    def glance(self) -> None:
        """Lets the watcher look and the screen show it."""
        self.watcher.look()
        self.screen.draw(now=False)

    def courier(self, source: Person, target: Person) -> None:
        """Carries the news on the stick of one to that of the other, past the watcher's checkpoint."""
        copies = carry(self.sticks[source], self.sticks[target])
        size = sum(path.stat().st_size for path in copies)
        files = "1 file" if len(copies) == 1 else f"{len(copies)} files"
        where = f"{self.sticks[source].name}/*.chq {self.sticks[target].name}/"
        self.screen.small(f"courier$ cp {where}")
        self.says(f"The courier walks from {source.name} to {target.name}: {files}, {size:,} bytes.")
        self.carried_last = self.look_into(copies)
        self.watcher.files += self.carried_last
        for file in self.carried_last:
            self.screen.watcher(file_lines(file))

    def look_into(self, paths: Iterable[Path]) -> list[SeenFile]:
        """What the watcher learns of courier files."""
        return [seen_file(path, self.attend(inspect(path, self.eve))) for path in paths]

    def messages(self, person: Person, group: str) -> list[Document]:
        """What somebody can read in a group."""
        found: list[Document] = self.ask(person, "read", group)["messages"]
        return found

    def arrives(self, person: Person, group: str, text: str) -> Document:
        """Waits until somebody can read a text, and shows it."""
        message = self.until(
            f"{person.name} could read what was sent",
            lambda: next((m for m in self.messages(person, group) if m["text"] == text), None),
        )
        self.screen.shows(f"{person.name} reads: {message['author_name']}: {text}")
        return message

    def _arrive(self, name: str, surname: str, number: int) -> Person:
        if number:
            place, address = self.wire.join(number)
        else:
            place, address = self.wire.outside(), ""
        person = Person(name, surname, self.folder / name.lower(), place, address)
        self.people.append(person)
        return person

    def _block(self) -> None:
        self.watcher.look()
        since = len(self.watcher.sightings)
        self.screen.live = lambda: self.watcher.wire_lines(since)

    def _end_step(self) -> None:
        if self._chapter is not None:
            title, began = self._chapter
            self.steps.append((title, time.monotonic() - began))
            self._chapter = None


def _quote(argument: str) -> str:
    return f'"{argument}"' if " " in argument and '"' not in argument else shlex.quote(argument)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
