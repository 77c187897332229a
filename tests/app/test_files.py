"""A file whose sender or receiver is killed in the middle: it goes on where it stopped, and arrives whole."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chasqui.app.client import DaemonClient
from tests.app.people import BACKSTOP_S, Person, convoy, wait_until

PORT = 40_000 + os.getpid() % 10_000
SIZES = (6_000_000, 12_000_000, 24_000_000, 48_000_000)  # the next one where a machine was faster than we could look


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, Person]]:
    folder = tmp_path_factory.mktemp("files")
    ana, ben = convoy(folder)
    for person in (ana, ben):
        person.do("link", "remove", person.do("link", "list")["links"][0]["id"])
        person.do("link", "add", "lan", "--address", "127.0.0.1", "--port", str(PORT))
    yield ana, ben
    for person in (ana, ben):
        person.run("down")


@pytest.mark.parametrize("victim", ["receiver", pytest.param("sender", marks=pytest.mark.long)])
def test_killed_in_the_middle_it_goes_on_where_it_stopped(
    two: tuple[Person, Person], tmp_path: Path, victim: str
) -> None:
    ana, ben = two
    pids = {ana.name: ana.up(), ben.name: ben.up()}
    killed = ben if victim == "receiver" else ana
    for number, size in enumerate(SIZES):
        data = random.Random(f"{victim} {size}").randbytes(size)
        picture = tmp_path / f"{victim}{number}.jpg"
        picture.write_bytes(data)
        sent = ana.do("send", "convoy", "--file", str(picture))["id"]
        here = parts(ben, sent)
        if 0 < here[0] < here[1]:
            os.kill(pids[killed.name], signal.SIGKILL)
            break
    else:
        pytest.fail("every file came whole before anybody looked")
    while DaemonClient.connect(killed.home) is not None:
        time.sleep(0.05)
    killed.up()
    assert parts(ben, sent)[0] >= here[0], "what was said to be here is here"
    wait_until(lambda: len(set(parts(ben, sent))) == 1)
    out = tmp_path / f"{victim}.out"
    ben.do("save", "convoy", sent, str(out))
    assert out.read_bytes() == data
    wait_until(lambda: ana.do("read", "convoy")["messages"][-1]["state"] == "delivered")
    for person in (ana, ben):
        person.do("down")


def parts(person: Person, message: str) -> tuple[int, int]:
    """How many are here, of how many; waits for the first."""
    end = time.monotonic() + BACKSTOP_S
    while True:
        assert time.monotonic() < end
        for found in person.do("read", "convoy")["messages"]:
            if found["id"] == message and found["parts"][0]:
                return found["parts"][0], found["parts"][1]
        time.sleep(0.02)
