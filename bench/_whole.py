"""Whole nodes in one radio neighbourhood, with real cryptography: what a text, a file or a meeting costs on the air,
receipts included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from bench._neighbourhood import CALM_MS, SF9, Neighbourhood
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.ranges import Ranges
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.authors import load_author
from chasqui.node.groups import load_group
from chasqui.node.link_port import LinkProfile
from chasqui.node.receipting import have
from chasqui.node.views import read_group

HOUR_MS: Final = 3_600_000
TEXT_BYTES: Final = 100
FILE_BYTES: Final = 10_000
AWAY_MS: Final = 600_000
EVERY_MS: Final = 30_000  # between two texts of a conversation


@dataclass(frozen=True)
class Cost:
    """What something took, and whether it was done."""

    bytes: int
    airtime_s: float
    seconds: float
    done: bool


class Members:
    """A group that has nothing to say any more, its radios on."""

    def __init__(
        self, count: int, seed: int, loss: float, strangers: int = 0, profile: LinkProfile = SF9, warm: bool = False
    ) -> None:
        self.names = [f"m{number}" for number in range(count)]
        self.strangers = [f"s{number}" for number in range(strangers)]
        self.hood = Neighbourhood((*self.names, *self.strangers), seed, profile)
        self.group: GroupId = self.hood.group(self.names)
        for _ in range(2):
            self.hood.sync((*self.names, *self.strangers))
        if warm:
            self._warm()
        self.hood.sync((*self.names, *self.strangers))
        self.hood.switch_on()
        self.hood.run(self.hood.now_ms + CALM_MS)
        self.hood.loss = loss
        self._mark, self._began_ms = 0, 0
        self.begin()

    def _warm(self) -> None:
        """Everybody renews his keys once, and somebody decides something: the tree is full, the past has one end."""
        hood = self.hood
        for name in self.names:
            hood.now_ms += HOUR_MS
            fresh = hood.devices[name].renew(self.group, hood.now_s)
            for other in self.names:
                if other != name:
                    hood.do(other, inputs.TakeBundles(fresh))
        hood.now_ms += 12 * HOUR_MS  # by then each has offered the key package of his next leaf
        for _ in range(2):
            hood.sync(self.names)
        hood.do("m0", inputs.SetRole(self.group, self.key("m1"), Role.ADMIN))
        hood.sync(self.names)

    def begin(self) -> None:
        """Counts from now on."""
        self._mark, self._began_ms = len(self.hood.log), self.hood.now_ms

    def cost(self, done: bool) -> Cost:
        """Since `begin`."""
        sizes = [len(frame) for frame in self.frames()]
        airtime_s = sum(map(self.hood.air.airtime_ms, sizes)) / 1000
        return Cost(sum(sizes), airtime_s, (self.hood.now_ms - self._began_ms) / 1000, done)

    def frames(self) -> list[bytes]:
        """What was on the air since `begin`."""
        return [frame for _, _, frame in self.hood.log[self._mark :]]

    def key(self, name: str) -> MemberKey:
        """Who somebody is in the group."""
        return MemberKey(load_group(self.hood.devices[name].look(self.hood.now_s), self.group).member)

    def text(self, name: str, number: int = 0) -> tuple[str, int]:
        """Somebody says something: author and number."""
        self.hood.do(name, inputs.SendText(self.group, f"{number:0{TEXT_BYTES}}"))
        return name, self.seq(name)

    def seq(self, name: str) -> int:
        """The number of the last object that somebody said."""
        return load_group(self.hood.devices[name].look(self.hood.now_s), self.group).seq

    def here(self, said: Iterable[tuple[str, int]]) -> bool:
        """Whether everybody has these."""
        for name, seq in said:
            author = self.key(name)
            for other in self.names:
                spans = load_author(self.hood.devices[other].look(self.hood.now_s), self.group, author).spans
                if other != name and seq not in Ranges(spans):
                    return False
        return True

    def signed(self, said: Iterable[tuple[str, int]], by: Sequence[str] = ()) -> bool:
        """Whether the authors have receipts of all others for these."""
        for name, seq in said:
            tx = self.hood.devices[name].look(self.hood.now_s)
            author = self.key(name)
            for other in by or self.names:
                if other != name and seq not in have(tx, self.group, self.key(other), author):
                    return False
        return True

    def texts(self, name: str) -> int:
        """How many texts somebody can read."""
        view = read_group(self.hood.devices[name].look(self.hood.now_s), self.group)
        return sum(message.text is not None for message in view.messages)


def one_text(receivers: int, seed: int, loss: float = 0.0) -> Cost:
    """A text, and everybody's receipt."""
    members = Members(receivers + 1, seed, loss)
    said = [members.text("m0")]
    return members.cost(members.hood.run(members.hood.now_ms + 6 * HOUR_MS, lambda: members.signed(said)))


