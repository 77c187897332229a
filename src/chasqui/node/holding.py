"""The set of bundles that this device holds and hands on, its own and strangers'."""

from __future__ import annotations

from collections.abc import Iterator

from chasqui.base.ids import BundleId
from chasqui.base.limits import CARRIED_BYTES_MAX
from chasqui.base.schema import decode_own
from chasqui.node.keys import u16, u64
from chasqui.node.records import BundleRecord, ForeignRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import Bundle
from chasqui.sealed.kinds import BundleClass

_FOREIGN_BYTES = b"foreign bytes"
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
            bundle.mark, bundle.mark_body, bundle.day, len(bundle.data), bundle.bundle_class, tx.now_s
        )
        tx.save(Space.FOREIGN, bundle.id, record)
        if _add_foreign_bytes(tx, len(bundle.data)) > CARRIED_BYTES_MAX:
            _evict(tx)


def adopt(tx: Transaction, bundle: Bundle) -> None:
    """Marks a bundle that was carried for a stranger as one of ours: an epoch recognised it."""
    if tx.get(Space.FOREIGN, bundle.id) is not None:
        tx.erase(Space.FOREIGN, bundle.id)
        _add_foreign_bytes(tx, -len(bundle.data))
        tx.save(Space.BUNDLE, bundle.id, BundleRecord(bundle.data, True, tx.now_s))


def drop(tx: Transaction, bundle: BundleId, expires_s: int) -> None:
    """Forgets a bundle."""
    foreign = tx.load(Space.FOREIGN, bundle, ForeignRecord)
    if foreign is not None:
        tx.erase(Space.FOREIGN, bundle)
        _add_foreign_bytes(tx, -foreign.size)
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


def _foreign_bytes(tx: Transaction) -> int:
    return int.from_bytes(tx.get(Space.META, _FOREIGN_BYTES) or b"", "big")


def _add_foreign_bytes(tx: Transaction, change: int) -> int:
    total = max(_foreign_bytes(tx) + change, 0)
    tx.put(Space.META, _FOREIGN_BYTES, u64(total))
    return total


def _evict(tx: Transaction) -> None:
    """Down to 90 % of the room, so that it is not done for every bundle; expired ones went before."""
    drop_expired(tx)
    total = _foreign_bytes(tx)
    rank = {bundle_class: place for place, bundle_class in enumerate(_EVICTION_ORDER)}
    expiry = {key[8:]: int.from_bytes(key[:8], "big") for key, _ in tx.scan(Space.EXPIRY)}
    for bundle, record in sorted(
        foreign(tx), key=lambda pair: (rank[BundleClass(pair[1].bundle_class)], pair[1].arrived_s, pair[0])
    ):
        if total <= CARRIED_BYTES_MAX * 9 // 10:
            return
        drop(tx, bundle, expiry[bundle])
        total -= record.size
