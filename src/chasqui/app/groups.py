"""`group ...`: carried out on a node."""

from __future__ import annotations

from chasqui.app import requests
from chasqui.app.desk import stamp, stamp_or_none
from chasqui.app.guests import guest_line
from chasqui.app.names import find_contact, find_group, find_invitation, find_member
from chasqui.app.results import (
    AccusedLine,
    Added,
    Asked,
    Confirmed,
    FilledLine,
    ForkLine,
    GroupChecked,
    GroupDetails,
    GroupLine,
    GroupMade,
    Groups,
    Left,
    MemberChanged,
    MemberLine,
    Newcomer,
    PendingLine,
    ProofLine,
    Removed,
)
from chasqui.app.runner import Runner
from chasqui.app.spoken import numbers_of, words_of
from chasqui.base.errors import UsageError, UserError
from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.check import CHALLENGE_WORDS, draw_challenge
from chasqui.groups.operation import GroupKind, Role
from chasqui.node import inputs
from chasqui.node.checking import check_group
from chasqui.node.delivered import DeliveredView, delivered_to
from chasqui.node.groups import not_joined
from chasqui.node.guests import guests_of, still_beside
from chasqui.node.pace import filled
from chasqui.node.records import ContactRecord, InvitationRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import GroupView, MemberView, NewcomerView, PendingView
from chasqui.node.views import group_view, list_groups, member_name

_ROLES = {"member": Role.MEMBER, "admin": Role.ADMIN}


def create(runner: Runner, request: requests.CreateGroup) -> GroupMade:
    """A group with us alone in it."""
    group: GroupId = runner.step(
        inputs.CreateGroup(request.name, request.retention_s, request.taken, request.quorum)
    )
    return GroupMade(group.hex(), group_view(runner.look(), group).name)


def list_all(runner: Runner, request: requests.ListGroups) -> Groups:
    """All groups and invitations, by name; contacts have a list of their own."""
    return Groups(lines_of(runner.look()))


def lines_of(tx: Transaction) -> tuple[GroupLine, ...]:
    """Groups and invitations as lines."""
    return tuple(
        GroupLine(
            line.id.hex(),
            line.name,
            line.state,
            line.members,
            line.messages,
            line.confirmed,
            line.alarms,
            line.waiting,
            line.accused,
            (line.newcomer.heard, line.newcomer.of) if line.newcomer else None,
        )
        for line in list_groups(tx)
        if line.kind is not GroupKind.CONTACT
    )


def show(runner: Runner, request: requests.ShowGroup) -> GroupDetails:
    """Everything about a group or contact."""
    tx = runner.look()
    view = group_view(tx, find_group(tx, request.group))
    reached = delivered_to(tx, view.id, (m.key for m in view.members)) if view.own else {}
    return GroupDetails(
        view.id.hex(),
        view.name,
        view.state,
        view.head.hex(),
        tuple(_member_line(view, m, reached[m.key]) for m in view.members),
        tuple(_pending_line(view, p) for p in (*view.pending, *view.void)),
        tuple(
            ForkLine(
                fork.parent.hex(),
                tuple(_name_in(view, key) for key in fork.committers),
                fork.by_one_member,
                fork.confirmed,
                fork.of,
                fork.needed,
            )
            for fork in view.forks
        ),
        view.retention_s,
        view.kind is GroupKind.CONTACT,
        tuple(ProofLine(p.name, p.member.hex(), p.parent.hex(), _two(p.commits)) for p in view.proofs),
        stamp_or_none(view.asked_s),
        view.quorum,
        view.taken,
        tuple(guest_line(guest) for guest in guests_of(tx, view.id)),
        tuple(
            AccusedLine(
                _name_in(view, a.member), a.member.hex(), tuple(_name_in(view, key) for key in a.by), a.shut_out
            )
            for a in view.accused
        ),
        newcomer_line(view.newcomer),
        _filled_line(tx, view),
        tuple(_name_in(view, key) for key in view.sealed_off),
    )


