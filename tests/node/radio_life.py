"""A radio at a device whose process, machine, links and clocks have a hard life. Time is that of the world."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

from chasqui.base.errors import DiskFullError, UserError
from chasqui.base.ids import GroupId
from chasqui.base.ports import Uptime
from chasqui.base.secret import NO_SECRET
from chasqui.delivery.airtime import HOUR_MS
from chasqui.lab.memory_store import MemoryStore, fail_at
from chasqui.node import inputs
from chasqui.node.broadcast_end import PROBES_SHARE, BroadcastEnd, BroadcastEnds
from chasqui.node.effects import Answer, Persist, Transmit, Wake
from chasqui.node.link_port import LinkProfile
from chasqui.node.node import Node
from chasqui.node.spent import Book, spent
from chasqui.node.transaction import Transaction
from chasqui.node.views import list_links
from tests.node.world import START_S, SeededEntropy

SHARE = 0.003
HOLDS_MS = {
    Book.FRAMES: int(SHARE * HOUR_MS * (1 - PROBES_SHARE)),
    Book.PROBES: int(SHARE * HOUR_MS * PROBES_SHARE),
}
PROFILE = LinkProfile("lora", 255, 1760, True, True, 0.1, SHARE, 83)
FRAME_MS = 83 + -(-255 * 8000 // 1760)


class KilledError(Exception):
    """The process is no more, in the middle of a step."""


class Process:
    """What is around one end: it is of one process, and deaf once that is gone."""

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.wake_ms: int | None = None
        self.ends = BroadcastEnds()
        self.node = Node(radio.store, radio.entropy)
        self.end: BroadcastEnd | None = None

    def uptime(self) -> Uptime:
        return self.radio.uptime

    def step(self, event: inputs.Input, taken: Callable[[], None]) -> None:
        self.radio.step(event)
        taken()

    def send(self, frame: bytes) -> None:
        self.radio.handed(self, frame)

    def set_timer(self, at_ms: int | None) -> None:
        self.wake_ms = at_ms


class Radio:
    """The device with its vault, and the board."""

    def __init__(self, store: MemoryStore, group: GroupId, seed: str = "radio") -> None:
        self.store, self.group = store, group
        self.entropy = SeededEntropy(seed)
        self.dice = random.Random(seed)
        self.at_ms = 0
        self.ahead_s = 0  # of the clock on the wall
        self.boots = 0
        self.booted_ms = -5_000_000
        self.wait_ms = 0  # for a free channel, each frame
        self.left: dict[Book, list[tuple[int, int]]] = {book: [] for book in Book}  # what really was on the air
        self.on_board: list[tuple[BroadcastEnd, Book, int, int]] = []  # whose, of what, its airtime, when it leaves
        self.untold: list[tuple[BroadcastEnd, int]] = []  # has left, and nobody was there who could be told
        self.dies: str | None = None  # at the next step that is persisted
        self.link = ""
        self.process = Process(self)
        self.do(self.add)

    @property
    def uptime(self) -> Uptime:
        return Uptime(f"boot {self.boots}".encode(), self.at_ms - self.booted_ms)

    @property
    def now_s(self) -> int:
        return START_S + self.ahead_s + self.at_ms // 1000

    @property
    def end(self) -> BroadcastEnd:
        assert self.process.end is not None
        return self.process.end

    def look(self) -> Transaction:
        return Transaction(self.store, self.now_s, self.entropy)

    def booked(self, book: Book = Book.FRAMES) -> int:
        """What counts now."""
        now = self.uptime
        return sum(ms for end_ms, ms in spent(self.look(), book, self.link, now) if end_ms + HOUR_MS > now.ms)

    # -- the process ----------------------------------------------------------------------------------------

    def step(self, event: inputs.Input) -> object:
        answer: object = None
        process = self.process
        try:
            effects = process.node.step(event, self.now_s)
            for effect in effects:
                match effect:
                    case Persist(writes):
                        fate, self.dies = self.dies, None
                        if fate == "before":
                            raise KilledError
                        self.store.apply(writes)
                        self.store.commit()
                        if fate == "after":
                            raise KilledError
                    case Wake() | Transmit():
                        process.ends.carry_out(effect)
                    case Answer(value):
                        answer = value
        except DiskFullError:
            process.node = Node(self.store, self.entropy)
            process.ends.begin_again()
        return answer

    def do(self, what: Callable[[], object]) -> None:
        """Does something as a process that may die over it; then there is another one."""
        try:
            what()
        except KilledError:
            self.kill()

    def tick(self) -> None:
        self.step(inputs.Tick(self.uptime))

    def open(self) -> None:
        process = self.process
        probed = spent(self.look(), Book.PROBES, self.link, self.uptime)
        process.end = BroadcastEnd(process, process.ends, PROFILE, self.link, NO_SECRET, 1.0, probed)
        process.end.opened()

    def close(self) -> None:
        """The board ends what it has begun; it has 30 seconds for that."""
        self._hurry()
        if self.process.end is not None:
            self.process.end.closed()
            self.process.end, self.process.wake_ms = None, None

    def add(self) -> None:
        settings = (("place", f"/dev/ttyUSB{self.dice.random()}"),)
        self.link = str(self.step(inputs.AddLink("rnode", settings)))
        self.open()

    def remove_and_add(self, lingers_ms: int = 0) -> None:
        """Another link for the same board, while that of before is still there for a moment."""
        self.step(inputs.RemoveLink(self.link))
        self.run(lingers_ms)
        self.link = str(self.step(inputs.AddLink("rnode", (("place", f"{self.link} again"),))))
        self.run(lingers_ms)
        self.close()
        self.open()

    def add_and_remove(self) -> None:
        """The board has another name now: a link for that, and then the one of before is removed."""
        self.close()
        before = self.link
        self.link = str(self.step(inputs.AddLink("rnode", (("place", f"{before} new"),))))
        self.step(inputs.RemoveLink(before))
        self.open()

    def replug(self) -> None:
        self.close()
        self.open()

    def fail(self) -> None:
        """The disk is full for a moment: the node is made anew."""
        self.store.before_commit = fail_at(self.store.commits + 1)
        self.say(1)
        self.store.before_commit = None

    def kill(self, down_ms: int = 0, *, reboot: bool = False) -> None:
        """The process dies, or the machine goes down. The board ends what it has begun."""
        self._hurry()
        self.dies = None
        self.process = Process(self)
        self._pass_until(self.at_ms + down_ms)
        if reboot:
            self.boots += 1
            self.booted_ms = self.at_ms - self.dice.choice((10_000, 10**6, 10**9))  # another machine has run for long
        self.tick()
        links = [link for link, _ in list_links(self.look())]
        if links:
            self.link = links[0]
            self.open()
        else:
            self.add()

    def say(self, texts: int) -> None:
        for _ in range(texts):
            with suppress(UserError):  # not by a clock of the past
                self.step(inputs.SendText(self.group, "at the bridge", urgent=True))

    def probe(self, frames: int) -> None:
        for _ in range(frames):
            self.end.probe(bytes(100), lambda _: None)
            self.run(self.dice.choice((0, 3_000)))

    # -- the board ------------------------------------------------------------------------------------------

    def handed(self, process: Process, frame: bytes) -> None:
        """A frame begins, or waits."""
        assert process is self.process
        assert all(end is not self.end for end, *_ in self.on_board), "one at a time"
        took_ms = PROFILE.frame_overhead_ms + -(-len(frame) * 8000 // 1760)
        begins_ms = max([self.at_ms + self.wait_ms, *(on_board[-1] for on_board in self.on_board)])
        book = Book.PROBES if self.end._probing else Book.FRAMES
        self.on_board.append((self.end, book, took_ms, begins_ms + took_ms))

    def _hurry(self) -> None:
        by_ms = self.at_ms + 29_000
        self.on_board = [(end, book, took_ms, min(at_ms, by_ms)) for end, book, took_ms, at_ms in self.on_board]

    def _pass_until(self, until_ms: int) -> None:
        """Nothing but the board does anything."""
        while self.on_board and self.on_board[0][-1] <= until_ms:
            end, book, took_ms, self.at_ms = self.on_board.pop(0)
            self.untold.append((end, took_ms))
            left = self.left[book]
            left.append((self.at_ms, took_ms))
            hour = sum(ms for ended_ms, ms in left if ended_ms > self.at_ms - HOUR_MS)
            assert hour <= HOLDS_MS[book], f"{hour} ms of {book} within one hour at {self.at_ms}"
        self.at_ms = max(self.at_ms, until_ms)

    def run(self, for_ms: int) -> int:
        """Lets time pass; how many frames left."""
        until_ms, before = self.at_ms + for_ms, len(self.left[Book.FRAMES])
        while True:
            while self.untold:
                end, took_ms = self.untold.pop(0)
                if end is self.process.end:
                    end.sent(took_ms)
            wake_ms = self.process.wake_ms
            due_ms = until_ms + 1 if wake_ms is None else max(wake_ms + self.booted_ms, self.at_ms)
            if self.on_board and self.on_board[0][-1] <= min(until_ms, due_ms):
                self._pass_until(self.on_board[0][-1])
            elif due_ms <= until_ms:
                self.at_ms = due_ms
                self.process.wake_ms = None
                self.end.due()
            else:
                self.at_ms = max(self.at_ms, until_ms)
                return len(self.left[Book.FRAMES]) - before

    def sleep(self, for_ms: int) -> None:
        """The machine sleeps, and with it everything but its clock and the board."""
        self._pass_until(self.at_ms + for_ms)
