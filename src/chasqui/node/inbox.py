"""What a bundle does to us: recognised, opened, verified, acted upon, and only then is its key erased."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.days import MisdatedError, day_of
from chasqui.base.errors import PeerError
from chasqui.base.ids import ID_BYTES, EpochId, GroupId
from chasqui.base.limits import COMMITS_DEFERRED_MAX
from chasqui.node.asking import note_cited
from chasqui.node.commits import Deferred, removes_somebody
from chasqui.node.effects import Notice
from chasqui.node.epochs import load_epoch, member_at, note_day
from chasqui.node.groups import load_group, save_group
from chasqui.node.handlers import handle
from chasqui.node.holding import adopt, foreign, hold, is_foreign, is_held
from chasqui.node.keys import u24
from chasqui.node.live_epochs import LiveEpochs
from chasqui.node.records import BundleRecord, EpochRecord, Held, Space
from chasqui.node.seats import leave_room
from chasqui.node.skipped import message_key_of, spend_key
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import Bundle, parse_bundle, unmask, unseal
from chasqui.sealed.object import Origin, SignedObject, read_short


@dataclass(frozen=True)
class Received:
    """What became of a batch of bundles."""

    new: int
    known: int
    refused: int
    misdated: int = 0  # of the refused: their day is out of range, or this device's clock is wrong


def take_bundles(tx: Transaction, live: LiveEpochs, bundles: tuple[bytes, ...]) -> Received:
    """Takes each bundle in, or refuses it by itself: a bad one never harms the others."""
    new = known = refused = misdated = 0
    for data in bundles:
        try:
            if _take(tx, live, data):
                new += 1
            else:
                known += 1
        except MisdatedError:
            misdated += 1
        except PeerError:
            refused += 1
        except Exception:
            # our own mistake: the part that it spoilt is dropped, and no bundle shall cost us all the others
            tx.notify(Notice("trouble"))
            refused += 1
    return Received(new, known, refused + misdated, misdated)


def catch_up(tx: Transaction, live: LiveEpochs) -> None:
    """Follows what this step has opened: bundles that were carried as a stranger's until now are opened, commits
    that waited for an operation are tried again, until nothing more gives way."""
    live.forget(tx.epochs_erased)
    tx.epochs_erased.clear()
    while tx.epochs_opened or tx.retry or tx.retry_refused:
        opened, tx.epochs_opened = tx.epochs_opened, []
        refused, tx.retry_refused = tx.retry_refused, set()
        retry, tx.retry = tx.retry | {group for group, _ in opened}, set()
        for group, epoch in opened:
            record = load_epoch(tx, group, epoch)
            if record is not None:
                live.learn(group, epoch, record)
        if opened or refused:
            for bundle in _newly_recognised(tx, live):
                if _try_open(tx, live, bundle):
                    adopt(tx, bundle)
                    live.unopened.discard(bundle.id)
        for group in sorted(retry):
            for key, _ in list(tx.scan_prefix(Space.HELD, group)):
                held = tx.load(Space.BUNDLE, key[ID_BYTES:], BundleRecord)
                if held is None or not _try_open(tx, live, _held_bundle(held)):
                    tx.erase(Space.HELD, key)
        live.forget(tx.epochs_erased)
        tx.epochs_erased.clear()


def _take(tx: Transaction, live: LiveEpochs, data: bytes) -> bool:
    bundle = parse_bundle(data, day_of(tx.now_s))
    if is_held(tx, bundle.id):
        return False
    if bundle.expires_s <= tx.now_s:
        raise PeerError("The lifetime of the bundle is over.")
    epoch = live.recogniser.find(bundle.mark, bundle.mark_body, bundle.day)
    if epoch is None:
        hold(tx, bundle, own=False)
        return True
    part = tx.part()
    hold(part, bundle, own=True)
    try:
        _open(part, live, epoch, bundle)
    except Exception:
        # carried on as a stranger would: whoever made it must not learn from that who recognised it
        hold(tx, bundle, own=False)
        live.unopened.add(bundle.id)
        raise
    tx.absorb(part)
    catch_up(tx, live)
    return True


def _newly_recognised(tx: Transaction, live: LiveEpochs) -> list[Bundle]:
    """What is held for strangers and belongs to a live epoch: what the epochs recognise with which it was not compared
    yet, and all that was recognised before and refused."""
    live.compare((bundle, record.mark, record.mark_body, record.day) for bundle, record in foreign(tx))
    found = []
    for bundle in sorted(live.unopened):
        held = tx.load(Space.BUNDLE, bundle, BundleRecord)
        if held is None or not is_foreign(tx, bundle):
            live.unopened.discard(bundle)  # it was dropped
        else:
            found.append(_held_bundle(held))
    return found


def _held_bundle(record: BundleRecord) -> Bundle:
    """A bundle as it was judged when it came, whatever the clock says now."""
    return parse_bundle(record.data, day_of(record.arrived_s))


def _try_open(tx: Transaction, live: LiveEpochs, bundle: Bundle) -> bool:
    """Whether it could be opened. What breaks a rule is carried on for others to judge; nothing of ours changed."""
    epoch = live.recogniser.find(bundle.mark, bundle.mark_body, bundle.day)
    if epoch is None:
        return False  # its group was shut meanwhile
    part = tx.part()
    try:
        _open(part, live, epoch, bundle)
    except PeerError:
        return False
    except Exception:
        tx.notify(Notice("trouble", live.group_of(epoch)))
        return False
    tx.absorb(part)
    return True


def _open(tx: Transaction, live: LiveEpochs, epoch: EpochId, bundle: Bundle) -> None:
    """Opens a recognised bundle and does what its object says. Raises `PeerError`; the caller drops the part."""
    group = live.group_of(epoch)
    record = load_epoch(tx, group, epoch)
    if record is None:
        raise PeerError("The epoch of the bundle is gone.")
    leaf, counter = unmask(bundle, live.recogniser.keys(epoch, bundle.day))
    signed = _read(tx, group, epoch, record, bundle, leaf, counter)
    note_day(tx, bundle.day)
    if leaf == record.own_leaf:
        _find_ourselves_older(tx, group)
        return
    try:
        if not _is_here(tx, signed):
            handle(tx, signed, bundle.id)
    except Deferred as deferred:
        # the key stays: the bundle is opened again when what it waits for has come
        _defer(tx, signed, bundle, sealed_off=deferred.sealed_off)
        if note_cited(tx, group, deferred.missing, signed.author):
            tx.retry_refused.add(group)  # what was too much of one member is cited now
        return
    tx.erase(Space.HELD, group + bundle.id)
    if load_epoch(tx, group, epoch) is not None:
        spend_key(tx, epoch, leaf, counter)


def _is_here(tx: Transaction, signed: SignedObject) -> bool:
    """Whether the object was acted upon already: somebody sealed it again, and that came first."""
    return tx.get(Space.STAMP, signed.group + signed.author + u24(signed.seq) + signed.id) is not None


def _find_ourselves_older(tx: Transaction, group: GroupId) -> None:
    """We signed and sealed this and do not know it: this vault was restored from a copy, or cloned. It must not seal
    again with keys that were used."""
    record = load_group(tx, group)
    if not record.stale_s:
        save_group(tx, group, record, stale_s=tx.now_s)
        leave_room(tx)
        tx.notify(Notice("stale", group))


def _defer(tx: Transaction, signed: SignedObject, bundle: Bundle, *, sealed_off: bool) -> None:
    """Keeps a commit for later, a few per member. What it means for us is judged anew each time: our head moves."""
    waiting = dict(tx.scan_prefix(Space.HELD, signed.group))
    key = signed.group + bundle.id
    if key not in waiting and sum(v.startswith(signed.author) for v in waiting.values()) >= COMMITS_DEFERRED_MAX:
        raise PeerError("Too many commits of one member wait.")
    why = Held.SEALED_OFF if sealed_off else Held.REMOVES if removes_somebody(tx, signed) else Held.ELSE
    tx.put(Space.HELD, key, signed.author + why.value)


def _read(
    tx: Transaction, group: GroupId, epoch: EpochId, record: EpochRecord, bundle: Bundle, leaf: int, counter: int
) -> SignedObject:
    author = member_at(record, leaf)
    if author is None:
        raise PeerError("The bundle names a leaf where nobody sits.")
    plaintext = unseal(bundle, message_key_of(tx, epoch, leaf, counter), leaf, counter)
    origin = Origin(epoch, leaf, counter)
    return read_short(plaintext, group=group, author=author, day=bundle.day, origin=origin)
