"""What admins decide about members beside additions: removals, roles, lifts; and standing behind one another's word.

Where a group asks for two admins, a change by one of them waits. Whoever signs the same as another one who waits stands
behind him.
"""

from __future__ import annotations

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.base.limits import KEY_PACKAGE_LIFETIME_S, SECONDS_PER_DAY
from chasqui.base.ranges import Ranges
from chasqui.groups.history import History
from chasqui.groups.membership import Roster
from chasqui.groups.operation import Add, Change, Confirm, Lift, Operation, Reason, Remove, Role, SetRole
from chasqui.node.authors import load_author
from chasqui.node.changes import carry_out_due, issue, require_admin, require_clean, require_in
from chasqui.node.derived import derived
from chasqui.node.epochs import head_of
from chasqui.node.groups import history_of, is_clean, load_group, next_heads, removed_members, roster_of
from chasqui.node.pauses import ASLEEP, AWAKE, Pause
from chasqui.node.records import GroupRecord, Space
from chasqui.node.transaction import Transaction


def remove_member(tx: Transaction, group: GroupId, member: MemberKey) -> None:
    """Puts a member out and renews the keys, or where a second admin is needed, waits for him. Raises `UserError` where
    we may not."""
    record = load_group(tx, group)
    roster = roster_of(tx, group)
    require_admin(record, roster)
    if roster.seat(member) is None:
        raise UserError("That member is not in the group any more.")
    if member == record.member:
        raise UserError("You cannot remove yourself.", todo="To leave: `chasqui group leave GROUP`.")
    last_seq = Ranges(load_author(tx, group, member).spans).last
    signed = _decide(tx, group, Remove(next_heads(tx, group, record), member, last_seq, Reason.REMOVED))
    carry_out_due(tx, group, at_once=True)
    _, epoch = head_of(tx, group, load_group(tx, group))
    waits = signed in roster_of(tx, group).pending
    if not waits and (member not in removed_members(tx, group) or not is_clean(tx, group, epoch)):
        raise UserError(
            "This removal would not count: what you have seen of the group does not give you the right to it.",
            safety="Nothing was changed.",
            todo="Exchange with the others, and see `chasqui group show`.",
        )


def set_role(tx: Transaction, group: GroupId, member: MemberKey, role: Role) -> None:
    """Gives a member another role. Raises `UserError` where we may not."""
    record = require_clean(tx, group)
    roster = roster_of(tx, group)
    require_admin(record, roster)
    require_other(record, roster, member)
    _decide(tx, group, SetRole(next_heads(tx, group, record), member, role))


def lift(tx: Transaction, group: GroupId, member: MemberKey) -> None:
    """Ends the accusations against a member. Raises `UserError` where we may not."""
    record = require_in(load_group(tx, group))
    roster = roster_of(tx, group)
    require_admin(record, roster)
    require_other(record, roster, member)
    if member not in roster.accusations:
        raise UserError(
            "Nobody says that the device of this member was taken, as far as you have heard.",
            safety="Nothing was changed.",
            todo="There is nothing to end. If somebody did say so, exchange first.",
        )
    _decide(tx, group, Lift(next_heads(tx, group, record), member))


def confirm(tx: Transaction, group: GroupId, operation: ObjectId) -> None:
    """Stands behind a change of another admin, and carries out a removal that stands by that. Raises `UserError` where
    we may not."""
    record = require_in(load_group(tx, group))
    history, roster = history_of(tx, group), roster_of(tx, group)
    require_admin(record, roster)
    if operation not in waiting_changes(history, roster):
        raise UserError("There is no such change that waits for anybody.", todo="See `chasqui group show`.")
    if is_too_old(history.order[history.position[operation]], tx.now_s):
        raise UserError(
            "This addition waited for so long that the keys of the new member have expired.",
            safety="Nothing was changed.",
            todo="Whoever signed it adds the person again: `chasqui group add`.",
        )
    _stand_behind(tx, group, record, operation)
    carry_out_due(tx, group, at_once=True)


