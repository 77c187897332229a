"""The stream protocol of Meshtastic boards: 94 C3, u16 length, a protobuf message. Spec: `docs/spec/meshtastic.md`.

Of their messages only those fields are named here that are used; what else a board says is passed over. The names are
ours, the numbers theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

from chasqui.base.errors import NotInstalledError, PeerError

START: Final = b"\x94\xc3"
MESSAGE_BYTES_MAX: Final = 512  # boards take and say no longer one
HEAD_BYTES: Final = len(START) + 2
WAKE: Final = b"\xc3" * 32  # wakes a board that sleeps, and ends what it took for half a message
ALL: Final = 0xFFFFFFFF  # the address of everybody
PRIVATE_PORT: Final = 256
ONLY_CONFIG: Final = 69_420  # asked for with this number a board leaves out the people it knows
SNR_DB_MAX: Final = 64.0  # beyond it a strength is no measurement

_FIELDS: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "ToRadio": ((1, "packet", "Packet"), (3, "want_config", "uint32"), (7, "heartbeat", "Heartbeat")),
    "FromRadio": (
        (2, "packet", "Packet"),
        (3, "own", "Own"),
        (4, "node", "Node"),
        (5, "config", "Config"),
        (7, "config_complete", "uint32"),
        (8, "rebooted", "bool"),
        (9, "module", "Module"),
        (10, "channel", "Channel"),
        (11, "queue", "Queue"),
        (13, "metadata", "Metadata"),
    ),
    "Packet": (
        (1, "sender", "fixed32"),
        (2, "to", "fixed32"),
        (3, "channel", "uint32"),
        (4, "data", "Data"),
        (6, "id", "fixed32"),
        (8, "snr", "float"),
        (9, "hop_limit", "uint32"),
        (14, "via_mqtt", "bool"),
    ),
    "Data": ((1, "port", "uint32"), (2, "payload", "bytes")),
    "Heartbeat": (),
    "Queue": ((1, "result", "int32"), (2, "free", "uint32"), (3, "size", "uint32"), (4, "packet", "uint32")),
    "Own": ((1, "number", "uint32"),),
    "Node": ((1, "number", "uint32"), (2, "user", "User")),
    "User": ((2, "name", "bytes"),),
    "Metadata": ((14, "signs", "bool"),),
    "Config": ((1, "device", "Device"), (2, "position", "Position"), (4, "network", "Network"), (6, "lora", "Modem")),
    "Device": ((1, "role", "uint32"), (6, "rebroadcast", "uint32")),
    "Position": ((3, "fixed", "bool"), (13, "gps", "uint32")),
    "Network": ((10, "protocols", "uint32"),),
    "Modem": (
        (1, "use_preset", "bool"),
        (2, "preset", "uint32"),
        (5, "coding", "uint32"),
        (7, "region", "uint32"),
        (9, "sends", "bool"),
    ),
    "Module": ((1, "mqtt", "Mqtt"),),
    "Mqtt": ((1, "on", "bool"),),
    "Channel": ((1, "index", "uint32"), (2, "settings", "ChannelSettings"), (3, "role", "uint32")),
    "ChannelSettings": ((7, "module", "ChannelModule"),),
    "ChannelModule": ((1, "precision", "uint32"),),
}
_OPTIONAL: Final = {"config_complete"}  # scalars whose zero is something else than nothing


class Result(IntEnum):
    """What a board says to a frame."""

    TAKEN = 0
    AIRTIME_SPENT = 9  # of the region's share of an hour
    FULL = 32


@dataclass(frozen=True)
class Heard:
    """A packet came out of the air, of any port that the board can read."""

    sender: int
    to: int
    channel: int
    port: int
    payload: bytes
    snr_db: float | None
    via_internet: bool


@dataclass(frozen=True)
class Opaque:
    """A packet came that the board cannot read."""


@dataclass(frozen=True)
class Queue:
    """How full the board's queue is. `packet`: of which packet it speaks; 0: of none."""

    result: int
    free: int
    size: int
    packet: int


@dataclass(frozen=True)
class Complete:
    """All of the settings were told."""

    number: int


@dataclass(frozen=True)
class Rebooted:
    """The board has started anew."""


@dataclass(frozen=True)
class Own:
    """The number of the board, which each of its packets carries."""

    number: int


@dataclass(frozen=True)
class Named:
    """What the board tells of a node to everybody."""

    number: int
    name: bytes


@dataclass(frozen=True)
class Signs:
    """Whether the board can sign what it sends."""

    able: bool


@dataclass(frozen=True)
class Device:
    """Its place among others."""

    role: int
    rebroadcast: int


@dataclass(frozen=True)
class Position:
    """Whether it knows where it is."""

    known: bool


@dataclass(frozen=True)
class Network:
    """Whether it passes on to a local network what it sends."""

    passes_on: bool


@dataclass(frozen=True)
class Mqtt:
    """Whether it passes on to a server what it sends."""

    on: bool


@dataclass(frozen=True)
class Modem:
    """How it sends."""

    use_preset: bool
    preset: int
    coding: int  # 0: that of the preset
    region: int
    sends: bool


@dataclass(frozen=True)
class Channel:
    """One of its channels. `precision`: bits of a position that it tells there."""

    index: int
    used: bool
    precision: int


Said = (
    Heard | Opaque | Queue | Complete | Rebooted | Own | Named | Signs | Device | Position | Network | Mqtt | Modem
    | Channel
)  # fmt: skip


