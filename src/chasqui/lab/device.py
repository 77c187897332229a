"""One device: the real node, its store, its clock, and the moments at which it goes down."""

from __future__ import annotations

from typing import Any, Final, Protocol

from chasqui.base.errors import MachineError, PeerError, UserError
from chasqui.base.ids import bundle_id
from chasqui.base.ports import Uptime
from chasqui.delivery.frames import BundleFrame, read_frame
from chasqui.lab.entropy import SeededEntropy
from chasqui.lab.memory_store import MemoryStore
from chasqui.lab.world import START_S, World
from chasqui.node import inputs
from chasqui.node.broadcast_end import BroadcastEnds
from chasqui.node.effects import Answer, CloseSession, Notice, Persist, Send, Timer, Transmit, Wake
from chasqui.node.link_port import SessionId
from chasqui.node.node import Node
from chasqui.node.store_port import Write
from chasqui.node.transaction import Transaction

CRASHES: Final = ("before", "torn", "after")  # the writes: never begun, begun and lost as a whole, durable and no more
_DOWN_S: Final = (5, 1800)  # how long a device is down


class DownError(Exception):
    """The device is down, or went down in this very step; `kept` tells whether the step is durable."""

    def __init__(self, kept: bool = False) -> None:
        super().__init__("the device is down")
        self.kept = kept


class Witness(Protocol):
    """Who sees every step of every device."""

    def durable(self, device: Device, event: inputs.Input, writes: tuple[Write, ...]) -> None:
        """A step is durable; nothing of it has left the device yet."""

    def noticed(self, device: Device, notice: Notice) -> None:
        """The node said something to its owner."""

    def restored(self, device: Device) -> None:
        """The store is an older copy of itself."""

    def broke(self, device: Device, event: inputs.Input, error: BaseException) -> None:
        """A step raised what no step may raise."""


class Carrier(Protocol):
    """Who takes the frames of sessions."""

    def send(self, device: Device, session: SessionId, frame: bytes) -> None: ...

    def close(self, device: Device, session: SessionId) -> None: ...

    def down(self, device: Device) -> None: ...

    def up(self, device: Device) -> None: ...


class Board(Protocol):
    """A radio at a device."""

    def down(self) -> None:
        """The process that used it is gone."""

    def up(self) -> None:
        """There is a process again."""