def stand_behind_the_same(tx: Transaction, group: GroupId) -> None:
    """Two admins who signed the same change, neither knowing of the other, are two who want it: of several that wait,
    whoever signed another one stands behind the first. The caller knows that the head is clean."""
    record = load_group(tx, group)
    if record.quorum < 2:
        return
    history, roster = history_of(tx, group), roster_of(tx, group)
    if record.member not in roster.admins:
        return
    waiting = [known for known in history.order if known.id in roster.pending]
    for mine in waiting:
        first = next(known for known in waiting if known is mine or _same(known.change, mine.change))
        if mine.issuer == record.member and not _signed_by(roster, first, mine.issuer):
            _stand_behind(tx, group, record, first.id)
            carry_out_due(tx, group, at_once=True)
            return  # what else waits, with the next turn


@derived(Space.GROUP, Space.OPERATION, Space.WITNESS)
def until_same(tx: Transaction, group: GroupId) -> Pause:
    """Ends `stand_behind_the_same`'s pause while changes wait for a second admin."""
    return AWAKE if load_group(tx, group).quorum > 1 and roster_of(tx, group).pending else ASLEEP


def waiting_changes(history: History, roster: Roster) -> tuple[ObjectId, ...]:
    """The changes, void ones and those with too few admins behind them, that would still have an effect."""
    found = []
    for operation in history.order:
        change = operation.change
        if operation.id not in roster.void | roster.pending or not isinstance(change, Add | Remove | SetRole | Lift):
            continue
        member = MemberKey(change.member)
        gone = member in roster.removals
        if gone or (member not in roster.members and not isinstance(change, Add)):
            continue
        found.append(operation.id)
    return tuple(found)


def is_too_old(operation: Operation, now_s: int) -> bool:
    """Whether the key package that an addition names has surely expired, had it been made on the day it was signed."""
    signed_s = operation.minute * 60
    return isinstance(operation.change, Add) and signed_s + KEY_PACKAGE_LIFETIME_S + SECONDS_PER_DAY < now_s


def require_other(record: GroupRecord, roster: Roster, member: MemberKey) -> None:
    """Raises `UserError` for ourselves, and for somebody who is not in."""
    if member == record.member:
        raise UserError(
            "This is you: others decide that about you.",
            safety="Nothing was changed.",
            todo="Tell another member. To leave: `chasqui group leave GROUP`.",
        )
    if roster.seat(member) is None:
        raise UserError("That member is not in the group any more.", todo="See `chasqui group show`.")


def waits_already() -> UserError:
    """For somebody who asks again for what waits for another admin."""
    return UserError(
        "You have signed this already. It waits for another admin.",
        safety="Nothing has changed yet.",
        todo="Another admin has to confirm it: see `chasqui group show`.",
    )


def _decide(tx: Transaction, group: GroupId, change: Change) -> ObjectId:
    """Signs a change, or stands behind the same one by another admin which waits for that. Gives which."""
    record = load_group(tx, group)
    history, roster = history_of(tx, group), roster_of(tx, group)
    same = [o for o in history.order if o.id in roster.pending and _same(o.change, change)]
    own = MemberKey(record.member)
    if any(_signed_by(roster, known, own) for known in same):
        raise waits_already()
    if same:
        _stand_behind(tx, group, record, same[0].id)
        return same[0].id
    signed, _ = issue(tx, group, record, change)
    return signed.id


def _stand_behind(tx: Transaction, group: GroupId, record: GroupRecord, operation: ObjectId) -> None:
    signed, _ = issue(tx, group, record, Confirm(next_heads(tx, group, record), operation))
    if signed.id not in roster_of(tx, group).rightful:
        raise UserError(
            "Another admin has to confirm this: it is your own, or concerns you.",
            safety="Nothing was changed.",
            todo="Tell another admin by voice; `chasqui group show` says what to type.",
        )


def _signed_by(roster: Roster, operation: Operation, member: MemberKey) -> bool:
    return any(by.issuer == member for by in (operation, *roster.confirms.get(operation.id, ())))


def _same(one: Change, other: Change) -> bool:
    """Whether two changes ask for the same. Additions never do: each brings keys of its own."""
    if isinstance(one, SetRole) and isinstance(other, SetRole):
        return (one.member, one.role) == (other.member, other.role)
    if isinstance(one, Remove | Lift) and isinstance(other, Remove | Lift):
        return type(one) is type(other) and one.member == other.member
    return False
