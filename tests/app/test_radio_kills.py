"""A file over a radio, whose sender or receiver is killed in the middle: it arrives whole, and nothing comes twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chasqui.app.client import DaemonClient
from chasqui.links.kiss import KissFrame
from tests.app.people import BACKSTOP_S, Person, convoy, until_ready, wait_until
from tests.links.tnc import Channel, TcpTnc, Tnc

FILE_BYTES = 120_000
LOST = 0.05


class LossyChannel(Channel):
    """What is sent is lost now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = 0
        self._dice = random.Random(5)

    def carry(self, sender: Tnc, frame: KissFrame) -> None:
        self.frames += frame.command == 0
        if frame.command or self._dice.random() >= LOST:
            super().carry(sender, frame)


@contextmanager
def tncs() -> Iterator[tuple[LossyChannel, list[TcpTnc]]]:
    """Two at ports of this machine, in a thread."""
    loop, channel = asyncio.new_event_loop(), LossyChannel()
    stations = [TcpTnc(channel), TcpTnc(channel)]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    for station in stations:
        asyncio.run_coroutine_threadsafe(station.start(), loop).result(BACKSTOP_S)
    try:
        yield channel, stations
    finally:
        for station in stations:
            asyncio.run_coroutine_threadsafe(station.stop(), loop).result(BACKSTOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.long
@pytest.mark.parametrize("victim", ["receiver", "sender"])
def test_killed_in_the_middle_it_goes_on_over_the_radio(tmp_path: Path, victim: str) -> None:
    ana, ben = convoy(tmp_path)
    data = random.Random(victim).randbytes(FILE_BYTES)
    picture = tmp_path / "bridge.jpg"
    picture.write_bytes(data)
    with tncs() as (channel, stations):
        try:
            for person, station in zip((ana, ben), stations, strict=True):
                person.do("link", "remove", person.do("link", "list")["links"][0]["id"])
                fast = ("--bit-rate", "200000", "--tx-delay", "10", "--dummies", "0")
                person.do("link", "add", "kiss", station.place, *fast)
            pids = {person.name: person.up() for person in (ana, ben)}
            until_ready(ana, ben)
            sent = ana.do("send", "convoy", "--file", str(picture), "--yes")["id"]
            here = some_parts(ben, sent)
            killed = ben if victim == "receiver" else ana
            os.kill(pids[killed.name], signal.SIGKILL)
            while DaemonClient.connect(killed.home) is not None:
                time.sleep(0.05)
            killed.up()
            assert parts(ben, sent)[0] >= here, "what was said to be here is here"
            wait_until(lambda: len(set(parts(ben, sent))) == 1)
            out = tmp_path / "out"
            ben.do("save", "convoy", sent, str(out))
            assert out.read_bytes() == data
            assert [message["id"] for message in ben.do("read", "convoy")["messages"]].count(sent) == 1
            wait_until(lambda: ana.do("read", "convoy")["messages"][-1]["state"] == "delivered")
            print(victim, here, channel.frames)
        finally:
            for person in (ana, ben):
                person.run("down")


def parts(person: Person, message: str) -> tuple[int, int]:
    """How many are here, of how many; none before anything is."""
    for found in person.do("read", "convoy")["messages"]:
        if found["id"] == message:
            return found["parts"][0], found["parts"][1]
    return 0, 1


def some_parts(person: Person, message: str) -> int:
    """How many are here, once there are some and not all."""
    end = time.monotonic() + BACKSTOP_S
    while not 0 < (now := parts(person, message))[0] < now[1]:
        assert now[0] < now[1] or now == (0, 1), "it came whole before anybody looked"
        assert time.monotonic() < end
    return now[0]
