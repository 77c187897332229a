"""A double of boards with Meshtastic firmware: they speak its stream protocol at pseudo-terminals or TCP ports and
share one channel with airtime, collisions, loss and half duplex.

The messages are those of the package `meshtastic`, so that a wrong number in ours shows; airtime is reckoned here from
what the package makes of a packet. What it does was read in the firmware (2.8.0): the queue of 16, the random wait
before each packet, what is answered to what, which packets are signed, and that a nonce of 1 makes it tell its name.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import math
import random
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from chasqui.links.meshtastic_board import Preset
from chasqui.links.meshtastic_link import MeshtasticLink, MeshtasticSettings
from tests.links.link_pair import LinkPair
from tests.links.lora_air import LoraAir
from tests.links.pty_port import PtyPort

QUEUE_PACKETS = 16
PRIVATE = 256
EVERYBODY = 0xFFFFFFFF
FREQUENCY = 869_525_000
PAYLOAD_MAX = 231
MODEMS = {0: (250_000, 11, 5), 6: (250_000, 7, 5), 8: (500_000, 7, 5)}  # what presets are, by their numbers


def _package() -> None:
    """The package's own start-up wants libraries for Bluetooth, the web and YAML that nothing here uses."""
    if "meshtastic" not in sys.modules:
        spec = importlib.util.find_spec("meshtastic")
        assert spec is not None
        package = types.ModuleType("meshtastic")
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["meshtastic"] = package


_package()
mesh: Any = importlib.import_module("meshtastic.protobuf.mesh_pb2")


def framed(message: bytes) -> bytes:
    """As it goes on the stream."""
    return b"\x94\xc3" + len(message).to_bytes(2, "big") + message


def packet_s(size: int, bandwidth: int, spreading: int, coding: int) -> float:
    """AN1200.13 by its letter, with a preamble of 16 symbols."""
    symbol_s = (1 << spreading) / bandwidth
    low_rate = 1 if symbol_s > 0.016 else 0
    payload = 8 + max(math.ceil((8 * size - 4 * spreading + 28 + 16) / (4 * (spreading - 2 * low_rate))) * coding, 0)
    return (16 + 4.25 + payload) * symbol_s


