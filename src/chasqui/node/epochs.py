"""Epochs of a group on this device: made from MLS states, retired, erased."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from msgspec import structs

from chasqui.base import labels
from chasqui.base.days import day_of
from chasqui.base.errors import RefusedForSafetyError
from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES, CommitId, EpochId, GroupId, MemberKey
from chasqui.base.limits import (
    BUNDLE_AGE_DAYS_MAX,
    BUNDLE_FUTURE_DAYS_MAX,
    CLOCK_AHEAD_DAYS_MAX,
    SECONDS_PER_DAY,
)
from chasqui.base.schema import decode_own
from chasqui.base.secret import Secret
from chasqui.groups.operation import GroupKind
from chasqui.mls import GroupState
from chasqui.node.derived import derived
from chasqui.node.keys import u16, u32
from chasqui.node.pauses import ASLEEP, Pause, until
from chasqui.node.records import ChainRecord, EpochRecord, GroupRecord, LateRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.chain import Chain
from chasqui.sealed.epoch_keys import DayChain, DayKeys, derive_epoch

NO_EPOCH = EpochId(b"")
NO_COMMIT = CommitId(b"")
NOWHERE = EpochId(bytes(ID_BYTES))  # the origin of what is signed outside of every epoch
_NEWEST_DAY = b"newest day"


class Way(NamedTuple):
    """What later commits are judged by of those that led to an epoch: the same for all who have it."""

    gone: tuple[bytes, ...] = ()  # members who sat in a tree on that way, and do not at its end
    rejoined: tuple[bytes, ...] = ()  # REJOINs that were carried out
    lifted: tuple[bytes, ...] = ()  # LIFTs that were cited, with the CONFIRMs behind them


def load_epoch(tx: Transaction, group: GroupId, epoch: EpochId) -> EpochRecord | None:
    """The record of an epoch that is still known."""
    return tx.load(Space.EPOCH, group + epoch, EpochRecord)


def head_of(tx: Transaction, group: GroupId, record: GroupRecord) -> tuple[EpochId, EpochRecord]:
    """The epoch that a group sends in; the caller knows that we are in the group."""
    epoch = EpochId(record.head)
    found = load_epoch(tx, group, epoch)
    if found is None:
        raise AssertionError("a group without its head")
    return epoch, found


def epochs_of(tx: Transaction, group: GroupId) -> Iterator[tuple[EpochId, EpochRecord]]:
    """All epochs of a group that are still known."""
    for key, record in tx.load_prefix(Space.EPOCH, group, EpochRecord):
        yield EpochId(key), record


def readers_of(tx: Transaction, group: GroupId, epoch: EpochId) -> tuple[MemberKey, ...]:
    """Who could read what was sealed in an epoch; known even when its keys are erased."""
    keys = tx.get(Space.ROSTER, group + epoch) or b""
    return tuple(MemberKey(keys[i : i + MEMBER_KEY_BYTES]) for i in range(0, len(keys), MEMBER_KEY_BYTES))


def day_chain(record: EpochRecord) -> DayChain:
    """The day keys of an epoch."""
    return DayChain(record.day, DayKeys(Secret(record.mark_key), Secret(record.head_key)))


def leaf_of(record: EpochRecord, member: bytes) -> int | None:
    """The leaf at which a member sits in an epoch."""
    return next((leaf for leaf, key in record.roster if key == member), None)


def member_at(record: EpochRecord, leaf: int) -> MemberKey | None:
    """The member who sits at a leaf."""
    return next((MemberKey(key) for at, key in record.roster if at == leaf), None)


def open_epoch(
    tx: Transaction,
    group: GroupId,
    state: GroupState,
    *,
    r: bytes,
    first_day: int,
    parent: EpochId = NO_EPOCH,
    commit: CommitId = NO_COMMIT,
    updated: Collection[int] = (),
    way: Way | None = None,
) -> EpochId:
    """Derives and keeps the keys of a new epoch; of its parent's MLS state that is left which a sibling commit needs.

    `updated`: leaves that got fresh keys by the commit; `way`: what it cites that later commits are judged by, or where
    a welcome leads here, what that tells of the way before.

    Neither `r` nor the exporter secret is kept, so the root cannot be derived again. The caller sets the head.
    """
    place = group + r + first_day.to_bytes(4, "big")  # MLS knows nothing of them, and our keys follow from them
    epoch = EpochId(state.export(labels.EXPORTER_EPOCH_ID, place, ID_BYTES))
    roster = tuple((member.leaf, member.signature_key) for member in state.members)
    secret = state.export(labels.EXPORTER_BUNDLE, group, 32)
    secrets = derive_epoch(secret, r, first_day, tuple(leaf for leaf, _ in roster))
    before = load_epoch(tx, group, parent) if parent else None
    known = dict(before.renewed) if before is not None else {}
    stays = frozenset(before.roster if before is not None else ()) & frozenset(roster)
    seated = {key for _, key in roster}
    gone, rejoined, lifted = map(set, way or Way())
    if before is not None:
        gone |= {*before.gone, *(key for _, key in before.roster)}
        rejoined |= set(before.rejoined)
        lifted |= set(before.lifted)
    fresh = {leaf for leaf, key in roster if (leaf, key) not in stays} | set(updated)
    record = EpochRecord(
        number=state.epoch,
        parent=parent,
        commit=commit,
        own_leaf=state.own_leaf,
        roster=roster,
        day=first_day,
        mark_key=bytes(secrets.days.keys.mark),
        head_key=bytes(secrets.days.keys.head),
        created_s=tx.now_s,
        superseded_s=tx.now_s if parent else 0,  # until it is found to be the head
        mls_state=state.without_exporter_secret().to_bytes(),
        renewed=tuple((leaf, tx.now_s if leaf in fresh else known.get(leaf, tx.now_s)) for leaf, _ in roster),
        settled_s=before.settled_s if before is not None else 0,
        gone=tuple(sorted(gone - seated)),
        rejoined=tuple(sorted(rejoined)),
        lifted=tuple(sorted(lifted)),
    )
    tx.save(Space.EPOCH, group + epoch, record)
    tx.put(Space.ROSTER, group + epoch, b"".join(key for _, key in roster))
    for key, _ in list(tx.scan_prefix(Space.SECOND, group)):
        if key[ID_BYTES:] in seated:
            tx.erase(Space.SECOND, key)  # it would open again what we read here and erase
    for (leaf, _), chain in zip(roster, secrets.chains, strict=True):
        save_chain(tx, epoch, leaf, chain)
    if before is not None:
        retain_epoch(tx, group, parent)
    tx.epochs_opened.append((group, epoch))
    return epoch


def sealing_day(tx: Transaction, epoch: EpochRecord) -> int:
    """The day whose keys seal now: today, or the epoch's first day for a clock that is a little behind.

    Raises `RefusedForSafetyError` where that would be a day that nobody accepts yet.
    """
    today = day_of(tx.now_s)
    if epoch.day > today + BUNDLE_FUTURE_DAYS_MAX:
        raise RefusedForSafetyError(
            "This device's clock is behind the others'.",
            safety="What you send would reach nobody for days, so nothing was sent.",
            todo="Set the clock and send again.",
        )
    return max(today, epoch.day)


def note_day(tx: Transaction, day: int) -> None:
    """An authentic bundle of that day was opened, or the vault was made on it."""
    if day > _newest_day(tx):
        tx.put(Space.META, _NEWEST_DAY, u32(day))


def trusted_day(tx: Transaction) -> int:
    """Today, as far as others bear it out: a clock that jumps far ahead for a moment erases nothing."""
    return min(day_of(tx.now_s), _newest_day(tx) + CLOCK_AHEAD_DAYS_MAX)


def _newest_day(tx: Transaction) -> int:
    return int.from_bytes(tx.get(Space.META, _NEWEST_DAY) or b"", "big")


def retain_epoch(tx: Transaction, group: GroupId, epoch: EpochId) -> None:
    """An epoch got its first child: of its MLS state only that stays which opens a sibling commit. It can derive
    nothing of its own epoch again (`docs/security/forward-secrecy.md`)."""
    record = load_epoch(tx, group, epoch)
    if record is not None and record.mls_state:
        state = GroupState.from_bytes(record.mls_state)
        if not state.is_retained_parent:
            retained = state.without_epoch_secrets().to_bytes()
            tx.save(Space.EPOCH, group + epoch, structs.replace(record, mls_state=retained))


def retire_epoch(tx: Transaction, group: GroupId, epoch: EpochId) -> None:
    """Erases the MLS state of an epoch that is settled or lost; keys for bundles still on their way stay."""
    record = load_epoch(tx, group, epoch)
    if record is not None and record.mls_state:
        tx.save(Space.EPOCH, group + epoch, structs.replace(record, mls_state=b""))


def erase_epoch(tx: Transaction, group: GroupId, epoch: EpochId) -> None:
    """Erases every key of an epoch, the votes on what follows it, and the commit that made it."""
    record = load_epoch(tx, group, epoch)
    if record is not None and record.commit:
        tx.erase(Space.COMMIT, group + record.commit)
    tx.erase_prefix(Space.VOTE, group + epoch)
    tx.erase(Space.EPOCH, group + epoch)
    tx.erase_prefix(Space.CHAIN, epoch)
    tx.erase_prefix(Space.SKIPPED, epoch)
    tx.epochs_erased.append(epoch)


def erase_expired(tx: Transaction, group: GroupId) -> None:
    """Erases epochs of which no bundle can be on its way any more, and the keys of days that are over."""
    oldest_day = trusted_day(tx) - BUNDLE_AGE_DAYS_MAX
    shared = _shared(tx, group)
    for epoch, record in list(epochs_of(tx, group)):
        over = record.superseded_s and record.superseded_s // SECONDS_PER_DAY < oldest_day
        if over and epoch not in shared:
            erase_epoch(tx, group, epoch)
        elif record.day < oldest_day:
            days = day_chain(record).at(oldest_day)
            changed = {
                "day": days.day,
                "mark_key": bytes(days.keys.mark),
                "head_key": bytes(days.keys.head),
            }
            tx.save(Space.EPOCH, group + epoch, structs.replace(record, **changed))
            tx.epochs_opened.append((group, epoch))


def _shared(tx: Transaction, group: GroupId) -> frozenset[EpochId]:
    """Of a contact, the epochs from the newest that the other surely has on: one of them is his head, however long he
    is silent, and with that one gone nobody would be left to let either of us in again. He has the root, unless it was
    settled by two commits of which he knows his own alone: then he has the parent of ours."""
    record = tx.load(Space.GROUP, group, GroupRecord)
    if record is None or record.kind != GroupKind.CONTACT:
        return frozenset()
    path = [EpochId(record.head)]
    while (known := load_epoch(tx, group, path[-1])) is not None:
        path.append(EpochId(known.parent))
    had = {late.parent for _, late in tx.load_prefix(Space.LATE, group, LateRecord)} | {record.root}
    last = max((index for index, epoch in enumerate(path) if epoch in had), default=len(path))
    shared = set(path[: last + 1])
    epochs = sorted(epochs_of(tx, group), key=lambda pair: pair[1].number)
    for epoch, known in epochs:
        if known.parent in shared:
            shared.add(epoch)  # his own commits: he may sit on one that has lost
    return frozenset(shared)


@derived(Space.EPOCH)
def until_expired(tx: Transaction, group: GroupId) -> Pause:
    """For how long `erase_expired` has nothing to erase: no day is trusted before it has come."""
    pause = ASLEEP
    for _, record in epochs_of(tx, group):
        first_day = min(record.day, (record.superseded_s or record.day * SECONDS_PER_DAY) // SECONDS_PER_DAY)
        pause = pause.and_(until((first_day + BUNDLE_AGE_DAYS_MAX + 1) * SECONDS_PER_DAY))
    return pause


def load_chain(tx: Transaction, epoch: EpochId, leaf: int) -> Chain | None:
    """The ratchet of a sender."""
    data = tx.get(Space.CHAIN, epoch + u16(leaf))
    if data is None:
        return None
    record = decode_own(data, ChainRecord)
    return Chain(record.counter, Secret(record.key))


def save_chain(tx: Transaction, epoch: EpochId, leaf: int, chain: Chain) -> None:
    """Overwrites the ratchet of a sender; what it was before is gone."""
    tx.save(Space.CHAIN, epoch + u16(leaf), ChainRecord(chain.counter, bytes(chain.key)))
