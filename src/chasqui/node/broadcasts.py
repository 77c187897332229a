"""Broadcast links: each has an engine, which lives in memory only. What they bring is judged like any bundle."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, GroupId, bundle_id
from chasqui.base.ports import Uptime
from chasqui.base.schema import decode_own
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item
from chasqui.delivery.passage import Passage
from chasqui.node import inputs
from chasqui.node.effects import Effect, Transmit, Wake
from chasqui.node.inbox import take_bundles
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.receipting import round_ms
from chasqui.node.records import BundleRecord, ForeignRecord, Space
from chasqui.node.spent import AHEAD_MS, Book, Booked, keep_by, settle, spend, spent
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import Bundle, parse_bundle


@dataclass
class _Open:
    """A link that is there. `at_ms` is its clock when it was last looked at, `boot` says whose clock that is."""

    name: str
    books: tuple[str | None, ...]  # under which names its airtime stands in the books
    air: Air
    keyed: bool
    engine: Engine
    boot: bytes
    at_ms: int
    wake_ms: int | None = None
    signers: int = 0  # so many will sign for what came or was said; told to the engine when its clock is looked at
    booked: Booked | None = None  # the frame under way

    @property
    def now(self) -> Uptime:
        """Its clock when it was last looked at."""
        return Uptime(self.boot, self.at_ms)

    @property
    def frame_ms(self) -> int:
        """Airtime of the largest frame."""
        return self.air.airtime_ms(self.air.mtu_bytes)


@dataclass(frozen=True)
class OnAir:
    """How a broadcast link fares: in how long the hour's airtime lets out what is not urgent, what is on its way in
    parts, and whose bundles go out unasked."""

    name: str
    silent_ms: int
    passages: tuple[Passage, ...]
    flows_of_news: frozenset[str]


class Broadcasts:
    """All broadcast links that are there."""

    def __init__(self) -> None:
        self._links: dict[BroadcastId, _Open] = {}
        self._index = Index(0)
        self._stale = False
        self._now: BroadcastId | None = None  # the link whose clock this step tells
        self._brought: frozenset[BundleId] = frozenset()

    def opened(self, tx: Transaction, live: LiveEpochs, event: inputs.BroadcastOpened) -> None:
        """A link is there. Raises `ValueError` where it does not say how fast it is."""
        air = _air(event.profile)
        if not self._links:
            self._index = _index(tx, live)
        settings = Settings(event.key, event.dummy_share)
        now = event.now
        engine = Engine(air, settings, self._index, tx.entropy, now.ms)
        keep_by(tx, now)
        engine.ledger.restore(spent(tx, Book.FRAMES, event.name, now))
        self._links[event.link] = _Open(event.name, (event.name,), air, bool(event.key), engine, now.boot, now.ms)
        self._looked(event.link, now.ms)

    def closed(self, link: BroadcastId) -> None:
        """A link is gone."""
        self._links.pop(link, None)
        if not self._links:
            self._index = Index(0)

    def heard(
        self, tx: Transaction, live: LiveEpochs, link: BroadcastId, frame: bytes, strength_db: float | None, at_ms: int
    ) -> None:
        """Acts on a frame. Nobody knows who sent it, so one that breaks the rules is passed over."""
        known = self._looked(link, at_ms)
        if known is None:
            return
        try:
            bundles = known.engine.heard(frame, strength_db, known.at_ms)
        except PeerError:
            return
        tx.link, tx.link_known = known.name, known.keyed
        tx.frame_ms = known.frame_ms  # the whole step is about what this link brought
        take_bundles(tx, live, tuple(bundles))
        tx.link, tx.link_known = "", False
        self._brought = frozenset(map(bundle_id, bundles))

    def sent(self, tx: Transaction, link: BroadcastId, airtime_ms: int | None, at_ms: int) -> None:
        """A frame of ours has left."""
        known = self._looked(link, at_ms)
        if known is None:
            return
        known.engine.sent(airtime_ms, known.at_ms)
        if known.booked is not None:
            for book in known.books:
                settle(tx, Book.FRAMES, book, known.booked, airtime_ms or known.booked.airtime_ms, known.now)
            known.booked = None

    def spent(self, tx: Transaction, link: BroadcastId, book: Book, airtime_ms: int, at_ms: int) -> None:
        """So much airtime was taken, or is about to be, by what the node does not know of."""
        known = self._looked(link, at_ms)
        if known is None:
            return
        if book is Book.FRAMES:
            known.engine.ledger.add(known.at_ms, airtime_ms)
        for name in known.books:
            spend(tx, book, name, airtime_ms, known.now)

    def removed(self, name: str) -> None:
        """A link is no more, though its device may be there for a moment yet."""
        for known in self._links.values():
            if name in known.books:
                known.books = (*(book for book in known.books if book != name), None)

    def added(self, name: str) -> None:
        """A link was added, perhaps the same radio as one of those that are no more and still there."""
        for known in self._links.values():
            if None in known.books:
                known.books = (*known.books, name)

    def due(self, link: BroadcastId, at_ms: int) -> None:
        """It is time for something."""
        known = self._looked(link, at_ms)
        if known is not None:
            known.wake_ms = None

    def outcome(self, tx: Transaction, live: LiveEpochs) -> list[Effect]:
        """Ends a step: tells the engines what it has brought, and asks the one whose time is known what to do. The
        others are asked when their own clocks are looked at."""
        now, self._now = self._now, None
        brought, self._brought = self._brought, frozenset()
        if not self._links:
            return []
        fresh = self._follow(tx, live)
        effects: list[Effect] = []
        for link, known in self._links.items():
            known.signers = max(known.signers, tx.signers)
            if link == now and known.signers:
                begins_ms, place_ms = round_ms(known.frame_ms)
                begins_ms += known.at_ms
                known.engine.expect_round(begins_ms, begins_ms + known.signers * place_ms, place_ms)
                known.signers = 0
            known.engine.gained((i for i in fresh if link != now or i.id not in brought), known.at_ms)
            if link == now:
                turn = known.engine.turn(known.at_ms, lambda bundle: _fetch(tx, bundle))
                if turn.frame is not None:
                    airtime_ms = known.air.airtime_ms(len(turn.frame))
                    for book in known.books:
                        known.booked = spend(tx, Book.FRAMES, book, airtime_ms, known.now)
                    effects.append(Transmit(link, turn.frame, known.at_ms + AHEAD_MS))
                if turn.wake_ms != known.wake_ms:
                    known.wake_ms = turn.wake_ms
                    effects.append(Wake(link, turn.wake_ms))
            elif fresh:
                known.wake_ms = known.at_ms
                effects.append(Wake(link, known.at_ms))
        return effects

    def on_air(self, uptime_ms: int) -> list[OnAir]:
        """How each link fares."""
        found = []
        for known in self._links.values():
            now_ms = max(known.at_ms, uptime_ms)
            silent_ms = max(known.engine.plain_ms(known.at_ms) - now_ms, 0)
            passages, flows = known.engine.passages(now_ms), known.engine.flows_of_news()
            found.append(OnAir(known.name, silent_ms, tuple(passages), frozenset(flows)))
        return found

    def begin_again(self) -> None:
        """After a step that failed half way: what engines and index know may be wrong."""
        self._now, self._brought, self._stale = None, frozenset(), True

    def _follow(self, tx: Transaction, live: LiveEpochs) -> list[Item]:
        """Brings the index up to date; gives what is new in it."""
        if self._stale:
            self._stale = False
            self._index = _index(tx, live)
            for known in self._links.values():
                known.engine.begin_again(self._index, known.at_ms)
            return [item for bundle in tx.bundles_held if (item := self._index.item(bundle)) is not None]
        self._index.today = day_of(tx.now_s)
        fresh = [item for bundle in tx.bundles_held if (item := _item(tx, live, bundle)) is not None]
        for item in fresh:
            self._index.add(item)
        for bundle in tx.bundles_dropped:
            if tx.get(Space.BUNDLE, bundle) is None:
                self._index.remove(bundle)
        return fresh

    def _looked(self, link: BroadcastId, at_ms: int) -> _Open | None:
        known = self._links.get(link)
        if known is not None:
            known.at_ms = max(known.at_ms, at_ms)
            self._now = link
        return known


def _air(profile: LinkProfile) -> Air:
    if profile.bit_rate_bps is None:
        raise ValueError("a broadcast link says how fast it is")
    return Air(profile.mtu_bytes, profile.bit_rate_bps, profile.frame_overhead_ms, profile.airtime_share_max)


def _index(tx: Transaction, live: LiveEpochs) -> Index:
    index = Index(day_of(tx.now_s))
    for key, data in tx.scan(Space.BUNDLE):
        item = _item_of(tx, live, BundleId(key), decode_own(data, BundleRecord).data)
        if item is not None:
            index.add(item)
    return index


def _item(tx: Transaction, live: LiveEpochs, bundle: BundleId) -> Item | None:
    data = _fetch(tx, bundle)
    return None if data is None else _item_of(tx, live, bundle, data)


def _item_of(tx: Transaction, live: LiveEpochs, bundle: BundleId, data: bytes) -> Item | None:
    try:
        parsed = parse_bundle(data, day_of(tx.now_s))
    except PeerError:  # of a day that this clock does not believe in
        return None
    return Item(bundle, len(data), parsed.bundle_class, parsed.day, _flow(tx, live, parsed))


def _flow(tx: Transaction, live: LiveEpochs, bundle: Bundle) -> str:
    """Who shares airtime with whom: each of our groups is one; of others' groups we cannot tell one from another, so
    what one link brought is one. Never written down: a bundle that is on the disk does not tell whose it is."""
    carried = tx.load(Space.FOREIGN, bundle.id, ForeignRecord)
    if carried is not None:
        return f"link {carried.link}"
    epoch = live.recogniser.find(bundle.mark, bundle.mark_body, bundle.day)
    return "" if epoch is None else flow_of_group(live.group_of(epoch))


def flow_of_group(group: GroupId) -> str:
    """How the engine names one of our groups."""
    return f"group {group.hex()}"


def _fetch(tx: Transaction, bundle: BundleId) -> bytes | None:
    record = tx.load(Space.BUNDLE, bundle, BundleRecord)
    return None if record is None else record.data
