"""What a scenario file says: people, links, cuts, couriers, what happens when, and faults. Format: `docs/lab.md`."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from chasqui.base.errors import UserError
from chasqui.lab.medium import Medium, lora_medium, packet_medium
from chasqui.links.kiss_link import KissSettings
from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeSettings
from chasqui.node.broadcast_end import DUMMY_SHARE

PEOPLE_MAX: Final = 128
DAYS_MAX: Final = 3_660
FREQUENCY_HZ: Final = 868_100_000


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Link(Part, frozen=True):
    """Devices that reach each other over a LAN, from one day to another."""

    between: tuple[str, ...]
    from_day: float = 0.0
    to_day: float = 1e9
    delay_s: tuple[int, int] = (0, 1)
    breaks_per_day: float = 0.0


class CutTable(Part, frozen=True):
    """Nothing passes between the sides."""

    sides: tuple[tuple[str, ...], ...]
    from_day: float
    to_day: float
    one_way: bool = False


class CourierTable(Part, frozen=True):
    """Somebody who goes round with a stick."""

    route: tuple[str, ...]
    name: str = "the courier"
    every_hours: float = 24.0  # from one device to the next
    from_day: float = 0.0
    to_day: float = 1e9
    lost: float = 0.0
    cut_short: float = 0.0
    twice: float = 0.0
    shuffled: bool = False


class RadioTable(Part, frozen=True):
    """A radio channel, and who has a radio for it; nobody named: all."""

    between: tuple[str, ...] = ()
    kind: Literal["lora", "packet"] = "lora"
    spreading: int = 9
    bandwidth_khz: float = 125.0
    coding: int = 5
    power_dbm: int = 14
    mtu: int = 200
    share: float = 0.01  # of the airtime of any hour
    dummies: float = DUMMY_SHARE  # of that share
    key: bool = False  # whether they have a neighbourhood key
    loss: float = 0.0  # of frames, at each receiver by itself, beside what the channel loses
    from_day: float = 0.0
    to_day: float = 1e9


class DistrictTable(Part, frozen=True):
    """A part of the town, round; its people are anywhere in it."""

    name: str
    at: tuple[float, float]  # metres east and north
    radius: float = 150.0
    walls_db: float = 0.0
    people: tuple[str, ...] = ()


class WalkTable(Part, frozen=True):
    """Somebody goes from district to district with a radio, again and again."""

    who: str
    stops: tuple[str, ...]
    stay_hours: float = 2.0
    walk_kmh: float = 4.0
    from_hour: float = 0.0


Deed = Literal[
    "say", "add", "remove", "leave", "renew", "backup", "restore", "crash", "clock", "lose",
    "accuse", "lift", "rejoin", "pair", "flood", "fork", "grind", "withhold", "replay",
]  # fmt: skip


class Event(Part, frozen=True):
    """Somebody does something; `times` times, `every_hours` apart."""

    day: float
    who: str
    do: Deed
    hour: float = 0.0
    whom: str = ""
    text: str = ""
    admin: bool = False
    hours: float = 0.0  # of a clock: how far ahead
    how: Literal["before", "torn", "after"] = "after"  # of a crash
    times: int = 1
    every_hours: float = 24.0


class Faults(Part, frozen=True):
    """What goes wrong by itself."""

    crash_rate: float = 0.0  # share of persisted steps
    skew_hours: float = 0.0  # clocks are wrong by up to so much
    clock_jumps_per_day: float = 0.0  # for each device


class Chances(Part, frozen=True):
    """A world that is thrown with dice: how much of what, on all devices together."""

    couriers: int = 0
    courier_hours: tuple[float, float] = (2.0, 12.0)
    links: int = 0
    cuts: int = 0
    cut_days: tuple[float, float] = (1.0, 8.0)
    adds: int = 0
    removes: int = 0
    leaves: int = 0
    renews: int = 0
    restores: int = 0
    wear: float = 0.0  # the most of each fault of a stick
    changers: int = 0  # how many of the people add and remove; 0: all admins


class Scenario(Part, frozen=True):
    """The whole file. `people` are members from the first day, the first of them founds the group; `outsiders` know
    the founder and every admin. So many as `taken` says quarantine a member, and in the end those are `quarantined` and
    nobody else. `expects` names what the node is known not to do
    yet (`liveness.KNOWN`)."""

    name: str
    story: str
    days: float
    people: tuple[str, ...]
    admins: tuple[str, ...] = ()
    outsiders: tuple[str, ...] = ()
    hostile: tuple[str, ...] = ()
    taken: int = 2
    quarantined: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    texts_per_day: float = 0.0  # of each person
    settle_days: float = 6.0
    expects: tuple[Literal["old-copy", "frozen", "lifted"], ...] = ()
    links: tuple[Link, ...] = ()
    cuts: tuple[CutTable, ...] = ()
    couriers: tuple[CourierTable, ...] = ()
    radios: tuple[RadioTable, ...] = ()
    districts: tuple[DistrictTable, ...] = ()
    walks: tuple[WalkTable, ...] = ()
    events: tuple[Event, ...] = ()
    faults: Faults = Faults()
    chances: Chances | None = None

    @property
    def everybody(self) -> tuple[str, ...]:
        """All who have a device."""
        return (*self.people, *self.outsiders)


def read_scenario(text: str) -> Scenario:
    """The scenario in a file. Raises `UserError` where it breaks the format."""
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(f"This is no scenario: {error}.", todo="The format is in `docs/lab.md`.") from error
    _check(scenario)
    return scenario


def medium_of(radio: RadioTable) -> Medium:
    """The channel of a radio. Raises `ValueError` for what no radio can be set to."""
    if radio.kind == "packet":
        settings = KissSettings("lab", mtu_bytes=radio.mtu, airtime_share_max=radio.share)
        return packet_medium(settings, radio.power_dbm)
    lora = Lora(FREQUENCY_HZ, round(radio.bandwidth_khz * 1000), radio.spreading, radio.coding, radio.power_dbm)
    return lora_medium(RNodeSettings("lab", lora, radio.share, radio.mtu))


def packaged() -> dict[str, Scenario]:
    """The scenarios that come with chasqui, by name."""
    folder = resources.files("chasqui.lab").joinpath("scenarios")
    found = [read_scenario(file.read_text(encoding="utf-8")) for file in folder.iterdir() if _is_scenario(file)]
    return {scenario.name: scenario for scenario in sorted(found, key=lambda scenario: scenario.name)}


def find_scenario(name: str) -> Scenario:
    """A packaged scenario, or one in a file. Raises `UserError`."""
    known = packaged()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise UserError(f"There is no scenario '{name}'.", todo="`chasqui lab list` shows them; or name a .toml file.")
    try:
        return read_scenario(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name} cannot be read.") from error


def _is_scenario(file: Any) -> bool:
    return str(file.name).endswith(".toml")


def _check(scenario: Scenario) -> None:
    names = scenario.everybody
    _require(0 < len(names) <= PEOPLE_MAX, f"between 1 and {PEOPLE_MAX} people")
    _require(len(set(names)) == len(names), "each name once")
    _require(0 < scenario.days <= DAYS_MAX, f"between 0 and {DAYS_MAX} days")
    used = [*scenario.admins, *scenario.hostile, *scenario.quarantined]
    used += [name for link in scenario.links for name in link.between]
    used += [name for cut in scenario.cuts for side in cut.sides for name in side]
    used += [name for courier in scenario.couriers for name in courier.route]
    used += [name for radio in scenario.radios for name in radio.between]
    used += [name for district in scenario.districts for name in district.people]
    used += [walk.who for walk in scenario.walks]
    used += [name for event in scenario.events for name in (event.who, event.whom) if name]
    for name in used:
        _require(name in names, f"only people of it ('{name}' is nobody)")
    for event in scenario.events:
        names_somebody = event.do in ("add", "remove", "accuse", "lift", "pair")
        _require(not names_somebody or bool(event.whom), f"'{event.do}' with `whom`")
        _require(event.times >= 1 and event.every_hours > 0, "`times` from 1")
    for radio in scenario.radios:
        _require(0 <= radio.loss < 1 and 0 <= radio.dummies <= 1, "shares from 0 to 1")
        try:
            medium_of(radio)
        except ValueError as error:
            raise UserError(f"There is no such radio: {error}.", todo="The format is in `docs/lab.md`.") from error
    if scenario.districts or scenario.walks:
        _check_town(scenario)


def _check_town(scenario: Scenario) -> None:
    names = {district.name for district in scenario.districts}
    _require(len(names) == len(scenario.districts), "each district once")
    _require(all(district.radius > 0 and district.walls_db >= 0 for district in scenario.districts), "real districts")
    for walk in scenario.walks:
        _require(bool(walk.stops) and names.issuperset(walk.stops), "walks from district to district")
        _require(walk.stay_hours >= 0 and walk.walk_kmh > 0 and walk.from_hour >= 0, "walks that can be walked")
        _require(len(walk.stops) > 1 or walk.stay_hours > 0, "walks that lead somewhere")
    placed = [name for district in scenario.districts for name in district.people]
    placed += [walk.who for walk in scenario.walks]
    _require(sorted(placed) == sorted(scenario.everybody), "one place for everybody: a district, or a walk")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise UserError(f"A scenario has {what}.", todo="The format is in `docs/lab.md`.")
