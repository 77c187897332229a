"""What any member says of another: that its device was taken; and the witnesses that a device owes."""

from __future__ import annotations

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.limits import WITNESSES_AT_ONCE_MAX
from chasqui.base.ranges import Ranges
from chasqui.groups.operation import Accuse, GroupKind, Remove
from chasqui.groups.witnesses import encode_witnesses, had_now
from chasqui.node.authors import load_author
from chasqui.node.changes import carry_out_due, issue, require_clean, require_in
from chasqui.node.deciding import require_other
from chasqui.node.groups import history_of, keep_witnesses, load_group, next_heads, roster_of
from chasqui.node.outbox import say
from chasqui.node.records import GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind


def accuse(tx: Transaction, group: GroupId, member: MemberKey) -> None:
    """Says that a member's device was taken. Raises `UserError` where we may not."""
    record = require_in(load_group(tx, group))
    if record.kind == GroupKind.CONTACT:
        raise UserError(
            "In a contact there is nobody else who could shut the device out.",
            safety="Nothing was sent. Whoever holds that device reads what you write there.",
            todo="Write nothing there any more, and say it in the groups that you share: `chasqui group taken`.",
        )
    roster = roster_of(tx, group)
    require_other(record, roster, member)
    if record.member in roster.quarantined:
        require_clean(tx, group)  # says why not
    last_seq = Ranges(load_author(tx, group, member).spans).last
    change = Accuse(next_heads(tx, group, record), member, last_seq)
    own = MemberKey(record.member)
    said = [of for of, against in roster.accusations.items() if own in {operation.issuer for operation in against}]
    signed, _ = issue(tx, group, record, change)
    if signed.id not in roster_of(tx, group).rightful:
        raise _no_right(same=member in said, another=bool(said))
    carry_out_due(tx, group)


def _no_right(*, same: bool, another: bool) -> UserError:
    if same:
        return UserError(
            "You have said so already.",
            safety="It counts once. `chasqui group show` says whether enough members say so.",
            todo="Exchange, and tell the others, so that they say it, too. Or an admin removes the member.",
        )
    return UserError(
        "You have said it of another member already." if another else "You cannot say this of that member here.",
        safety="Nothing was sent. What one member says counts for one device at a time.",
        todo="Tell the others and an admin by voice: they can say it, and an admin can remove the member.",
    )


def say_witnesses(tx: Transaction, group: GroupId, record: GroupRecord) -> GroupRecord:
    """Says, once per removal that counts, what is here."""
    if tx.get(Space.WITNESS, group) is None:
        return record
    tx.erase(Space.WITNESS, group)
    history, roster = history_of(tx, group), roster_of(tx, group)
    own = roster.seat(MemberKey(record.member))
    if own is None or own.member in roster.quarantined:
        return record
    due: list[tuple[ObjectId, tuple[ObjectId, ...]]] = []
    for operation in history.order:
        change = operation.change
        if not isinstance(change, Remove) or operation.id not in roster.counting:
            continue
        if tx.get(Space.WITNESS, group + operation.id + own.member) is not None:
            continue
        if history.precedes(operation.id, own.since):
            continue  # before our time: our word does not count
        due.append((operation.id, had_now(history, MemberKey(change.member))))
    if not due:
        return record
    said = tuple(sorted(due)[:WITNESSES_AT_ONCE_MAX])
    if len(due) > len(said):
        tx.put(Space.WITNESS, group, b"")  # the others with the next object
    signed, record = say(tx, group, record, Kind.WITNESS, encode_witnesses(said))
    keep_witnesses(tx, signed, said)
    return record
