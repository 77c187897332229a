"""Questions for what did not come and what we may be unable to open: a lost bundle, a branch that was settled away.

Whoever lacks something says so once it has been missing for a day; the answer is an object sealed again for the head
(`resealing`). Spec: `docs/spec/forks.md`, "What was lost".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chasqui.base.ids import MEMBER_KEY_BYTES, GroupId, MemberKey, ObjectId
from chasqui.base.limits import ASK_AGAIN_S, ASKED_MAX, CITED_MISSING_MAX, GROUP_MEMBERS_MAX, SECONDS_PER_DAY
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.node.authors import gaps_of
from chasqui.node.derived import derived
from chasqui.node.groups import history_of, load_group
from chasqui.node.keys import u64
from chasqui.node.outbox import BODY_BYTES_MAX, say
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.receipting import told
from chasqui.node.records import AuthorRecord, LackRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

ASK_AFTER_S = SECONDS_PER_DAY  # what is on its way by another courier need not be sealed again
_ASK_BYTES = 16  # the lengths of the lists; below, what each thing that is asked for takes at most
_OPERATION_BYTES = 18
_AUTHOR_BYTES = 38
_RUN_BYTES = 11
_TIMES_BYTES = 16


def note_missing(tx: Transaction, group: GroupId, operation: ObjectId, by: MemberKey) -> bool:
    """Something of a member cites an operation that is not here. Whether that is news; two are enough to know. Of what
    he alone cites so much is noted: everybody asks for it, for as long as it does not come."""
    noted = tx.get(Space.MISSING, group + operation)
    citers = citers_of(tx, group, operation)
    if by in citers or len(citers) > 1 or (noted is None and _first_cited(tx, group, by) >= CITED_MISSING_MAX):
        return False
    tx.put(Space.MISSING, group + operation, (noted or u64(tx.now_s) + u64(0)) + by)
    return True


def _first_cited(tx: Transaction, group: GroupId, by: MemberKey) -> int:
    """How much is noted as missing that this member was the first to cite."""
    return sum(value.startswith(by, _TIMES_BYTES) for _, value in tx.scan_prefix(Space.MISSING, group))


def note_cited(tx: Transaction, group: GroupId, cited: Iterable[ObjectId], by: MemberKey) -> bool:
    """Something of a member that waits cites these, and by them what they wait for themselves. Whether that is news."""
    history = history_of(tx, group)
    waiting = {operation.id: operation.heads for operation in history.deferred}
    found, news, rest = set(), False, set(cited)
    while rest:
        each = rest.pop()
        found.add(each)
        if each in waiting:
            rest |= waiting[each] - found
        elif each not in history.position:
            news |= note_missing(tx, group, each, by)
    return news


def citers_of(tx: Transaction, group: GroupId, operation: ObjectId) -> frozenset[MemberKey]:
    """Members who cite what is, or was, not here; two at most."""
    keys = (tx.get(Space.MISSING, group + operation) or b"")[_TIMES_BYTES:]
    return frozenset(MemberKey(keys[at : at + MEMBER_KEY_BYTES]) for at in range(0, len(keys), MEMBER_KEY_BYTES))


def ask(tx: Transaction, group: GroupId) -> None:
    """Asks for what has been missing for long enough. The caller knows that the head is clean."""
    operations = _missing_operations(tx, group)
    numbers = _missing_numbers(tx, group, BODY_BYTES_MAX - _ASK_BYTES - _OPERATION_BYTES * len(operations))
    if operations or numbers:
        say(tx, group, load_group(tx, group), Kind.ASK, encode(AskBody(operations, numbers)))


@derived(Space.GROUP, Space.AUTHOR, Space.HAVE, Space.LACKED, Space.MISSING, Space.OPERATION, Space.WITNESSED)
def until_ask(tx: Transaction, group: GroupId) -> Pause:
    """For how long nothing has been missing for long enough, and what is noted of it is as it is."""
    pause = ASLEEP
    for key, value in tx.scan_prefix(Space.MISSING, group):
        if _came(tx, key):
            return AWAKE
        pause = pause.and_(_pause(*_times(value)))
    gaps = _gaps(tx, group)
    for author, lacked in tx.load_prefix(Space.LACKED, group, LackRecord):
        if author not in gaps or not Ranges(gaps[author]).common(Ranges(lacked.spans)).spans:
            return AWAKE
        pause = pause.and_(_pause(lacked.since_s, lacked.asked_s))
    known = all(tx.get(Space.LACKED, group + author) is not None for author in gaps)
    return pause if known else AWAKE


@derived(Space.GROUP, Space.AUTHOR, Space.HAVE)
def _gaps(tx: Transaction, group: GroupId) -> Mapping[bytes, tuple[tuple[int, int], ...]]:
    """What did not come of each other author, where anything did not."""
    own, claimed = load_group(tx, group).member, told(tx, group)
    found = {}
    for author, known in tx.load_prefix(Space.AUTHOR, group, AuthorRecord):
        gaps = () if author == own else gaps_of(known, claimed.get(MemberKey(author), 0))[:ASKED_MAX]
        if gaps:
            found[author] = gaps
    return found


def _missing_operations(tx: Transaction, group: GroupId) -> tuple[bytes, ...]:
    due: list[bytes] = []
    for key, value in list(tx.scan_prefix(Space.MISSING, group)):
        operation, (since_s, asked_s) = key[len(group) :], _times(value)
        if _came(tx, key):
            tx.erase(Space.MISSING, key)
        elif _is_due(tx, since_s, asked_s) and len(due) < ASKED_MAX:
            due.append(operation)
            tx.put(Space.MISSING, key, u64(since_s) + u64(tx.now_s) + value[_TIMES_BYTES:])
    return tuple(due)


def _times(missing: bytes) -> tuple[int, int]:
    """Since when something is missing, and when it was asked for."""
    return int.from_bytes(missing[:8], "big"), int.from_bytes(missing[8:_TIMES_BYTES], "big")


def _came(tx: Transaction, key: bytes) -> bool:
    return tx.get(Space.OPERATION, key) is not None or tx.get(Space.WITNESSED, key) is not None


def _missing_numbers(
    tx: Transaction, group: GroupId, room: int
) -> tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...]:
    """What is to be asked for now, as far as there is room; what is not asked for stays due."""
    due: list[tuple[bytes, tuple[tuple[int, int], ...]]] = []
    noted, missing = dict(tx.load_prefix(Space.LACKED, group, LackRecord)), _gaps(tx, group)
    for author in sorted(noted.keys() | missing.keys()):
        gaps, lacked = missing.get(author, ()), noted.get(author)
        if not gaps:
            tx.erase(Space.LACKED, group + author)
            continue
        still = Ranges(gaps).common(Ranges(lacked.spans)).spans if lacked is not None else ()
        if lacked is None or not still:
            tx.save(Space.LACKED, group + author, LackRecord(gaps, tx.now_s, 0))
        elif _is_due(tx, lacked.since_s, lacked.asked_s):
            takes = _AUTHOR_BYTES + _RUN_BYTES * len(still[:ASKED_MAX])
            if takes > room or len(due) == GROUP_MEMBERS_MAX:
                continue
            room -= takes
            due.append((author, still[:ASKED_MAX]))
            tx.save(Space.LACKED, group + author, LackRecord(gaps, lacked.since_s, tx.now_s))
    return tuple(due)


def _is_due(tx: Transaction, since_s: int, asked_s: int) -> bool:
    """A clock that was ahead when the time was noted only makes us ask sooner."""
    return not (since_s <= tx.now_s < since_s + ASK_AFTER_S or asked_s <= tx.now_s < asked_s + ASK_AGAIN_S)


def _pause(since_s: int, asked_s: int) -> Pause:
    """A time in which it is not due: the one that began last."""
    if since_s >= asked_s:
        return Pause(since_s, since_s + ASK_AFTER_S)
    return Pause(asked_s, asked_s + ASK_AGAIN_S)
