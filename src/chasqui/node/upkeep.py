"""What is done now and then without anybody asking: receipts that are due, and everything that has to go."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Final, NamedTuple

from msgspec import structs

from chasqui.base.days import day_of
from chasqui.base.errors import ChasquiError
from chasqui.base.ids import GroupId
from chasqui.base.limits import BUNDLE_AGE_DAYS_MAX, KEY_PACKAGE_LIFETIME_S, SECONDS_PER_DAY
from chasqui.base.schema import decode_own
from chasqui.node.asking import ask, until_ask
from chasqui.node.branches import erase_settled, until_settled
from chasqui.node.changes import carry_out_due, renew_if_worn, shut_if_out, until_out, until_removal
from chasqui.node.deciding import stand_behind_the_same, until_same
from chasqui.node.derived import Follows, derived
from chasqui.node.doubles import leave_doubles, until_doubles
from chasqui.node.effects import Notice
from chasqui.node.epochs import erase_expired, head_of, trusted_day, until_expired
from chasqui.node.groups import is_clean, load_group
from chasqui.node.holding import drop_expired
from chasqui.node.invitations import add_confirmed, until_confirmed
from chasqui.node.keys import u64
from chasqui.node.large import erase_large, sweep_large
from chasqui.node.late import say_late
from chasqui.node.leaves import reseat, until_reseat
from chasqui.node.outbox import say
from chasqui.node.pace import retry_refused, until_retry
from chasqui.node.pairing import refill_spares
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.receipting import Due, hurry, lacks_receipt, put_off
from chasqui.node.records import InvitationRecord, MessageRecord, OwnKeyPackageRecord, Space
from chasqui.node.renewal import renew_if_due, until_renewal
from chasqui.node.resealing import answer, publish, until_answer, until_publish
from chasqui.node.saying import say_witnesses
from chasqui.node.seats import demand_if_stale, forget_seat, offer_seat, until_demand, until_offer
from chasqui.node.skipped import erase_outdated
from chasqui.node.telling import tell_removed
from chasqui.node.transaction import Transaction
from chasqui.node.votes import due_vote, goes_alone, until_vote
from chasqui.sealed.kinds import Kind

_SWEPT = b"swept"
_TRAVEL_S = (BUNDLE_AGE_DAYS_MAX + 1) * SECONDS_PER_DAY  # what was sent longer ago comes no more
_UNCLEAN_S = 60  # the removal is somebody's turn by then; a witness of ours that waits longer leaves time to back-date
_RECEIPTS_AT_ONCE = 4  # 128 members with their widest bitmaps need three of the largest bundles
SWEEP_EVERY_S = 3600  # retention is told to the hour; lifetimes to the day


def keep_up(tx: Transaction, *, everything: bool) -> None:
    """Erases what has to go and sends the receipts that are due; with `everything`, all that are owed, and commits
    what is ours to commit. No group can keep another from its turn."""
    everybodys = _sweep(tx) or everything  # the hour counts as everybody's turn, as a stick does
    for group in _groups(tx) if everybodys else _turns(tx):
        if everything and tx.get(Space.SLOW, group) is not None:
            tx.erase(Space.SLOW, group)  # a stick takes all
        if _rests(tx, group, pause_of):
            tx.erase(Space.TURN, group)  # somebody else was faster, or the turn would not end
            continue
        for duty in _TURN:
            _apart(tx, group, duty.work, group)
    for group in _due(tx, everything=everything):
        if everything:
            hurry(tx, group)
        if not _apart(tx, group, _send_receipt, group):
            put_off(tx, group, SECONDS_PER_DAY)


def next_due_s(tx: Transaction, neighbours_s: int | None) -> int:
    """When the node wants to be stepped again; `neighbours_s` is when a neighbour has to have answered."""
    swept = int.from_bytes(tx.get(Space.META, _SWEPT) or b"", "big")
    due = [min(swept, tx.now_s) + SWEEP_EVERY_S, *(int.from_bytes(turn, "big") for _, turn in tx.scan(Space.TURN))]
    due += (Due.read(value).at_s for _, value in tx.scan(Space.DUE))
    return min(due if neighbours_s is None else [*due, neighbours_s])


def erase_old(tx: Transaction, group: GroupId, retention_s: int) -> int:
    """Erases what was first seen longer ago than the group keeps it; how many messages. One that was first seen by a
    clock that was ahead counts from now on."""
    due = []
    for arrival, record in tx.load_prefix(Space.MESSAGE, group, MessageRecord):
        if record.first_seen_s > tx.now_s:
            due.append((arrival, structs.replace(record, first_seen_s=tx.now_s)))
        elif record.first_seen_s + retention_s <= tx.now_s:
            due.append((arrival, record))
    erased = 0
    for arrival, record in due:
        if record.first_seen_s + retention_s > tx.now_s:
            tx.save(Space.MESSAGE, group + arrival, record)
        else:
            erase_message(tx, group, arrival, record)
            erased += 1
    return erased


def erase_message(tx: Transaction, group: GroupId, arrival: bytes, record: MessageRecord) -> None:
    """Erases one message; that it existed stays known, so that no gap appears."""
    signed = erase_large(tx, group, record)
    tx.erase(Space.MESSAGE, group + arrival)
    tx.erase(Space.MESSAGE_ID, group + signed.id)
    tx.erase(Space.ORDER, record.order)


def _groups(tx: Transaction) -> list[GroupId]:
    return [GroupId(key) for key, _ in tx.scan(Space.GROUP)]


def _due(tx: Transaction, *, everything: bool) -> list[GroupId]:
    """Groups whose receipt is due; a time that only a clock which was ahead can have set counts as over."""
    return [
        GroupId(key)
        for key, value in tx.scan(Space.DUE)
        if everything or not tx.now_s < Due.read(value).at_s <= tx.now_s + SECONDS_PER_DAY
    ]


def _turns(tx: Transaction) -> list[GroupId]:
    """Groups in which it is our turn to commit a removal that others have not."""
    return [GroupId(key) for key, value in tx.scan(Space.TURN) if int.from_bytes(value, "big") <= tx.now_s]


def _carry_out(tx: Transaction, group: GroupId) -> None:
    carry_out_due(tx, group, at_once=True)


def _while_clean(work: Callable[[Transaction, GroupId], object]) -> Callable[[Transaction, GroupId], None]:
    """The work, where we are in the group and nobody sits in the tree of our head who is out."""

    def done(tx: Transaction, group: GroupId) -> None:
        record = load_group(tx, group)
        if record.head and not record.stale_s and is_clean(tx, group, head_of(tx, group, record)[1]):
            work(tx, group)

    return done


def _vote(tx: Transaction, group: GroupId) -> None:
    """A vote that found no other object to ride in goes by itself."""
    if goes_alone(tx, group) and due_vote(tx, group, load_group(tx, group)) is not None:
        say(tx, group, renew_if_worn(tx, group), Kind.RECEIPT, b"")


class _Duty(NamedTuple):
    """Something that we do by ourselves, and what tells for how long it has nothing to do."""

    work: Callable[[Transaction, GroupId], object]
    pause: Follows[Pause]


_TURN: Final = (  # each is done whole or not at all: what one peer spoils holds up nothing else
    _Duty(shut_if_out, until_out),
    _Duty(_carry_out, until_removal),
    _Duty(renew_if_due, until_renewal),
    _Duty(demand_if_stale, until_demand),
    _Duty(_while_clean(stand_behind_the_same), until_same),
    _Duty(_while_clean(add_confirmed), until_confirmed),
    _Duty(_while_clean(leave_doubles), until_doubles),
    _Duty(_while_clean(reseat), until_reseat),
    _Duty(_while_clean(tell_removed), until_reseat),
    _Duty(_while_clean(offer_seat), until_offer),
    _Duty(_while_clean(forget_seat), until_offer),
    _Duty(_while_clean(publish), until_publish),
    _Duty(_while_clean(answer), until_answer),
    _Duty(_while_clean(ask), until_ask),
    _Duty(_while_clean(_vote), until_vote),
)


_DAILY: Final = tuple(_while_clean(work) for work in (say_late, refill_spares))


@derived(*{space: None for duty in _TURN for space in duty.pause.spaces})
def pause_of(tx: Transaction, group: GroupId) -> Pause:
    """For how long a turn of ours in a group would change nothing."""
    return reduce(Pause.and_, (duty.pause(tx, group) for duty in _TURN))


def _rests(tx: Transaction, group: GroupId, pause: Follows[Pause]) -> bool:
    try:
        return pause(tx, group).covers(tx.now_s)
    except Exception:
        tx.notify(Notice("trouble", group))  # our own mistake: then each work finds out by itself
        return False


def _apart(tx: Transaction, group: GroupId | None, work: Callable[..., object], *arguments: object) -> bool:
    """Does work that either is done or has changed nothing; whether it was done."""
    part = tx.part()
    try:
        work(part, *arguments)
    except ChasquiError:
        return False  # the group shows what is wrong with it
    except Exception:
        tx.notify(Notice("trouble", group))  # our own mistake; the other groups go on
        return False
    tx.absorb(part)
    return True


def _send_receipt(tx: Transaction, group: GroupId) -> None:
    """Signs for all that came, in as many objects as it takes. A group that waits for a removal waits with its
    receipts."""
    record = load_group(tx, group)
    if record.out or not record.head or record.stale_s:
        tx.erase(Space.DUE, group)
        return
    if not is_clean(tx, group, head_of(tx, group, record)[1]):
        put_off(tx, group, _UNCLEAN_S)
        return
    record = say_witnesses(tx, group, renew_if_worn(tx, group))
    for _ in range(_RECEIPTS_AT_ONCE):
        if lacks_receipt(tx, group, record, head_of(tx, group, record)[1]):
            _, record = say(tx, group, record, Kind.RECEIPT, b"")
    tx.erase(Space.DUE, group)


def _sweep(tx: Transaction) -> bool:
    """Erases what has expired: bundles, keys, and messages that their group keeps no longer. Once an hour; whether it
    was time."""
    last = int.from_bytes(tx.get(Space.META, _SWEPT) or b"", "big")
    if last <= tx.now_s < last + SWEEP_EVERY_S:
        return False
    tx.put(Space.META, _SWEPT, u64(tx.now_s))
    _apart(tx, None, drop_expired)
    new_day = day_of(last) != day_of(tx.now_s)
    if new_day:
        _apart(tx, None, erase_outdated, trusted_day(tx))
        _apart(tx, None, _sweep_key_packages)
    for group in _groups(tx):
        for work in _DAILY if new_day else ():
            _apart(tx, group, work, group)
        if _rests(tx, group, sweep_pause):
            continue
        for duty in _SWEEP:
            _apart(tx, group, duty.work, group)
    return True


def _retry_held(tx: Transaction, group: GroupId) -> None:
    """What waited for its pace may go on."""
    if any(tx.scan_prefix(Space.HELD, group)):
        tx.retry.add(group)


def _expire(tx: Transaction, group: GroupId) -> None:
    erase_expired(tx, group)


@derived(Space.HELD)
def _until_held(tx: Transaction, group: GroupId) -> Pause:
    return AWAKE if any(tx.scan_prefix(Space.HELD, group)) else ASLEEP


@derived(Space.GROUP, Space.ORPHAN, Space.MANIFEST)
def _until_content(tx: Transaction, group: GroupId) -> Pause:
    """Ends `_sweep_content`'s pause where messages are erased with time, and where there is anything large."""
    large = any(any(tx.scan_prefix(space, group)) for space in (Space.ORPHAN, Space.MANIFEST))
    return AWAKE if large or load_group(tx, group).retention_s else ASLEEP


