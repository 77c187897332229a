"""A few nodes on in-memory stores with a clock and entropy of their own: replayable, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.operation import Role
from chasqui.lab.memory_store import MemoryStore
from chasqui.node import inputs
from chasqui.node.effects import Answer, CloseSession, Effect, Notice, Persist, Send
from chasqui.node.groups import load_group
from chasqui.node.inputs import Input
from chasqui.node.link_port import SessionId
from chasqui.node.neighbours import held_ids
from chasqui.node.node import Node
from chasqui.node.pairing import Accepted
from chasqui.node.records import BundleRecord, Space
from chasqui.node.store_port import Write
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import Conversation, GroupView
from chasqui.node.views import group_view, read_group

START_S = 1_800_000_000


class SeededEntropy:
    """Bytes that follow from a seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def __call__(self, n: int, /) -> bytes:
        out = b""
        while len(out) < n:
            self._count += 1
            out += blake2b(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:n]


@dataclass(eq=False)
class Person:
    """One device: a node, its store, and a runner that persists before anything else."""

    name: str
    now_s: int = START_S
    store: MemoryStore = field(default_factory=MemoryStore)
    sent: list[tuple[SessionId, bytes]] = field(default_factory=list)
    closed: list[SessionId] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entropy = SeededEntropy(self.name)
        self.node = Node(self.store, self.entropy)
        self.do(inputs.SetUp(self.name))

    def do(self, event: Input) -> Any:
        """One step, carried out; gives its answer."""
        answer: object = None
        for effect in self.node.step(event, self.now_s):
            answer = self._carry_out(effect, answer)
        return answer

    def _carry_out(self, effect: Effect, answer: object) -> object:
        match effect:
            case Persist(writes):
                self.store.apply(writes)
                self.store.commit()
            case Send(session, frame):
                self.sent.append((session, frame))
            case CloseSession(session):
                self.closed.append(session)
            case Notice():
                self.notices.append(effect)
            case Answer(value):
                return value
        return answer

    def copy(self) -> Person:
        """A backup of this device as it is now, on another machine."""
        other = Person(self.name, self.now_s)
        other.store = MemoryStore()
        other.store.apply(tuple(Write(space, key, value) for space in Space for key, value in self.store.scan(space)))
        other.store.commit()
        other.entropy = SeededEntropy(f"{self.name} again")
        other.restart()
        return other

    def restart(self) -> None:
        """A new process on the same store."""
        self.node = Node(self.store, self.entropy)

    def tx(self) -> Transaction:
        """A look into the store."""
        return Transaction(self.store, self.now_s, self.entropy)

    def held(self) -> list[bytes]:
        """Every bundle that this device holds."""
        tx = self.tx()
        found = [tx.load(Space.BUNDLE, bundle, BundleRecord) for bundle in held_ids(tx)]
        return [record.data for record in found if record is not None]

    def sync(self, *others: Person) -> None:
        """A stick goes from here to others: everything due, everything held."""
        self.do(inputs.Flush())
        bundles = tuple(self.held())
        for other in others:
            other.do(inputs.TakeBundles(bundles))

    def show(self, group: GroupId) -> GroupView:
        return group_view(self.tx(), group)

    def read(self, group: GroupId) -> Conversation:
        self.do(inputs.SettleOrder(group))
        return read_group(self.tx(), group)

    def texts(self, group: GroupId) -> list[str]:
        return [message.text for message in self.read(group).messages]

    def key(self, group: GroupId) -> MemberKey:
        return self.show(group).own


def pair(one: Person, other: Person) -> GroupId:
    """Two files make a contact; spare key packages go both ways."""
    offer = one.do(inputs.MakeOffer())
    accepted: Accepted = other.do(inputs.AcceptPairing(offer, one.name))
    mine: Accepted = one.do(inputs.AcceptPairing(accepted.reply or b"", None))
    assert mine.record.words == accepted.record.words
    assert mine.contact == accepted.contact
    meet(one, other)
    return mine.contact


def meet(*people: Person) -> None:
    """Sticks go around until nothing changes."""
    for _ in range(3):
        for person in people:
            person.sync(*(other for other in people if other is not person))


def make_group(founder: Person, *others: Person, name: str = "convoy") -> GroupId:
    """Pairs the founder with everybody, and makes a group of all."""
    contacts = {other.name: pair(founder, other) for other in others}
    group: GroupId = founder.do(inputs.CreateGroup(name))
    for other in others:
        founder.do(inputs.AddMember(group, contacts[other.name], Role.MEMBER))
    meet(founder, *others)
    for other in others:
        other.do(inputs.JoinGroup(group))
    meet(founder, *others)
    return group


def settled_group(*names: str) -> tuple[list[Person], GroupId]:
    """People in one group of which everything is settled."""
    crowd = [Person(name) for name in names]
    group = make_group(*crowd)
    for person in crowd:
        person.now_s += 72 * 3600
    meet(*crowd)
    for person in crowd:
        record = load_group(person.tx(), group)
        assert record.root == record.head
    return crowd, group
