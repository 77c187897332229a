"""Figures of a town: people with LoRa boards in districts that do not hear each other, and a few who walk between them.

In the large towns the stations run the real broadcast engine on the lab's channel and carry opaque bundles, no node and
no cryptography: two hundred whole nodes would take hours. The small one is of whole nodes, with receipts. Both are held
against epidemic routing (Vahdat and Becker, 2000) on the same contacts: there whoever meets copies at once all
that the other lacks, each copy sent to one receiver, summaries and headers free, nothing lost.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from msgspec import structs

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item
from chasqui.lab.air import Channel, Tally
from chasqui.lab.deeds import Deeds
from chasqui.lab.device import Device
from chasqui.lab.entropy import SeededEntropy
from chasqui.lab.medium import Medium, lora_medium
from chasqui.lab.scenario import DistrictTable, RadioTable, Scenario, WalkTable
from chasqui.lab.stage import SET_UP_S, Stage
from chasqui.lab.town import STEP_S, Town
from chasqui.lab.world import HOUR_S, World
from chasqui.links.lora import Lora
from chasqui.links.rnode_link import RNodeSettings
from chasqui.node import inputs
from chasqui.node.records import Space
from chasqui.node.store_port import Write
from tests.delivery.place import TODAY, bundle_of

HOURS: Final = 24
TALK_HOURS: Final = 20  # whatever is said later has too little time to arrive
LATE_HOURS: Final = 4  # after the day: so long what is still on its way is looked after
TEXTS_A_DAY: Final = 2  # of each person
GROUP: Final = 10  # each text is for nine others, anywhere in the town
BUNDLE_BYTES: Final = 160
SIZES: Final = (25, 50, 100, 200)
WHOLE: Final = 24  # whole nodes
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
            walls_db=25,
            people=tuple(names[number::count]),
        )
        for number in range(count)
    )
    order = [district.name for district in districts]
    walks = tuple(
        WalkTable(who=f"w{n}", stops=tuple(order[n:] + order[:n]), stay_hours=0.5, from_hour=0.17 * n)
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
    """Which reader has got what, and how long that took."""

    def __init__(self, texts: Iterable[Text]) -> None:
        self._said = {bundle_id(text.bundle): text for text in texts}
        self.wanted = sum(len(text.readers) for text in self._said.values())
        self.took_s: dict[tuple[str, BundleId], float] = {}

    def came(self, name: str, bundle: BundleId, now_s: float) -> None:
        """Somebody has got a bundle for the first time."""
        text = self._said[bundle]
        if name in text.readers:
            self.took_s[name, bundle] = now_s - text.at_s

    def author(self, bundle: BundleId) -> str:
        """Who said it."""
        return self._said[bundle].author

    @property
    def ratio(self) -> float:
        """What has arrived, of all that was to arrive."""
        return len(self.took_s) / self.wanted

    def delay_s(self, percent: int) -> float:
        """So many of those that arrived came within this time."""
        return percentile(self.took_s.values(), percent)


def percentile(values: Iterable[float], percent: int) -> float:
    """So many percent are not above it."""
    ranked = sorted(values)
    return ranked[min(len(ranked) * percent // 100, len(ranked) - 1)] if ranked else math.inf


class Station:
    """An engine with a radio, and the bundles that it holds."""

    def __init__(self, world: World, channel: Channel, name: str, seed: str, arrivals: Arrivals) -> None:
        self.world, self.channel, self.name, self.arrivals = world, channel, name, arrivals
        self.held: dict[BundleId, bytes] = {}
        self.index = Index(TODAY)
        profile = channel.medium.profile
        air = Air(profile.mtu_bytes, profile.bit_rate_bps or 1, profile.frame_overhead_ms, profile.airtime_share_max)
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

    total: Tally
    collided: float  # share of what was loud enough
    ours: Arrivals
    late: Arrivals  # what came after it
    late_s: float  # how long after it the last one came; inf where not all did
    epidemic: Arrivals
    epidemic_bytes: int
    fewest: int  # frames, if everybody knew who lacks what
    core_s: float  # of this machine
    neighbours: float


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
    began = time.process_time()
    scenario = map_of(size)
    texts = texts_of(scenario, seed, hours - (HOURS - TALK_HOURS))
    world, town, end_s = World(seed), Town(scenario, seed), round(hours * HOUR_S)
    medium = medium or lora_medium(BOARD)
    ground = town.ground(medium, f"shadows {seed}")
    channel = Channel(world, medium, random.Random(f"air {seed}"), LOSS, ground=ground)
    arrivals, late = Arrivals(texts), Arrivals(texts)
    stations = {name: Station(world, channel, name, f"{size} {seed}", arrivals) for name in scenario.people}

    def near(name: str) -> list[str]:
        return [other for other in ground.losses(name) if channel.hears(name, other)]

    walkers = [walk.who for walk in scenario.walks]
    people = [name for name in scenario.people if name not in walkers]
    contacts = Contacts({name: [other for other in near(name) if other not in walkers] for name in people}, [])

    def minute() -> None:
        for name in walkers:
            town.walk(name, world.now_s)
        if world.now_s < end_s:
            contacts.walkers.append({name: near(name) for name in walkers})

    world.every(STEP_S, minute, first_s=0, until_s=end_s + LATE_HOURS * HOUR_S)
    for text in texts:
        world.at(text.at_s, partial(stations[text.author].say, text))
    for station in stations.values():
        station.turn()
    world.run_until(end_s)
    core_s = time.process_time() - began
    neighbours = sum(map(len, contacts.still.values())) / len(contacts.still)
    collided = channel.collided / (channel.heard + channel.deaf + channel.collided + channel.lost)
    total = replace(channel.total)
    for station in stations.values():
        station.arrivals = late
    while len(arrivals.took_s) + len(late.took_s) < arrivals.wanted and world.now_s < end_s + LATE_HOURS * HOUR_S:
        world.run_until(world.now_s + STEP_S)
    all_came = len(arrivals.took_s) + len(late.took_s) == arrivals.wanted
    late_s = world.now_s - end_s if all_came else math.inf
    others = epidemic(contacts, texts)
    return Day(total, collided, arrivals, late, late_s, *others, fewest(contacts, texts), core_s, neighbours)


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


def fewest(contacts: Contacts, texts: list[Text]) -> int:
    """Frames by which all texts would come to everybody as soon as with epidemic routing, if each sender knew who lacks
    what and nothing was lost: in each minute whoever is heard by most who lack it speaks, until nobody does (greedy:
    the fewest are within a logarithm of it)."""
    holders: list[set[str]] = [set() for _ in texts]
    frames = said = 0
    for minute, walkers in enumerate(contacts.walkers):
        parts = _parts(contacts.still, walkers)
        heard = {name: set(others) for name, others in (*contacts.still.items(), *walkers.items())}
        for walker, others in walkers.items():
            for other in others:
                heard[other].add(walker)
        while said < len(texts) and texts[said].at_s < (minute + 1) * STEP_S:
            holders[said].add(texts[said].author)
            said += 1
        for now in holders[:said]:
            lacking = set().union(*{id(parts[name]): parts[name] for name in now}.values()) - now
            while lacking:
                speaks = max(now, key=lambda name: (len(heard[name] & lacking), name))
                now |= heard[speaks] & lacking
                lacking -= now
                frames += 1
    return frames


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


class Watched(Stage):
    """A stage that notes when a text came to whom, and each bundle that there ever was."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        super().__init__(scenario, seed)
        self.came_s: dict[tuple[str, bytes], int] = {}
        self.bundles: dict[bytes, int] = {}  # since the stage was set: their sizes

    def durable(self, device: Device, event: inputs.Input, writes: tuple[Write, ...]) -> None:
        """See `Witness`."""
        super().durable(device, event, writes)
        for space, key, value in writes:
            if space == Space.MESSAGE and value is not None:
                for said in self.ledger.got[device.name]:
                    self.came_s.setdefault((device.name, said), self.world.now_s)
            elif space == Space.BUNDLE and value is not None and self.world.now_s >= SET_UP_S:
                self.bundles[key] = len(value)


