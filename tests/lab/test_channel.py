"""The channel in full: who is loud enough where, what survives a collision, who waits; and the town it is in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from statistics import fmean, stdev

import pytest

from chasqui.base.errors import UserError
from chasqui.lab.air import Channel
from chasqui.lab.ground import BUILT_UP, District, Ground, PathLoss, Spot, Walk
from chasqui.lab.medium import Medium, lora_medium, packet_medium
from chasqui.lab.scenario import DistrictTable, RadioTable, Scenario, WalkTable, read_scenario
from chasqui.lab.town import Town
from chasqui.lab.world import HOUR_S, World
from chasqui.links.kiss_link import KissSettings
from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeSettings
from tests.lab.test_radio import AFSK, SF9, Ear

BARE = PathLoss(100, 1, 2, 0)  # 20 dB for ten times the distance, no shadows


def lora(spreading: int, bandwidth_hz: int = 125_000) -> Medium:
    return lora_medium(RNodeSettings("lab", Lora(868_100_000, bandwidth_hz, spreading, 5, 14), 1.0, 200))


class Field:
    """Stations on bare ground. SF9 at 14 dBm is heard as far as 147 metres."""

    def __init__(self, spots: Mapping[str, Spot], medium: Medium = SF9) -> None:
        self.world = World(1)
        self.ground = Ground(BARE, "seed")
        self.ground.hears_below(medium.loss_db_max)
        for name, spot in spots.items():
            self.ground.put(name, spot)
        self.channel = Channel(self.world, medium, Random(1), ground=self.ground)
        self.ears = {name: Ear(self.world, self.channel, name) for name in spots}

    def say(self, at_ms: int, name: str, frame: bytes = bytes(100)) -> None:
        self.world.at_ms(at_ms, lambda: self.channel.send(name, frame))

    def heard(self) -> dict[str, int]:
        self.world.run_until(self.world.now_s + 60)
        return {name: len(ear.frames) for name, ear in self.ears.items() if ear.frames}


def test_sensitivity_is_that_of_the_data_sheet() -> None:
    listed = {7: -124.5, 8: -127, 9: -129.5, 10: -132, 11: -134.5, 12: -137}  # SX1276, and 1 to 2 dB of rounding
    for spreading, dbm in listed.items():
        assert lora(spreading).sensitivity_dbm == pytest.approx(dbm, abs=0.1)
    assert lora(9, 250_000).sensitivity_dbm - lora(9).sensitivity_dbm == pytest.approx(3.0, abs=0.02)


def test_a_frame_is_heard_as_far_as_it_is_loud_enough() -> None:
    field = Field({"a": (0, 0), "near": (149, 0), "far": (152, 0)})
    assert field.channel.level_dbm("a", "near") == pytest.approx(14 - 100 - 20 * math.log10(149))
    field.say(0, "a")
    assert field.heard() == {"near": 1}
    assert field.channel.weak == 1


def test_a_higher_spreading_factor_goes_farther() -> None:
    for spreading, heard in ((7, {}), (12, {"b": 1})):
        field = Field({"a": (0, 0), "b": (250, 0)}, lora(spreading))
        field.say(0, "a")
        assert field.heard() == heard


def test_strength_is_what_stands_out_of_the_noise() -> None:
    field, told = Field({"a": (0, 0), "b": (100, 0)}), list[float]()
    field.ears["b"].heard = lambda frame, strength_db: told.append(strength_db)  # type: ignore[method-assign]
    field.say(0, "a")
    field.heard()
    assert told == [pytest.approx(14 - 140 + 174 - 50.97 - 6, abs=0.01)]


@pytest.mark.parametrize(("loud_m", "heard"), [(10, {"c": 1}), (60, {})])
def test_who_is_six_decibels_louder_gets_through(loud_m: float, heard: dict[str, int]) -> None:
    field = Field({"a": (0, loud_m), "b": (0, -100), "c": (0, 0)})
    field.channel.hears = lambda sender, receiver: False  # type: ignore[method-assign]  # nobody waits
    field.say(0, "a")
    field.say(10, "b")
    assert field.heard() == heard


def test_who_is_hidden_does_not_wait_and_destroys() -> None:
    field = Field({"a": (-140, 0), "b": (140, 0), "c": (0, 0)})
    field.say(0, "a")
    field.say(200, "b")
    assert field.heard() == {}
    assert field.channel.collided == 2
    apart = Field({"a": (-140, 0), "b": (140, 0), "c": (0, 0)})
    apart.say(0, "a")
    apart.say(2_000, "b")
    assert apart.heard() == {"c": 2}


def test_a_weak_frame_that_was_first_is_lost_and_takes_the_loud_one_with_it() -> None:
    for begins_ms, count in ((40, 1), (120, 0)):  # before and after the receiver has locked
        field = Field({"weak": (-140, 0), "loud": (30, 0), "c": (0, 0)})
        field.say(0, "weak")
        field.say(begins_ms, "loud")
        assert field.heard().get("c", 0) == count


def test_the_beginning_of_a_preamble_may_be_disturbed() -> None:
    """13 of 18 symbols, 53 ms, of a preamble of RNode may be lost."""
    took_ms = SF9.airtime_ms(100)
    for begins_ms, count in ((took_ms - 45, 1), (took_ms - 60, 0)):
        field = Field({"a": (-140, 0), "b": (140, 0), "c": (0, 0)})
        field.say(0, "a")
        field.say(begins_ms, "b")
        assert field.heard() == ({"c": count} if count else {})


def test_an_fm_receiver_follows_the_loudest() -> None:
    field = Field({"weak": (-200, 0), "loud": (30, 0), "c": (0, 0)}, AFSK)
    assert field.channel.hears("weak", "c")
    field.channel.hears = lambda sender, receiver: False  # type: ignore[method-assign]  # nobody waits
    field.say(0, "weak", bytes(250))
    field.say(1_000, "loud", b"loud")
    field.world.run_until(60)
    assert field.ears["c"].frames == [b"loud"]
    assert field.channel.collided
    assert AFSK.capture_db > SF9.capture_db


def test_a_tnc_waits_for_its_slot_on_a_free_channel_too() -> None:
    begins: list[int] = []
    for seed in range(200):
        world = World(1)
        channel = Channel(world, AFSK, Random(seed))
        ear = Ear(world, channel, "a")
        channel.send("a", b"x")
        world.run_until(60)
        begins.append(ear.sent_ms[0] - AFSK.airtime_ms(1))
    assert set(begins) <= set(range(0, 6_000, 100))
    assert 200 < fmean(begins) < 400  # three slots on average, with P a quarter


def test_path_loss_is_that_of_the_paper() -> None:
    assert BUILT_UP.mean_db(40) == pytest.approx(127.41)
    assert BUILT_UP.mean_db(400) == pytest.approx(127.41 + 20.8)


def test_shadows_belong_to_places() -> None:
    path = PathLoss(100, 1, 2, 5)
    ground = Ground(path, "seed")
    for number in range(40):
        ground.put(f"s{number}", (number * 51.0, number % 7 * 53.0))
    drawn = [
        ground.losses(f"s{a}")[f"s{b}"] - path.mean_db(math.dist(ground.spots[f"s{a}"], ground.spots[f"s{b}"]))
        for a in range(40)
        for b in range(a)
    ]
    assert abs(fmean(drawn)) < 0.6
    assert 4.5 < stdev(drawn) < 5.5
    assert ground.losses("s1")["s2"] == ground.losses("s2")["s1"]
    before = dict(ground.losses("s1"))
    ground.put("s1", (5_000, 5_000))
    assert ground.losses("s1") != before
    ground.put("s1", (51, 53))
    assert ground.losses("s1") == before
    other = Ground(path, "another seed")
    other.put("a", (51, 53))
    other.put("b", (102, 106))
    assert other.losses("a")["b"] != before["s2"]


def test_walls_stand_between_districts_and_not_within() -> None:
    districts = (District("north", (0, 300), 100, 7), District("south", (0, 0), 100, 11))
    ground = Ground(BARE, "seed", districts)
    for name, spot in {"a": (0, 0), "b": (50, 0), "c": (0, 300), "out": (0, 150)}.items():
        ground.put(name, spot)
    assert ground.losses("a")["b"] == pytest.approx(BARE.mean_db(50))
    assert ground.losses("a")["c"] == pytest.approx(BARE.mean_db(300) + 18)
    assert ground.losses("a")["out"] == pytest.approx(BARE.mean_db(150) + 11)


def test_a_walker_goes_round() -> None:
    walk = Walk([(0, 0), (100, 0), (100, 100)], 10, 10.0, begins_s=5)
    assert [walk.at(now_s) for now_s in (0, 15, 20, 25, 35)] == [(0, 0), (0, 0), (50, 0), (100, 0), (100, 0)]
    round_s = 30 + 20 + math.hypot(100, 100) / 10
    for now_s in (7, 18, 36, 50, 62):
        assert walk.at(now_s) == pytest.approx(walk.at(now_s + round_s))


TOWN = Scenario(
    name="two parts",
    story="",
    days=1,
    people=("ana", "ben", "cy", "dee", "eva"),
    radios=(RadioTable(mtu=200, share=1.0, dummies=0),),
    districts=(
        DistrictTable(name="north", at=(0, 0), radius=60, walls_db=15, people=("ana", "ben")),
        DistrictTable(name="south", at=(800, 0), radius=60, walls_db=15, people=("cy", "dee")),
    ),
    walks=(WalkTable(who="eva", stops=("north", "south"), stay_hours=1),),
)


def test_people_are_in_their_districts_and_a_walker_comes_to_his_stops() -> None:
    town = Town(TOWN, 1)
    ground = town.ground(SF9, "shadows")
    for district, names in (("north", ("ana", "ben", "eva")), ("south", ("cy", "dee"))):
        assert {town.district_at(town.spots[name]) for name in names} == {district}
    assert set(ground.losses("eva")) == {"ana", "ben"}
    came = [town.walk("eva", now_s) for now_s in range(0, 3 * HOUR_S, 60)]
    assert [name for name in came if name] == ["south", "north"]
    town.walk("eva", HOUR_S * 3 // 2)
    assert ground.spots["eva"] == town.spots["eva"]
    assert set(ground.losses("eva")) == {"cy", "dee"}
    assert set(ground.losses("ana")) == {"ben"}
    assert Town(TOWN, 1).spots["ana"] == Town(TOWN, 1).spots["ana"] != Town(TOWN, 2).spots["ana"]


@pytest.mark.parametrize(
    "town",
    [
        '[[districts]]\nname = "n"\nat = [0, 0]',  # nobody is in it
        '[[districts]]\nname = "n"\nat = [0, 0]\npeople = ["a"]\n[[districts]]\nname = "n"\nat = [0, 0]',
        '[[districts]]\nname = "n"\nat = [0, 0]\npeople = ["a"]\nradius = 0',
        '[[districts]]\nname = "n"\nat = [0, 0]\n[[walks]]\nwho = "a"\nstops = ["s"]',
        '[[districts]]\nname = "n"\nat = [0, 0]\n[[walks]]\nwho = "a"\nstops = []',
        '[[districts]]\nname = "n"\nat = [0, 0]\n[[walks]]\nwho = "a"\nstops = ["n"]\nwalk_kmh = 0',
        '[[districts]]\nname = "n"\nat = [0, 0]\n[[walks]]\nwho = "a"\nstops = ["n"]\nstay_hours = 0',
    ],
)
def test_a_town_that_cannot_be_is_refused(town: str) -> None:
    with pytest.raises(UserError):
        read_scenario(f'name = "x"\nstory = ""\ndays = 1\npeople = ["a"]\n{town}')


def test_packet_radio_reaches_across_a_town() -> None:
    medium = packet_medium(KissSettings("lab"), 37)
    assert medium.path.mean_db(2_000) < medium.power_dbm - medium.sensitivity_dbm < medium.path.mean_db(20_000)
