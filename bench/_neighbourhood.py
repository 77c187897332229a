"""One radio neighbourhood of real nodes: real cryptography, the engine of each node, one channel with loss. Everybody
hears everybody, whoever wants to send waits for a free channel, and every frame takes its airtime."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Final

from chasqui.base.ids import BundleId, GroupId
from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import Air
from chasqui.groups.operation import Role
from chasqui.lab.memory_store import MemoryStore
from chasqui.node import inputs
from chasqui.node.changes import carry_out
from chasqui.node.effects import Answer, Persist, Timer, Transmit, Wake
from chasqui.node.groups import load_group
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.node import Node
from chasqui.node.records import BundleRecord, Space
from chasqui.node.transaction import Transaction

START_S: Final = 1_800_000_000
LINK: Final = BroadcastId(1)
SF9: Final = LinkProfile("lora", 222, 1760, True, True, 0.1, 1.0, 83)
TURN_MS: Final = (1, 50)  # after the channel has become free
CALM_MS: Final = 2 * 3_600_000


class Device:
    """A node on a store in memory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.store = MemoryStore()
        self.entropy = Random(name).randbytes
        self.node = Node(self.store, self.entropy)
        self.made: dict[BundleId, str] = {}  # in which step each bundle of ours came to be
        self.tick_s: int | None = None

    def do(self, event: inputs.Input, now_s: int) -> tuple[Any, list[Transmit | Wake]]:
        """One step, durable: its answer, and what is to be done on the air."""
        answer: Any = None
        on_air: list[Transmit | Wake] = []
        brings = isinstance(event, inputs.TakeBundles | inputs.BroadcastHeard)
        for effect in self.node.step(event, now_s):
            match effect:
                case Persist(writes):
                    if not brings:
                        for space, key, value in writes:
                            if space == Space.BUNDLE and value is not None:
                                self.made.setdefault(BundleId(key), type(event).__name__)
                    self.store.apply(writes)
                    self.store.commit()
                case Answer(value):
                    answer = value
                case Timer(at_s):
                    self.tick_s = at_s
                case Transmit() | Wake():
                    on_air.append(effect)
        return answer, on_air

    def look(self, now_s: int) -> Transaction:
        """A look into the store."""
        return Transaction(self.store, now_s, self.entropy)

    def renew(self, group: GroupId, now_s: int) -> tuple[bytes, ...]:
        """New keys of ours in a group, whenever they are due; gives the commit."""
        before = self.held(now_s)
        tx = self.look(now_s)
        carry_out(tx, group, load_group(tx, group), (), ())
        for effect in tx.outcome():
            if isinstance(effect, Persist):
                self.store.apply(effect.writes)
                self.store.commit()
        self.node = Node(self.store, self.entropy)
        return tuple(data for key, data in self.held(now_s).items() if key not in before)

    def held(self, now_s: int) -> dict[bytes, bytes]:
        """All bundles."""
        return {key: record.data for key, record in self.look(now_s).load_prefix(Space.BUNDLE, b"", BundleRecord)}


