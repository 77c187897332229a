"""`link test` over real modems and doubles of boards: what it says where a link is good, and where it is not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from chasqui.app.errors import LinkFailedError
from chasqui.app.measuring import Measured, Measurement, Sleep, judge
from chasqui.base.ids import GroupId
from chasqui.links import leaving, meshtastic_link
from chasqui.links.sound import SoundLink, SoundSettings
from chasqui.media.modes import Mode
from chasqui.node.link_port import BroadcastLink
from tests.app.people import Person, pair, until_ready
from tests.links.direwolf import direwolfs, require_direwolf
from tests.links.lora_air import LoraAir
from tests.links.sound_air import sound_air
from tests.links.stations import Station, with_stations
from tests.links.test_meshtastic import boards_of as meshtastic_boards
from tests.links.test_rnode import boards_of as rnode_boards

STATION = re.compile(r"Station 1: (\d+)% of its frames arrived here, (\d+)% of yours there")


def measured(links: Callable[[], Sequence[BroadcastLink]], sleep: Sleep, timeout_s: float) -> list[Measured]:
    """What two who test at the same time find out, where time on the air passes faster."""
    found: list[Measured] = []

    async def body(stations: Sequence[Station], _: GroupId) -> None:
        probers = [station.broadcasts.prober(station.link) for station in stations]
        tests = [Measurement(prober, sleep=sleep) for prober in probers if prober is not None]
        found.extend(await asyncio.gather(*(test.run() for test in tests)))

    with_stations(links, body, timeout_s)
    assert len(found) == 2
    return found


def not_good_enough(found: Measured) -> LinkFailedError:
    with pytest.raises(LinkFailedError, match=r"^Not good enough: ") as error:
        judge(found)
    assert error.value.todo
    return error.value


BOARDS: list[Any] = [
    pytest.param(rnode_boards, "4 dB below the noise", id="rnode"),
    pytest.param(meshtastic_boards, "6 dB above the noise", id="meshtastic"),
]
SPEED = 20


async def hurried(seconds: float) -> None:
    """So long on a channel of boards."""
    await asyncio.sleep(seconds / SPEED)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards take no longer than their channel."""
    monkeypatch.setattr(leaving, "MS_S", 0.001 / SPEED)
    monkeypatch.setattr(meshtastic_link, "QUEUE_EVERY_S", 0.02)


@pytest.mark.parametrize(("boards", "strength"), BOARDS)
def test_boards_that_hear_each_other(
    boards: Any, strength: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    air = LoraAir(SPEED)
    for found in measured(lambda: boards(tmp_path, 2, air), hurried, timeout_s=300):
        words, (station,) = judge(found)
        assert words.startswith(("Good", "Poor"))
        assert STATION.search(words)
        assert strength in words
        assert station.arrived > 0.25


@pytest.mark.parametrize(("boards", "strength"), BOARDS)
def test_boards_that_do_not(boards: Any, strength: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    air = LoraAir(SPEED, loss=1.0)
    for found in measured(lambda: boards(tmp_path, 2, air), hurried, timeout_s=300):
        assert "no other station" in not_good_enough(found).what
        assert strength not in not_good_enough(found).what


@pytest.mark.long
@pytest.mark.parametrize(("noise_rms", "gain", "good"), [(300, 1.0, True), (3_000, 0.05, False)])
def test_sound_through_noise(noise_rms: float, gain: float, good: bool, tmp_path: Path) -> None:
    with sound_air(tmp_path / "air", 2, noise_rms=noise_rms, gain=gain, speed=15) as air:

        def links() -> Sequence[SoundLink]:
            return [SoundLink(SoundSettings(device, Mode.DATAC1, lead_ms=50)) for device in air.devices]

        for found in measured(links, air.sleep, timeout_s=500):
            if good:
                words, _ = judge(found)
                assert words.startswith("Good")
                assert STATION.search(words)
            else:
                not_good_enough(found)


@pytest.mark.long
@pytest.mark.parametrize(("noise_rms", "good"), [(1_500, True), (14_000, False)])
def test_two_direwolfs_on_one_channel(noise_rms: float, good: bool, tmp_path: Path) -> None:
    """As two people do it: the daemons, and the command at both at the same time."""
    require_direwolf()
    ana, ben = Person.make(tmp_path, "ana"), Person.make(tmp_path, "ben")
    pair(ana, ben, tmp_path)
    with direwolfs(tmp_path / "air", 2, noise_rms=noise_rms) as stations:
        try:
            for person, port in zip((ana, ben), stations.kiss_ports, strict=True):
                person.up()
                person.do("link", "add", "kiss", f"127.0.0.1:{port}")
            until_ready(ana, ben)
            ids = [person.do("link", "list")["links"][0]["id"] for person in (ana, ben)]
            tests = [person.start("link", "test", link) for person, link in zip((ana, ben), ids, strict=True)]
            for test in tests:
                out, err = test.communicate(timeout=500)
                print(out + err)
                if good:
                    assert test.returncode == 0
                    assert out.startswith("It works: Good")
                    shares = STATION.search(out)
                    assert shares
                    assert min(map(int, shares.groups())) >= 60
                else:
                    assert test.returncode == 1
                    assert "Not good enough: " in err
        finally:
            for person in (ana, ben):
                person.run("down")

