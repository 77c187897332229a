"""A radio channel: who hears which frame, and which are lost. It knows frames only, no node.

A frame takes its time on the air; whoever sends hears nothing; two frames at once destroy each other where both are
heard; whoever wants to send waits for a free channel, and does not hear one that has only just begun.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from chasqui.lab.world import World
from chasqui.links.kiss_link import KissLink, KissSettings
from chasqui.links.rnode import airtime_ms
from chasqui.links.rnode_link import RNodeLink, RNodeSettings
from chasqui.node.link_port import LinkProfile

STRENGTH_DB: Final = 10.0  # above the noise, where everybody is near
_LORA_SLOT_MS: Final = 24  # of the RNode firmware: it waits 1 to 15 of them after a busy channel
_LORA_SLOTS: Final = 15
_LORA_DETECT_SYMBOLS: Final = 4  # of a preamble, until a board knows that the channel is busy
_PACKET_SLOT_MS: Final = 100  # KISS: SlotTime 10, P 63 of 256
_PACKET_PERSISTENCE: Final = 0.25
_PACKET_DETECT_MS: Final = 50  # until the demodulator of a TNC has locked


class Ear(Protocol):
    """A station, as the channel sees it."""

    def heard(self, frame: bytes, strength_db: float) -> None:
        """A frame came through."""
        ...

    def sent(self, airtime_ms: int) -> None:
        """The frame of the last `send` has left, and took so long."""
        ...


@dataclass(frozen=True)
class Medium:
    """What all stations of a channel are set to. `profile` is the one of the real link with these settings."""

    profile: LinkProfile
    airtime_ms: Callable[[int], int]  # of a frame of so many bytes
    detect_ms: float  # after the beginning of a frame, until others hear that the channel is busy
    wait_ms: Callable[[Random], int]  # once a busy channel is free again


def lora_medium(settings: RNodeSettings) -> Medium:
    """LoRa boards, as RNodes do it."""
    lora = settings.lora
    return Medium(
        RNodeLink(settings).profile,
        lambda size: math.ceil(airtime_ms(lora, size)),
        _LORA_DETECT_SYMBOLS * lora.symbol_ms,
        lambda chance: _LORA_SLOT_MS * chance.randint(1, _LORA_SLOTS),
    )


def packet_medium(settings: KissSettings) -> Medium:
    """Packet radio, as TNCs do it."""
    profile = KissLink(settings).profile
    rate_bps = profile.bit_rate_bps or 1

    def wait_ms(chance: Random) -> int:
        slots = 0
        while chance.random() >= _PACKET_PERSISTENCE:
            slots += 1
        return slots * _PACKET_SLOT_MS

    return Medium(
        profile, lambda size: profile.frame_overhead_ms + -(-size * 8000 // rate_bps), _PACKET_DETECT_MS, wait_ms
    )


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
    """One cell: everybody hears everybody, unless `reaches` says no. `loss` of frames at each receiver by itself.

    `overheard` is called with each frame that has left: its sender, the frame, and how long it took.
    """

    def __init__(
        self,
        world: World,
        medium: Medium,
        chance: Random,
        loss: float = 0.0,
        reaches: Callable[[str, str], bool] = lambda sender, receiver: True,
    ) -> None:
        self.world, self.medium = world, medium
        self.loss = loss
        self.total = Tally()
        self.by_station: dict[str, Tally] = defaultdict(Tally)
        self.heard = self.collided = self.deaf = self.lost = 0  # frames, at each receiver
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
        world = self.world
        free_ms = max((t.ends_ms for t in self._on_air if self._hears_busy(name, t)), default=world.now_ms)
        if free_ms > world.now_ms:
            world.at_ms(free_ms + self.medium.wait_ms(self._chance), lambda: self.send(name, frame))
            return
        took_ms = self.medium.airtime_ms(len(frame))
        sent = Transmission(name, frame, world.now_ms, world.now_ms + took_ms, list(self._on_air))
        for other in self._on_air:
            other.others.append(sent)
        self._on_air.append(sent)
        world.at_ms(sent.ends_ms, lambda: self._end(sent))

    def under_way(self, name: str) -> bool:
        """Whether this station is on the air."""
        return any(sent.sender == name for sent in self._on_air)

    def _hears_busy(self, name: str, sent: Transmission) -> bool:
        began = sent.begins_ms + self.medium.detect_ms <= self.world.now_ms
        return began and sent.ends_ms > self.world.now_ms and self._reaches(sent.sender, name)

    def _end(self, sent: Transmission) -> None:
        self._on_air.remove(sent)
        took_ms = sent.ends_ms - sent.begins_ms
        for tally in (self.total, self.by_station[sent.sender]):
            tally.add(sent.frame, took_ms)
        self.overheard(sent.sender, sent.frame, took_ms)
        for name, ear in self._ears.items():
            if name != sent.sender and self._arrives(sent, name):
                self.heard += 1
                ear.heard(sent.frame, STRENGTH_DB)
        self._ears[sent.sender].sent(took_ms)

    def _arrives(self, sent: Transmission, receiver: str) -> bool:
        if not self._reaches(sent.sender, receiver):
            return False
        if any(other.sender == receiver for other in sent.others):
            self.deaf += 1
            return False
        if any(self._reaches(other.sender, receiver) for other in sent.others):
            self.collided += 1
            return False
        if self.loss and self._chance.random() < self.loss:
            self.lost += 1
            return False
        return True
