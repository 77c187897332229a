"""What a Meshtastic board says of itself: whether it is set as its owner says, what of it shows to strangers, and how
long it is on the air. Pure. Spec: `docs/spec/meshtastic.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from chasqui.links.lora import Modulation
from chasqui.links.meshtastic import (
    Channel,
    Device,
    Modem,
    Mqtt,
    Named,
    Network,
    Own,
    Position,
    Said,
    Signs,
)

CHANNELS: Final = 8
PAYLOAD_BYTES_MAX: Final = 231  # with all that the board adds: 255, the largest packet
_PREAMBLE_SYMBOLS: Final = 16
_HEADER_BYTES: Final = 16  # from, to, number, hops, channel
_PACKET_BYTES_MAX: Final = 255
_PORT_BYTES: Final = 3
_BITFIELD_BYTES: Final = 2
_SIGNATURE_BYTES: Final = 66
_ROLE_HIDDEN: Final = 8  # does not announce itself
_CORE_PORTS_ONLY: Final = 5  # passes over private ports
_REGION_UNSET: Final = 0
_REGION_2400_MHZ: Final = 13  # other bandwidths
_NAME_OF_THE_MAKER: Final = b"Meshtastic "


class Preset(Enum):
    """The modem presets of Meshtastic: the name for people, their number, and what they are on the air."""

    SHORT_TURBO = "short_turbo", 8, Modulation(500_000, 7, 5)
    SHORT_FAST = "short_fast", 6, Modulation(250_000, 7, 5)
    SHORT_SLOW = "short_slow", 5, Modulation(250_000, 8, 5)
    MEDIUM_TURBO = "medium_turbo", 16, Modulation(500_000, 9, 5)
    MEDIUM_FAST = "medium_fast", 4, Modulation(250_000, 9, 5)
    MEDIUM_SLOW = "medium_slow", 3, Modulation(250_000, 10, 5)
    LONG_TURBO = "long_turbo", 9, Modulation(500_000, 11, 8)
    LONG_FAST = "long_fast", 0, Modulation(250_000, 11, 5)
    LONG_MODERATE = "long_moderate", 7, Modulation(125_000, 11, 8)
    LONG_SLOW = "long_slow", 1, Modulation(125_000, 12, 8)

    def __init__(self, label: str, number: int, modulation: Modulation) -> None:
        self.label, self.number, self.modulation = label, number, modulation

    @classmethod
    def named(cls, label: str) -> Preset:
        """The preset of this name. Raises `ValueError`."""
        for preset in cls:
            if preset.label == label:
                return preset
        raise ValueError("no such preset")

    def airtime_ms(self, payload_bytes: int, *, signs: bool) -> float:
        """How long a board is on the air with a frame. `signs`: newer boards add a signature wherever it fits."""
        size = _HEADER_BYTES + _PORT_BYTES + 1 + (1 if payload_bytes < 128 else 2) + payload_bytes + _BITFIELD_BYTES
        if signs and size + _SIGNATURE_BYTES <= _PACKET_BYTES_MAX:
            size += _SIGNATURE_BYTES
        return self.modulation.packet_ms(size, _PREAMBLE_SYMBOLS)

    def rate_of(self, mtu_bytes: int) -> tuple[int, int]:
        """Bits a second, and milliseconds that each frame takes beside, of a board that signs."""
        return self.modulation.rate_of(lambda size: self.airtime_ms(size, signs=True), mtu_bytes)


@dataclass
class Board:
    """What one has said since it was asked."""

    number: int | None = None
    signs: bool = False
    modem: Modem | None = None
    device: Device | None = None
    channels: dict[int, Channel] = field(default_factory=dict)
    name: bytes = _NAME_OF_THE_MAKER
    position: bool = False
    network: bool = False
    mqtt: bool = False

    def take(self, said: Said) -> None:
        """Keeps what is of use. Boards know a few nodes and channels: what exceeds that is no board's word."""
        match said:
            case Own(number):
                self.number = number
            case Signs(able):
                self.signs = able
            case Modem():
                self.modem = said
            case Device():
                self.device = said
            case Channel(index) if index < CHANNELS:
                self.channels[index] = said
            case Named(number, name) if number == self.number:
                self.name = name
            case Position(known):
                self.position = known
            case Network(passes_on):
                self.network = passes_on
            case Mqtt(on):
                self.mqtt = on

    def refusal(self, preset: Preset, channel: int) -> str | None:
        """Why it cannot be used, for people."""
        modem, there = self.modem, self.channels.get(channel)
        if self.number is None or modem is None:
            return "the board does not say how it is set"
        if modem.region == _REGION_UNSET:
            return "no region is set on the board, so it does not send"
        if modem.region == _REGION_2400_MHZ:
            return "boards for 2.4 GHz are not supported"
        if not modem.sends:
            return "sending is switched off on the board"
        if self.device is not None and self.device.rebroadcast == _CORE_PORTS_ONLY:
            return "the board passes over private ports (rebroadcast mode CORE_PORTNUMS_ONLY)"
        if there is None or not there.used:
            return f"the board has no channel {channel}"
        return _modem_refusal(modem, preset)

    def shows(self) -> Iterator[str]:
        """What it tells strangers beside our frames, for people."""
        if self.device is not None and self.device.role != _ROLE_HIDDEN:
            yield "announces itself every few hours"
        if not self.name.startswith(_NAME_OF_THE_MAKER):
            yield "tells a name"
        if self.position and any(channel.used and channel.precision for channel in self.channels.values()):
            yield "tells where it is"
        if self.mqtt:
            yield "may pass on what it sends to a server (MQTT)"
        if self.network:
            yield "may pass on what it sends to the local network"


def _modem_refusal(modem: Modem, preset: Preset) -> str | None:
    if not modem.use_preset:
        return f"asked for the preset {preset.label}, the board is set by hand"
    if modem.preset != preset.number:
        other = next((p.label for p in Preset if p.number == modem.preset), "another one")
        return f"asked for the preset {preset.label}, the board is set to {other}"
    if modem.coding <= 8 and modem.coding > preset.modulation.coding:
        return f"the board is set to a coding rate of {modem.coding}, the preset has {preset.modulation.coding}"
    return None
