"""Puts the events of a scenario into its world."""

from __future__ import annotations

from functools import partial
from random import Random

from chasqui.base.secret import NO_SECRET, Secret
from chasqui.delivery.veil import KEY_BYTES
from chasqui.groups.operation import Role
from chasqui.lab import mallory
from chasqui.lab.air import Channel
from chasqui.lab.board import RadioBoard
from chasqui.lab.courier import Courier, Stick, Wear
from chasqui.lab.device import Device
from chasqui.lab.entropy import SeededEntropy
from chasqui.lab.network import Cut, Mesh
from chasqui.lab.people import Person
from chasqui.lab.scenario import CourierTable, Event, RadioTable, Scenario, medium_of
from chasqui.lab.stage import SET_UP_S, Stage
from chasqui.lab.town import STEP_S, Town
from chasqui.lab.world import DAY_S, HOUR_S

_CHECK_EVERY_S = 5 * DAY_S


class Deeds:
    """Everything that a scenario plans, on a stage. Time 0 of the scenario is when the stage is set."""

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        self.stage = stage
        self.scenario = scenario
        self.end_s = SET_UP_S + int(scenario.days * DAY_S)
        self._hoards: dict[str, Stick] = {}
        self.town = Town(scenario, stage.seed)

    def plan(self) -> None:
        """Asks the world for all of it."""
        self._links()
        for number, radio in enumerate(self.scenario.radios, 1):
            self._radio(f"radio {number}", radio)
        for walk in self.scenario.walks:
            self.stage.world.every(
                STEP_S, partial(self._walk, walk.who), first_s=SET_UP_S + STEP_S, until_s=self.end_s
            )
        for table in self.scenario.couriers:
            self._courier(table)
        for event in self.scenario.events:
            for turn in range(event.times):
                at_s = self._s(event.day) + int((event.hour + turn * event.every_hours) * HOUR_S)
                self.stage.world.at(at_s, partial(self._do, event))
        if self.scenario.texts_per_day:
            for name in self.scenario.people:
                self._next_text(self.stage.people[name])
        self._faults()
        for name in self.scenario.hostile:
            device = self.stage.devices[name]
            device.honest = False
            self.stage.safety.hostile.add(name)
        self.stage.world.every(_CHECK_EVERY_S, self._bounds, first_s=_CHECK_EVERY_S, until_s=self.end_s)

    def _s(self, day: float) -> int:
        return SET_UP_S + int(min(day, self.scenario.days + 3_660) * DAY_S)

    def _links(self) -> None:
        meshes = []
        for link in self.scenario.links:
            rate = link.breaks_per_day
            meshes.append(Mesh(link.between, self._s(link.from_day), self._s(link.to_day), link.delay_s, rate))
            for name in link.between:
                self.stage.devices[name].ticks = True
        cuts = [Cut(c.sides, self._s(c.from_day), self._s(c.to_day), c.one_way) for c in self.scenario.cuts]
        for cut in cuts:
            sides = " | ".join(", ".join(side) for side in cut.sides)
            way = "cut in one direction" if cut.one_way else "cut"
            self.stage.world.at(cut.from_s, partial(self.stage.world.tell, f"{way}: {sides}"))
            self.stage.world.at(cut.to_s, partial(self.stage.world.tell, f"mended: {sides}"))
        self.stage.network.plan(meshes, cuts)
        for name in sorted({name for link in self.scenario.links for name in link.between}):
            self.stage.world.at(SET_UP_S, self.stage.devices[name].wake)

    def _courier(self, table: CourierTable) -> None:
        stick = Stick(self.stage.world, Wear(table.lost, table.cut_short, table.twice, table.shuffled))
        self.stage.sticks.append(stick)
        route = tuple(self.stage.devices[name] for name in table.route)
        courier = Courier(table.name, stick, route, self.stage.network.reaches, lambda device, stick: None)
        period_s = max(60, int(table.every_hours * HOUR_S))
        until_s = min(self._s(table.to_day), self.end_s)
        self.stage.world.every(period_s, courier.step, first_s=self._s(table.from_day), until_s=until_s)

    def _radio(self, name: str, table: RadioTable) -> None:
        stage, until_s = self.stage, self._s(table.to_day)
        seed = f"{self.scenario.name} {stage.seed} {name}"
        medium = medium_of(table)
        ground = self.town.ground(medium, seed) if self.scenario.districts else None
        channel = Channel(stage.world, medium, Random(seed), table.loss, stage.network.reaches, ground)
        stage.channels.append(channel)
        key = Secret(SeededEntropy(seed)(KEY_BYTES)) if table.key else NO_SECRET
        for who in table.between or self.scenario.everybody:
            board = RadioBoard(stage.devices[who], channel, name, key, table.dummies)
            stage.world.at(self._s(table.from_day), board.plug)
            stage.world.at(until_s, board.unplug)

    def _walk(self, who: str) -> None:
        came_to = self.town.walk(who, self.stage.world.now_s - SET_UP_S)
        if came_to:
            self.stage.world.tell(f"{who} comes to {came_to}")

    def _next_text(self, person: Person) -> None:
        world = self.stage.world
        wait_s = int(world.chance.expovariate(self.scenario.texts_per_day) * DAY_S) + 1

        def speak() -> None:
            if world.now_s < self.end_s:
                if mallory.is_in(person.device, person.group):
                    person.say()
                self._next_text(person)

        world.after(wait_s, speak)

    def _faults(self) -> None:
        faults, world = self.scenario.faults, self.stage.world
        for device in self.stage.devices.values():
            device.crash_rate = faults.crash_rate
            if faults.skew_hours:
                device.skew_s = int(world.chance.uniform(-faults.skew_hours, faults.skew_hours) * HOUR_S)
            if faults.clock_jumps_per_day:
                self._next_jump(device)

    def _next_jump(self, device: Device) -> None:
        faults, world = self.scenario.faults, self.stage.world

        def jump() -> None:
            if world.now_s < self.end_s and not device.lost:
                device.set_clock(int(world.chance.uniform(-faults.skew_hours, faults.skew_hours) * HOUR_S))
                self._next_jump(device)

        world.after(int(world.chance.expovariate(faults.clock_jumps_per_day) * DAY_S) + 1, jump)

    def _bounds(self) -> None:
        for name, device in self.stage.devices.items():
            if name not in self.stage.safety.hostile:
                self.stage.safety.bounds(device)

    def _do(self, event: Event) -> None:
        person = self.stage.people[event.who]
        device, tell = person.device, self.stage.world.tell
        if device.lost:
            return
        match event.do:
            case "say":
                person.say(event.text)
            case "add":
                person.add(event.whom, Role.ADMIN if event.admin else Role.MEMBER)
            case "remove":
                person.remove(event.whom)
            case "accuse":
                person.accuse(event.whom)
            case "lift":
                person.lift(event.whom)
            case "rejoin":
                person.rejoin()
            case "pair":
                self.stage.pair(event.who, event.whom)
                tell(f"{event.who} and {event.whom} meet and pair anew")
            case "leave":
                person.leave()
            case "renew" | "flood":
                mallory.renew(device, person.group)
            case "backup":
                device.backup()
                tell(f"{event.who} makes a copy of the vault")
            case "restore":
                self._restore(device)
            case "crash":
                device.crash_next = event.how
            case "clock":
                device.set_clock(int(event.hours * HOUR_S))
                tell(f"{event.who}'s clock is {event.hours:+g} h wrong")
            case "lose":
                device.lose()
                tell(f"{event.who} is gone, and the device")
            case _:
                self._hostile(event.do, person)

    def _restore(self, device: Device) -> None:
        if not (device.on and device.has_backup):
            return
        self.stage.world.tell(f"{device.name} puts an old copy of the vault in its place")
        self.stage.safety.before_restore(device)
        device.restore()

    def _hostile(self, deed: str, person: Person) -> None:
        device, tell = person.device, self.stage.world.tell
        match deed:
            case "fork":
                reach = self.stage.network.reaches
                friends = [other for other in self._others(device) if reach(device.name, other.name)]
                if friends and mallory.fork(device, person.group, self.stage.world.chance.choice(friends)):
                    tell(f"{person.name} signs two commits on one parent")
            case "grind":
                if mallory.grind(device, person.group):
                    tell(f"{person.name} makes many commits and says the one that suits him")
            case "withhold":
                device.withholds = True
                tell(f"{person.name} passes nothing on from now on")
            case "replay":
                hoard = self._hoards.setdefault(person.name, Stick(self.stage.world))
                count = mallory.replay(hoard, device, self._others(device))
                tell(f"{person.name} brings {count} old bundles to everybody again")

    def _others(self, device: Device) -> list[Device]:
        return [other for other in self.stage.devices.values() if other is not device and other.on]
