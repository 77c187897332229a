"""Witnesses: what a member had of a removed one when it first took the removal in. Signed, said once, never undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from chasqui.base.errors import PeerError
from chasqui.base.ids import ID_BYTES, MemberKey, ObjectId
from chasqui.base.limits import OPERATION_HEADS_MAX, WITNESSES_AT_ONCE_MAX
from chasqui.groups.history import History


@dataclass(frozen=True)
class Witness:
    """A member's word on one removal: it had `heads` and all that lies in their past."""

    member: MemberKey
    removal: ObjectId
    heads: tuple[ObjectId, ...]
    seq: int
    id: ObjectId  # of the object that said it


Said = tuple[tuple[ObjectId, tuple[ObjectId, ...]], ...]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[tuple[bytes | tuple[bytes, ...], ...], ...])


def encode_witnesses(said: Said) -> bytes:
    """The body of a witness object; `said` in ascending order of the removals. Whoever had the removal and its past
    and nothing else names that alone: the commonest word fits the smallest bundle, receipts included."""
    return _encoder.encode([(removal,) if heads == (removal,) else (removal, heads) for removal, heads in said])


def read_witnesses(data: bytes) -> Said:
    """The body of a witness object. Raises `PeerError` where it breaks a rule."""
    try:
        items = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise PeerError("The data is no list of witnesses.") from error
    _require(1 <= len(items) <= WITNESSES_AT_ONCE_MAX, "A member witnesses too few or too many removals at once.")
    said = tuple(map(_read_one, items))
    _require(encode_witnesses(said) == data, "Witnesses are not in their canonical form.")
    _require(all(a < b for (a, _), (b, _) in pairwise(said)), "Witnessed removals are out of order.")
    return said


def _read_one(item: tuple[bytes | tuple[bytes, ...], ...]) -> tuple[ObjectId, tuple[ObjectId, ...]]:
    match item:
        case (bytes(removal),):
            heads: tuple[bytes, ...] = (removal,)
        case (bytes(removal), tuple(heads)):
            pass
        case _:
            raise PeerError("A witness has another form.")
    _require(len(removal) == ID_BYTES, "A witness names something that is no operation.")
    _require(len(heads) <= OPERATION_HEADS_MAX, "A witness names too many heads.")
    _require(all(len(head) == ID_BYTES for head in heads), "A witness had something that is no operation.")
    _require(all(a < b for a, b in pairwise(heads)), "What a witness had is out of order.")
    return ObjectId(removal), tuple(map(ObjectId, heads))


def had_now(history: History, removed: MemberKey) -> tuple[ObjectId, ...]:
    """The heads of all that is here, for a witness of a removal. Where there are more than fit: as few as name all
    operations of the removed one, then those that know most. What waits for its past is not named: whoever is to be
    removed could let it wait for what does not exist, and words that name it would never count."""
    own = sum(1 << index for index, operation in enumerate(history.order) if operation.issuer == removed)
    heads = {head: history.past[head] | 1 << history.position[head] for head in history.heads}
    chosen: list[ObjectId] = []
    while heads and len(chosen) < OPERATION_HEADS_MAX:
        best = max(heads, key=lambda head: ((heads[head] & own).bit_count(), heads[head].bit_count(), head))
        own &= ~heads.pop(best)
        chosen.append(best)
    return tuple(sorted(chosen))


def counting(witnesses: Iterable[Witness]) -> Mapping[ObjectId, Mapping[MemberKey, Witness]]:
    """By removal and member, the witness that counts: the one in the object with the lowest (seq, id)."""
    found: dict[ObjectId, dict[MemberKey, Witness]] = {}
    for witness in witnesses:
        of_removal = found.setdefault(witness.removal, {})
        known = of_removal.get(witness.member)
        if known is None or (witness.seq, witness.id) < (known.seq, known.id):
            of_removal[witness.member] = witness
    return found


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise PeerError(otherwise)