class TcpPort:
    """A board in a network. As the real ones, it serves whoever came last."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._server: asyncio.Server | None = None
        self._client: asyncio.StreamWriter | None = None
        self._port = 0
        self._reading: set[asyncio.Task[None]] = set()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._client is not None:
            self._client.transport.abort()
            self._client = None

    def tell(self, data: bytes) -> None:
        if self._client is not None:
            self._client.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._client is not None:
            self._client.transport.abort()
        self._client = writer
        with suppress(OSError):
            while data := await reader.read(4_096):
                self._heard(data)
        writer.transport.abort()


class MeshBoard:
    """One board. What its owner can set is an attribute."""

    def __init__(self, air: LoraAir, port: Callable[[Callable[[bytes], None]], Any], number: int) -> None:
        self.air = air
        self.port = port(self.feed)
        self.number = number
        self.preset, self.coding, self.use_preset = 8, 0, True
        self.region, self.sends, self.on = 3, True, True
        self.role, self.rebroadcast, self.channels = 8, 2, {0: 0}
        self.name, self.gps, self.mqtt, self.protocols = f"Meshtastic {number & 0xFFFF:04x}", 2, False, 0
        self.signs = False
        self.share_s: float | None = None  # of airtime, after which it refuses
        self.full = False  # its queue is, whatever it holds
        self.deaf = False  # it answers nothing
        self.announced = 0
        self.on_air_s = 0.0
        self.dropped = 0
        self.sent: list[Any] = []
        self.asked: list[Any] = []
        self._sender: asyncio.Task[None] | None = None
        self.boot()
        air.boards.append(self)

    def boot(self) -> None:
        """What it is after it got power."""
        self.queue: list[Any] = []
        self.sending_since: float | None = None
        self.sent_until = 0.0
        self._stream = bytearray()
        self._seen: set[tuple[int, int]] = set()
        if self._sender is not None:
            self._sender.cancel()
        self._sender = None

    @property
    def modem(self) -> tuple[int, int, int]:
        bandwidth, spreading, coding = MODEMS[self.preset]
        return bandwidth, spreading, max(coding, self.coding)

    @property
    def settings(self) -> tuple[int, int, int]:
        return FREQUENCY, *self.modem[:2]

    @property
    def symbol_s(self) -> float:
        bandwidth, spreading, _ = self.modem
        return (1 << spreading) / bandwidth

    async def start(self) -> None:
        self.boot()
        if isinstance(self.port, TcpPort):
            await self.port.listen()
        else:
            self.port.start()

    def stop(self) -> None:
        self.boot()
        self.port.stop()

    # -- the stream -------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the machine."""
        self._stream += data
        while (start := self._stream.find(b"\x94\xc3")) >= 0:
            del self._stream[:start]
            size = int.from_bytes(self._stream[2:4], "big") if len(self._stream) >= 4 else 513
            if len(self._stream) >= 4 and size > 512:
                del self._stream[:2]
                continue
            if len(self._stream) < 4 + size:
                return
            message = mesh.ToRadio.FromString(bytes(self._stream[4 : 4 + size]))
            del self._stream[: 4 + size]
            self.asked.append(message)
            if not self.deaf:
                self.command(message)

    def say(self, **fields: Any) -> None:
        """A message to the machine."""
        message = mesh.FromRadio()
        for name, value in fields.items():
            if hasattr(value, "CopyFrom"):
                getattr(message, name).CopyFrom(value)
            else:
                setattr(message, name, value)
        self.port.tell(framed(message.SerializeToString()))

    def command(self, message: Any) -> None:
        match message.WhichOneof("payload_variant"):
            case "want_config_id":
                self.tell_settings(message.want_config_id)
            case "heartbeat":
                self.announced += message.heartbeat.nonce == 1
                self.tell_queue()
            case "packet":
                self.enqueue(message.packet)

    def tell_settings(self, number: int) -> None:
        self.port.tell(b"\x1b[34mDEBUG | 12:00:00 Client wants config\r\n")
        self.say(my_info=mesh.MyNodeInfo(my_node_num=self.number, min_app_version=30_200))
        self.say(node_info=mesh.NodeInfo(num=self.number, user=mesh.User(id="!x", long_name=self.name)))
        metadata = mesh.DeviceMetadata(firmware_version="2.7.9.double")
        metadata.MergeFromString(bytes((14 << 3, self.signs)))  # the package does not know this field yet
        self.say(metadata=metadata)
        for index in range(8):
            channel = mesh.FromRadio().channel
            channel.index, channel.role = index, 0 if index not in self.channels else 1 + (index > 0)
            channel.settings.psk, channel.settings.module_settings.position_precision = (
                b"\1",
                self.channels.get(index, 0),
            )
            self.say(channel=channel)
        for config in ("device", "position", "power", "network", "lora", "bluetooth"):
            told = mesh.FromRadio().config
            getattr(told, config).SetInParent()
            if config == "device":
                told.device.role, told.device.rebroadcast_mode = self.role, self.rebroadcast
            elif config == "position":
                told.position.gps_mode = self.gps
            elif config == "network":
                told.network.enabled_protocols = self.protocols
            elif config == "lora":
                told.lora.use_preset, told.lora.modem_preset = self.use_preset, self.preset
                told.lora.region, told.lora.tx_enabled, told.lora.hop_limit = self.region, self.sends, 3
                told.lora.coding_rate = self.coding
            self.say(config=told)
        module = mesh.FromRadio().moduleConfig
        module.mqtt.enabled = self.mqtt
        self.say(moduleConfig=module)
        self.say(config_complete_id=number)

    def tell_queue(self, result: int = 0, packet: int = 0) -> None:
        free = 0 if self.full else QUEUE_PACKETS - len(self.queue)
        self.say(queueStatus=mesh.QueueStatus(res=result, free=free, maxlen=QUEUE_PACKETS, mesh_packet_id=packet))

    # -- the air ----------------------------------------------------------------------------------------------

    def enqueue(self, packet: Any) -> None:
        """The machine hands it a packet."""
        assert packet.to == EVERYBODY
        assert packet.hop_limit == 0
        assert not packet.want_ack, "then boards have it repeated all the same"
        setattr(packet, "from", self.number)
        packet.decoded.bitfield = 0
        size = 16 + len(packet.decoded.SerializeToString())
        if self.signs and size + 66 <= 255:
            size += 66
        result = 0
        if size > 255:
            result = 7
        elif not self.sends:
            result = 34
        elif self.share_s is not None and self.on_air_s > self.share_s:
            result = 9
        elif self.full or len(self.queue) >= QUEUE_PACKETS:
            result = 32
        else:
            self.queue.append((packet, size))
        self.dropped += result == 32
        self.tell_queue(result, packet.id)
        if result == 0 and self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        loop, air = asyncio.get_running_loop(), self.air
        while self.queue:
            slot_s = 2.5 * self.symbol_s + 0.0076
            await asyncio.sleep(slot_s * air.dice.randrange(8) / air.speed)
            while air.busy(self, loop.time()):
                await asyncio.sleep(slot_s * air.dice.randrange(1, 8) / air.speed)
            packet, size = self.queue.pop(0)
            seconds = packet_s(size, *self.modem)
            self.sending_since = loop.time()
            on_air = air.begin(self, seconds)
            await asyncio.sleep(seconds / air.speed)
            self.on_air_s += seconds
            self.sending_since, self.sent_until = None, loop.time()
            self.sent.append(packet)
            air.end(on_air, 0, packet.SerializeToString())
        self._sender = None

    def catch(self, header: int, part: bytes) -> None:
        """A packet came out of the air."""
        packet = mesh.MeshPacket.FromString(part)
        key = getattr(packet, "from"), packet.id
        if key in self._seen or packet.channel not in self.channels:
            return
        self._seen.add(key)
        packet.rx_snr, packet.rx_rssi = 6.25, -90
        self.say(packet=packet)


