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
from chasqui.node.inbox import take_bundles
from chasqui.node.link_port import SessionId
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.records import BundleRecord, Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction


class Neighbours:
    """All open sessions."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def opened(self, tx: Transaction, session: SessionId) -> None:
        """Announces everything that is held."""
        self._sessions[session] = Session()
        for frame in announcements(short_id(bundle) for bundle in held_ids(tx)):
            tx.effects.append(Send(session, write_frame(frame)))

    def closed(self, tx: Transaction, session: SessionId) -> None:
        """What was asked of this neighbour is asked of others."""
        self._sessions.pop(session, None)
        tx.effects += self._ask()

    def received(self, tx: Transaction, live: LiveEpochs, session: SessionId, data: bytes) -> None:
        """Acts on a frame. A neighbour that breaks the rules is cut off; bundles that we refuse are no breach,
        since a carrier cannot judge them."""
        known = self._sessions.get(session)
        if known is None:
            return
        try:
            frame = read_frame(data)
            match frame:
                case BundleFrame(bundle):
                    self._bundle(tx, live, session, bundle)
                case RequestFrame(short_ids):
                    tx.effects += self._answer(tx, session, short_ids)
                case IdsFrame(short_ids):
                    known.announced(short for short in short_ids if not _holds(tx, short))
        except PeerError:
            del self._sessions[session]
            tx.effects.append(CloseSession(session))
        tx.effects += self._ask()

    def announce_new(self, tx: Transaction) -> list[Effect]:
        """Tells all neighbours of what this step has brought."""
        if not tx.bundles_held or not self._sessions:
            return []
        fresh = [short_id(bundle) for bundle in tx.bundles_held]
        tx.bundles_held.clear()
        effects: list[Effect] = []
        for session, known in self._sessions.items():
            for short in fresh:
                known.arrived(short)
            effects += [Send(session, write_frame(frame)) for frame in announcements(fresh)]
        return effects

    def _bundle(self, tx: Transaction, live: LiveEpochs, session: SessionId, bundle: bytes) -> None:


        short = short_id(bundle_id(bundle))
        if short not in self._sessions[session].asked:
            raise PeerError("A neighbour sent what nobody asked for.")
        for known in self._sessions.values():
            known.arrived(short)
        take_bundles(tx, live, (bundle,))

    def _ask(self) -> list[Effect]:
        taken = set().union(*(known.asked for known in self._sessions.values()))
        return [
            Send(session, write_frame(frame))
            for session, known in self._sessions.items()
            for frame in known.requests(taken)
        ]

    def _answer(self, tx: Transaction, session: SessionId, short_ids: tuple[bytes, ...]) -> list[Effect]:
        effects: list[Effect] = []
        for short in short_ids:
            for key, _ in tx.scan(Space.BUNDLE, short, prefix_end(short), limit=1):
                record = tx.load(Space.BUNDLE, key, BundleRecord)
                if record is not None:
                    effects.append(Send(session, write_frame(BundleFrame(record.data))))
        return effects


def held_ids(tx: Transaction) -> list[BundleId]:
    """All bundles that are held, the longest-lived and newest first: files come last."""
    return [BundleId(key[8:]) for key, _ in tx.scan(Space.EXPIRY, reverse=True)]


def _holds(tx: Transaction, short: bytes) -> bool:
    return any(True for _ in tx.scan(Space.BUNDLE, short, prefix_end(short), limit=1))
