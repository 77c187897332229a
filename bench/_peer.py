"""The nearest peer, Reticulum with LXMF, on the channel of the bench: one half-duplex channel with ideal access and
loss at each receiver. Unmodified nodes on pseudo-terminals, in real time; what they hand to their radio is counted.

It is no open-source program and no dependency: who wants its figures beside ours installs it apart (`HOW`).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import threading
import tty
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = Path(os.environ.get("CHASQUI_PEER_PYTHON") or ROOT / ".venv-peer" / "bin" / "python")
HOW: Final = "peer absent: `python3 -m venv .venv-peer && .venv-peer/bin/pip install rns==1.5.7 lxmf==1.2.1`"
BIT_RATE_BPS: Final = 9_600  # what it is told; faster than LoRa, so that a run takes seconds
LIMIT_S: Final = 240  # a backstop: two minutes are enough where nothing else runs
TEXT: Final = "x" * 100
_FEND, _FESC = 0xC0, 0xDB
_ESCAPED: Final = {0xDC: _FEND, 0xDD: _FESC}
_CONFIG: Final = """[reticulum]
enable_transport = {transport}
share_instance = No
[logging]
loglevel = 0
[interfaces]
  [[radio]]
    type = KISSInterface
    enabled = yes
    port = {port}
    speed = 115200
    bitrate = {rate}