class Neighbourhood:
    """Devices around one channel. `loss` of frames, at each receiver by itself."""

    def __init__(self, names: Iterable[str], seed: int = 0, profile: LinkProfile = SF9) -> None:
        self.profile = profile
        self.air = Air(profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, 1.0)
        self.loss = 0.0
        self.now_ms = 0
        self.deaf: set[str] = set()
        self.silent: set[str] = set()
        self.log: list[tuple[int, str, bytes]] = []
        self.devices = {name: Device(f"{name} {seed}") for name in names}
        self.dice = Random(seed)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._free_ms = 0
        self._wake_ms: dict[str, int | None] = {}
        self._sending: set[str] = set()
        for name in self.devices:
            self.do(name, inputs.SetUp(name))

    @property
    def now_s(self) -> int:
        return START_S + self.now_ms // 1000

    # -- before the radio is there --------------------------------------------------------------------------

    def pair(self, one: str, other: str) -> GroupId:
        """Two meet."""
        offer = self.do(one, inputs.MakeOffer())
        accepted = self.do(other, inputs.AcceptPairing(offer, one))
        self.do(one, inputs.AcceptPairing(accepted.reply, other))
        self.sync((one, other))
        self.sync((one, other))
        return GroupId(accepted.contact)

    def sync(self, names: Sequence[str]) -> None:
        """All that each holds goes to the others."""
        for name in names:
            self.do(name, inputs.Flush())
        every: dict[bytes, bytes] = {}
        for name in names:
            every.update(self.devices[name].held(self.now_s))
        for name in names:
            known = self.devices[name].held(self.now_s)
            self.do(name, inputs.TakeBundles(tuple(data for key, data in every.items() if key not in known)))

    def group(self, names: Sequence[str]) -> GroupId:
        """A group of these, founded by the first, in which all have said what they had to say."""
        founder, *others = names
        contacts = [self.pair(founder, other) for other in others]
        group: GroupId = self.do(founder, inputs.CreateGroup("bench"))
        for contact in contacts:
            self.do(founder, inputs.AddMember(group, contact, Role.MEMBER))
        self.sync(names)
        for other in others:
            self.do(other, inputs.JoinGroup(group))
        return group

    # -- on the air -----------------------------------------------------------------------------------------

    def switch_on(self, *names: str) -> None:
        """Radios are there from now on."""
        for name in names or tuple(self.devices):
            self.do(name, inputs.BroadcastOpened(LINK, self.profile, Uptime(b"boot", self.now_ms), "radio"))

    def do(self, name: str, event: inputs.Input) -> Any:
        """A step of one of them; gives its answer."""
        device = self.devices[name]
        before_s = device.tick_s
        answer, on_air = device.do(event, self.now_s)
        for effect in on_air:
            if isinstance(effect, Transmit):
                self._contend(name, effect.frame)
            else:
                self._wake(name, effect.at_ms)
        if device.tick_s is not None and device.tick_s != before_s:
            self._tick(name, device.tick_s)
        return answer

    def run(self, until_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Until then, or until it is done."""
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, call = heapq.heappop(self._events)
            call()
            if done():
                return True
        self.now_ms = max(self.now_ms, until_ms)
        return done()

    def _at(self, at_ms: int, call: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(at_ms, self.now_ms), next(self._count), call))

    def _wake(self, name: str, at_ms: int | None) -> None:
        self._wake_ms[name] = at_ms

        def due() -> None:
            if self._wake_ms[name] == at_ms:
                self._wake_ms[name] = None
                self.do(name, inputs.BroadcastDue(LINK, self.now_ms))

        if at_ms is not None:
            self._at(at_ms, due)

    def _tick(self, name: str, at_s: int) -> None:
        def due() -> None:
            if self.devices[name].tick_s == at_s:
                self.devices[name].tick_s = None
                self.do(name, inputs.Tick())

        self._at((at_s - START_S) * 1000, due)

    def _contend(self, name: str, frame: bytes) -> None:
        if self._free_ms > self.now_ms:
            self._at(self._free_ms + self.dice.randrange(*TURN_MS), lambda: self._contend(name, frame))
            return
        took_ms = self.air.airtime_ms(len(frame))
        self._free_ms = self.now_ms + took_ms
        self._at(self._free_ms, lambda: self._arrive(name, frame, took_ms))

    def _arrive(self, sender: str, frame: bytes, took_ms: int) -> None:
        if sender not in self.silent:
            self.log.append((self.now_ms, sender, frame))
        for name in self.devices if sender not in self.silent else ():
            if name != sender and name not in self.deaf and self.dice.random() >= self.loss:
                self.do(name, inputs.BroadcastHeard(LINK, frame, 10.0, self.now_ms))
        self.do(sender, inputs.BroadcastSent(LINK, took_ms, self.now_ms))