class Device:
    """A node that is driven as a real runner drives it: its writes are durable before anything else leaves.

    `crash_rate` is the share of persisted steps in which it goes down. One that `ticks` keeps its daemon running; one
    that does not wakes up only when somebody uses it.
    """

    def __init__(self, name: str, world: World, witness: Witness, carrier: Carrier, seed: str) -> None:
        self.name = name
        self.world = world
        self.witness = witness
        self.carrier = carrier
        self.store = MemoryStore()
        self.entropy = SeededEntropy(f"{seed} {name}")
        self.node = Node(self.store, self.entropy)
        self.skew_s = 0
        self.boots = 0
        self.booted_ms = 0  # by the clock of the world
        self.crash_rate = 0.0
        self.on = True
        self.lost = False  # for ever: drowned, taken, thrown away
        self.honest = True
        self.ticks = False
        self.crashes = 0
        self.restored = 0
        self.crash_next: str | None = None  # how to go down at the next persisted step
        self.withholds = False
        self.kept_back: set[bytes] = set()  # what others gave it, where it withholds
        self.ends = BroadcastEnds()
        self.boards: list[Board] = []
        self._backups: list[MemoryStore] = []
        self._timer_s = 0
        self._timer_asked = 0

    @property
    def uptime(self) -> Uptime:
        """The clock of this device that nobody sets."""
        return Uptime(f"{self.name} {self.boots}".encode(), self.world.now_ms - self.booted_ms)

    @property
    def now_s(self) -> int:
        """What the clock of this device shows."""
        return START_S + self.world.now_s + self.skew_s

    def look(self) -> Transaction:
        """A look into the store; nothing is written through it."""
        return Transaction(self.store, self.now_s, self.entropy)

    def do(self, event: inputs.Input) -> Any:
        """One step; gives its answer. Raises `UserError` or `PeerError` where it is refused, `DownError` on a crash."""
        if not self.on:
            raise DownError
        self.world.steps += 1
        if self.withholds:
            self.kept_back.update(_brought(event))
        try:
            effects = self.node.step(event, self.now_s)
        except (PeerError, UserError):
            raise
        except Exception as error:
            self.witness.broke(self, event, error)
            raise DownError from error
        answer: Any = None
        down = False
        for effect in effects:
            match effect:
                case Persist(writes):
                    down = self._persist(event, writes)
                case Timer(at_s):
                    self._set_timer(at_s)
                case Send(session, frame):
                    if not down:
                        self.carrier.send(self, session, frame)
                case CloseSession(session):
                    if not down:
                        self.carrier.close(self, session)
                case Transmit() | Wake():
                    if not down:
                        self.ends.carry_out(effect)
                case Notice():
                    self.witness.noticed(self, effect)
                case Answer(value):
                    answer = value
        if down:
            raise DownError(kept=True)
        return answer

    def write(self, writes: tuple[Write, ...]) -> None:
        """What a hostile owner puts into his own store; his node starts anew on it."""
        self.store.apply(writes)
        self.store.commit()
        self.witness.durable(self, inputs.Tick(), writes)
        self._anew()

    # -- going down ---------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Goes down now and comes up again after a while; sessions end. Every other time the machine does."""
        self.crashes += 1
        self.on = False
        self._gone()
        if self.crashes % 2 == 0:  # not the process alone
            self.boots += 1
            self.booted_ms = self.world.now_ms
        self.world.after(self.world.chance.randint(*_DOWN_S), self.start)

    def start(self) -> None:
        """A new process on the same store."""
        if self.on or self.lost:
            return
        self.on = True
        self._back()

    def lose(self) -> None:
        """The device is gone for ever."""
        self.lost, self.on = True, False
        self._gone()

    def backup(self) -> None:
        """Copies the whole store aside."""
        self._backups.append(self.store.after_crash())

    @property
    def has_backup(self) -> bool:
        """Whether there is a copy to go back to."""
        return bool(self._backups)

    def restore(self) -> None:
        """Puts the newest copy in the store's place."""
        self.store = self._backups[-1].after_crash()
        self.restored += 1
        self.witness.restored(self)
        self._anew()

    def set_clock(self, skew_s: int) -> None:
        """From now on the clock is ahead (or behind) by so much."""
        self.skew_s = skew_s
        self.wake()

    def wake(self) -> None:
        """Lets the node do what is due."""
        if self.on and self.ticks:
            try:
                self.do(inputs.Tick(self.uptime))
            except DownError:
                return

    # -- inside -------------------------------------------------------------------------------------------------

    def _persist(self, event: inputs.Input, writes: tuple[Write, ...]) -> bool:
        """Makes a step durable, or goes down over it; whether it went down after that."""
        fate, self.crash_next = self.crash_next, None
        if fate is None and self.crash_rate and self.world.chance.random() < self.crash_rate:
            fate = self.world.chance.choice(CRASHES)
        if fate == "before":
            self.crash()
            raise DownError
        try:
            self.store.apply(writes)
            if fate == "torn":
                self.store.rollback()
                self.crash()
                raise DownError
            self.store.commit()
        except MachineError as error:
            self.crash()
            raise DownError from error
        self.witness.durable(self, event, writes)
        if fate == "after":
            self.crash()
            return True
        return False

    def _anew(self) -> None:
        was_on, self.on = self.on, False
        self._gone()
        self.on = was_on
        if self.on:
            self._back()

    def _gone(self) -> None:
        """The process is."""
        self.carrier.down(self)
        for board in self.boards:
            board.down()

    def _back(self) -> None:
        """A process begins on the store."""
        self.node = Node(self.store, self.entropy)
        self.carrier.up(self)
        for board in self.boards:
            board.up()
        self.wake()

    def _set_timer(self, at_s: int) -> None:
        self._timer_s = at_s
        if not (self.ticks and at_s):
            return
        self._timer_asked += 1
        asked = self._timer_asked

        def due() -> None:
            if asked != self._timer_asked or not self.on:
                return
            if self.now_s < self._timer_s:  # the clock was put back meanwhile
                self.world.after(self._timer_s - self.now_s, due)
            else:
                self.wake()

        self.world.after(max(at_s - self.now_s, 1), due)


def _brought(event: inputs.Input) -> list[bytes]:
    """Ids of the bundles in an input."""
    if isinstance(event, inputs.TakeBundles):
        return [bundle_id(data) for data in event.bundles]
    if isinstance(event, inputs.FrameReceived):
        return bundle_in(event.frame)
    return []


def bundle_in(frame: bytes) -> list[bytes]:
    """The id of the bundle in a frame, where it is one that brings a bundle."""
    try:
        read = read_frame(frame)
    except PeerError:
        return []
    return [bundle_id(read.bundle)] if isinstance(read, BundleFrame) else []
