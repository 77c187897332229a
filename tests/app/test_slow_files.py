"""A file on a slow link, as a person sees it: how much of a part has gone or come, and how long the rest takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chasqui.app import links, messages, requests
from chasqui.app.desk import Surroundings
from chasqui.app.errors import SlowLinkError
from chasqui.app.results import SlowLink
from chasqui.app.runner import Runner
from chasqui.app.screens import links as link_screen
from chasqui.app.screens import messages as screen
from chasqui.base.ids import GroupId
from chasqui.base.ports import Uptime
from chasqui.delivery.airtime import Air
from chasqui.node import inputs
from chasqui.node.effects import Transmit, Wake
from chasqui.node.link_port import BroadcastId
from tests.node.world import Person, make_group

AIR = BroadcastId(1)
FILE = bytes(60_000)


class Desk:
    """A device with a packet radio, as its daemon has it."""

    def __init__(self, person: Person, airtime: str = "100") -> None:
        self.person, self.now_ms, self.states = person, 0, {"": ""}
        self.runner = self.anew()
        settings = (("place", "127.0.0.1:8001"), ("airtime", airtime))
        self.link = self.do(inputs.AddLink("kiss", settings))
        self.around = Surroundings(Path(), 1, lambda: self.states, lambda _: None)
        self.ready()
        self.frames: list[bytes] = []
        self.wake_ms: int | None = None
        self.opened()

    def anew(self) -> Runner:
        clock = self.person.now_s
        return Runner(self.person.store, self.person.entropy, lambda: clock + self.now_ms // 1000, self.uptime)

    def uptime(self) -> Uptime:
        return Uptime(b"boot", self.now_ms)

    def opened(self) -> None:
        ((_, profile),) = links.profiles_of(self.runner.look())
        self.air = Air(profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, 1)
        self.do(inputs.BroadcastOpened(AIR, profile, self.uptime(), self.link))

    def ready(self, state: str = "ready; 0 frames heard") -> None:
        self.states = {self.link: state}

    def do(self, event: inputs.Input) -> str:
        answer = self.runner.do(lambda runner: runner.step(event))
        for effect in self.runner.release():
            match effect:
                case Transmit(_, frame):
                    self.frames.append(frame)
                case Wake(_, at_ms):
                    self.wake_ms = at_ms
        return str(answer)

    def run(self, frames: int, *listeners: Desk) -> None:
        """Until so many frames have left."""
        left = 0
        while left < frames:
            if self.frames:
                frame, left = self.frames.pop(), left + 1
                self.now_ms += self.air.airtime_ms(len(frame))
                for other in listeners:
                    other.now_ms = max(self.now_ms, other.now_ms)
                    other.do(inputs.BroadcastHeard(AIR, frame, None, other.now_ms))
                self.do(inputs.BroadcastSent(AIR, None, self.now_ms))
            else:
                assert self.wake_ms is not None
                self.now_ms, self.wake_ms = max(self.wake_ms, self.now_ms), None
                self.do(inputs.BroadcastDue(AIR, self.now_ms))

    def read(self, group: GroupId) -> str:
        return screen.conversation(messages.read(self.runner, requests.Read(group.hex(), 0), self.around))

    def minutes(self, group: GroupId) -> float:
        """How long the rest takes, as it is said."""
        found = re.search(r"(?:about|at least) (\d+) (second|minute|hour)", self.read(group))
        assert found is not None, self.read(group)
        return int(found[1]) * {"second": 1 / 60, "minute": 1, "hour": 60}[found[2]]

    def lasts_s(self, group: GroupId) -> int:
        """The same, to the second."""
        message = messages.read(self.runner, requests.Read(group.hex(), 0), self.around).messages[-1]
        assert isinstance(message.left, SlowLink)
        return message.left.lasts_s

    def send(self, group: GroupId) -> str:
        return self.do(inputs.SendFile(group, "map.png", FILE))


def two(airtime: str = "100") -> tuple[Desk, Desk, GroupId]:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    return Desk(ana, airtime), Desk(ben, airtime), group


def test_both_sides_see_how_much_of_a_part_is_through() -> None:
    ana, ben, group = two()
    ana.send(group)
    ana.run(12, ben)
    said = re.search(r"of the next part (\d+) of (\d+) frames have left", ana.read(group))
    heard = re.search(r"(\d+) of (\d+) frames of something large, most likely this, have come", ben.read(group))
    assert said is not None
    assert heard is not None
    assert said[2] == heard[2]
    assert 8 < int(heard[1]) <= int(said[1]) <= int(heard[1]) + 1
    for desk, word in ((ana, "left"), (ben, "come")):
        (line,) = links.lines_of(desk.runner, desk.around)
        assert re.search(rf"ready; .*; \d+ of {said[2]} frames of something large have {word}", link_screen.state(line))


def test_the_estimate_grows_shorter_frame_by_frame_and_longer_when_the_sender_begins_anew() -> None:
    ana, ben, group = two()
    ana.send(group)
    ana.run(5, ben)
    at_first, there_first = ana.minutes(group), ben.minutes(group)
    ana.run(35, ben)
    assert ben.minutes(group) < 0.95 * there_first, "within the first part already"
    ana.run(140, ben)
    assert ben.minutes(group) < 0.4 * there_first
    again = Desk.__new__(Desk)
    again.__dict__ |= ana.__dict__
    again.runner = again.anew()
    again.opened()
    assert again.minutes(group) == pytest.approx(2 * at_first, rel=0.2), "all anew, and at half the speed"


def test_airtime_that_is_spent_is_part_of_the_estimate_and_is_said() -> None:
    ana, ben, group = two("1")
    ana.send(group)
    ana.run(3, ben)
    lasts_s = [ana.lasts_s(group)]
    while not (line := links.lines_of(ana.runner, ana.around)[0]).silent_s:
        ana.run(1, ben)
        lasts_s.append(ana.lasts_s(group))
    assert max(lasts_s[:-1]) == lasts_s[0]
    assert line.silent_s > 3_000
    assert "this hour's airtime is spent, but for urgent texts: goes on in " in link_screen.state(line)
    assert lasts_s[-1] > lasts_s[-2] + 2_500


@pytest.mark.parametrize("state", ["no TNC (it was unplugged); trying again", "refused: asked for 27 dBm"])
def test_a_link_that_is_not_there_says_no_time(state: str) -> None:
    ana, _, group = two()
    ana.send(group)
    assert " on the link " in ana.read(group)
    ana.ready(state)
    assert " on the link " not in ana.read(group)


def test_a_link_that_refused_does_not_keep_a_file_back() -> None:
    ana, _, group = two("1")
    request = requests.SendFile(group.hex(), "map.png", urgent=False)
    with pytest.raises(SlowLinkError):
        messages.send_file(ana.runner, request, FILE, ana.around)
    ana.ready("no TNC (it was unplugged); trying again")
    with pytest.raises(SlowLinkError):
        messages.send_file(ana.runner, request, FILE, ana.around)
    ana.ready("refused: asked for 27 dBm, the board is set to 22 dBm; nothing is sent")
    assert messages.send_file(ana.runner, request, FILE, ana.around).id


def test_what_may_be_refused_is_not_said_to_be_under_way() -> None:
    assert not screen.about_to_send("big.bin", 10).startswith("Sending")
    assert not screen.about_to_speak(10, "700C", "").startswith("Sending")


def test_what_broke_off_before_is_not_taken_for_what_comes_now() -> None:
    ana, ben, group = two()
    ana.send(group)
    ana.run(15, ben)
    broken = ben.read(group)
    again = Desk.__new__(Desk)
    again.__dict__ |= ana.__dict__
    again.runner = again.anew()
    again.frames = []
    again.opened()
    again.do(inputs.SendFile(group, "other.png", FILE[:50_000]))
    again.run(4, ben)
    found = re.search(r"(\d+) of \d+ frames of something large", ben.read(group))
    before = re.search(r"(\d+) of \d+ frames of something large", broken)
    assert found is not None
    assert before is not None
    assert int(found[1]) < int(before[1])
