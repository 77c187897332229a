"""Sessions with neighbours: what they announced, what we asked for. Lives in memory only."""

from __future__ import annotations

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.delivery.exchange import Session, announcements
from chasqui.delivery.frames import (
    BundleFrame,
    IdsFrame,
    RequestFrame,
    read_frame,
    short_id,
    write_frame,
)
from chasqui.node.effects import CloseSession, Effect, Send
from chasqui.node.holding import is_held
from chasqui.node.inbox import take_bundles
from chasqui.node.link_port import SessionId
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.records import BundleRecord, Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction


class Neighbours:
    """All open sessions. Each is frozen: whoever keeps a copy of the whole from before a step can go back to it."""

    def __init__(self, sessions: dict[SessionId, Session] | None = None) -> None:
        self._sessions = sessions or {}

    def __len__(self) -> int:
        return len(self._sessions)

    def copy(self) -> Neighbours:
        """Equal, and apart from this one from now on."""
        return Neighbours(dict(self._sessions))

    def opened(self, tx: Transaction, session: SessionId, link: str = "") -> None:
        """Announces everything that is held."""
        self._sessions[session] = Session(link)
        for frame in announcements(short_id(bundle) for bundle in held_ids(tx)):
            tx.effects.append(Send(session, write_frame(frame)))

    def closed(self, session: SessionId) -> None:
        """What was asked of this neighbour is asked of others."""
        self._sessions.pop(session, None)

    def received(self, tx: Transaction, live: LiveEpochs, session: SessionId, data: bytes) -> None:
        """Acts on a frame. A neighbour that breaks the rules is cut off; bundles that we refuse are no breach,
        since a carrier cannot judge them."""
        known = self._sessions.get(session)
        if known is None:
            return
        try:
            match read_frame(data):
                case BundleFrame(bundle):
                    self._bundle(tx, live, session, bundle)
                case RequestFrame(short_ids):
                    _answer(tx, session, short_ids)
                case IdsFrame(short_ids):
                    self._sessions[session] = known.announced(short for short in short_ids if not _holds(tx, short))
        except PeerError:
            del self._sessions[session]
            tx.effects.append(CloseSession(session))

    def outcome(self, tx: Transaction) -> list[Effect]:
        """Ends a step: tells all neighbours of what it has brought, and asks for what is wanted now."""
        fresh = [short_id(bundle) for bundle in tx.bundles_held]
        told = [write_frame(frame) for frame in announcements(fresh)]
        effects: list[Effect] = []
        for session, known in self._sessions.items():
            for short in fresh:
                known = known.came_elsewhere(short)
            self._sessions[session] = known.at(tx.now_s)
            effects += [Send(session, frame) for frame in told]
        return effects + self._ask(tx)

    @property
    def due_s(self) -> int | None:
        """When somebody has not answered for too long."""
        return min((known.due_s for known in self._sessions.values() if known.due_s is not None), default=None)

    def _bundle(self, tx: Transaction, live: LiveEpochs, session: SessionId, data: bytes) -> None:
        bundle = bundle_id(data)
        known = self._sessions[session]
        if is_held(tx, bundle):
            self._sessions[session] = known.came_elsewhere(short_id(bundle))
            return
        self._sessions[session] = known.answered(short_id(bundle))
        tx.link = known.link
        take_bundles(tx, live, (data,))

    def _ask(self, tx: Transaction) -> list[Effect]:
        taken = set[bytes]().union(*(known.awaited for known in self._sessions.values() if not known.late))
        effects: list[Effect] = []
        for session, known in self._sessions.items():
            self._sessions[session], request = known.ask(tx.now_s, taken, lambda short: _holds(tx, short))
            if request is not None:
                effects.append(Send(session, write_frame(request)))
        return effects


def held_ids(tx: Transaction) -> list[BundleId]:
    """All bundles that are held, the longest-lived and newest first: files come last. Of one day the smaller come
    first, so that a torn transfer brings the operation before the commit that carries it out."""
    held = [(key[:8], size, key[8:]) for key, size in tx.scan(Space.EXPIRY)]
    held.sort(key=lambda one: (-int.from_bytes(one[0], "big"), one[1], one[2]))
    return [BundleId(bundle) for _, _, bundle in held]


def _answer(tx: Transaction, session: SessionId, short_ids: tuple[bytes, ...]) -> None:
    for short in short_ids:
        for key, _ in tx.scan(Space.BUNDLE, short, prefix_end(short), limit=1):
            record = tx.load(Space.BUNDLE, key, BundleRecord)
            if record is not None:
                tx.effects.append(Send(session, write_frame(BundleFrame(record.data))))


def _holds(tx: Transaction, short: bytes) -> bool:
    return tx.count(Space.BUNDLE, short, prefix_end(short)) > 0
