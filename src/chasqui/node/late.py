"""Commits of ours in a contact that the other may not have: said again before their bundles end, however long he is
silent. Only the sealed bundle is kept, whose key is spent here: whoever takes this device opens nothing with it.
Spec: `docs/spec/forks.md`, "Silence in a contact"."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from chasqui.base.errors import PeerError
from chasqui.base.ids import CommitId, EpochId, GroupId, MemberKey
from chasqui.base.limits import MINUTES_PER_DAY, SECONDS_PER_DAY
from chasqui.base.schema import encode
from chasqui.groups.bodies import LateBody, read_late
from chasqui.groups.operation import GroupKind
from chasqui.node.branches import branches_of
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import load_group
from chasqui.node.outbox import say
from chasqui.node.records import BundleRecord, LateRecord, Space
from chasqui.node.skipped import message_key_of, spend_key
from chasqui.node.transaction import Transaction
from chasqui.sealed.bundle import parse_bundle, unseal
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, SignedObject, read_short

LATE_AFTER_S: Final = 120 * SECONDS_PER_DAY  # whoever comes back finds one that lives for 50 days more


def keep_late(tx: Transaction, signed: SignedObject, commit: CommitId) -> None:
    """Keeps the bundle of a commit that we have just made, where it is one in a contact of two."""
    parent = load_epoch(tx, signed.group, signed.origin.epoch)
    if parent is None or len(parent.roster) < 2 or load_group(tx, signed.group).kind != GroupKind.CONTACT:
        return
    held = tx.load(Space.BUNDLE, tx.bundles_held[-1], BundleRecord)
    if held is not None:
        day = signed.minute // MINUTES_PER_DAY
        late = LateRecord(held.data, day, signed.origin.counter, signed.origin.epoch, tx.now_s)
        tx.save(Space.LATE, signed.group + commit, late)


def say_late(tx: Transaction, group: GroupId) -> None:
    """Says again, each in its own parent, the commits of ours on the way to our head of which it is not known that the
    other has them; forgets those that have lost. The caller knows that the head is clean."""
    branches, record = branches_of(tx, group), load_group(tx, group)
    path = {branches.made_by[e][0] for e in branches.path(EpochId(record.head)) if e in branches.made_by}
    for key, late in sorted(tx.load_prefix(Space.LATE, group, LateRecord), key=lambda pair: pair[1].day):
        parent = load_epoch(tx, group, EpochId(late.parent))
        if parent is None or (parent.settled_s and CommitId(key) not in path):
            tx.erase(Space.LATE, group + key)
        elif CommitId(key) in path and not late.said_s <= tx.now_s < late.said_s + LATE_AFTER_S:
            body = encode(LateBody(late.bundle, late.day, late.counter))
            say(tx, group, load_group(tx, group), Kind.LATE, body, within=EpochId(late.parent))
            tx.save(Space.LATE, group + key, structs.replace(late, said_s=tx.now_s))


def open_late(tx: Transaction, by: SignedObject) -> SignedObject | None:
    """The verified commit inside, whose key is spent by that; None where it was spent before, so that it is here.

    Raises `PeerError` for anything but a commit in a contact, and for one that this author did not seal in this epoch.
    """
    body = read_late(by.body)
    if tx.get(Space.CONTACT, by.group) is None:
        raise PeerError("A commit is said again in a group that is no contact.")
    bundle, origin = parse_bundle(body.bundle, body.day), Origin(by.origin.epoch, by.origin.leaf, body.counter)
    if bundle.day != body.day:
        raise PeerError("A commit is said again under another day than its own.")
    try:
        key = message_key_of(tx, origin.epoch, origin.leaf, origin.counter)
    except PeerError:
        return None
    plaintext = unseal(bundle, key, origin.leaf, origin.counter)
    signed = read_short(plaintext, group=by.group, author=MemberKey(by.author), day=bundle.day, origin=origin)
    if signed.kind is not Kind.COMMIT:
        raise PeerError("Something that is no commit is said again as one.")
    spend_key(tx, origin.epoch, origin.leaf, origin.counter)
    return signed
