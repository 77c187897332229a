"""A member who has keys and does not keep to the rules. It is signed and sealed as ever; no `Node` says it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.errors import ChasquiError
from chasqui.base.ids import ID_BYTES, GroupId
from chasqui.base.schema import encode
from chasqui.groups.bodies import CommitBody
from chasqui.lab.courier import BATCH, Stick
from chasqui.lab.device import Device, DownError
from chasqui.node import inputs
from chasqui.node.changes import carry_out, commit_id_of
from chasqui.node.effects import Persist
from chasqui.node.epochs import head_of
from chasqui.node.groups import load_group
from chasqui.node.neighbours import held_ids
from chasqui.node.outbox import say
from chasqui.node.records import BundleRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

GRINDS: Final = 24  # commits made to choose the least id


def is_in(device: Device, group: GroupId) -> bool:
    """Whether the device can still speak in the group."""
    record = device.look().load(Space.GROUP, group, GroupRecord)
    return device.on and record is not None and not record.out and bool(record.head) and not record.stale_s


def renew(device: Device, group: GroupId) -> bool:
    """A commit that changes nobody; every member may make one. Whether it was made."""
    if not is_in(device, group):
        return False
    tx = device.look()
    try:
        carry_out(tx, group, load_group(tx, group), (), ())
    except ChasquiError:
        return False
    _keep(device, tx)
    return True


def fork(device: Device, group: GroupId, friend: Device) -> bool:
    """Signs two commits on one parent: follows one himself and gives the other to a friend. Whether he could."""
    if not is_in(device, group):
        return False
    before = set(held_ids(device.look()))
    shadow = device.look()
    try:
        carry_out(shadow, group, load_group(shadow, group), (), ())
    except ChasquiError:
        return False
    for bundle in [bundle for bundle in held_ids(shadow) if bundle not in before]:
        record = shadow.load(Space.BUNDLE, bundle, BundleRecord)
        if record is not None:
            with suppress(DownError, ChasquiError):
                friend.do(inputs.TakeBundles((record.data,)))
    return renew(device, group)


def grind(device: Device, group: GroupId) -> bool:
    """Makes many commits on one parent and says the one whose id is least, against the choice between siblings. He
    does not follow it, so that he can grind on. Whether he could."""
    if not is_in(device, group):
        return False
    tx = device.look()
    record = load_group(tx, group)
    state = mls.GroupState.from_bytes(head_of(tx, group, record)[1].mls_state)
    made = [mls.shorten(state.commit((), tx.entropy, tx.now_s, path=True).message) for _ in range(GRINDS)]
    body = min((CommitBody((), bytes(ID_BYTES), day_of(tx.now_s), short) for short in made), key=commit_id_of)
    try:
        say(tx, group, record, Kind.COMMIT, encode(body))
    except ChasquiError:
        return False
    _keep(device, tx)
    return True


def replay(hoard: Stick, device: Device, others: Iterable[Device]) -> int:
    """Gives everybody everything that he ever held, again and in any order; how many bundles."""
    hoard.take_from(device)
    bundles = list(hoard.bundles.values())
    hoard.world.chance.shuffle(bundles)
    for other in others:
        for start in range(0, len(bundles), BATCH):
            with suppress(DownError, ChasquiError):
                other.do(inputs.TakeBundles(tuple(bundles[start : start + BATCH])))
    return len(bundles)


def _keep(device: Device, tx: Transaction) -> None:
    for effect in tx.outcome():
        if isinstance(effect, Persist):
            device.write(effect.writes)
