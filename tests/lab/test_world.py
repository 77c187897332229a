"""The world itself: time, chance, wires, sticks, and devices that go down."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chasqui.base.errors import UserError
from chasqui.lab.chances import thrown
from chasqui.lab.courier import Stick, Wear
from chasqui.lab.device import CRASHES, Device, DownError
from chasqui.lab.failures import keep, read_kept
from chasqui.lab.network import Cut, Mesh
from chasqui.lab.run import Run
from chasqui.lab.scenario import Scenario, find_scenario, packaged, read_scenario
from chasqui.lab.stage import SET_UP_S, Stage
from chasqui.lab.watch import heads, picture, verdict
from chasqui.lab.world import DAY_S, World
from chasqui.node import inputs

THREE = Scenario(name="three", story="", days=1, people=("ana", "ben", "cy"))
STORY = "import sys; from chasqui.lab.run import Run; from chasqui.lab.scenario import find_scenario as f; \
run = Run(f('first-light'), 5); run.play(); print(run.stage.world.story); \
print(sorted((n, sorted(b.hex() for b in d.store._spaces[14].keys)) for n, d in run.stage.devices.items()))"


def staged() -> Stage:
    stage = Stage(THREE, 1)
    stage.set()
    return stage


def test_things_happen_in_their_order() -> None:
    world, seen = World(1), list[str]()
    world.at(5, lambda: seen.append("late"))
    world.at(3, lambda: seen.append("first of two"))
    world.at(3, lambda: seen.append("second of two"))
    world.every(2, lambda: seen.append("again"), first_s=4, until_s=7)
    world.run_until(10)
    assert seen == ["first of two", "second of two", "again", "late", "again"]
    assert world.now_s == 10


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_equal_seeds_give_equal_worlds_in_every_process(hash_seed: str) -> None:
    def told(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", STORY]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode()

    assert told(hash_seed) == told("0")


def test_other_seeds_give_other_worlds() -> None:
    scenario = find_scenario("random-worlds")
    stages = [Stage(scenario, seed).world.chance for seed in (1, 2)]
    assert thrown(scenario, stages[0]) != thrown(scenario, stages[1])


def texts(device: Device, stage: Stage) -> int:
    return len(stage.ledger.got[device.name])


def test_a_lan_carries_and_a_cut_stops_it() -> None:
    stage = staged()
    now = stage.world.now_s
    mesh = Mesh(("ana", "ben", "cy"), now, now + 10 * DAY_S, (0, 3))
    for device in stage.devices.values():
        device.ticks = True
    stage.network.plan([mesh], [Cut((("ana",), ("ben", "cy")), now + DAY_S, now + 2 * DAY_S)])
    stage.world.run_until(now + 600)
    stage.people["ana"].say()
    stage.world.run_until(now + 700)
    assert [texts(device, stage) for device in stage.devices.values()] == [1, 1, 1]
    stage.world.run_until(now + DAY_S + 600)
    stage.people["ana"].say()
    stage.people["ben"].say()
    stage.world.run_until(now + 2 * DAY_S - 1)
    assert [texts(device, stage) for device in stage.devices.values()] == [2, 2, 2]
    stage.world.run_until(now + 2 * DAY_S + 600)
    assert [texts(device, stage) for device in stage.devices.values()] == [3, 3, 3]
    assert not stage.safety.violations


def test_frames_keep_their_order_and_stop_at_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = staged()
    now = stage.world.now_s
    stage.network.plan([Mesh(("ana", "ben"), now, now + DAY_S, (0, 30))], [])
    stage.world.run_until(now + 60)
    came: list[bytes] = []
    monkeypatch.setattr(
        stage.network, "step", lambda device, event: came.append(getattr(event, "frame", b"")) if device.on else None
    )
    wire = stage.network._wires["ana", "ben"]
    for number in range(40):
        wire.send(0, bytes([number]))
    stage.world.run_until(stage.world.now_s + 200)
    assert came == [bytes([number]) for number in range(40)]
    wire.send(0, b"lost")
    wire.blocked[0] = True
    wire.send(0, b"lost, too")
    stage.world.run_until(stage.world.now_s + 200)
    assert len(came) == 40


def test_a_one_way_cut_ends_the_session_and_lets_a_stick_pass_the_other_way() -> None:
    stage = staged()
    now = stage.world.now_s
    mesh = Mesh(("ana", "ben"), now, now + DAY_S)
    stage.network.plan([mesh], [Cut((("ana",), ("ben",)), now + 600, now + DAY_S, one_way=True)])
    stage.world.run_until(now + 800)
    assert not stage.network._wires
    assert stage.network.reaches("ben", "ana")
    assert not stage.network.reaches("ana", "ben")


def test_a_worn_stick_harms_nobody() -> None:
    stage = staged()
    stick = Stick(stage.world, Wear(lost=0.3, cut_short=0.3, twice=0.5, shuffled=True))
    for number in range(12):
        stage.people["ana"].say()
        stick.visit(stage.devices["ana" if number % 2 else "ben"])
    stick.visit(stage.devices["ana"])
    for _ in range(12):
        stick.visit(stage.devices["cy"])
    assert texts(stage.devices["cy"], stage) == 12
    assert not stage.safety.violations


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_in_a_step_loses_it_whole_or_keeps_it_whole(how: str) -> None:
    stage = staged()
    ana = stage.devices["ana"]
    ana.crash_next = how
    with pytest.raises(DownError) as down:
        ana.do(inputs.SendText(stage.group, "once"))
    assert down.value.kept == (how == "after") == ("once" in stage.ledger.texts)
    assert not ana.on
    with pytest.raises(DownError):
        ana.do(inputs.Flush())
    stage.world.run_until(stage.world.now_s + 3600)
    assert ana.on
    ana.do(inputs.SendText(stage.group, "once more"))
    assert not stage.safety.violations


def test_nothing_leaves_a_device_that_went_down_in_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for how in CRASHES:
        stage = staged()
        now = stage.world.now_s
        stage.network.plan([Mesh(("ana", "ben"), now, now + DAY_S)], [])
        stage.world.run_until(now + 60)
        sent: list[bytes] = []
        monkeypatch.setattr(stage.network, "send", lambda device, session, frame, sent=sent: sent.append(frame))
        stage.devices["ana"].crash_next = how
        with pytest.raises(DownError):
            stage.devices["ana"].do(inputs.SendText(stage.group, "x"))
        assert not sent


def test_a_person_says_again_what_a_crash_lost_and_nothing_twice() -> None:
    for how in CRASHES:
        stage = staged()
        stage.devices["ana"].crash_next = how
        stage.people["ana"].say()
        stage.world.run_until(stage.world.now_s + DAY_S)
        assert list(stage.ledger.texts) == ["ana 1"]


def test_who_withholds_passes_on_his_own_only() -> None:
    stage = staged()
    ben = stage.devices["ben"]
    ben.withholds = True
    to_ben, from_ben = Stick(stage.world), Stick(stage.world)
    stage.people["ana"].say()
    to_ben.visit(stage.devices["ana"])
    to_ben.visit(ben)
    stage.people["ben"].say()
    from_ben.visit(ben)
    from_ben.visit(stage.devices["cy"])
    assert texts(stage.devices["cy"], stage) == 1


def test_every_packaged_scenario_has_what_the_issue_names() -> None:
    names = {"two-sides", "three-way", "four-way", "last-admins", "admin-lost", "flooder", "long-absence"}
    assert {*names, "longer-absence", "random-worlds"} <= packaged().keys()


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        'name = "x"',
        'name = "x"\nstory = ""\ndays = 1\npeople = ["a", "a"]',
        'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\nwhat = 1',
        'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\n[[events]]\nday = 1\nwho = "b"\ndo = "leave"',
        'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\n[[events]]\nday = 1\nwho = "a"\ndo = "add"',
        'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\n[[events]]\nday = 1\nwho = "a"\ndo = "fly"',
    ],
)
def test_a_file_that_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_scenario(text)


def test_a_failure_is_kept_and_read_again(tmp_path: Path) -> None:
    scenario = read_scenario('name = "x"\nstory = ""\ndays = 1\npeople = ["a", "b"]\nsettle_days = 0')
    run = Run(scenario, 3)
    outcome = run.play()
    path = keep(tmp_path, outcome, 'folder/"x".toml')
    kept = read_kept(path)
    assert (kept.scenario, kept.seed, kept.known) == ('folder/"x".toml', 3, False)


def test_the_picture_is_whole() -> None:
    run = Run(find_scenario("first-light"), 1)
    outcome = run.play()
    drawn = picture(run, outcome)
    root = ElementTree.fromstring(drawn)
    assert len(root.findall("{*}circle")) == outcome.epochs + 1  # the final head has a ring
    assert "ana: removes cy" in drawn
    assert "final head: ana, ben, dee" in drawn
    assert ": ana, ben, dee" in heads(run)
    assert "held" in verdict(outcome)
    assert all(a[0] <= b[0] for a, b in pairwise(run.stage.world.story))
    assert run.stage.world.now_s > SET_UP_S
