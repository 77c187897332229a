"""Radio channels: what the air does to frames, and real nodes that talk over it."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

import pytest

from chasqui.base.errors import UserError
from chasqui.delivery.airtime import HOUR_MS
from chasqui.lab.air import Channel
from chasqui.lab.board import RadioBoard
from chasqui.lab.deeds import Deeds
from chasqui.lab.medium import Medium, lora_medium, packet_medium
from chasqui.lab.scenario import CutTable, RadioTable, Scenario, read_scenario
from chasqui.lab.stage import Stage
from chasqui.lab.world import DAY_S, HOUR_S, World
from chasqui.links.kiss_link import KissSettings
from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeSettings

SF9 = lora_medium(RNodeSettings("lab", Lora(868_100_000, 125_000, 9, 5, 14), 0.1, 200))
AFSK = packet_medium(KissSettings("lab"), 37)
TABLE = RadioTable(mtu=200, share=0.1, loss=0.2, dummies=0)
STORY = """
from chasqui.lab.run import Run
from chasqui.lab.scenario import RadioTable, Scenario
radios = (RadioTable(mtu=200, share=0.1, loss=0.2),)
scenario = Scenario(name="air", story="", days=0.3, people=("ana", "ben", "cy"), texts_per_day=20, radios=radios)
run = Run(scenario, 2)
run.play()
print(run.stage.world.story, run.stage.channels[0].total)
print(sorted((n, sorted(b.hex() for b in d.store._spaces[14].keys)) for n, d in run.stage.devices.items()))
"""


class Ear:
    """Writes down what it hears."""

    def __init__(self, world: World, channel: Channel, name: str) -> None:
        self.world = world
        self.frames: list[bytes] = []
        self.sent_ms: list[int] = []
        channel.join(name, self)

    def heard(self, frame: bytes, strength_db: float) -> None:
        self.frames.append(frame)

    def sent(self, airtime_ms: int) -> None:
        self.sent_ms.append(self.world.now_ms)


class Cell:
    """Stations with nothing behind them."""

    def __init__(self, names: str, medium: Medium = SF9, loss: float = 0.0, deaf: str = "") -> None:
        self.world = World(1)
        self.channel = Channel(self.world, medium, Random(1), loss, lambda a, b: a + b not in deaf.split())
        self.ears = {name: Ear(self.world, self.channel, name) for name in names}

    def say(self, at_ms: int, name: str, frame: bytes) -> None:
        self.world.at_ms(at_ms, lambda: self.channel.send(name, frame))


def test_a_frame_takes_its_time_and_arrives_at_everybody_else() -> None:
    cell = Cell("abc")
    cell.say(7, "a", bytes(200))
    cell.world.run_until(10)
    assert cell.ears["a"].sent_ms == [7 + SF9.airtime_ms(200)]
    assert [len(ear.frames) for ear in cell.ears.values()] == [0, 1, 1]
    assert SF9.airtime_ms(200) == 1046  # AN1200.13 for 201 bytes and 18 symbols of preamble
    assert AFSK.airtime_ms(256) > 400 + 256 * 8000 / 1200
    assert (cell.channel.total.frames, cell.channel.total.bytes_sent, cell.channel.total.airtime_ms) == (1, 200, 1046)


@pytest.mark.parametrize("medium", [SF9, AFSK])
def test_who_hears_another_waits(medium: Medium) -> None:
    cell = Cell("abc", medium)
    cell.say(0, "a", b"first")
    cell.say(100, "b", b"second")
    cell.world.run_until(10)
    assert cell.ears["c"].frames == [b"first", b"second"]
    assert cell.channel.collided == 0
    assert cell.ears["b"].sent_ms[0] >= 2 * medium.airtime_ms(5)


def test_who_begins_at_the_same_moment_is_not_heard_by_anybody() -> None:
    cell = Cell("abc")
    cell.say(0, "a", b"first")
    cell.say(10, "b", b"second")  # less than four symbols later
    cell.world.run_until(10)
    assert [ear.frames for ear in cell.ears.values()] == [[], [], []]
    assert (cell.channel.collided, cell.channel.deaf) == (2, 2)


def test_who_cannot_hear_another_sends_into_his_frame() -> None:
    cell = Cell("abcd", deaf="ab ba bd db")  # c is in the middle, d hears only a and c
    cell.say(0, "a", bytes(100))
    cell.say(200, "b", bytes(100))
    cell.world.run_until(10)
    assert [len(ear.frames) for ear in cell.ears.values()] == [0, 0, 0, 1]


def test_who_has_waited_does_not_begin_with_all_others() -> None:
    cell = Cell("abcdefgh")
    for name in cell.ears:
        cell.say(ord(name) * 40, name, bytes(100))
    cell.world.run_until(60)
    frames = [len(ear.frames) for ear in cell.ears.values()]
    assert sum(frames) >= 0.7 * 8 * 7


def test_loss_is_of_each_receiver() -> None:
    cell = Cell("abcde", loss=0.25)
    for number in range(500):
        cell.say(number * 2_000, "a", b"x")
    cell.world.run_until(2_000)
    for name in "bcde":
        assert 0.68 < len(cell.ears[name].frames) / 500 < 0.82
    assert len({tuple(ear.frames) for ear in cell.ears.values()}) > 2


# -- with real nodes ------------------------------------------------------------------------------------------


def on_air(*people: str, days: float = 2, table: RadioTable = TABLE, **more: object) -> Stage:
    scenario = Scenario(name="air", story="", days=days, people=people, radios=(table,), **more)  # type: ignore[arg-type]
    stage = Stage(scenario, 1)
    stage.set()
    Deeds(stage, scenario).plan()
    return stage


def got(stage: Stage) -> list[int]:
    return [len(stage.ledger.got[name]) for name in stage.devices]


def test_texts_go_by_air_and_by_nothing_else() -> None:
    stage = on_air("ana", "ben", "cy")
    now = stage.world.now_s
    stage.people["ana"].say()
    stage.world.run_until(now + 2 * HOUR_S)
    assert got(stage) == [1, 1, 1]
    assert stage.channels[0].lost
    assert not stage.safety.violations
    stage.people["ben"].say("once more")
    assert got(stage) == [1, 2, 1]
    stage.world.run_until(now + 4 * HOUR_S)
    assert got(stage) == [2, 2, 2]


def test_a_cut_holds_for_the_air_and_what_was_missed_comes_after_it() -> None:
    stage = on_air("ana", "ben", "cy", cuts=(CutTable(sides=(("ana",), ("ben", "cy")), from_day=0, to_day=1),))
    now = stage.world.now_s
    stage.people["ana"].say()
    stage.people["ben"].say()
    stage.world.run_until(now + DAY_S)
    assert got(stage) == [1, 1, 1]
    stage.world.run_until(now + DAY_S + 2 * HOUR_S)
    assert got(stage) == [2, 2, 2]


@pytest.mark.must("M-RAD-27")
def test_no_device_is_longer_on_the_air_than_its_share() -> None:
    stage = on_air("ana", "ben", table=RadioTable(mtu=200, share=0.01, dummies=1))
    left: list[tuple[int, str, int]] = []
    stage.channels[0].overheard = lambda name, frame, took_ms: left.append((stage.world.now_ms, name, took_ms))
    for _ in range(40):
        stage.people["ana"].say()
    ana = stage.devices["ana"]
    for turn in range(12):  # the process and the machine, by turns
        ana.crash()
        ana.set_clock((0, 90_000, -7_200)[turn % 3])
        stage.world.run_until(stage.world.now_s + HOUR_S // 2)
    assert ana.boots == 6
    for name in stage.devices:
        own = [(at_ms, took_ms) for at_ms, who, took_ms in left if who == name]
        assert own
        for end_ms, _ in own:
            within = sum(took_ms for at_ms, took_ms in own if end_ms - HOUR_MS < at_ms <= end_ms)
            assert within <= 0.01 * HOUR_MS


def test_a_process_that_begins_while_its_board_sends_waits_for_it() -> None:
    stage = on_air("ana", "ben", table=RadioTable(mtu=200, share=1.0, dummies=0))
    world, ana, channel = stage.world, stage.devices["ana"], stage.channels[0]
    board = ana.boards[0]
    assert isinstance(board, RadioBoard)
    stage.people["ana"].say()
    while not channel.under_way("ana"):
        world.run_until(world.now_s + 1)
    frames = channel.by_station["ana"].frames
    ana.crash()
    ana.start()
    assert not board.end.there
    world.run_until(world.now_s + 2)
    assert channel.by_station["ana"].frames == frames + 1
    assert board.end.there
    world.run_until(world.now_s + HOUR_S)
    assert got(stage) == [1, 1]


def test_a_radio_is_there_from_one_day_to_another() -> None:
    stage = on_air("ana", "ben", table=RadioTable(mtu=200, share=1.0, dummies=0, from_day=0.5, to_day=1))
    now = stage.world.now_s
    stage.people["ana"].say()
    stage.world.run_until(now + DAY_S // 2)
    assert got(stage) == [1, 0]
    stage.world.run_until(now + DAY_S)
    assert got(stage) == [1, 1]
    stage.people["ana"].say()
    stage.world.run_until(now + 2 * DAY_S)
    assert got(stage) == [2, 1]


def test_who_has_another_neighbourhood_key_hears_nobody() -> None:
    stage = on_air("ana", "ben", "cy", table=RadioTable(between=("ana", "ben"), mtu=200, share=1.0, key=True))
    frames: list[bytes] = []
    stage.channels[0].overheard = lambda name, frame, took_ms: frames.append(frame)
    stage.people["ana"].say("by air")
    stage.world.run_until(stage.world.now_s + 6 * HOUR_S)
    assert got(stage) == [1, 1, 0]
    assert len({frame[0] for frame in frames}) > 8  # no type shows


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_equal_seeds_give_equal_air_in_every_process(hash_seed: str) -> None:
    def told(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", STORY]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode()

    assert told(hash_seed) == told("0")


@pytest.mark.parametrize(
    "radio",
    ["spreading = 6", "bandwidth_khz = 126", "share = 0", "share = 1.5", "mtu = 600", "loss = 1", 'between = ["b"]'],
)
def test_a_radio_that_cannot_be_is_refused(radio: str) -> None:
    with pytest.raises(UserError):
        read_scenario(f'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\n[[radios]]\n{radio}')
