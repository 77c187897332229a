"""The channel that doubles of LoRa boards share: airtime, collisions, loss, half duplex."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Protocol


class LoraStation(Protocol):
    """A board, as the air knows it."""

    on: bool
    sending_since: float | None
    sent_until: float
    on_air_s: float
    dropped: int

    @property
    def settings(self) -> tuple[int, int, int]:
        """Frequency, bandwidth, spreading factor: who has all three alike hears one another."""
        ...

    @property
    def symbol_s(self) -> float: ...

    def catch(self, header: int, part: bytes) -> None:
        """A packet came out of the air."""
        ...


@dataclass(eq=False)
class Packet:
    """One that is on the air."""

    sender: LoraStation
    settings: tuple[int, int, int]
    begins: float
    ends: float
    lost: bool = False


class LoraAir:
    """What the boards of one place share. `speed`: how much faster than in nature time passes on it."""

    def __init__(self, speed: float = 1.0, loss: float = 0.0, seed: int = 0) -> None:
        self.speed, self.loss = speed, loss
        self.dice = random.Random(seed)
        self.boards: list[LoraStation] = []
        self.on_air: list[Packet] = []
        self.collisions = 0

    def busy(self, board: LoraStation, now: float) -> bool:
        """Whether it hears that somebody else sends: who has only just begun is not heard."""
        heard_s = board.symbol_s * 4 / self.speed
        return any(
            p.sender is not board and p.ends > now and p.begins + heard_s <= now and p.settings[0] == board.settings[0]
            for p in self.on_air
        )

    def begin(self, board: LoraStation, seconds: float) -> Packet:
        """A packet goes out; whatever else of this kind is on the air is lost with it."""
        now = asyncio.get_running_loop().time()
        self.on_air = [p for p in self.on_air if p.ends > now]
        packet = Packet(board, board.settings, now, now + seconds / self.speed)
        for other in self.on_air:
            if other.settings == packet.settings and other.sender is not board:
                self.collisions += 1
                other.lost = packet.lost = True
        self.on_air.append(packet)
        return packet

    def end(self, packet: Packet, header: int, part: bytes) -> None:
        """It is over: who was set alike, on, and silent meanwhile, has it."""
        for board in self.boards:
            deaf = board.sending_since is not None or board.sent_until > packet.begins
            if board is packet.sender or deaf or packet.lost or board.settings != packet.settings:
                continue
            if board.on and self.dice.random() >= self.loss:
                board.catch(header, part)