def whole_day(seed: int) -> list[dict[str, Any]]:
    """A day of whole nodes."""
    began = time.process_time()
    radio = RadioTable(
        spreading=BOARD.lora.spreading,
        power_dbm=BOARD.lora.power_dbm,
        mtu=BOARD.mtu_bytes,
        share=BOARD.airtime_share_max,
        dummies=0,
        loss=LOSS,
    )
    scenario = structs.replace(map_of(WHOLE), radios=(radio,), texts_per_day=float(TEXTS_A_DAY))
    stage = Watched(scenario, seed)
    stage.set()
    Deeds(stage, scenario).plan()
    stage.world.run_until(SET_UP_S + HOURS * HOUR_S)
    if stage.safety.violations:
        raise RuntimeError(str(stage.safety.violations[0]))
    said = [one for one in stage.ledger.said.values() if one.text and one.at_s < SET_UP_S + TALK_HOURS * HOUR_S]
    wanted = {(name, one.id): one.at_s for one in said for name in stage.devices if name != one.author}
    took_s = [stage.came_s[place] - at_s for place, at_s in wanted.items() if place in stage.came_s]
    sent = stage.channels[0].total.bytes_sent
    epidemic_bytes = (WHOLE - 1) * sum(stage.bundles.values())
    name = f"town of {WHOLE} whole nodes, 24 h"
    core_s = time.process_time() - began
    return [
        _row(f"{name}: delivered", 100 * len(took_s) / len(wanted), "%", note=f"{len(said)} texts, each to all others"),
        _row(f"{name}: median delay", percentile(took_s, 50), "s"),
        _row(f"{name}: 95th percentile of delay", percentile(took_s, 95), "s"),
        _row(
            f"{name}: bytes on air",
            sent,
            "bytes",
            peer=epidemic_bytes,
            note=f"{100 * sent / epidemic_bytes:.1f} %; receipts and keys included; peer: each of {len(stage.bundles)} "
            f"bundles to all others; {core_s:.0f} s of a core",
        ),
    ]


