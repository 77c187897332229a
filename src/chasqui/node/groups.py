"""The records of groups and their members, and what the operations say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from chasqui.base.errors import UserError
from chasqui.base.ids import ID_BYTES, NO_GROUP, GroupId, MemberKey, ObjectId
from chasqui.base.limits import SEQUENCE_MAX, WELCOME_WITNESS_BYTES_MAX, WELCOME_WITNESSES_MAX
from chasqui.base.names import peer_name
from chasqui.base.schema import decode_own
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import Roster, cites, members
from chasqui.groups.operation import Accuse, Add, Operation, Remove, read_parsed_operation
from chasqui.groups.witnesses import Said, Witness
from chasqui.mls import GroupState
from chasqui.node.derived import derived
from chasqui.node.keys import u24
from chasqui.node.records import EpochRecord, GroupRecord, MemberRecord, Space, WitnessRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject, parse_whole


def load_group(tx: Transaction, group: GroupId) -> GroupRecord:
    """The record of a group. Raises `UserError` where there is none."""
    record = tx.load(Space.GROUP, group, GroupRecord)
    if record is None:
        if tx.get(Space.INVITATION, group) is not None:
            raise not_joined()
        raise UserError("There is no such group here.", todo="See `chasqui group list`.")
    return record


def not_joined() -> UserError:
    """For somebody who is invited, and wants something for which he has to be in."""
    return UserError(
        "You are invited to this group and have not joined.",
        safety="Nothing was done.",
        todo="See `chasqui group list`. To accept: `chasqui group join GROUP`. Otherwise do nothing.",
    )


def save_group(tx: Transaction, group: GroupId, record: GroupRecord, **changes: Any) -> GroupRecord:
    """Stages the record with changes, and gives it."""
    changed = structs.replace(record, **changes)
    tx.save(Space.GROUP, group, changed)
    return changed


def save_operations(
    tx: Transaction, group: GroupId, operations: Iterable[SignedObject], then: tuple[History, Roster] | None = None
) -> Roster:
    """Adds verified operations to the set, and notes whom the set puts out. Gives what it says of the members; `then`
    is what it says, where the caller has worked that out."""
    for signed in operations:
        tx.put(Space.OPERATION, group + signed.id, signed.to_whole())
    tx.put(Space.WITNESS, group, b"")  # words of ours on a removal may be due
    if then is not None:
        tx.assume(history_of, group, then[0])
        tx.assume(roster_of, group, then[1])
    return note_out(tx, group)


def note_out(tx: Transaction, group: GroupId) -> Roster:
    """Notes whom operations and witnesses put out, and who is not out any more. Gives what they say of the members."""
    roster = roster_of(tx, group)
    for member in removed_members(tx, group) - roster.shut_out:
        tx.erase(Space.REMOVED, group + member)
    for member in roster.shut_out:
        said = (roster.removals[member],) if member in roster.removals else roster.accusations.get(member, ())
        change = said[0].change if said else None
        last_seq = change.last_seq if isinstance(change, Remove | Accuse) else SEQUENCE_MAX
        tx.put(Space.REMOVED, group + member, u24(last_seq))
    return roster


def keep_witnesses(tx: Transaction, signed: SignedObject, said: Said) -> None:
    """Keeps what a member says of removals, and notes whom that puts out or lets in again."""
    keep_words(tx, signed, said)
    note_out(tx, signed.group)


def keep_words(tx: Transaction, signed: SignedObject, said: Said) -> None:
    """Keeps what a member says of removals: of several words on one, the first that it signed."""
    tx.put(Space.WITNESSED, signed.group + signed.id, signed.to_whole())
    for removal, heads in said:
        key = signed.group + removal + signed.author
        known = tx.load(Space.WITNESS, key, WitnessRecord)
        if known is None or (signed.seq, signed.id) < (known.seq, known.id):
            tx.save(Space.WITNESS, key, WitnessRecord(signed.seq, signed.id, heads))


def words_for_newcomers(tx: Transaction, group: GroupId) -> tuple[bytes, ...]:
    """The objects in which members said what they had when they took in a removal: those first on removals of whom
    something is late, then on the newest; as many as a welcome holds."""
    history, roster = history_of(tx, group), roster_of(tx, group)
    back_dated = {known.issuer for known in history.order if known.id in roster.late}
    let_in = {change.member for known in history.order if isinstance(change := known.change, Add)}
    let_in.add(history.order[0].issuer)
    places: dict[ObjectId, tuple[bool, int]] = {}
    for word in witnesses_of(tx, group):
        place = history.position.get(word.removal, 0)
        change = history.order[place].change
        if isinstance(change, Remove) and word.member in let_in:
            rank = (change.member not in back_dated, -place)
            places[word.id] = min(rank, places.get(word.id, rank))
    chosen: list[bytes] = []
    room = WELCOME_WITNESS_BYTES_MAX
    for said in sorted(places, key=lambda said: (places[said], said)):
        whole = tx.get(Space.WITNESSED, group + said)
        if whole is not None and len(whole) <= room and len(chosen) < WELCOME_WITNESSES_MAX:
            chosen.append(whole)
            room -= len(whole)
    return tuple(chosen)


@derived(Space.WITNESS)
def witnesses_of(tx: Transaction, group: GroupId) -> tuple[Witness, ...]:
    """What members have said of removals."""
    found = []
    for key, data in tx.scan_prefix(Space.WITNESS, group):
        removal, member = ObjectId(key[ID_BYTES : 2 * ID_BYTES]), MemberKey(key[2 * ID_BYTES :])
        if member:
            word = decode_own(data, WitnessRecord)
            heads = tuple(map(ObjectId, word.heads))
            found.append(Witness(member, removal, heads, word.seq, ObjectId(word.id)))
    return tuple(found)


@derived(Space.WITNESSED)
def words_by(tx: Transaction, group: GroupId) -> Mapping[MemberKey, int]:
    """How many objects are kept in which each member says what it had."""
    authors = (parse_whole(whole, group).author for _, whole in tx.scan_prefix(Space.WITNESSED, group))
    return Counter(authors)


@derived(Space.REMOVED)
def removed_members(tx: Transaction, group: GroupId) -> frozenset[MemberKey]:
    """The members whom the operations have put out, those who are quarantined included."""
    return frozenset(MemberKey(key[len(group) :]) for key, _ in tx.scan_prefix(Space.REMOVED, group))


def is_clean(tx: Transaction, group: GroupId, epoch: EpochRecord) -> bool:
    """Whether an epoch holds nobody whom an operation has put out."""
    return not tree_keys(epoch) & removed_members(tx, group)


@derived(Space.OPERATION)
def history_of(tx: Transaction, group: GroupId) -> History:
    """All operations of a group in their causal order."""
    return arrange(
        _own_operation(group, ObjectId(key[len(group) :]), whole)
        for key, whole in tx.scan_prefix(Space.OPERATION, group)
    )


@derived(Space.OPERATION, Space.WITNESS)
def roster_of(tx: Transaction, group: GroupId) -> Roster:
    """The members whom the operations give."""
    return members(history_of(tx, group), witnesses_of(tx, group))


def next_heads(tx: Transaction, group: GroupId, record: GroupRecord) -> tuple[ObjectId, ...]:
    """What our next operation cites."""
    return cites(history_of(tx, group), MemberKey(record.member), witnesses_of(tx, group))


def tree_keys(epoch: EpochRecord) -> frozenset[MemberKey]:
    """The members who hold the keys of an epoch."""
    return frozenset(MemberKey(key) for _, key in epoch.roster)


def note_members(tx: Transaction, group: GroupId, state: GroupState) -> None:
    """Keeps what the members of a new epoch call themselves."""
    for member in state.members:
        note_member(tx, group, MemberKey(member.signature_key), peer_name(member.identity))


def note_member(tx: Transaction, group: GroupId, member: MemberKey, name: str) -> None:
    """Keeps that somebody is or was in the group."""
    if tx.get(Space.MEMBER, group + member) is None:
        tx.save(Space.MEMBER, group + member, MemberRecord(name, tx.now_s))


def _own_operation(group: GroupId, operation: ObjectId, whole: bytes) -> Operation:
    signed = parse_whole(whole, group)
    if signed.id == operation:
        return read_parsed_operation(operation, signed)
    return read_parsed_operation(operation, parse_whole(whole, NO_GROUP))  # the genesis