Made = Callable[[LoraAir, Path, int], MeshBoard]


def at_serial(air: LoraAir, folder: Path, end: int) -> MeshBoard:
    """A board at a serial line."""
    return MeshBoard(air, lambda feed: PtyPort(folder / f"tty{end}", feed), 0x10000001 + end)


def in_network(air: LoraAir, folder: Path, end: int) -> MeshBoard:
    """A board in a network."""
    return MeshBoard(air, TcpPort, 0x10000001 + end)


@contextmanager
def boards_elsewhere(folder: Path, number: int) -> Iterator[tuple[Sequence[MeshBoard], Any]]:
    """Boards that go on while whoever uses them is not on this event loop; and a way to do something on theirs."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    air = LoraAir()
    boards = [at_serial(air, folder, end) for end in range(number)]

    def do(call: Callable[[], Any]) -> None:
        async def step() -> None:
            made = call()
            if asyncio.iscoroutine(made):
                await made

        asyncio.run_coroutine_threadsafe(step(), loop).result(10)

    try:
        for board in boards:
            do(board.start)
        yield boards, do
    finally:
        for board in boards:
            do(board.stop)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class MeshPair(LinkPair[MeshtasticLink]):
    """Two links, each with its board, as the suites want them."""

    sizes: Sequence[int] = (1, 2, 14, 127, 128, 165, 166, PAYLOAD_MAX)

    def __init__(self, folder: Path, speed: float, make: Made = at_serial, **settings: Any) -> None:
        super().__init__()
        self.air = LoraAir(speed)
        self.boards = [make(self.air, folder, end) for end in (0, 1)]
        self._settings = {"airtime_share_max": 1.0, "preset": Preset.SHORT_TURBO, **settings}

    async def start(self, wait: bool = True) -> None:
        for board in self.boards:
            await board.start()
        await super().start(wait)

    async def end(self) -> None:
        for end in (0, 1):
            await self.stop(end)
            self.boards[end].stop()

    async def disturb(self, dice: random.Random) -> None:
        """What others send, and what a board may say beside it."""
        for board, link, events in zip(self.boards, self.links, self.events, strict=True):
            for size in (1, 15, 100, 231):  # other programs on the private port
                board.say(packet=foreign(dice, dice.randbytes(size)))
            seen = len(events.frames)
            for packet in strange(dice, board.number):
                board.say(packet=packet)
            opaque = mesh.MeshPacket(to=EVERYBODY, id=7, encrypted=dice.randbytes(40))
            board.say(packet=opaque)
            board.port.tell(dice.randbytes(2_000) + b"\x94\x94\xc3\xff\xff\x94\xc3\x00\x05\x12\xff\xff\xff\xff")
            board.port.tell(bytes(600) + b"\x94")
            board.say(log_record=mesh.LogRecord(message="hello"))
            while len(events.frames) < seen + 4 or link.passed_over < len(strange(dice, 0)) + 1:
                await asyncio.sleep(0.01)
            link.passed_over = 0
            assert len(events.take()) == 4

    async def unplug(self, end: int) -> None:
        self.boards[end].stop()
        await self.events[end].until(lambda: not self.events[end].there)

    async def plug(self, end: int) -> None:
        await self.boards[end].start()
        await self.events[end].until(lambda: self.events[end].there)

    def _new(self, end: int) -> MeshtasticLink:
        return MeshtasticLink(MeshtasticSettings(self.boards[end].port.place, **self._settings))


def foreign(dice: random.Random, payload: bytes, **more: Any) -> Any:
    """A packet of another board."""
    packet = mesh.MeshPacket(to=EVERYBODY, id=dice.randrange(1, 2**32), rx_snr=-3.0)
    setattr(packet, "from", 0x20000000)
    packet.decoded.portnum, packet.decoded.payload = PRIVATE, payload
    for name, value in more.items():
        setattr(packet, name, value)
    return packet


def strange(dice: random.Random, own: int) -> list[Any]:
    """Packets that no neighbour's link sent."""
    text, echo = foreign(dice, b"hello"), foreign(dice, b"echo")
    text.decoded.portnum = 1
    setattr(echo, "from", own)
    return [
        text,
        echo,
        foreign(dice, b"to one", to=own),
        foreign(dice, b"another channel", channel=3),
        foreign(dice, b"over a server", via_mqtt=True),
        foreign(dice, b""),
        foreign(dice, bytes(232)),
    ]


@asynccontextmanager
async def mesh_pair(
    folder: Path, speed: float = 2_000, make: Made = at_serial, **settings: Any
) -> AsyncIterator[MeshPair]:
    """Two stations with boards."""
    pair = MeshPair(folder, speed, make, **settings)
    try:
        async with asyncio.timeout(60):
            await pair.start()
        yield pair
    finally:
        await pair.end()
