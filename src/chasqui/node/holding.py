"""The set of bundles that this device holds and hands on, its own and strangers'."""

from __future__ import annotations

from collections.abc import Iterator

from chasqui.base.ids import BundleId
from chasqui.base.limits import CARRIED_LINK_SHARE, CARRIED_OF_KNOWN_BYTES_MAX, CARRIED_OF_STRANGERS_BYTES_MAX
from chasqui.base.schema import decode_own
from chasqui.node.keys import u16, u64
from chasqui.node.records import BundleRecord, ForeignRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import Bundle
from chasqui.sealed.kinds import BundleClass

_FOREIGN_BYTES = b"foreign bytes"  # of all links; with the name of a link behind it, of that one
_KNOWN_BYTES = b"known bytes"
_EVICTION_ORDER = (BundleClass.FILE, BundleClass.BULK, BundleClass.TEXT, BundleClass.URGENT)


def is_held(tx: Transaction, bundle: BundleId) -> bool:
    """Whether the bundle is here already."""
    return tx.get(Space.BUNDLE, bundle) is not None


def is_foreign(tx: Transaction, bundle: BundleId) -> bool:
    """Whether it is held as a stranger's."""
    return tx.get(Space.FOREIGN, bundle) is not None


def hold(tx: Transaction, bundle: Bundle, *, own: bool) -> None:
    """Keeps a bundle until it expires; a stranger's one only as long as there is room."""
    tx.save(Space.BUNDLE, bundle.id, BundleRecord(bundle.data, own, tx.now_s))
    tx.put(Space.EXPIRY, u64(bundle.expires_s) + bundle.id, u16(len(bundle.data)))
    tx.bundles_held.append(bundle.id)
    if not own:
        record = ForeignRecord(
            bundle.mark,
            bundle.mark_body,
            bundle.day,
            len(bundle.data),
            bundle.bundle_class,
            tx.now_s,
            tx.link,
            tx.link_known,
        )
        tx.save(Space.FOREIGN, bundle.id, record)
        _count(tx, record, record.size)
        most = CARRIED_OF_KNOWN_BYTES_MAX if tx.link_known else CARRIED_OF_STRANGERS_BYTES_MAX
        if tx.link and _bytes(tx, _of_link(tx.link)) > most // CARRIED_LINK_SHARE:
            _evict(tx, most // CARRIED_LINK_SHARE, known=tx.link_known, link=tx.link)
        elif _carried(tx, known=tx.link_known) > most:
            _evict(tx, most, known=tx.link_known)


def adopt(tx: Transaction, bundle: Bundle) -> None:
    """Marks a bundle that was carried for a stranger as one of ours: an epoch recognised it."""
    if _drop_foreign(tx, bundle.id):
        tx.save(Space.BUNDLE, bundle.id, BundleRecord(bundle.data, True, tx.now_s))


def drop(tx: Transaction, bundle: BundleId, expires_s: int) -> None:
    """Forgets a bundle."""
    _drop_foreign(tx, bundle)
    tx.erase(Space.BUNDLE, bundle)
    tx.erase(Space.EXPIRY, u64(expires_s) + bundle)
    tx.bundles_dropped.append(bundle)


def drop_expired(tx: Transaction) -> int:
    """Forgets every bundle whose lifetime is over; how many."""
    expired = [key for key, _ in tx.scan(Space.EXPIRY, b"", u64(tx.now_s))]
    for key in expired:
        drop(tx, BundleId(key[8:]), int.from_bytes(key[:8], "big"))
    return len(expired)


def foreign(tx: Transaction) -> Iterator[tuple[BundleId, ForeignRecord]]:
    """What nobody here has recognised."""
    for key, data in tx.scan(Space.FOREIGN):
        yield BundleId(key), decode_own(data, ForeignRecord)


def _drop_foreign(tx: Transaction, bundle: BundleId) -> bool:
    """It is carried for strangers no more; whether it was."""
    record = tx.load(Space.FOREIGN, bundle, ForeignRecord)
    if record is None:
        return False
    tx.erase(Space.FOREIGN, bundle)
    _count(tx, record, -record.size)
    return True


def _count(tx: Transaction, record: ForeignRecord, change: int) -> None:
    keys = [
        _FOREIGN_BYTES,
        *([_KNOWN_BYTES] if record.known else []),
        *([_of_link(record.link)] if record.link else []),
    ]
    for key in keys:
        tx.put(Space.META, key, u64(max(_bytes(tx, key) + change, 0)))


def _bytes(tx: Transaction, key: bytes) -> int:
    return int.from_bytes(tx.get(Space.META, key) or b"", "big")


def _carried(tx: Transaction, *, known: bool) -> int:
    """Of others' groups, what came by links of one sort."""
    ours = _bytes(tx, _KNOWN_BYTES)
    return ours if known else _bytes(tx, _FOREIGN_BYTES) - ours


def _of_link(link: str) -> bytes:
    return b" ".join((_FOREIGN_BYTES, link.encode()))


def _evict(tx: Transaction, most: int, *, known: bool, link: str = "") -> None:
    """Down to 90 % of the room, so that it is not done for every bundle; expired ones go first. Where one link
    brought too much, it is its own that goes; else that of links of its sort."""
    drop_expired(tx)
    total = _bytes(tx, _of_link(link)) if link else _carried(tx, known=known)
    rank = {bundle_class: place for place, bundle_class in enumerate(_EVICTION_ORDER)}
    expiry = {key[8:]: int.from_bytes(key[:8], "big") for key, _ in tx.scan(Space.EXPIRY)}
    for bundle, record in sorted(
        foreign(tx), key=lambda pair: (rank[BundleClass(pair[1].bundle_class)], pair[1].arrived_s, pair[0])
    ):
        if total <= most * 9 // 10:
            return
        if record.known != known or (link and record.link != link):
            continue
        drop(tx, bundle, expiry[bundle])
        total -= record.size
