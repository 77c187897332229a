"""Questions for what did not come and what we may be unable to open: a lost bundle, a branch that was settled away.

Whoever lacks something says so once it has been missing for a day; the answer is an object sealed again for the head
(`resealing`). Spec: `docs/spec/forks.md`, "What was lost".
"""

from __future__ import annotations

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.limits import ASKED_MAX, SECONDS_PER_DAY
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.node.authors import gaps_of
from chasqui.node.groups import load_group
from chasqui.node.keys import u64
from chasqui.node.outbox import say
from chasqui.node.receipting import told
from chasqui.node.records import AuthorRecord, LackRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

ASK_AFTER_S = SECONDS_PER_DAY  # what is on its way by another courier need not be sealed again
ASK_AGAIN_S = 3 * SECONDS_PER_DAY


def note_missing(tx: Transaction, group: GroupId, operation: ObjectId) -> None:
    """Something cites an operation that is not here."""
    if tx.get(Space.MISSING, group + operation) is None:
        tx.put(Space.MISSING, group + operation, u64(tx.now_s) + u64(0))


def ask(tx: Transaction, group: GroupId) -> None:
    """Asks for what has been missing for long enough. The caller knows that the head is clean."""
    operations = _missing_operations(tx, group)
    numbers = _missing_numbers(tx, group)
    if operations or numbers:
        say(tx, group, load_group(tx, group), Kind.ASK, encode(AskBody(operations, numbers)))


def _missing_operations(tx: Transaction, group: GroupId) -> tuple[bytes, ...]:
    due: list[bytes] = []
    for key, value in list(tx.scan_prefix(Space.MISSING, group)):
        operation, since_s, asked_s = key[len(group) :], value[:8], int.from_bytes(value[8:], "big")
        if tx.get(Space.OPERATION, key) is not None:
            tx.erase(Space.MISSING, key)
        elif _is_due(tx, int.from_bytes(since_s, "big"), asked_s) and len(due) < ASKED_MAX:
            due.append(operation)
            tx.put(Space.MISSING, key, since_s + u64(tx.now_s))
    return tuple(due)


def _missing_numbers(tx: Transaction, group: GroupId) -> tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...]:
    own = load_group(tx, group).member
    claimed = told(tx, group)
    due: list[tuple[bytes, tuple[tuple[int, int], ...]]] = []
    for author, known in tx.load_prefix(Space.AUTHOR, group, AuthorRecord):
        gaps = () if author == own else gaps_of(known, claimed.get(MemberKey(author), 0))[:ASKED_MAX]
        lacked = tx.load(Space.LACKED, group + author, LackRecord)
        if not gaps:
            if lacked is not None:
                tx.erase(Space.LACKED, group + author)
            continue
        still = Ranges(gaps).common(Ranges(lacked.spans)).spans if lacked is not None else ()
        if lacked is None or not still:
            tx.save(Space.LACKED, group + author, LackRecord(gaps, tx.now_s, 0))
        elif _is_due(tx, lacked.since_s, lacked.asked_s):
            due.append((author, still[:ASKED_MAX]))
            tx.save(Space.LACKED, group + author, LackRecord(gaps, lacked.since_s, tx.now_s))
    return tuple(due)


def _is_due(tx: Transaction, since_s: int, asked_s: int) -> bool:
    """A clock that was ahead when the time was noted only makes us ask sooner."""
    return not (since_s <= tx.now_s < since_s + ASK_AFTER_S or asked_s <= tx.now_s < asked_s + ASK_AGAIN_S)
