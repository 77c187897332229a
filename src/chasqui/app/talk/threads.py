"""What works beside the terminal: who listens to the microphone, who seals, who plays. They talk to it by events."""

from __future__ import annotations

import os
import select
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from chasqui.app import requests
from chasqui.app.client import DaemonClient
from chasqui.app.message_results import Conversation, Sent
from chasqui.app.talk.hearing import Hearing, Turn
from chasqui.app.talk.loudspeaker import Loudspeaker
from chasqui.app.talk.sources import UNITS_PER_S, Source
from chasqui.app.talk.speaking import Piece, wipe
from chasqui.base.errors import ChasquiError, UserError
from chasqui.media.burst import Burst, Quality
from chasqui.media.codec2 import decode, encode
from chasqui.media.modes import samples_of
from chasqui.media.wav import at_speech_rate

_POLL_S: Final = 0.5


@dataclass(frozen=True)
class Sound:
    """40 ms of what is said."""

    samples: array[int]


@dataclass(frozen=True)
class Ended:
    """The source has no more; with an error, it broke."""

    error: ChasquiError | None = None


@dataclass(frozen=True)
class PieceSent:
    """A burst was sealed, and is durable."""

    id: str
    burst: Burst


@dataclass(frozen=True)
class Refused:
    """A piece was not sealed, nor will what follows it in its recording."""

    error: ChasquiError
    units: int


@dataclass(frozen=True)
class Plays:
    """Something is heard now; with an error, it is not."""

    turn: Turn
    error: ChasquiError | None = None


@dataclass(frozen=True)
class Gone:
    """The daemon does not answer any more."""

    error: ChasquiError


@dataclass(frozen=True)
class Interrupted:
    """Ctrl-C."""


@dataclass(frozen=True)
class Paused:
    """Ctrl-Z."""


Event = Sound | Ended | PieceSent | Refused | Plays | Gone | Interrupted | Paused


