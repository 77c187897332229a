"""What somebody who has just come in can know of the others. He holds no keys and no votes from before his entry, so he
sees no fork that it stands on: only who of the others is where he is."""

from __future__ import annotations

from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.groups.operation import GroupKind
from chasqui.node.authors import load_author
from chasqui.node.branches import branches_of
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import history_of, load_group, roster_of
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import NewcomerView


def newcomer_view(tx: Transaction, group: GroupId) -> NewcomerView | None:
    """For who came in by a commit that may have lost elsewhere: as long as nothing after it is settled, and with
    himself and whoever let him in, no more than two thirds of the members were heard on its branch. Who is not known
    ever to have spoken is not counted: he may not have joined."""
    record = load_group(tx, group)
    entry = load_epoch(tx, group, EpochId(record.entry)) if record.entry else None
    if record.out or record.stale_s or record.seated or record.kind == GroupKind.CONTACT or entry is None:
        return None
    roster, own = roster_of(tx, group), MemberKey(record.member)
    below = frozenset(branches_of(tx, group).below(EpochId(record.entry)))
    inviter = _inviter(tx, group, own) if entry.created_s == record.joined_s else None
    heard = others = 0
    for member in roster.current - {own}:
        author = load_author(tx, group, member)
        here = member == inviter or author.at in below
        heard += here
        others += here or bool(author.last_heard_s) or author.sealed_before > 1
    if 3 * (heard + 1) > 2 * (others + 1):
        return None
    return NewcomerView(heard, others, entry.created_s)


def _inviter(tx: Transaction, group: GroupId, own: MemberKey) -> MemberKey | None:
    """Who made the commit that let us in: whoever signed our addition."""
    history, seat = history_of(tx, group), roster_of(tx, group).seat(own)
    return None if seat is None else history.order[history.position[seat.since]].issuer
