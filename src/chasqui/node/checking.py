"""Group check: what this device answers, from the head and nothing that is kept. Spec: `docs/spec/groups.md`."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base.errors import RefusedForSafetyError, UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.groups.check import answer_to
from chasqui.groups.operation import Reason
from chasqui.mls import GroupState
from chasqui.node.changes import removal_waits
from chasqui.node.epochs import head_of
from chasqui.node.groups import is_clean, load_group, not_joined
from chasqui.node.records import Space
from chasqui.node.transaction import Transaction


@dataclass(frozen=True)
class CheckView:
    """The answer as numbers of words, and who has to give the same: the members in the tree of our head, we first."""

    words: tuple[int, ...]
    members: tuple[MemberKey, ...]


def check_group(tx: Transaction, group: GroupId, challenge: tuple[int, ...]) -> CheckView:
    """What we answer to the two words. Raises `UserError` where our words would say nothing about the group."""
    if tx.get(Space.INVITATION, group) is not None:
        raise not_joined()
    record = load_group(tx, group)
    if record.out or not record.head:
        held = record.out == Reason.TAKEN
        raise UserError(
            "You are quarantined in this group." if held else "You are not in this group any more.",
            safety="Your device has none of its new keys, so there is nothing to compare.",
            todo="Ask an admin to lift it." if held else "Ask an admin of the group to add you again.",
        )
    if record.stale_s:
        raise UserError(
            "This vault is an older copy of itself (restored or cloned) and cannot follow the group.",
            safety="Its words would differ from the others' though nothing is wrong with the group.",
            todo="It asks your contacts for new keys by itself: exchange with them, then check again.",
        )
    _, epoch = head_of(tx, group, record)
    if removal_waits(tx, group) or not is_clean(tx, group, epoch):
        raise RefusedForSafetyError(
            "A removal is pending: the keys are those that the removed member has, too.",
            safety="Equal words would not mean that you are among yourselves, so there are none.",
            todo="Exchange with the others until `chasqui group show` says that the removal is done.",
        )
    if len(epoch.roster) == 1:
        raise UserError("You are alone in this group: there is nobody to compare with.", todo="")
    words = answer_to(challenge, GroupState.from_bytes(epoch.mls_state).epoch_authenticator, group)
    others = tuple(MemberKey(key) for _, key in epoch.roster if key != record.member)
    return CheckView(words, (MemberKey(record.member), *others))