def newcomer_line(new: NewcomerView | None) -> Newcomer | None:
    """What somebody who came in knows of the others."""
    return None if new is None else Newcomer(new.heard, new.of, stamp(new.since_s))


def _filled_line(tx: Transaction, view: GroupView) -> FilledLine | None:
    found = filled(tx, view.id) if view.own else None
    if found is None:
        return None
    changes, most, times = found
    return FilledLine(changes, _name_in(view, most), most.hex(), times)


def _pending_line(view: GroupView, waits: PendingView) -> PendingLine:
    by = _name_in(view, MemberKey(waits.by)) if waits.by else ""
    since = stamp(waits.since_s)
    own = bool(waits.by) and waits.by == view.own
    return PendingLine(
        waits.op, waits.member, since, waits.id.hex(), waits.change, waits.key.hex(), by, waits.expired, own
    )


def add(runner: Runner, request: requests.AddMember) -> Added:
    """Invites a contact, or notes that it waits for a key package."""
    tx = runner.look()
    group, contact = find_group(tx, request.group), find_contact(tx, request.contact)
    member: bytes = runner.step(inputs.AddMember(group, contact, _ROLES[request.role]))
    tx = runner.look()
    record = tx.load(Space.CONTACT, contact, ContactRecord)
    view = group_view(tx, group)
    waits = _waits(view, "add", member) if member else ""
    state = "unconfirmed" if waits else "invited" if member else "pending"
    return Added(member.hex() if member else None, state, waits, view.name, record.name if record else "")


def _waits(view: GroupView, change: str, member: bytes) -> str:
    """The id of a change that waits for another admin."""
    return next((p.id.hex() for p in view.void if (p.change, p.key) == (change, member)), "")


def join(runner: Runner, request: requests.JoinGroup) -> GroupMade:
    """Accepts an invitation."""
    group = find_invitation(runner.look(), request.group)
    runner.step(inputs.JoinGroup(group))
    view = group_view(runner.look(), group)
    if view.state == "removed":
        raise UserError(
            "You have joined, but you are out of this group already: you were removed meanwhile.",
            safety="You cannot send there.",
            todo="Ask an admin of the group to add you again.",
        )
    return GroupMade(group.hex(), view.name)


def remove(runner: Runner, request: requests.RemoveMember) -> Removed:
    """Puts a member out."""
    tx = runner.look()
    group = find_group(tx, request.group)
    if tx.load(Space.INVITATION, group, InvitationRecord) is not None and tx.get(Space.GROUP, group) is None:
        raise not_joined()
    member = find_member(tx, group, request.member)
    if member.key == group_view(tx, group).own:
        raise UsageError("This is you.", safety="Nothing was changed.", todo="To leave: `chasqui group leave GROUP`.")
    runner.step(inputs.RemoveMember(group, member.key))
    view = group_view(runner.look(), group)
    waits = _waits(view, "remove", member.key)
    state = "unconfirmed" if waits else "removal-pending" if view.state == "removal-pending" else "removed"
    beside = still_beside(runner.look(), group, member.key)
    same = (m.key.hex() for m in view.members if m.name == member.name and m.state in ("current", "invited"))
    also = tuple(key for key in same if key != member.key.hex())
    return Removed(member.key.hex(), member.name, state, waits, view.name, beside, also)


def set_role(runner: Runner, request: requests.SetRole) -> MemberChanged:
    """Gives a member another role."""
    group, member = _member(runner, request.group, request.member)
    runner.step(inputs.SetRole(group, member, _ROLES[request.role]))
    return _changed(runner, group, member, request.role)


def accuse(runner: Runner, request: requests.Accuse) -> MemberChanged:
    """Says that a member's device was taken."""
    group, member = _member(runner, request.group, request.member)
    runner.step(inputs.Accuse(group, member))
    return _changed(runner, group, member)


