"""Keys of messages: found, spent, and those that were passed over and may still come, bounded per sender, and erased
when it is too late."""

from __future__ import annotations

from chasqui.base.days import day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId
from chasqui.base.limits import BUNDLE_AGE_DAYS_MAX, BUNDLE_FUTURE_DAYS_MAX, SKIPPED_KEYS_MAX
from chasqui.base.secret import Secret
from chasqui.node.epochs import load_chain, save_chain
from chasqui.node.keys import u16, u24
from chasqui.node.records import Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.sealed.chain import MESSAGE_KEY_BYTES, advance


def message_key_of(tx: Transaction, epoch: EpochId, leaf: int, counter: int) -> Secret:
    """The key of a message that has not been dealt with. Raises `PeerError` where it is gone."""
    skipped = skipped_key(tx, epoch, leaf, counter)
    if skipped is not None:
        return skipped
    chain = load_chain(tx, epoch, leaf)
    if chain is None:
        raise PeerError("The keys of the sender are gone.")
    return advance(chain, counter).message_key


def spend_key(tx: Transaction, epoch: EpochId, leaf: int, counter: int) -> None:
    """Erases the key of a message that has been dealt with."""
    key = epoch + u16(leaf) + u16(counter)
    chain = load_chain(tx, epoch, leaf)
    if chain is None:
        return
    if counter < chain.counter:
        tx.erase(Space.SKIPPED, key)
        return
    step = advance(chain, counter)
    keep_skipped(tx, epoch, leaf, step.skipped)
    save_chain(tx, epoch, leaf, step.chain)


def skipped_key(tx: Transaction, epoch: EpochId, leaf: int, counter: int) -> Secret | None:
    """The key of a message that was passed over."""
    value = tx.get(Space.SKIPPED, epoch + u16(leaf) + u16(counter))
    return None if value is None else Secret(value[:MESSAGE_KEY_BYTES])


def keep_skipped(tx: Transaction, epoch: EpochId, leaf: int, skipped: tuple[tuple[int, Secret], ...]) -> None:
    """Keeps the newest keys of a sender; the oldest give way."""
    sender = epoch + u16(leaf)
    fresh = skipped[-SKIPPED_KEYS_MAX:]
    if not fresh:
        return
    surplus = tx.count(Space.SKIPPED, sender, prefix_end(sender)) + len(fresh) - SKIPPED_KEYS_MAX
    if surplus > 0:
        for key, _ in list(tx.scan(Space.SKIPPED, sender, prefix_end(sender), limit=surplus)):
            tx.erase(Space.SKIPPED, key)
    today = u24(day_of(tx.now_s))
    for counter, key in fresh:
        tx.put(Space.SKIPPED, sender + u16(counter), key + today)


def erase_outdated(tx: Transaction, today: int) -> None:
    """Erases the keys of messages whose bundles nobody accepts any more."""
    for key, value in list(tx.scan(Space.SKIPPED)):
        day = int.from_bytes(value[MESSAGE_KEY_BYTES:], "big")
        if day + BUNDLE_FUTURE_DAYS_MAX + BUNDLE_AGE_DAYS_MAX < today:
            tx.erase(Space.SKIPPED, key)
        elif day > today + BUNDLE_FUTURE_DAYS_MAX:
            tx.put(Space.SKIPPED, key, value[:MESSAGE_KEY_BYTES] + u24(today))  # our clock was ahead
