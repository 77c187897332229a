"""Sets the stage: people who have met, in one group, all of it by the real node; then the world may begin."""

from __future__ import annotations

from typing import Any

from chasqui.base.ids import BundleId, GroupId
from chasqui.groups.operation import Role
from chasqui.lab.air import Channel
from chasqui.lab.courier import Stick
from chasqui.lab.device import Device
from chasqui.lab.ledger import Ledger
from chasqui.lab.network import Network
from chasqui.lab.people import Person
from chasqui.lab.safety import Safety
from chasqui.lab.scenario import Scenario
from chasqui.lab.world import HOUR_S, Listener, World
from chasqui.node import inputs
from chasqui.node.effects import Notice
from chasqui.node.neighbours import held_ids
from chasqui.node.pairing import Accepted
from chasqui.node.records import BundleRecord, Space

SET_UP_S = HOUR_S  # how long they are together in the beginning


class Stage:
    """Everything and everybody of one run."""

    def __init__(self, scenario: Scenario, seed: int, listener: Listener | None = None) -> None:
        self.scenario = scenario
        self.seed = seed
        self.world = World(seed, listener)
        self.ledger = Ledger()
        self.safety = Safety(self.world, self.ledger)
        self.network = Network(self.world)
        self.network.rude = self.safety.rude
        self.people: dict[str, Person] = {}
        self.sticks: list[Stick] = []
        self.channels: list[Channel] = []
        self.group = GroupId(b"")
        self._given: dict[tuple[str, str], set[BundleId]] = {}
        for name in scenario.everybody:
            device = Device(name, self.world, self, self.network, f"{scenario.name} {seed}")
            self.network.join(device)
            self.people[name] = Person(device, self.ledger)
        self.devices = {name: person.device for name, person in self.people.items()}
        self.safety.watch(self.devices)

    # -- device.Witness -----------------------------------------------------------------------------------------

    def durable(self, device: Device, event: inputs.Input, writes: tuple[Any, ...]) -> None:
        """Passes a step on to the checkers, and tells of epochs that began."""
        self.safety.durable(device, event, writes)
        for group, branch in self.ledger.fresh:
            if group == self.group and branch.parent:
                self.world.tell(f"{branch.committer} {branch.what}: {branch.name} begins")

    def noticed(self, device: Device, notice: Notice) -> None:
        """Passes a notice on to the checkers and to the owner."""
        self.safety.noticed(device, notice)
        self.people[device.name].noticed(notice)

    def restored(self, device: Device) -> None:
        """Passes an older copy on."""
        self.safety.restored(device)

    def broke(self, device: Device, event: inputs.Input, error: BaseException) -> None:
        """Passes a mistake of ours on."""
        self.safety.broke(device, event, error)

    # -- how it begins ------------------------------------------------------------------------------------------

    def set(self) -> None:
        """Everybody has a vault; founder and admins have met all; the group holds its people. Nothing fails yet."""
        scenario = self.scenario
        for name, device in self.devices.items():
            device.do(inputs.SetUp(name))
        founder = scenario.people[0]
        for one in (founder, *scenario.admins):
            for other in scenario.everybody:
                if other != one and other not in self.people[one].contacts:
                    self.pair(one, other)
        self.group = self.devices[founder].do(inputs.CreateGroup("convoy", taken=scenario.taken))
        for person in self.people.values():
            person.group = self.group
        for name in scenario.people[1:]:
            role = Role.ADMIN if name in scenario.admins else Role.MEMBER
            contact = self.people[founder].contacts[name]
            self.devices[founder].do(inputs.AddMember(self.group, contact, role))
        self.world.run_until(SET_UP_S // 2)
        for name in scenario.people[1:]:
            self.hand_over(founder, name)
        self.world.run_until(SET_UP_S)  # they join
        stick = Stick(self.world)
        for _ in range(2):
            for name in scenario.everybody:
                stick.visit(self.devices[name])

    def pair(self, one: str, other: str) -> None:
        """Two people meet and exchange two files; those who have met before call each other by another name."""
        first, second = self.devices[one], self.devices[other]
        again = " anew" if other in self.people[one].contacts else ""
        offer = first.do(inputs.MakeOffer())
        accepted: Accepted = second.do(inputs.AcceptPairing(offer, one + again))
        mine: Accepted = first.do(inputs.AcceptPairing(accepted.reply or b"", other + again))
        if mine.record.words != accepted.record.words:
            raise AssertionError("the words of two who met are not equal")
        self.people[one].contacts[other] = self.people[other].contacts[one] = mine.contact
        self.hand_over(one, other)
        self.hand_over(other, one)

    def hand_over(self, one: str, other: str) -> None:
        """Gives everything that was not given before."""
        given = self._given.setdefault((one, other), set())
        first, second = self.devices[one], self.devices[other]
        first.do(inputs.Flush())
        tx = first.look()
        fresh = [bundle for bundle in held_ids(tx) if bundle not in given]
        given.update(fresh)
        records = [tx.load(Space.BUNDLE, bundle, BundleRecord) for bundle in fresh]
        second.do(inputs.TakeBundles(tuple(record.data for record in records if record is not None)))
