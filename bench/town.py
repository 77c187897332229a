"""Figures of a town: people with LoRa boards in districts that do not hear each other, and a few who walk between them.

The stations run the real broadcast engine on the lab's channel and carry opaque bundles, no node and no cryptography:
two hundred whole nodes would take hours. What is asked of them is held against epidemic routing (Vahdat and Becker,
2000) on the same contacts: there whoever meets copies at once all that the other lacks, each copy sent to one receiver,
summaries and headers free, nothing lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Final

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item
from chasqui.lab.air import Channel
from chasqui.lab.entropy import SeededEntropy
from chasqui.lab.medium import Medium, lora_medium
from chasqui.lab.scenario import DistrictTable, Scenario, WalkTable
from chasqui.lab.town import STEP_S, Town
from chasqui.lab.world import HOUR_S, World
from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeSettings
from tests.delivery.place import TODAY, bundle_of

HOURS: Final = 24
TALK_HOURS: Final = 20  # whatever is said later has too little time to arrive
TEXTS_A_DAY: Final = 2  # of each person
GROUP: Final = 10  # each text is for nine others, anywhere in the town
BUNDLE_BYTES: Final = 160
SIZES: Final = (25, 50, 100, 200)
PEOPLE_IN_DISTRICT: Final = 39
LOSS: Final = 0.05  # on top of what the channel loses: fading
APART_M: Final = 1_100
BOARD: Final = RNodeSettings("lab", Lora(869_525_000, 125_000, 8, 5, 27), 0.1)  # EU band g3: 500 mW, a tenth


def map_of(size: int) -> Scenario:
    """Districts on a grid, a walker for each of them who goes round all."""
    count = max(2, round(size / (PEOPLE_IN_DISTRICT + 1)))
    names = [f"p{number}" for number in range(size - count)]
    districts = tuple(
        DistrictTable(
            name=f"d{number}",
            at=(float(number % 3 * APART_M), float(number // 3 * APART_M)),
            radius=250,
            walls_db=15,
            people=tuple(names[number::count]),
        )
        for number in range(count)
    )
    order = [district.name for district in districts]
    walks = tuple(
        WalkTable(who=f"w{n}", stops=tuple(order[n:] + order[:n]), stay_hours=0.5)
        for n in range(count)
    )
    everybody = (*names, *(walk.who for walk in walks))
    return Scenario(name=f"town-{size}", story="", days=1, people=everybody, districts=districts, walks=walks)


@dataclass(frozen=True)
class Text:
    """Something that is said."""

    at_s: int
    author: str
    readers: frozenset[str]
    bundle: bytes


class Arrivals:
    """Which reader has what, and when it came."""

    def __init__(self, texts: Iterable[Text]) -> None:
        self._waited = {bundle_id(text.bundle): text for text in texts}
        self.wanted = sum(len(text.readers) for text in self._waited.values())
        self.delays_s: list[float] = []

    def came(self, name: str, bundle: BundleId, now_s: float) -> None:
        """Somebody has got a bundle for the first time."""
        text = self._waited[bundle]
        if name in text.readers:
            self.delays_s.append(now_s - text.at_s)

    @property
    def ratio(self) -> float:
        """What has arrived, of all that was to arrive."""
        return len(self.delays_s) / self.wanted

    def delay_s(self, percent: int) -> float:
        """So many of those that arrived came within this time."""
        return quantiles(self.delays_s, n=100)[percent - 1]


class Station:
    """An engine with a radio, and the bundles that it holds."""

    def __init__(self, world: World, channel: Channel, name: str, seed: str, arrivals: Arrivals) -> None:
        self.world, self.channel, self.name, self.arrivals = world, channel, name, arrivals
        self.held: dict[BundleId, bytes] = {}
        self.index = Index(TODAY)
        profile = channel.medium.profile
        air = Air(
            profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, profile.airtime_share_max
        )
        self.engine = Engine(air, Settings(), self.index, SeededEntropy(f"{seed} {name}"), 0)
        self._asked = 0
        self._sends = False
        channel.join(name, self)

    def say(self, text: Text) -> None:
        """The person here says something."""
        self.engine.gained(self._hold([text.bundle]), self.world.now_ms)
        self.turn()

    def heard(self, frame: bytes, strength_db: float) -> None:
        """See `Ear`."""
        try:
            brought = self.engine.heard(frame, strength_db, self.world.now_ms)
        except PeerError:
            return
        self._hold(brought)
        self.turn()

    def sent(self, airtime_ms: int) -> None:
        """See `Ear`."""
        self._sends = False
        self.engine.sent(airtime_ms, self.world.now_ms)
        self.turn()

    def turn(self) -> None:
        """Asks the engine what to do now."""
        if self._sends:
            return
        turn = self.engine.turn(self.world.now_ms, self.held.get)
        self._asked += 1
        if turn.frame is not None:
            self._sends = True
            self.channel.send(self.name, turn.frame)
        elif turn.wake_ms is not None:
            asked = self._asked
            self.world.at_ms(turn.wake_ms, lambda: self.turn() if asked == self._asked else None)

    def _hold(self, bundles: Iterable[bytes]) -> list[Item]:
        items = []
        for bundle in bundles:
            item = Item(bundle_id(bundle), len(bundle), 1, TODAY)
            if item.id not in self.held:
                self.held[item.id] = bundle
                self.index.add(item)
                self.arrivals.came(self.name, item.id, self.world.now_ms / 1000)
                items.append(item)
        return items


@dataclass
class Contacts:
    """Who hears whom, minute by minute: the part that never changes, and the walkers'."""

    still: dict[str, list[str]]
    walkers: list[dict[str, list[str]]]


