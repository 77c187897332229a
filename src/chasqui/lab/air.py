"""A radio channel: who hears which frame, and which are lost. It knows frames only, no node.

A frame takes its time on the air and is heard where it is loud enough; whoever sends hears nothing; of two frames at
once the much louder one may get through; whoever wants to send waits for a free channel, and hears neither one that has
only just begun nor one who is too far away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from chasqui.lab.ground import Ground
from chasqui.lab.medium import Medium
from chasqui.lab.world import World

STRENGTH_DB: Final = 10.0  # above the noise, where everybody is near everybody


class Ear(Protocol):
    """A station, as the channel sees it."""

    def heard(self, frame: bytes, strength_db: float) -> None:
        """A frame came through."""
        ...

    def sent(self, airtime_ms: int) -> None:
        """The frame of the last `send` has left, and took so long."""
        ...


@dataclass(eq=False)
class Transmission:
    """A frame that is on the air, and what else was while it was."""

    sender: str
    frame: bytes
    begins_ms: int
    ends_ms: int
    others: list[Transmission] = field(default_factory=list)


@dataclass
class Tally:
    """What was on the air."""

    frames: int = 0
    bytes_sent: int = 0
    airtime_ms: int = 0

    def add(self, frame: bytes, airtime_ms: int) -> None:
        """One more."""
        self.frames += 1
        self.bytes_sent += len(frame)
        self.airtime_ms += airtime_ms


class Channel:
    """All stations that are set alike. Without a `ground` everybody is near everybody. `reaches` says whom nothing
    keeps apart; `loss` of frames at each receiver by itself, on top.

    `overheard` is called with each frame that has left: its sender, the frame, and how long it took. `heard`, `weak`,
    `deaf`, `collided` and `lost` count what became of frames at each receiver that the ground lets hear something.
    """

    def __init__(
        self,
        world: World,
        medium: Medium,
        chance: Random,
        loss: float = 0.0,
        reaches: Callable[[str, str], bool] = lambda sender, receiver: True,
        ground: Ground | None = None,
    ) -> None:
        self.world, self.medium = world, medium
        self.loss = loss
        self.ground = ground
        self.total = Tally()
        self.by_station: dict[str, Tally] = defaultdict(Tally)
        self.between: dict[frozenset[str], int] = defaultdict(int)  # frames that came through, both ways
        self.heard = self.weak = self.deaf = self.collided = self.lost = 0
        self.overheard: Callable[[str, bytes, int], None] = lambda sender, frame, airtime_ms: None
        self._chance = chance
        self._reaches = reaches
        self._ears: dict[str, Ear] = {}
        self._on_air: list[Transmission] = []

    def join(self, name: str, ear: Ear) -> None:
        """A station that hears from now on."""
        self._ears[name] = ear

    def send(self, name: str, frame: bytes) -> None:
        """Sends as soon as the channel is free. One frame of a station at a time."""
        if self.medium.waits_always:
            self.world.at_ms(self.world.now_ms + self.medium.wait_ms(self._chance), lambda: self._contend(name, frame))
        else:
            self._contend(name, frame)

    def under_way(self, name: str) -> bool:
        """Whether this station is on the air."""
        return any(sent.sender == name for sent in self._on_air)

    def level_dbm(self, sender: str, receiver: str) -> float | None:
        """How loud one is where another one is; None: not at all."""
        if not self._reaches(sender, receiver):
            return None
        if self.ground is None:
            return self.medium.noise_dbm + STRENGTH_DB
        loss_db = self.ground.losses(sender).get(receiver)
        return None if loss_db is None else self.medium.power_dbm - loss_db

    def hears(self, sender: str, receiver: str) -> bool:
        """Whether one hears another one while nobody else sends."""
        level_dbm = self.level_dbm(sender, receiver)
        return level_dbm is not None and level_dbm >= self.medium.sensitivity_dbm

    # -- inside -------------------------------------------------------------------------------------------------

    def _contend(self, name: str, frame: bytes) -> None:
        world = self.world
        free_ms = max((t.ends_ms for t in self._on_air if self._is_busy(name, t)), default=world.now_ms)
        if free_ms > world.now_ms:
            world.at_ms(free_ms + self.medium.wait_ms(self._chance), lambda: self._contend(name, frame))
            return
        took_ms = self.medium.airtime_ms(len(frame))
        sent = Transmission(name, frame, world.now_ms, world.now_ms + took_ms, list(self._on_air))
        for other in self._on_air:
            other.others.append(sent)
        self._on_air.append(sent)
        world.at_ms(sent.ends_ms, lambda: self._end(sent))

    def _is_busy(self, name: str, sent: Transmission) -> bool:
        began = sent.begins_ms + self.medium.detect_ms <= self.world.now_ms < sent.ends_ms
        return began and self.hears(sent.sender, name)

    def _end(self, sent: Transmission) -> None:
        self._on_air.remove(sent)
        took_ms = sent.ends_ms - sent.begins_ms
        for tally in (self.total, self.by_station[sent.sender]):
            tally.add(sent.frame, took_ms)
        self.overheard(sent.sender, sent.frame, took_ms)
        near = self._ears if self.ground is None else self.ground.losses(sent.sender)
        for name in near:
            ear = self._ears.get(name)
            if ear is not None and name != sent.sender:
                level_dbm = self._arrives(sent, name)
                if level_dbm is not None:
                    self.heard += 1
                    self.between[frozenset((sent.sender, name))] += 1
                    ear.heard(sent.frame, level_dbm - self.medium.noise_dbm)
        self._ears[sent.sender].sent(took_ms)

    def _arrives(self, sent: Transmission, receiver: str) -> float | None:
        """How loud a frame is that comes through."""
        level_dbm = self.level_dbm(sent.sender, receiver)
        if level_dbm is None:
            return None
        if level_dbm < self.medium.sensitivity_dbm:
            self.weak += 1
            return None
        critical_ms = sent.begins_ms + self.medium.slack_ms
        others = [other for other in sent.others if other.ends_ms > critical_ms]
        if any(other.sender == receiver for other in others):
            self.deaf += 1
            return None
        if any(self._destroys(other, sent, level_dbm, receiver) for other in others):
            self.collided += 1
            return None
        if self.loss and self._chance.random() < self.loss:
            self.lost += 1
            return None
        return level_dbm

    def _destroys(self, other: Transmission, sent: Transmission, level_dbm: float, receiver: str) -> bool:
        other_dbm = self.level_dbm(other.sender, receiver)
        if other_dbm is None:
            return False
        if level_dbm - other_dbm < self.medium.capture_db:
            return True
        locked_ms = other.begins_ms + self.medium.slack_ms
        return self.medium.locks and other_dbm >= self.medium.sensitivity_dbm and locked_ms < sent.begins_ms
