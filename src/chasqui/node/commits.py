"""Commits that others made: applied on whatever branch they stand, when they fit its tree and the operations."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, MemberKey, ObjectId
from chasqui.base.limits import (
    COMMITS_A_DAY_MAX,
    LETTING_IN_A_DAY_MAX,
    MINUTES_PER_DAY,
    SECONDS_PER_DAY,
    SIBLINGS_PER_COMMITTER_MAX,
    UNSETTLED_COMMITS_MAX,
)
from chasqui.groups.bodies import read_commit
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Reason
from chasqui.node.authors import expect_from_start
from chasqui.node.branches import branches_of, follow, is_renewal, keep_commit, lets_in, put_out, root_of
from chasqui.node.changes import commit_id_of, r_of, shut
from chasqui.node.citing import forgets_lifts, missing_of, way_of
from chasqui.node.commit_checks import check_cited, check_form, check_leaves, check_only_additions_and_removals
from chasqui.node.effects import Notice
from chasqui.node.epochs import head_of, load_epoch, open_epoch
from chasqui.node.groups import history_of, load_group, note_members, roster_of, save_group
from chasqui.node.records import Space
from chasqui.node.transaction import Transaction
from chasqui.node.votes import note_committed
from chasqui.sealed.object import SignedObject

_NOT_FOR_US: Final = frozenset({mls.Check.HPKE_OPEN, mls.Check.PATH_SECRET_MISMATCH})  # nobody else can see these


class Deferred(Exception):  # noqa: N818  (not an error: the bundle waits, its key is kept)
    """A commit cites operations that are not here yet (`missing`), or its maker has made too many for now, or has made
    it so that we cannot open it (`sealed_off`)."""

    def __init__(self, missing: Sequence[ObjectId] = (), *, sealed_off: bool = False) -> None:
        super().__init__()
        self.missing = tuple(missing)
        self.sealed_off = sealed_off


def take_commit(tx: Transaction, signed: SignedObject, bundle: bytes) -> None:
    """Applies a verified commit object that was opened under its parent epoch, whichever branch that is on.

    Raises `Deferred` where it has to wait, `PeerError` where it breaks a rule; state is then unchanged. A commit on a
    parent that is settled changes nothing: what is said below it comes back by `asking`.
    """
    body = read_commit(signed.body)
    group, parent = signed.group, signed.origin.epoch
    record = load_group(tx, group)
    epoch = load_epoch(tx, group, parent)
    if epoch is None:
        raise PeerError("A commit belongs to no epoch that is known here.")
    commit_id = commit_id_of(body)
    if tx.get(Space.COMMIT, group + commit_id) is not None:
        return
    if not epoch.mls_state:
        check_form(body.message, signed.author)
        return
    history = history_of(tx, group)
    missing = missing_of(tx, group, body.operations)
    if missing:
        raise Deferred(missing)
    if body.first_day != signed.minute // MINUTES_PER_DAY:
        raise PeerError("A commit opens its epoch on another day than its own.")
    before = mls.GroupState.from_bytes(epoch.mls_state)
    try:
        processed = before.process(before.lengthen(body.message, signed.origin.leaf))
    except mls.PeerError as error:
        if error.check not in _NOT_FOR_US or parent not in branches_of(tx, group).path(EpochId(record.head)):
            raise PeerError("A commit breaks the rules of MLS.") from error
        if record.passed != parent:
            save_group(tx, group, record, passed=parent)  # others may be able to follow it, and we cannot know
        raise Deferred(sealed_off=True) from error  # not counted: a receipt of ours would say that we follow it
    check_only_additions_and_removals(processed)
    rejoined = check_cited(tx, group, history, body, parent, processed)
    removed = frozenset(map(MemberKey, put_out(processed.removed, processed.added)))
    if forgets_lifts(tx, group, epoch.lifted, body.operations, removed):
        raise PeerError("A commit puts somebody out for what has ended on its branch.")
    if processed.state is not None:
        check_leaves(processed.state, before)
    if processed.state is None:
        roster = roster_of(tx, group)
        if record.member in roster.out:  # else what it cites counts no more, and we stay on the other branch
            taken = record.member in roster.quarantined
            tx.notify(Notice("quarantined" if taken else "removed", group))
            shut(tx, group, record, Reason.TAKEN if taken else Reason.REMOVED)
        elif record.member not in rejoined:
            save_group(tx, group, record, passed=parent)
        return
    _check_pace(tx, signed, removed, before, processed.state)
    after = processed.state.without_message_secrets()
    updated = tuple(member.leaf for member in processed.updated)
    child = open_epoch(
        tx,
        group,
        after,
        r=r_of(body),
        first_day=body.first_day,
        parent=parent,
        commit=commit_id,
        updated=updated,
        way=way_of(history, body.operations),
    )
    keep_commit(tx, signed, commit_id, child, put_out(processed.removed, processed.added), bundle, body.operations)
    note_committed(tx, signed, commit_id)
    note_members(tx, group, after)
    for member in processed.added:
        if member.signature_key not in rejoined:
            expect_from_start(tx, group, MemberKey(member.signature_key))
    if follow(tx, group).head == child:
        tx.notify(Notice("members" if processed.added or processed.removed else "renewed", group))


def _check_pace(
    tx: Transaction, signed: SignedObject, out: AbstractSet[MemberKey], before: mls.GroupState, after: mls.GroupState
) -> None:
    """One member can make the others work and keep only so much, whatever he signs: what is beyond waits, and is
    applied when its time has come. Raises `Deferred`."""
    group, parent = signed.group, signed.origin.epoch
    branches = branches_of(tx, group)
    today = [
        commit
        for commits in branches.children.values()
        for _, commit in commits
        if commit.committer == signed.author and commit.seen_s > tx.now_s - SECONDS_PER_DAY
    ]
    known = {member.signature_key for member in before.members}
    letting_in = any(member.signature_key not in known for member in after.members)
    alike = sum(lets_in(tx, group, commit) == letting_in for commit in today)
    siblings = sum(commit.parent == parent for commit in today)
    if siblings >= SIBLINGS_PER_COMMITTER_MAX or alike >= (LETTING_IN_A_DAY_MAX if letting_in else COMMITS_A_DAY_MAX):
        raise Deferred
    if letting_in or out:
        return
    root = root_of(tx, group, load_group(tx, group), branches)
    path = branches.path(parent)
    above = path[: path.index(root)] if root in path else path
    unsettled = [branches.made_by[epoch][1] for epoch in above if epoch in branches.made_by]
    own = [commit for commit in unsettled if commit.committer == signed.author]
    if sum(is_renewal(tx, group, commit) for commit in own) >= UNSETTLED_COMMITS_MAX:
        raise Deferred


def removes_somebody(tx: Transaction, signed: SignedObject) -> bool:
    """Whether a commit that waits for its operation removes a member, and an admin made it. Raises `PeerError`
    where it does not hold on our head. A removal of which all operations are here needs no waiting for a commit."""
    body = read_commit(signed.body)
    if not missing_of(tx, signed.group, body.operations):
        return False
    head, epoch = head_of(tx, signed.group, load_group(tx, signed.group))
    if head != signed.origin.epoch or signed.author not in roster_of(tx, signed.group).admins:
        return False
    with peers_fault():
        state = mls.GroupState.from_bytes(epoch.mls_state)
        seen = state.inspect(state.lengthen(body.message, signed.origin.leaf))
    return any(isinstance(proposal, mls.Remove) for proposal in seen.proposals)
