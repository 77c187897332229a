"""What one member can make us seal again: so many bytes in three days, and nothing twice where it still travels.

Spec: `docs/spec/forks.md`, "What was lost".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from chasqui.base.ids import ID_BYTES, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import ANSWERED_BYTES_MAX, ASK_AGAIN_S, ASKS_MAX
from chasqui.node.keys import u64
from chasqui.node.records import AskedRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import LIFETIME_EXPONENT

_TRAVELS_S: Final = 3600 << min(LIFETIME_EXPONENT.values())  # every bundle does; with a part, the whole is gone


@dataclass(frozen=True)
class Allowance:
    """What is left to somebody who asks."""

    record: AskedRecord

    def covers(self, size: int) -> bool:
        """Whether so many bytes more are his."""
        return self.record.bytes + size <= ANSWERED_BYTES_MAX

    def less(self, size: int) -> Allowance:
        """With so many bytes used."""
        return replace(self, record=structs.replace(self.record, bytes=self.record.bytes + size))


def allowance_of(tx: Transaction, group: GroupId, asker: MemberKey) -> Allowance | None:
    """What is left to somebody who has just asked, with this ask counted; None where he asks too often. What is not
    answered now he lacks still, and asks for again."""
    known = tx.load(Space.ASKED, group + asker, AskedRecord)
    if known is None or not known.since_s <= tx.now_s < known.since_s + ASK_AGAIN_S:
        known = AskedRecord(tx.now_s, 0, 0)  # a clock that was ahead when it was noted takes nothing from him
    return Allowance(structs.replace(known, asks=known.asks + 1)) if known.asks < ASKS_MAX else None


def note_sealed(tx: Transaction, group: GroupId, what: ObjectId, epoch: EpochId) -> None:
    """We have sealed an object again in an epoch."""
    tx.put(Space.REPEATED, group + what, epoch + u64(tx.now_s))


def is_sealed_already(tx: Transaction, group: GroupId, what: ObjectId, epoch: EpochId) -> bool:
    """Whether we have sealed it again in this epoch in a bundle that still travels. What others have sealed does not
    tell: who wants to keep it from somebody could do so in a way that he cannot open."""
    noted = tx.get(Space.REPEATED, group + what) or b""
    since_s = int.from_bytes(noted[ID_BYTES:], "big")
    return noted[:ID_BYTES] == epoch and since_s <= tx.now_s < since_s + _TRAVELS_S
