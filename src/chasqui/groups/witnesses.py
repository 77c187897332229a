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
_Items = tuple[tuple[bytes, tuple[bytes, ...]], ...]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Items)


def encode_witnesses(said: Said) -> bytes:
    """The body of a witness object; `said` in ascending order of the removals."""
    return _encoder.encode(said)


def read_witnesses(data: bytes) -> Said:
    """The body of a witness object. Raises `PeerError` where it breaks a rule."""
    try:
        items = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise PeerError("The data is no list of witnesses.") from error
    _require(_encoder.encode(items) == data, "Witnesses are not in their canonical form.")
    _require(1 <= len(items) <= WITNESSES_AT_ONCE_MAX, "A member witnesses too few or too many removals at once.")
    _require(all(len(removal) == ID_BYTES for removal, _ in items), "A witness names something that is no operation.")
    removals = [removal for removal, _ in items]
    _require(all(a < b for a, b in pairwise(removals)), "Witnessed removals are out of order.")
    for _, heads in items:
        _require(len(heads) <= OPERATION_HEADS_MAX, "A witness names too many heads.")
        _require(all(len(head) == ID_BYTES for head in heads), "A witness had something that is no operation.")
        _require(all(a < b for a, b in pairwise(heads)), "What a witness had is out of order.")
    return tuple((ObjectId(removal), tuple(map(ObjectId, heads))) for removal, heads in items)


def had_now(history: History, removed: MemberKey) -> tuple[ObjectId, ...]:
    """The heads of all that is here, for a witness of a removal. Where there are more than fit: as few as name all
    operations of the removed one, then those that know most. What waits for its past is named by itself."""
    own = sum(1 << index for index, operation in enumerate(history.order) if operation.issuer == removed)
    waiting = [operation.id for operation in history.deferred if operation.issuer == removed]
    heads = {head: history.past[head] | 1 << history.position[head] for head in history.heads}
    chosen: list[ObjectId] = []
    while heads:
        best = max(heads, key=lambda head: ((heads[head] & own).bit_count(), heads[head].bit_count(), head))
        own &= ~heads.pop(best)
        chosen.append(best)
        if not own:
            chosen += [*waiting, *sorted(heads, key=lambda head: (-heads[head].bit_count(), head))]
            break
    return tuple(sorted(chosen[:OPERATION_HEADS_MAX]))


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