def write_packet(payload: bytes, number: int, channel: int) -> bytes:
    """What hands a board a frame: to everybody in range, repeated by nobody, confirmed by nobody."""
    packet = {"to": ALL, "channel": channel, "id": number, "hop_limit": 0}
    return _framed(packet=_new("Packet", data=_new("Data", port=PRIVATE_PORT, payload=payload), **packet))


def write_want_config(number: int = ONLY_CONFIG) -> bytes:
    """What asks a board how it is set."""
    return _framed(want_config=number)


def write_heartbeat() -> bytes:
    """What asks a board how full its queue is. It holds nothing: with a 1 in it boards tell their name to all."""
    return _framed(heartbeat=_new("Heartbeat"))


def read_message(message: bytes) -> tuple[Said, ...]:
    """What a message of a board says; nothing where that is of no use here. Raises `PeerError`."""
    told = _messages()["FromRadio"]()
    from google.protobuf.message import DecodeError

    try:
        told.ParseFromString(message)
    except DecodeError as error:
        raise PeerError("Not a message of a board.") from error
    return tuple(_said(told))


class MeshtasticReader:
    """Cuts what a board says into messages. Any bytes are legal; it holds at most one message.

    What follows 94 C3 and is no message is looked through again: text and noise may hold these two bytes.
    """

    __slots__ = ("_rest", "passed_over")

    def __init__(self) -> None:
        self._rest = bytearray()
        self.passed_over = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Said]:
        """What this piece completes."""
        said: list[Said] = []
        rest = self._rest
        rest += data
        while True:
            start = rest.find(START)
            if start < 0:
                del rest[: len(rest) - rest.endswith(START[:1])]
                return said
            del rest[:start]
            if len(rest) < HEAD_BYTES:
                return said
            size = int.from_bytes(rest[len(START) : HEAD_BYTES], "big")
            if size <= MESSAGE_BYTES_MAX and len(rest) < HEAD_BYTES + size:
                return said
            try:
                if size > MESSAGE_BYTES_MAX:
                    raise PeerError("Longer than any message of a board.")
                said += read_message(bytes(rest[HEAD_BYTES : HEAD_BYTES + size]))
                del rest[: HEAD_BYTES + size]
            except PeerError:
                self.passed_over += 1
                del rest[:1]


def require_protobuf() -> None:
    """Raises `MachineError` where the library is missing."""
    _messages()


@cache
def _messages() -> dict[str, Any]:
    """The classes of `_FIELDS`, in a pool of their own."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise NotInstalledError(
            "Meshtastic boards need the package protobuf, which is not installed here.",
            safety="Nothing was sent.",
            todo="`pip install 'chasqui[meshtastic]'`.",
        ) from error
    file = descriptor_pb2.FileDescriptorProto(name="board.proto", package="board", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            made = message.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
            if kind in _FIELDS:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".board.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if field in _OPTIONAL:
                made.proto3_optional = True
                made.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"board.{name}")) for name in _FIELDS}


def _new(name: str, **fields: object) -> Any:
    return _messages()[name](**fields)


def _framed(**fields: object) -> bytes:
    message: bytes = _new("ToRadio", **fields).SerializeToString()
    if len(message) > MESSAGE_BYTES_MAX:
        raise ValueError("no board takes so much")
    return START + len(message).to_bytes(2, "big") + message


def _said(told: Any) -> list[Said]:
    said: list[Said] = []
    if told.HasField("packet"):
        said.append(_heard(told.packet))
    if told.HasField("own"):
        said.append(Own(told.own.number))
    if told.HasField("node"):
        said.append(Named(told.node.number, told.node.user.name))
    if told.HasField("config"):
        said += _config(told.config)
    if told.HasField("config_complete"):
        said.append(Complete(told.config_complete))
    if told.rebooted:
        said.append(Rebooted())
    if told.HasField("module") and told.module.HasField("mqtt"):
        said.append(Mqtt(told.module.mqtt.on))
    if told.HasField("channel"):
        said.append(Channel(told.channel.index, told.channel.role > 0, told.channel.settings.module.precision))
    if told.HasField("queue"):
        queue = told.queue
        said.append(Queue(queue.result, queue.free, queue.size, queue.packet))
    if told.HasField("metadata"):
        said.append(Signs(told.metadata.signs))
    return said


def _heard(packet: Any) -> Heard | Opaque:
    if not packet.HasField("data"):
        return Opaque()
    snr_db: float = packet.snr
    known = math.isfinite(snr_db) and snr_db != 0 and abs(snr_db) <= SNR_DB_MAX  # 0: of another transport
    return Heard(
        packet.sender,
        packet.to,
        packet.channel,
        packet.data.port,
        packet.data.payload,
        snr_db if known else None,
        packet.via_mqtt,
    )


def _config(config: Any) -> list[Said]:
    said: list[Said] = []
    if config.HasField("device"):
        said.append(Device(config.device.role, config.device.rebroadcast))
    if config.HasField("position"):
        said.append(Position(config.position.fixed or config.position.gps == 1))
    if config.HasField("network"):
        said.append(Network(bool(config.network.protocols & 1)))
    if config.HasField("lora"):
        lora = config.lora
        said.append(Modem(lora.use_preset, lora.preset, lora.coding, lora.region, lora.sends))
    return said