def lift(runner: Runner, request: requests.Lift) -> MemberChanged:
    """Ends the accusations against a member."""
    group, member = _member(runner, request.group, request.member)
    runner.step(inputs.Lift(group, member))
    return _changed(runner, group, member, "lift")


def confirm(runner: Runner, request: requests.Confirm) -> Confirmed:
    """Stands behind a change of another admin."""
    tx = runner.look()
    group = find_group(tx, request.group)
    wanted = request.operation.lower()
    before = group_view(tx, group)
    found = [p for p in before.void if len(wanted) >= 8 and p.id.hex().startswith(wanted)]
    if len(found) != 1:
        raise UsageError(
            "There is no such change that waits for anybody.",
            safety="Nothing was changed.",
            todo="`chasqui group show` lists them, if there are any: give the 8 digits at the beginning of its line.",
        )
    (waited,) = found
    runner.step(inputs.Confirm(group, ObjectId(waited.id)))
    by = _name_in(before, MemberKey(waited.by))
    state = group_view(runner.look(), group).state
    return Confirmed(waited.id.hex(), waited.change, waited.key.hex(), waited.member, by, state)


def _member(runner: Runner, group: str, member: str) -> tuple[GroupId, MemberKey]:
    tx = runner.look()
    found = find_group(tx, group)
    return found, find_member(tx, found, member).key


def _changed(runner: Runner, group: GroupId, member: MemberKey, change: str = "") -> MemberChanged:
    view = group_view(runner.look(), group)
    found = next(m for m in view.members if m.key == member)
    waits = _waits(view, change, member)
    return MemberChanged(member.hex(), found.name, found.role, found.state, waits, view.name, change)


def leave(runner: Runner, request: requests.LeaveGroup) -> Left:
    """We leave."""
    tx = runner.look()
    group = find_group(tx, request.group)
    name = group_view(tx, group).name
    runner.step(inputs.LeaveGroup(group))
    return Left(group.hex(), name, "left")


def rejoin(runner: Runner, request: requests.RejoinGroup) -> Asked:
    """We ask contacts for a new leaf."""
    group = find_group(runner.look(), request.group)
    name = group_view(runner.look(), group).name
    contacts = runner.step(inputs.Rejoin(group))
    if not isinstance(contacts, int):
        raise AssertionError("no answer")
    return Asked(group.hex(), name, contacts)


def check(runner: Runner, request: requests.CheckGroup) -> GroupChecked:
    """The words of a group check: fresh ones asked and what all answer, or the answer to those that were said."""
    tx = runner.look()
    group = find_group(tx, request.group)
    challenge = numbers_of(request.words) if request.words else draw_challenge(tx.entropy)
    if len(challenge) != CHALLENGE_WORDS:
        raise UsageError("A check asks two words.", todo="`chasqui group check GROUP --words WORD WORD`")
    found = check_group(tx, group, challenge)
    view = group_view(tx, group)
    return GroupChecked(
        group.hex(),
        view.name,
        words_of(challenge),
        words_of(found.words),
        tuple(member.hex() for member in found.members),
        not request.words,
        tuple(member_name(tx, group, member) for member in found.members if member != view.own),
        view.state,
    )


def _member_line(view: GroupView, member: MemberView, reached: DeliveredView) -> MemberLine:
    own = member.key == view.own
    return MemberLine(
        member.name,
        member.key.hex(),
        member.role,
        member.state,
        stamp_or_none(member.last_heard_s),
        stamp_or_none(member.renewed_s),
        own,
        member.delivered_up_to,
        None if own else stamp_or_none(reached.up_to_s),
        0 if own else reached.waiting,
    )


def _two(commits: tuple[bytes, bytes]) -> tuple[str, str]:
    return commits[0].hex(), commits[1].hex()


def _name_in(view: GroupView, key: MemberKey) -> str:
    return next((m.name for m in view.members if m.key == key), key.hex()[:8])