def _sweep_content(tx: Transaction, group: GroupId) -> None:
    retention_s = load_group(tx, group).retention_s
    if retention_s:
        erase_old(tx, group, retention_s)
    sweep_large(tx, group, tx.now_s - _TRAVEL_S, tx.now_s - min(retention_s or _TRAVEL_S, _TRAVEL_S))


def _sweep_key_packages(tx: Transaction) -> None:
    """Erases invitations that nobody accepted, and private keys for which no welcome can come any more."""
    now_s = min(tx.now_s, (trusted_day(tx) + 1) * SECONDS_PER_DAY)
    waiting = set()
    for space in (Space.INVITATION, Space.SECOND):
        for key, data in list(tx.scan(space)):
            invitation = decode_own(data, InvitationRecord)
            if invitation.received_s + _TRAVEL_S >= now_s:
                waiting.add(invitation.key_package)
                continue
            tx.erase(space, key)
            if space is Space.INVITATION:  # a second seat may still have to be left
                tx.erase(Space.KEY_PACKAGE, invitation.key_package)
    for ref, own in tx.load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord):
        if ref not in waiting and own.created_s + KEY_PACKAGE_LIFETIME_S + _TRAVEL_S < now_s:
            tx.erase(Space.KEY_PACKAGE, ref)


_SWEEP: Final = (
    _Duty(_retry_held, _until_held),
    _Duty(retry_refused, until_retry),
    _Duty(_expire, until_expired),
    _Duty(erase_settled, until_settled),
    _Duty(_sweep_content, _until_content),
)


@derived(*{space: None for duty in _SWEEP for space in duty.pause.spaces})
def sweep_pause(tx: Transaction, group: GroupId) -> Pause:
    """For how long a sweep would erase nothing in a group."""
    return reduce(Pause.and_, (duty.pause(tx, group) for duty in _SWEEP))