def conversation(people: int, texts: int, seed: int, loss: float = 0.0, *, one_way: bool = False) -> Cost:
    """Texts by turns, all receipts."""
    members = Members(people, seed, loss)
    said = []
    for number in range(texts):
        said.append(members.text("m0" if one_way else members.names[number % people], number))
        members.hood.run(members.hood.now_ms + EVERY_MS)
    return members.cost(members.hood.run(members.hood.now_ms + 6 * HOUR_MS, lambda: members.signed(said)))


def file(receivers: int, loss: float, seed: int, size: int = FILE_BYTES) -> tuple[Cost, Cost]:
    """A file: until it is whole at everybody, and until everybody's receipt is here."""
    members = Members(receivers + 1, seed, loss)
    data = members.hood.dice.randbytes(size)
    before = members.seq("m0")
    message: ObjectId = members.hood.do("m0", inputs.SendFile(members.group, "map", data))
    said = [("m0", seq) for seq in range(before + 1, members.seq("m0") + 1)]
    whole = members.hood.run(members.hood.now_ms + 6 * HOUR_MS, lambda: members.here(said))
    there = members.cost(whole)
    for name in members.names[1:]:
        if members.hood.do(name, inputs.ReadFile(members.group, message))[1] != data:
            raise RuntimeError("a file is not what was sent")
    return there, members.cost(members.hood.run(members.hood.now_ms + 6 * HOUR_MS, lambda: members.signed(said)))


def carried(seed: int) -> Cost:
    """Somebody was away; a stranger has carried the text for him. Without his receipt."""
    members = Members(2, seed, 0.0, strangers=1)
    members.hood.deaf.add("m1")
    members.text("m0")
    members.hood.run(members.hood.now_ms + AWAY_MS)
    members.hood.deaf.add("m0")
    members.hood.deaf.discard("m1")
    members.hood.silent.add("m0")
    members.hood.switch_on("m1")  # his device is on again
    done = members.hood.run(members.hood.now_ms + 6 * HOUR_MS, lambda: members.texts("m1") == 1)
    return members.cost(done)


def meeting(people: int, seed: int) -> Cost:
    """People come together, each with a text that nobody has yet: until all have all."""
    members = Members(people, seed, 0.0)
    members.hood.deaf.update(members.names)
    members.hood.silent.update(members.names)
    for number, name in enumerate(members.names):
        members.text(name, number)
    members.hood.run(members.hood.now_ms + HOUR_MS)
    members.hood.deaf.clear()
    members.hood.silent.clear()
    members.begin()
    for name in members.names:
        members.hood.switch_on(name)
    done = members.hood.run(
        members.hood.now_ms + 6 * HOUR_MS, lambda: all(members.texts(name) == people for name in members.names)
    )
    return members.cost(done)


def idle(people: int, seed: int) -> Cost:
    """An hour in which nobody says anything, long after the last text."""
    members = Members(people, seed, 0.0)
    members.text("m0")
    members.hood.run(members.hood.now_ms + 6 * HOUR_MS)
    members.begin()
    members.hood.run(members.hood.now_ms + HOUR_MS)
    return members.cost(True)


def average(costs: Sequence[Cost]) -> Cost:
    """Of several seeds. Raises RuntimeError where something was not done."""
    if not all(cost.done for cost in costs):
        raise RuntimeError("not everybody got everything")
    return Cost(
        round(mean(cost.bytes for cost in costs)),
        mean(cost.airtime_s for cost in costs),
        mean(cost.seconds for cost in costs),
        True,
    )
