"""Broadcast links: each has an engine, which lives in memory only. What they bring is judged like any bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.schema import decode_own
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Settings
from chasqui.delivery.index import Index, Item
from chasqui.node import inputs
from chasqui.node.effects import Effect, Transmit, Wake
from chasqui.node.inbox import take_bundles
from chasqui.node.keys import u64
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.receipting import round_ms
from chasqui.node.records import BundleRecord, ForeignRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import Bundle, parse_bundle

_AIRTIME: Final = b"airtime "
_MINUTE_MS: Final = 60_000


@dataclass
class _Open:
    """A link that is there. `at_ms` is its clock when it was last looked at."""

    name: str
    bounded: bool
    keyed: bool
    engine: Engine
    frame_ms: int  # airtime of the largest frame
    at_ms: int
    wake_ms: int | None = None
    signers: int = 0  # so many will sign for what came or was said; told to the engine when its clock is looked at


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
        engine = Engine(air, settings, self._index, tx.entropy, event.at_ms)
        engine.ledger.restore(_kept_airtime(tx, event.name), event.at_ms)
        frame_ms = air.airtime_ms(air.mtu_bytes)
        bounded, keyed = air.airtime_share_max < 1, bool(event.key)
        self._links[event.link] = _Open(event.name, bounded, keyed, engine, frame_ms, event.at_ms)
        self._looked(event.link, event.at_ms)

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
        """A frame of ours has left. What a law bounds is kept, so that a restart does not double it."""
        known = self._looked(link, at_ms)
        if known is None:
            return
        known.engine.sent(airtime_ms, known.at_ms)
        if known.bounded:
            _keep_airtime(tx, known.name, known.engine.ledger.entries(known.at_ms))

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
                    effects.append(Transmit(link, turn.frame))
                if turn.wake_ms != known.wake_ms:
                    known.wake_ms = turn.wake_ms
                    effects.append(Wake(link, turn.wake_ms))
            elif fresh:
                known.wake_ms = known.at_ms
                effects.append(Wake(link, known.at_ms))
        return effects

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
    return "" if epoch is None else f"group {live.group_of(epoch).hex()}"


def _fetch(tx: Transaction, bundle: BundleId) -> bytes | None:
    record = tx.load(Space.BUNDLE, bundle, BundleRecord)
    return None if record is None else record.data


def _keep_airtime(tx: Transaction, name: str, entries: list[tuple[int, int]]) -> None:
    """By the minute: end in seconds since 1970, 8 bytes, and milliseconds of airtime, 8 bytes."""
    minutes: dict[int, int] = {}
    for age_ms, spent_ms in entries:
        end_s = tx.now_s - (age_ms // _MINUTE_MS) * (_MINUTE_MS // 1000)
        minutes[end_s] = minutes.get(end_s, 0) + spent_ms
    value = b"".join(u64(end_s) + u64(spent_ms) for end_s, spent_ms in sorted(minutes.items()))
    tx.put(Space.META, _AIRTIME + name.encode(), value)


def _kept_airtime(tx: Transaction, name: str) -> list[tuple[int, int]]:
    """How long ago, and how much. What lies ahead, by a clock that was put back, counts as just now."""
    value = tx.get(Space.META, _AIRTIME + name.encode()) or b""
    pieces = [(value[at : at + 8], value[at + 8 : at + 16]) for at in range(0, len(value), 16)]
    return [
        (max(tx.now_s - int.from_bytes(end, "big"), 0) * 1000, int.from_bytes(spent, "big")) for end, spent in pieces
    ]
