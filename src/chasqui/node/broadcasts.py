"""Broadcast links: each has an engine, which lives in memory only. What they bring is judged like any bundle."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.airtime import Air
from chasqui.delivery.engine import Engine, Item
from chasqui.node.effects import Effect, Transmit, Wake
from chasqui.node.inbox import take_bundles
from chasqui.node.link_port import BroadcastId, LinkProfile
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.records import BundleRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import parse_bundle


@dataclass
class _Open:
    """A link that is there. `at_ms` is its clock when it was last looked at."""

    profile: LinkProfile
    engine: Engine
    at_ms: int
    wake_ms: int | None = None


class Broadcasts:
    """All broadcast links that are there."""

    def __init__(self) -> None:
        self._links: dict[BroadcastId, _Open] = {}
        self._now: BroadcastId | None = None  # the link whose clock this step tells
        self._brought: frozenset[BundleId] = frozenset()

    def opened(self, tx: Transaction, link: BroadcastId, profile: LinkProfile, at_ms: int) -> None:
        """A link is there. Raises `ValueError` where it does not say how fast it is."""
        self._links[link] = _Open(profile, Engine(_air(profile), tx.entropy), at_ms)
        self._looked(link, at_ms)

    def closed(self, link: BroadcastId) -> None:
        """A link is gone."""
        self._links.pop(link, None)

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
        take_bundles(tx, live, tuple(bundles))
        self._brought = frozenset(map(bundle_id, bundles))

    def sent(self, link: BroadcastId, airtime_ms: int | None, at_ms: int) -> None:
        """A frame of ours has left."""
        known = self._looked(link, at_ms)
        if known is not None:
            known.engine.sent(airtime_ms, known.at_ms)

    def due(self, link: BroadcastId, at_ms: int) -> None:
        """It is time for something."""
        known = self._looked(link, at_ms)
        if known is not None:
            known.wake_ms = None

    def outcome(self, tx: Transaction) -> list[Effect]:
        """Ends a step: tells the engines what it has brought, and asks the one whose time is known what to do. The
        others are asked when their own clocks are looked at."""
        now, self._now = self._now, None
        brought, self._brought = self._brought, frozenset()
        if not self._links:
            return []
        fresh = [item for bundle in tx.bundles_held if (item := _item(tx, bundle)) is not None]
        effects: list[Effect] = []
        for link, known in self._links.items():
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
        """After a step that failed half way: engines know nothing any more but what they may not forget."""
        self._now, self._brought = None, frozenset()
        for known in self._links.values():
            known.engine = known.engine.anew()

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


def _item(tx: Transaction, bundle: BundleId) -> Item | None:
    data = _fetch(tx, bundle)
    if data is None:
        return None
    try:
        parsed = parse_bundle(data, day_of(tx.now_s))
    except PeerError:  # sealed by ourselves, on a day that this clock no longer believes in
        return None
    return Item(bundle, len(data), parsed.bundle_class, parsed.day)


def _fetch(tx: Transaction, bundle: BundleId) -> bytes | None:
    record = tx.load(Space.BUNDLE, bundle, BundleRecord)
    return None if record is None else record.data
