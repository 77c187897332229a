"""Links of the lab: sessions are ordered streams that can be cut at any moment, in one direction or in both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

from chasqui.base.errors import ChasquiError
from chasqui.base.limits import FRAME_BYTES_MAX
from chasqui.lab.device import Device, DownError, bundle_in
from chasqui.lab.world import DAY_S, World
from chasqui.node import inputs
from chasqui.node.link_port import SessionId

SILENCE_S = 60  # after that long without a sign a session is given up
RECONNECT_S = (1, 20)


@dataclass(frozen=True)
class Mesh:
    """Devices that reach each other while it is there. Delays in seconds; `breaks_per_day` for each pair."""

    names: tuple[str, ...]
    from_s: int
    to_s: int
    delay_s: tuple[int, int] = (0, 1)
    breaks_per_day: float = 0.0


@dataclass(frozen=True)
class Cut:
    """While it lasts nothing passes from one side to another; `one_way`: only from the first side to the others."""

    sides: tuple[tuple[str, ...], ...]
    from_s: int
    to_s: int
    one_way: bool = False


class Wire:
    """One session between two devices. Frames arrive in their order, or not at all once the wire is cut."""

    def __init__(self, network: Network, ends: tuple[Device, Device], mesh: Mesh, first_id: int) -> None:
        self.network = network
        self.ends = ends
        self.ids = (SessionId(first_id), SessionId(first_id + 1))
        self.mesh = mesh
        self.open = True
        self.doomed = False
        self.blocked = [False, False]  # from the first end, from the second
        self._clear_s = [0, 0]  # when the last frame of each direction arrives

    def send(self, end: int, frame: bytes) -> None:
        """Takes a frame from one end."""
        if not self.open or self.blocked[end]:
            return
        world = self.network.world
        low, high = self.mesh.delay_s
        arrives = max(world.now_s + world.chance.randint(low, high), self._clear_s[end])
        self._clear_s[end] = arrives
        world.at(arrives, lambda: self._arrive(end, frame))

    def _arrive(self, end: int, frame: bytes) -> None:
        if self.open and not self.blocked[end]:
            self.network.step(self.ends[1 - end], inputs.FrameReceived(self.ids[1 - end], frame))


class Network:
    """All sessions of the world, and the timetable of what reaches what."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rude: Callable[[Device, Device], None] = lambda closer, peer: None  # closed for a breach of the rules
        self._devices: dict[str, Device] = {}
        self._meshes: list[Mesh] = []
        self._cuts: list[Cut] = []
        self._wires: dict[tuple[str, str], Wire] = {}
        self._by_session: dict[tuple[str, SessionId], tuple[Wire, int]] = {}
        self._next_id = 1
        self._healed = False

    def join(self, device: Device) -> None:
        """A device that links may reach."""
        self._devices[device.name] = device

    def plan(self, meshes: Iterable[Mesh], cuts: Iterable[Cut]) -> None:
        """Sets the timetable."""
        self._meshes += meshes
        self._cuts += cuts
        times = {t for m in self._meshes for t in (m.from_s, m.to_s)}
        for when in sorted(times | {t for c in self._cuts for t in (c.from_s, c.to_s)}):
            self.world.at(when, self.refresh)
        for mesh in self._meshes:
            if mesh.breaks_per_day:
                for pair in combinations(mesh.names, 2):
                    self._plan_break(pair, mesh)

    def heal(self) -> None:
        """Nothing is cut any more."""
        self._healed = True
        self.refresh()

    def refresh(self) -> None:
        """Opens what can be open now, and cuts what is cut."""
        for mesh in self._meshes:
            for first, second in combinations(sorted(mesh.names), 2):
                self._refresh_pair((first, second), mesh)

    def reaches(self, sender: str, receiver: str) -> bool:
        """Whether no cut lies between them in this direction."""
        if self._healed:
            return True
        for cut in self._cuts:
            if cut.from_s <= self.world.now_s < cut.to_s:
                here = next((i for i, side in enumerate(cut.sides) if sender in side), None)
                there = next((i for i, side in enumerate(cut.sides) if receiver in side), None)
                apart = here is not None and there is not None and here != there
                if apart and (not cut.one_way or here == 0):
                    return False
        return True

    def step(self, device: Device, event: inputs.Input) -> None:
        """What a session does to a device. A step that is refused has changed nothing."""
        try:
            device.do(event)
        except (DownError, ChasquiError):
            return

    # -- for devices ----------------------------------------------------------------------------------------------

    def send(self, device: Device, session: SessionId, frame: bytes) -> None:
        """A frame leaves a device."""
        if len(frame) > FRAME_BYTES_MAX:
            raise AssertionError("a frame is larger than its link takes")
        if device.withholds and not device.kept_back.isdisjoint(bundle_in(frame)):
            return
        found = self._by_session.get((device.name, session))
        if found is not None:
            found[0].send(found[1], frame)

    def close(self, device: Device, session: SessionId) -> None:
        """A device says that its peer broke the rules."""
        found = self._by_session.get((device.name, session))
        if found is not None:
            wire, end = found
            self.rude(device, wire.ends[1 - end])
            self._end(wire, told=(1 - end,))

    def down(self, device: Device) -> None:
        """A process is gone; its neighbours see it a moment later."""
        for wire in [wire for wire in self._wires.values() if device in wire.ends]:
            self._end(wire, told=(1 - wire.ends.index(device),))

    def up(self, device: Device) -> None:
        """A process is there again."""
        self.world.after(self.world.chance.randint(*RECONNECT_S), self.refresh)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _refresh_pair(self, pair: tuple[str, str], mesh: Mesh) -> None:
        ways = [self.reaches(*pair), self.reaches(*reversed(pair))]
        there = mesh.from_s <= self.world.now_s < mesh.to_s
        ways = [way and there for way in ways]
        wire = self._wires.get(pair)
        first, second = (self._devices[name] for name in pair)
        if wire is None:
            if all(ways) and first.on and second.on:
                self._open(pair, (first, second), mesh)
        elif wire.mesh is mesh and not all(ways):
            wire.blocked = [blocked or not way for blocked, way in zip(wire.blocked, ways, strict=True)]
            if not wire.doomed:
                wire.doomed = True
                self.world.after(SILENCE_S, lambda: self._end(wire, told=(0, 1)))

    def _open(self, pair: tuple[str, str], ends: tuple[Device, Device], mesh: Mesh) -> None:
        wire = Wire(self, ends, mesh, self._next_id)
        self._next_id += 2
        self._wires[pair] = wire
        for end in (0, 1):
            self._by_session[ends[end].name, wire.ids[end]] = (wire, end)
        for end in (0, 1):
            if wire.open:
                self.step(ends[end], inputs.SessionOpened(wire.ids[end], FRAME_BYTES_MAX, "lan"))

    def _end(self, wire: Wire, told: tuple[int, ...]) -> None:
        if not wire.open:
            return
        wire.open = False
        low, high = sorted(device.name for device in wire.ends)
        del self._wires[low, high]
        for end in (0, 1):
            del self._by_session[wire.ends[end].name, wire.ids[end]]
        for end in told:
            device, session = wire.ends[end], wire.ids[end]
            if device.on:
                self.step(device, inputs.SessionClosed(session))
        self.world.after(self.world.chance.randint(*RECONNECT_S), self.refresh)

    def _plan_break(self, pair: tuple[str, str], mesh: Mesh) -> None:
        wait_s = int(self.world.chance.expovariate(mesh.breaks_per_day) * DAY_S) + 1
        low, high = sorted(pair)

        def tear() -> None:
            wire = self._wires.get((low, high))
            if wire is not None and not self._healed:
                self._end(wire, told=(0, 1))
            if self.world.now_s < mesh.to_s and not self._healed:
                self._plan_break(pair, mesh)

        self.world.after(wait_s, tear)
