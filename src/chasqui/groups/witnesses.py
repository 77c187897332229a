"""Witnesses: what a member had of a removed one when it first took the removal in. Signed, said once, never undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from chasqui.base.errors import PeerError
from chasqui.base.ids import ID_BYTES, MemberKey, ObjectId
from chasqui.base.limits import SEQUENCE_MAX, WITNESS_SPANS_MAX, WITNESSES_AT_ONCE_MAX
from chasqui.base.ranges import Ranges


@dataclass(frozen=True)
class Witness:
    """A member's word on one removal: `numbers` are those of all operations of the removed one that it had."""

    member: MemberKey
    removal: ObjectId
    numbers: Ranges
    seq: int
    id: ObjectId  # of the object that said it


Said = tuple[tuple[ObjectId, Ranges], ...]
_Items = tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Items)


def encode_witnesses(said: Said) -> bytes:
    """The body of a witness object; `said` in ascending order of the removals."""
    return _encoder.encode([(removal, numbers.spans) for removal, numbers in said])


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
    for _, spans in items:
        _require(len(spans) <= WITNESS_SPANS_MAX, "A witness names too many runs of numbers.")
        last = -1
        for first, end in spans:
            _require(max(1, last + 2) <= first <= end <= SEQUENCE_MAX, "A witness names numbers out of order.")
            last = end
    return tuple((ObjectId(removal), Ranges(spans)) for removal, spans in items)


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