"""


def kiss(packet: bytes) -> bytes:
    """A packet for the host of a TNC."""
    inside = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0\x00" + inside + b"\xc0"


def unkiss(data: bytes) -> bytes | None:
    """The packet in what stands between two ends; None for what is no packet (a setting of the TNC)."""
    if len(data) < 2 or data[0] & 15:
        return None
    out, at = bytearray(), 1
    while at < len(data):
        byte = data[at]
        if byte == _FESC and at + 1 < len(data):
            at += 1
            byte = _ESCAPED.get(data[at], data[at])
        out.append(byte)
        at += 1
    return bytes(out)


class Radio:
    """The channel, and the pseudo-terminal of each node."""

    def __init__(self, count: int, seed: int) -> None:
        self.loss = 0.0
        self.sizes: list[int] = []
        self.off: set[int] = set()
        self._dice = Random(seed)
        self._pairs = [os.openpty() for _ in range(count)]
        self._heard = [b""] * count
        self._waiting: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number, (ours, theirs) in enumerate(self._pairs):
            tty.setraw(theirs)
            os.set_blocking(ours, False)
            loop.add_reader(ours, self._read, number)
        self.ports = [os.ttyname(theirs) for _, theirs in self._pairs]
        self._task = asyncio.create_task(self._carry())

    def close(self) -> None:
        """No more."""
        self._task.cancel()
        for ours, theirs in self._pairs:
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)
            os.close(theirs)

    async def calm(self, quiet_s: float) -> None:
        """Returns when nothing was sent for so long."""
        while True:
            sent = len(self.sizes)
            await asyncio.sleep(quiet_s)
            if len(self.sizes) == sent and self._waiting.empty():
                return

    def _read(self, number: int) -> None:
        *whole, rest = (self._heard[number] + os.read(self._pairs[number][0], 65_536)).split(b"\xc0")
        self._heard[number] = rest
        for piece in whole:
            packet = unkiss(piece)
            if packet and number not in self.off:
                self._waiting.put_nowait((number, packet))

    async def _carry(self) -> None:
        while True:
            number, packet = await self._waiting.get()
            await asyncio.sleep(len(packet) * 8 / BIT_RATE_BPS)
            self.sizes.append(len(packet))
            for other, (ours, _) in enumerate(self._pairs):
                if other != number and other not in self.off and self._dice.random() >= self.loss:
                    os.write(ours, kiss(packet))


class Peer:
    """One node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while self._process.stdout is not None and (line := await self._process.stdout.readline()):
            if line.startswith(b'{"event"'):
                self.told.append(json.loads(line))
                self._news.set()

    def ask(self, do: str, **order: object) -> None:
        """An order."""
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps({"do": do, **order}).encode() + b"\n")

    async def wait(self, fits: Callable[[dict[str, Any]], bool], limit_s: float, since: int = 0) -> dict[str, Any]:
        """The first event that fits. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while True:
                for event in self.told[since:]:
                    if fits(event):
                        return event
                self._news.clear()
                await self._news.wait()

    async def answer(self, do: str, event: str, **order: object) -> dict[str, Any]:
        """What it tells upon an order."""
        since = len(self.told)
        self.ask(do, **order)
        return await self.wait(lambda told: told["event"] == event, 30, since)

    async def end(self) -> None:
        """Its process is gone."""
        self._task.cancel()
        self._process.kill()
        await self._process.wait()


class Net:
    """Some nodes around one channel, who know each other; `meeting` is what that took."""

    def __init__(self, count: int, seed: int, loss: float, transport: bool = False) -> None:
        self._count, self._seed, self._loss, self._transport = count, seed, loss, transport
        self._folder = tempfile.mkdtemp(prefix="chasqui-peer-")

    async def __aenter__(self) -> Net:
        self.radio = Radio(self._count, self._seed)
        self.peers = [await self._start(number) for number in range(self._count)]
        ready = [await peer.wait(lambda told: told["event"] == "ready", 120) for peer in self.peers]
        self.addresses = [str(told["address"]) for told in ready]
        self.relays = [str(told["relay"]) for told in ready]
        for peer in self.peers:
            peer.ask("announce")
            await asyncio.sleep(0.3)
        await self.radio.calm(2)
        for number, peer in enumerate(self.peers):
            others = [address for at, address in enumerate(self.addresses) if at != number]
            if (await peer.answer("knows", "knows", addresses=others))["count"] < len(others):
                raise RuntimeError("not every node of the peer knows all others")
        self.meeting = sum(self.radio.sizes)
        self.radio.loss = self._loss
        self.radio.sizes.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self.peers:
            await peer.end()
        self.radio.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self, number: int) -> Peer:
        folder = Path(self._folder) / str(number)
        folder.mkdir()
        (folder / "config").write_text(
            _CONFIG.format(
                transport="Yes" if self._transport else "No", port=self.radio.ports[number], rate=BIT_RATE_BPS
            )
        )
        node = Path(__file__).with_name("_peer_node.py")
        return Peer(
            await asyncio.create_subprocess_exec(
                str(PYTHON),
                str(node),
                str(folder),
                f"n{number}",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )

    async def send(self, to: int, id: str, method: str, attached: int = 0, limit_s: float = 90) -> bool:
        """A message from the first to another; whether it arrived and that came back."""
        self.peers[0].ask(
            "send", to=self.addresses[to], id=id, method=method, text="" if attached else TEXT, attached=attached
        )
        try:
            told = await self.peers[0].wait(
                lambda event: event.get("id") == id and event["event"] in ("delivered", "failed"), limit_s
            )
        except TimeoutError:
            return False
        return bool(told["event"] == "delivered")


async def group(receivers: int) -> dict[str, float]:
    """A text to each of a group, who has not got groups; and what it took that they met."""
    async with Net(receivers + 1, 1, 0) as net:
        for number in range(receivers):
            if not await net.send(number + 1, f"g{number}", "opportunistic"):
                raise RuntimeError("a message of the peer did not arrive")
        await net.radio.calm(1)
        return {"group text": sum(net.radio.sizes), "meeting": net.meeting * receivers / (receivers + 1)}


async def texts(count: int, loss: float, method: str) -> dict[str, float]:
    """Texts to one person, one after the other."""
    async with Net(2, 2, loss) as net:
        arrived = 0
        for number in range(count):
            arrived += await net.send(1, f"t{number}", method)
        await net.radio.calm(1)
        return {f"{method} texts": sum(net.radio.sizes) / count, f"{method} arrived": arrived / count}


async def file(size: int, loss: float) -> dict[str, float]:
    """A file to one person."""
    async with Net(2, 3, loss) as net:
        if not await net.send(1, "f", "direct", attached=size, limit_s=110):
            return {}
        await net.radio.calm(2)
        return {f"file {loss:g}": sum(net.radio.sizes) / size}


async def carried() -> dict[str, float]:
    """A text through a relay to somebody who was away."""
    async with Net(3, 4, 0) as net:
        net.peers[1].ask("be_relay")
        await asyncio.sleep(22)  # then it says so
        await net.radio.calm(3)
        for number in (0, 2):
            net.peers[number].ask("use_relay", relay=net.relays[1])
        net.radio.off.add(2)
        net.radio.sizes.clear()
        net.peers[0].ask("send", to=net.addresses[2], id="c", method="propagated", text=TEXT, attached=0)
        while not (await net.peers[1].answer("stored", "stored"))["count"]:
            await asyncio.sleep(1)
        await net.radio.calm(3)
        net.radio.off.clear()
        net.peers[2].ask("fetch")
        await net.peers[2].wait(lambda told: told["event"] == "came", 90)
        await net.radio.calm(3)
        return {"carried": sum(net.radio.sizes)}


WORK: Final[Sequence[Callable[[], Coroutine[Any, Any, dict[str, float]]]]] = (
    lambda: group(10),
    lambda: texts(12, 0.2, "opportunistic"),
    lambda: texts(12, 0.2, "direct"),
    lambda: file(10_000, 0.0),
    lambda: file(10_000, 0.05),
    lambda: file(10_000, 0.2),
    carried,
)


async def _tried(work: Awaitable[dict[str, float]]) -> dict[str, float]:
    """What it found; nothing where it took too long or failed, which is told on stderr."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await work
    except (TimeoutError, RuntimeError, OSError) as error:
        print(f"      peer: {error!r}", file=sys.stderr, flush=True)
        return {}


async def _all() -> dict[str, float]:
    found: dict[str, float] = {}
    for part in await asyncio.gather(*(_tried(work()) for work in WORK)):
        found |= part
    return found


class Run:
    """All of the peer's work, in a thread beside ours: most of it is waiting."""

    def __init__(self) -> None:
        self._found: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        if PYTHON.exists():
            self._thread = threading.Thread(target=self._measure)
            self._thread.start()

    def _measure(self) -> None:
        self._found = asyncio.run(_all())

    def found(self) -> dict[str, float]:
        """What it took, once it is done; nothing where the peer is not installed."""
        if self._thread is not None:
            self._thread.join()
        return self._found