def _row(
    name: str, value: float, unit: str, bound: str | None = None, peer: float | None = None, note: str | None = None
) -> dict[str, Any]:
    return {"name": name, "value": round(value, 2), "unit": unit, "bound": bound, "peer": peer, "note": note}


def _measure(size: int) -> list[dict[str, Any]]:
    if size == WHOLE:
        return whole_day(1)
    found = day(size, 1)
    name = f"town of {size}, 24 h"
    share = 100 * found.total.bytes_sent / found.epidemic_bytes
    others = f"peer: epidemic; engines and channel, opaque bundles; {found.neighbours:.0f} neighbours"
    if found.late.took_s:
        slow_s, slow_peer_s = max(found.late.took_s.values()), max(found.epidemic.took_s.values())
        others += (
            f"; {len(found.late.took_s)} of {found.ours.wanted} came after the day, the last {found.late_s / 60:.0f} "
            f"minutes after it and {slow_s / HOUR_S:.1f} hours after it was said; the peer's slowest took "
            f"{slow_peer_s / HOUR_S:.1f} hours, and who spoke last had {HOURS - TALK_HOURS}"
        )
    return [
        _row(f"{name}: delivered", 100 * found.ours.ratio, "%", None, round(100 * found.epidemic.ratio, 2), others),
        _row(f"{name}: median delay", found.ours.delay_s(50), "s", None, found.epidemic.delay_s(50)),
        _row(f"{name}: 95th percentile of delay", found.ours.delay_s(95), "s", None, found.epidemic.delay_s(95)),
        _row(
            f"{name}: bytes on air",
            found.total.bytes_sent,
            "bytes",
            "<= 10 % of peer" if size == max(SIZES) else None,
            found.epidemic_bytes,
            f"{share:.1f} %; {found.total.frames} frames, {100 * found.collided:.1f} % of receptions collided; "
            f"{100 * found.fewest * BUNDLE_BYTES / found.epidemic_bytes:.1f} % are {found.fewest} frames of texts, if "
            f"everybody knew who lacks what and nothing got lost; {found.core_s:.0f} s of a core",
        ),
    ]


def figures() -> list[dict[str, Any]]:
    """The largest first, for it takes longest; two at a time."""
    sizes = (max(SIZES), WHOLE, *SIZES[:-1])
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(sizes, pool.map(_measure, sizes), strict=True))
    return [row for size in (*SIZES, WHOLE) for row in found[size]]
