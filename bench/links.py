"""Figures of the links: run `python bench/links.py`, or `dev.py bench`."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from chasqui.links.folder import FolderLink
from chasqui.links.lan import LanLink
from chasqui.node.link_port import SessionId

BUNDLE_BYTES: Final = 207
_HERE: Final = "127.0.0.1"
_BYTES_RECEIVED_AT: Final = 128  # tcpi_bytes_received in Linux' struct tcp_info
_SEGMENT_BYTES, _SEGMENT_EXTRA = 1448, 66  # Ethernet: TCP with time stamps 32, IPv4 20, Ethernet 14


def _figure(name: str, value: float, unit: str, bound: float | None = None, note: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": round(value, 4), "unit": unit, "bound": bound, "peer": None, "note": note}


class _Events:
    """Counts frames and tells when there are enough."""

    def __init__(self) -> None:
        self.session: asyncio.Future[SessionId] = asyncio.get_running_loop().create_future()
        self.frames = 0
        self.enough_at = 0
        self.enough = asyncio.Event()

    def opened(self, session: SessionId) -> None:
        if not self.session.done():
            self.session.set_result(session)

    def received(self, session: SessionId, frame: bytes) -> None:
        self.frames += 1
        if self.frames >= self.enough_at:
            self.enough.set()

    def closed(self, session: SessionId) -> None:
        pass


def _stream_bytes(link: LanLink) -> int:
    """Bytes that came in on the TCP stream of the link's one session."""
    [session] = link._sessions.values()
    if session._transport is None:
        raise RuntimeError("the session is gone")
    sock = session._transport.get_extra_info("socket")
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int.from_bytes(info[_BYTES_RECEIVED_AT : _BYTES_RECEIVED_AT + 8], "little")


async def _lan() -> list[dict[str, Any]]:
    starts: list[float] = []
    figures: list[dict[str, Any]] = []
    for turn in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((_HERE, 0))
            port = int(sock.getsockname()[1])
        links = [LanLink(entropy=os.urandom, addresses=[_HERE], port=port) for _ in range(2)]
        events = [_Events(), _Events()]
        began = time.perf_counter()
        tasks = [asyncio.create_task(link.run(event)) for link, event in zip(links, events, strict=True)]
        session = await events[0].session
        await events[1].session
        starts.append(time.perf_counter() - began)
        if turn == 4:
            figures = await _load(links, events[1], session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [
        _figure("lan: start to session", median(starts), "s", None, "median of 5, two daemons on loopback"),
        *figures,
    ]


async def _load(links: list[LanLink], there: _Events, session: SessionId) -> list[dict[str, Any]]:
    dice = random.Random(1)
    frames = [b"\x10" + dice.randbytes(BUNDLE_BYTES) for _ in range(1_000)]

    async def carry(frames: list[bytes]) -> float:
        there.enough.clear()
        there.enough_at = there.frames + len(frames)
        began = time.perf_counter()
        for frame in frames:
            links[0].send(session, frame)
        await there.enough.wait()
        return time.perf_counter() - began

    before = _stream_bytes(links[1])
    await carry(frames)
    stream = _stream_bytes(links[1]) - before
    before = _stream_bytes(links[1])
    await carry(frames[:1])
    single = _stream_bytes(links[1]) - before
    payload = 1_000 * BUNDLE_BYTES
    ethernet = stream + -(-stream // _SEGMENT_BYTES) * _SEGMENT_EXTRA
    many = frames * 40  # below the pace at which one session is slowed
    seconds = await carry(many)
    each = f"per byte of {BUNDLE_BYTES}-byte bundles"
    return [
        _figure("lan: stream bytes, 1,000 bundles at once", stream / payload, each, 1.0, "frames and TLS"),
        _figure(
            "lan: Ethernet bytes, 1,000 bundles at once",
            ethernet / payload,
            each,
            1.0,
            "the same in segments of 1,448 with TCP, IP and Ethernet headers, computed; acknowledgements not",
        ),
        _figure("lan: stream bytes, one bundle alone", single / BUNDLE_BYTES, each, 1.0, "frames and TLS"),
        _figure("lan: throughput", len(many) * BUNDLE_BYTES / seconds / 1e6, "MB/s", None, "both ends on one core"),
        _figure("lan: throughput", len(many) / seconds, "bundles/s", None, "both ends on one core"),
    ]


def _folder() -> list[dict[str, Any]]:
    count = 10_000
    dice = random.Random(2)
    bundles = [dice.randbytes(BUNDLE_BYTES) for _ in range(count)]
    with tempfile.TemporaryDirectory() as name:
        link = FolderLink(Path(name), entropy=os.urandom, clock=lambda: int(time.time()))
        began = time.perf_counter()
        link.deposit(bundles)
        written_s = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(name).iterdir())
        began = time.perf_counter()
        read = sum(1 for _ in link.collect())
        read_s = time.perf_counter() - began
        if read != count:
            raise RuntimeError("bundles were lost")
        began = time.perf_counter()
        link.deposit(bundles)
        again_s = time.perf_counter() - began
    note = f"{count:,} bundles of {BUNDLE_BYTES} bytes"
    return [
        _figure("folder: write", count / written_s, "bundles/s", None, note + ", durable"),
        _figure("folder: write again, all there", count / again_s, "bundles/s", None, note),
        _figure("folder: read", count / read_s, "bundles/s", None, note + ", checked, each once"),
        _figure("folder: file bytes", size / (count * BUNDLE_BYTES), "per bundle byte", 1.0, note),
    ]


def figures() -> list[dict[str, Any]]:
    """The figures as `bench --json` prints them."""
    return [*asyncio.run(_lan()), *_folder()]


if __name__ == "__main__":
    for figure in figures():
        print(f"{figure['name']:44} {figure['value']:>12} {figure['unit']}  {figure['note'] or ''}")