class Events:
    """From threads and signals to the one who waits for them or for a key."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event] = SimpleQueue()
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        os.set_blocking(self._write, False)

    def post(self, event: Event) -> None:
        """Called by any thread."""
        self._queue.put(event)
        with suppress(BlockingIOError):  # full of reasons to wake up
            os.write(self._write, b"\0")

    def wait(self, keys: int, timeout_s: float) -> bool:
        """Until there is something; whether a key was pressed."""
        watched = [self._read] if keys < 0 else [self._read, keys]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._read in ready:
            os.read(self._read, 4096)
        return keys in ready

    def take(self) -> Event | None:
        """The next one, if there is one."""
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """When no thread is left."""
        os.close(self._read)
        os.close(self._write)


class Listener(threading.Thread):
    """Takes sound while somebody speaks."""

    def __init__(self, source: Source, post: Callable[[Event], None]) -> None:
        super().__init__(daemon=True)
        self.speaks = threading.Event()
        self.rests = threading.Event()  # the source is not open
        self.rests.set()
        self._source = source
        self._post = post

    def run(self) -> None:
        """See `Thread`."""
        try:
            while True:
                if not self._source.runs_on:
                    self.speaks.wait()
                self.rests.clear()
                self._source.open()
                try:
                    while self.speaks.is_set() or self._source.runs_on:
                        samples = self._source.take()
                        if not samples:
                            self._post(Ended())
                            return
                        if self.speaks.is_set():
                            self._post(Sound(samples))
                finally:
                    self._source.close()
                    self.rests.set()
        except ChasquiError as error:
            self.rests.set()
            self._post(Ended(error))


class Sealer(threading.Thread):
    """Codes pieces and hands them to the daemon, one after the other."""

    def __init__(
        self, desk: DaemonClient, group: str, quality: Quality, urgent: bool, rate: int, post: Callable[[Event], None]
    ) -> None:
        super().__init__(daemon=True)
        self._desk = desk
        self._group = group
        self._quality = quality
        self._urgent = urgent
        self._rate = rate
        self._post = post
        self._wake = threading.Condition()
        self._jobs: deque[tuple[int, Piece]] = deque()
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many pieces are not sealed yet."""
        with self._wake:
            return len(self._jobs) + self._busy

    def put(self, recording: int, piece: Piece) -> None:
        """A piece of a recording."""
        with self._wake:
            self._jobs.append((recording, piece))
            self._wake.notify()

    def discard(self) -> int:
        """Forgets what was not begun; how many units of 40 ms."""
        with self._wake:
            units = 0
            for _, piece in self._jobs:
                units += _units(piece, self._rate)
                wipe(piece.samples)
            self._jobs.clear()
            return units

    def run(self) -> None:
        """See `Thread`."""
        first: dict[int, str] = {}  # by recording: its first burst; empty once one was refused
        while True:
            with self._wake:
                while not self._jobs:
                    self._wake.wait()
                recording, piece = self._jobs.popleft()
                self._busy = True
            units = _units(piece, self._rate)
            event: Event
            try:
                event = sealed = self._seal(piece, first.get(recording))
                first.setdefault(recording, sealed.id)
            except ChasquiError as error:
                first[recording] = ""
                event = Refused(error, units)
            finally:
                wipe(piece.samples)
            self._post(event)  # first: who sees that nothing waits has all events
            with self._wake:
                self._busy = False

    def _seal(self, piece: Piece, follows: str | None) -> PieceSent:
        if follows == "":
            raise UserError("What was said before it was not sent.", safety="Nothing of it was kept.")
        speech = encode(self._quality, at_speech_rate(piece.samples, self._rate))
        burst = Burst(self._quality, speech, piece.more, 0, piece.at)
        request = requests.SendVoice(
            self._group, self._quality.label, self._urgent, True, piece.more, follows or "", piece.at
        )
        sent, _ = self._desk.call(request, speech)
        if not isinstance(sent, Sent):
            raise TypeError("an answer of another kind")
        return PieceSent(sent.id, burst)


class Player(threading.Thread):
    """Asks the daemon what came, and plays it in its turn while nobody speaks here."""

    def __init__(
        self,
        desk: DaemonClient,
        group: str,
        since: int,
        loudspeaker: Loudspeaker | None,
        silent: Callable[[], bool],
        post: Callable[[Event], None],
    ) -> None:
        super().__init__(daemon=True)
        self._desk = desk
        self._group = group
        self._since = since
        self._loudspeaker = loudspeaker
        self._silent = silent  # half duplex: whether nobody speaks here
        self._post = post
        self._hearing = Hearing()

    def run(self) -> None:
        """See `Thread`."""
        try:
            while True:
                self._look()
                while turn := self._hearing.next(time.monotonic()):
                    self._play(turn)
                    self._look()
                time.sleep(_POLL_S)
        except ChasquiError as error:
            self._post(Gone(error))

    def _look(self) -> None:
        found, _ = self._desk.call(requests.Read(self._group, self._since, speech=True, whole=True))
        if not isinstance(found, Conversation):
            raise TypeError("an answer of another kind")
        self._since = max([self._since, *(message.pos for message in found.messages)])
        self._hearing.take(found, time.monotonic())

    def _play(self, turn: Turn) -> None:
        if turn.late or self._loudspeaker is None:
            self._post(Plays(turn))
            return
        try:
            samples = samples_of(decode(turn.burst))
            self._wait()
            self._post(Plays(turn))
            while samples:
                samples = samples[self._loudspeaker.play(samples, self._silent) :]
                self._wait()
        except ChasquiError as error:
            self._post(Plays(turn, error))
            self._loudspeaker = None

    def _wait(self) -> None:
        while not self._silent():
            time.sleep(0.05)


def _units(piece: Piece, rate: int) -> int:
    return -(-len(piece.samples) * UNITS_PER_S // rate)