@dataclass(frozen=True)
class Day:
    """A day in a town, as it was, and as epidemic routing would have had it."""

    channel: Channel
    ours: Arrivals
    epidemic: Arrivals
    epidemic_bytes: int
    seconds: float  # of this machine
    neighbours: float

    @property
    def share(self) -> float:
        """Bytes on air against those of epidemic routing."""
        return self.channel.total.bytes_sent / self.epidemic_bytes


def texts_of(scenario: Scenario, seed: int, hours: float = TALK_HOURS) -> list[Text]:
    """What people say, in its order."""
    dice = random.Random(f"texts {scenario.name} {seed}")
    texts = []
    for number in range(round(len(scenario.people) * TEXTS_A_DAY * hours / 24)):
        author, *readers = dice.sample(scenario.people, GROUP)
        at_s = dice.randrange(round(hours * HOUR_S))
        texts.append(Text(at_s, author, frozenset(readers), bundle_of((scenario.name, seed, number), BUNDLE_BYTES)))
    return sorted(texts, key=lambda text: text.at_s)


def day(size: int, seed: int, medium: Medium | None = None, hours: float = HOURS) -> Day:
    """A day, or the first hours of it, in which people talk but for the last four."""
    began = time.perf_counter()
    scenario = map_of(size)
    texts = texts_of(scenario, seed, hours - (HOURS - TALK_HOURS))
    world, town = World(seed), Town(scenario, seed)
    medium = medium or lora_medium(BOARD)
    ground = town.ground(medium, f"shadows {seed}")
    channel = Channel(world, medium, random.Random(f"air {seed}"), LOSS, ground=ground)
    arrivals = Arrivals(texts)
    stations = {name: Station(world, channel, name, f"{size} {seed}", arrivals) for name in scenario.people}

    def near(name: str) -> list[str]:
        return [other for other in ground.losses(name) if channel.hears(name, other)]

    walkers = [walk.who for walk in scenario.walks]
    contacts = Contacts({name: near(name) for name in scenario.people if name not in walkers}, [])

    def minute() -> None:
        for name in walkers:
            town.walk(name, world.now_s)
        contacts.walkers.append({name: near(name) for name in walkers})

    world.every(STEP_S, minute, first_s=0, until_s=round(hours * HOUR_S))
    for text in texts:
        world.at(text.at_s, lambda text=text: stations[text.author].say(text))  # type: ignore[misc]
    for station in stations.values():
        station.turn()
    world.run_until(round(hours * HOUR_S))
    seconds = time.perf_counter() - began
    neighbours = sum(map(len, contacts.still.values())) / len(contacts.still)
    return Day(channel, arrivals, *epidemic(contacts, texts), seconds, neighbours)


def epidemic(contacts: Contacts, texts: list[Text]) -> tuple[Arrivals, int]:
    """The same day with unlimited bandwidth: who got what when, and the bytes of all copies."""
    arrivals, copies = Arrivals(texts), 0
    holders: list[set[str]] = [set() for _ in texts]
    said = 0
    for minute, walkers in enumerate(contacts.walkers):
        parts = _parts(contacts.still, walkers)
        now_s = minute * STEP_S
        for number in range(said):
            now = holders[number]
            for part in {id(parts[name]): parts[name] for name in now}.values():
                for name in part - now:
                    copies += 1
                    now.add(name)
                    arrivals.came(name, bundle_id(texts[number].bundle), now_s)
        while said < len(texts) and texts[said].at_s < now_s + STEP_S:
            text = texts[said]
            holders[said] = set(parts[text.author])
            copies += len(holders[said]) - 1
            for name in holders[said]:
                arrivals.came(name, bundle_id(text.bundle), text.at_s)
            said += 1
    return arrivals, copies * BUNDLE_BYTES


def _parts(still: dict[str, list[str]], walkers: dict[str, list[str]]) -> dict[str, set[str]]:
    """Everybody's part of the town: whoever is reached through others."""
    found: dict[str, set[str]] = {}
    for start in (*still, *walkers):
        if start in found:
            continue
        part, edge = {start}, [start]
        while edge:
            name = edge.pop()
            beside = walkers[name] if name in walkers else still[name]
            met = [walker for walker, others in walkers.items() if name in others]
            for other in (*beside, *met):
                if other not in part:
                    part.add(other)
                    edge.append(other)
        found.update(dict.fromkeys(part, part))
    return found
