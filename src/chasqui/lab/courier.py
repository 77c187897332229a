"""A courier goes from device to device with a stick, and exchanges with each as `sync` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chasqui.base.errors import ChasquiError
from chasqui.base.ids import bundle_id
from chasqui.lab.device import Device, DownError
from chasqui.lab.world import World
from chasqui.node import inputs
from chasqui.node.neighbours import held_ids
from chasqui.node.records import BundleRecord, Space

BATCH: Final = 256  # bundles in one step, as the runner does it


@dataclass(frozen=True)
class Wear:
    """What a stick does to bundles on the way: shares of those that it brings to a device."""

    lost: float = 0.0  # never handed over at this visit
    cut_short: float = 0.0  # the file is torn
    twice: float = 0.0  # handed over again although they are known there
    shuffled: bool = False


class Stick:
    """A medium that is carried. What is on it stays on it."""

    def __init__(self, world: World, wear: Wear | None = None) -> None:
        self.world = world
        self.wear = wear or Wear()
        self.bundles: dict[bytes, bytes] = {}
        self.visits = 0

    def visit(self, device: Device) -> bool:
        """Everything on the stick goes in, everything due is done, everything held goes on it; whether all of that
        was done. A device that goes down in the middle has done a part."""
        self.visits += 1
        try:
            for batch in self._batches(device):
                device.do(inputs.TakeBundles(batch))
            device.do(inputs.Flush())
        except DownError:
            return False
        except ChasquiError:
            pass  # refused as a whole; the exchange goes on
        self.take_from(device)
        return True

    def _batches(self, device: Device) -> Iterable[tuple[bytes, ...]]:
        chance, wear = self.world.chance, self.wear
        coming = []
        for bundle, data in self.bundles.items():
            known = device.store.get(Space.BUNDLE, bundle) is not None
            if known and not (wear.twice and chance.random() < wear.twice):
                continue  # as the node would find at once
            if wear.lost and chance.random() < wear.lost:
                continue
            if wear.cut_short and chance.random() < wear.cut_short:
                data = data[: chance.randrange(len(data))]
            coming.append(data)
        if wear.shuffled:
            chance.shuffle(coming)
        for start in range(0, len(coming), BATCH):
            yield tuple(coming[start : start + BATCH])

    def take_from(self, device: Device) -> None:
        """Everything that a device holds goes on the stick, but for what it keeps back."""
        tx = device.look()
        for bundle in held_ids(tx):
            if bundle not in self.bundles and bundle not in device.kept_back:
                record = tx.load(Space.BUNDLE, bundle, BundleRecord)
                if record is not None:
                    self.bundles[bundle] = record.data

    def put(self, bundles: Iterable[bytes]) -> None:
        """Somebody lays bundles on the stick by hand."""
        for data in bundles:
            self.bundles[bundle_id(data)] = data


class Courier:
    """Walks a route again and again. `may_pass(a, b)` tells whether nothing keeps him from going from a to b."""

    def __init__(
        self,
        name: str,
        stick: Stick,
        route: tuple[Device, ...],
        may_pass: Callable[[str, str], bool],
        visited: Callable[[Device, Stick], None],
    ) -> None:
        self.name = name
        self.stick = stick
        self._route = route
        self._next = 0
        self._at: Device | None = None
        self._may_pass = may_pass
        self._visited = visited

    def step(self) -> None:
        """Goes to the next device of the route and exchanges there; waits where he may not pass."""
        device = self._route[self._next % len(self._route)]
        if self._at is not None and self._at is not device and not self._may_pass(self._at.name, device.name):
            return
        self._next += 1
        self._at = device
        if device.on:
            self.stick.visit(device)
            self._visited(device, self.stick)
