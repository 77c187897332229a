"""Commits that others made: applied on whatever branch they stand, when they fit its tree and the operations."""

from __future__ import annotations

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import CommitId, EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import (
    COMMITS_A_DAY_MAX,
    GROUP_MEMBERS_MAX,
    LEAF_BYTES_MAX,
    MINUTES_PER_DAY,
    SECONDS_PER_DAY,
    SIBLINGS_PER_COMMITTER_MAX,
    UNSETTLED_COMMITS_MAX,
)
from chasqui.base.names import peer_name
from chasqui.groups.bodies import CommitBody, read_commit
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import members
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Add, Genesis, GroupKind, Reason, Remove
from chasqui.node.authors import expect_from_start
from chasqui.node.branches import branches_of, follow, off_path_rosters, root_of
from chasqui.node.changes import commit_id_of, shut
from chasqui.node.effects import Notice
from chasqui.node.epochs import head_of, load_epoch, open_epoch, readers_of
from chasqui.node.groups import history_of, load_group, note_members, note_renewal, roster_of, tree_keys
from chasqui.node.records import CommitRecord, EpochRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject


class Deferred(Exception):  # noqa: N818  (not an error: the bundle waits, its key is kept)
    """A commit cites an operation that is not here yet, or its maker has made too many for now."""


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
    commit_id = commit_id_of(body.message)
    if tx.get(Space.COMMIT, group + commit_id) is not None:
        return
    if not epoch.mls_state:
        _check_form(body.message, group, epoch.number, signed.origin.leaf)
        return
    history = history_of(tx, group)
    if not all(ObjectId(operation) in history.position for operation in body.operations):
        raise Deferred
    if body.first_day != signed.minute // MINUTES_PER_DAY:
        raise PeerError("A commit opens its epoch on another day than its own.")
    before = mls.GroupState.from_bytes(epoch.mls_state)
    with peers_fault():
        processed = before.process(body.message)
    if processed.sender_leaf != signed.origin.leaf:
        raise PeerError("A commit was signed by one member and made by another.")
    _check_only_additions_and_removals(processed)
    _check_cited(history, body, epoch, record, processed)
    _check_never_seated(tx, group, parent, processed)
    if processed.state is not None:
        check_leaves(processed.state, before)
    if processed.state is None:
        if MemberKey(record.member) in roster_of(tx, group).removals:
            tx.notify(Notice("removed", group))
            shut(tx, group, record, Reason.REMOVED)
        return  # else the operation that it cites counts no more, and we stay on the other branch
    _check_pace(tx, signed)
    after = processed.state.without_message_secrets()
    child = open_epoch(tx, group, after, r=body.r, first_day=body.first_day, parent=parent, commit=commit_id)
    removes = tuple(sorted(member.signature_key for member in processed.removed))
    keep_commit(tx, signed, commit_id, child, removes, bundle, body.operations)
    note_members(tx, group, after)
    if any(member.leaf == processed.sender_leaf for member in processed.updated):
        note_renewal(tx, group, signed.author)
    for member in processed.added:
        expect_from_start(tx, group, MemberKey(member.signature_key))
    if follow(tx, group).head == child:
        tx.notify(Notice("members" if processed.added or processed.removed else "renewed", group))


def keep_commit(
    tx: Transaction,
    signed: SignedObject,
    commit: CommitId,
    child: EpochId,
    removes: tuple[bytes, ...],
    bundle: bytes,
    operations: tuple[bytes, ...],
) -> None:
    """Remembers a commit that was applied; two of one member on one parent are kept as a proof."""
    group, parent = signed.group, signed.origin.epoch
    siblings = branches_of(tx, group).children.get(parent, ())
    made = CommitRecord(parent, child, signed.author, signed.seq, bundle, operations, removes, tx.now_s)
    tx.save(Space.COMMIT, group + commit, made)
    if siblings:
        tx.notify(Notice("fork", group))
    for other, sibling in siblings:
        if sibling.committer == signed.author:
            tx.put(Space.PROOF, group + signed.author + parent, min(other, commit) + max(other, commit))
            tx.notify(Notice("two commits", group))


def _check_pace(tx: Transaction, signed: SignedObject) -> None:
    """One member can make the others work and keep only so much, whatever he signs: what is beyond waits, and is
    applied when its time has come. Raises `Deferred`."""
    parent = signed.origin.epoch
    branches = branches_of(tx, signed.group)
    today = [
        commit
        for commits in branches.children.values()
        for _, commit in commits
        if commit.committer == signed.author and commit.seen_s > tx.now_s - SECONDS_PER_DAY
    ]
    siblings = sum(commit.parent == parent for commit in today)
    if siblings >= SIBLINGS_PER_COMMITTER_MAX or len(today) >= COMMITS_A_DAY_MAX:
        raise Deferred
    root = root_of(tx, signed.group, load_group(tx, signed.group), branches)
    path = branches.path(parent)
    above = path[: path.index(root)] if root in path else path
    unsettled = [branches.made_by[epoch][1] for epoch in above if epoch in branches.made_by]
    own = sum(commit.committer == signed.author and not commit.removes for commit in unsettled)
    if own >= UNSETTLED_COMMITS_MAX:
        raise Deferred


def removes_somebody(tx: Transaction, signed: SignedObject) -> bool:
    """Whether a commit that waits for its operation removes a member, and an admin made it. Raises `PeerError`
    where it does not hold on our head. A removal of which all operations are here needs no waiting for a commit."""
    known, body = history_of(tx, signed.group).position, read_commit(signed.body)
    if all(ObjectId(operation) in known for operation in body.operations):
        return False
    head, epoch = head_of(tx, signed.group, load_group(tx, signed.group))
    if head != signed.origin.epoch or signed.author not in roster_of(tx, signed.group).admins:
        return False
    with peers_fault():
        seen = mls.GroupState.from_bytes(epoch.mls_state).inspect(body.message)
    return any(isinstance(proposal, mls.Remove) for proposal in seen.proposals)


def check_leaves(state: mls.GroupState, before: mls.GroupState | None) -> None:
    """Every member who stays keeps his key and his name, whatever else he puts into his leaf; and nobody makes the
    tree too large. Raises `PeerError`."""
    if len(state.members) > GROUP_MEMBERS_MAX:
        raise PeerError("A group grows beyond its limit.")
    known = {member.leaf: (member.signature_key, member.identity) for member in before.members} if before else {}
    for member in state.members:
        leaf = state.leaf(member.leaf)
        if leaf is None or len(leaf.raw) > LEAF_BYTES_MAX:
            raise PeerError("A member puts too much into the tree.")
        peer_name(member.identity)
        if member.leaf in known and known[member.leaf] != (member.signature_key, member.identity):
            added_here = before is not None and all(member.signature_key != old.signature_key for old in before.members)
            raise PeerError("A member changes who he is." if added_here else "A member changes his name.")


def _check_only_additions_and_removals(processed: mls.Processed) -> None:
    """MLS can do more than a group of ours ever does: re-initialise, extend, join from outside. All of that would
    go past the operations."""
    plain = all(isinstance(proposal, mls.Add | mls.Remove) for proposal in processed.proposals)
    if processed.kind is not mls.Kind.COMMIT or processed.external or processed.reinit or processed.psks or not plain:
        raise PeerError("A commit does something that no operation can ask for.")


def _check_never_seated(tx: Transaction, group: GroupId, parent: EpochId, processed: mls.Processed) -> None:
    """Nobody who ever sat in the tree of this branch is added again: an old addition cannot undo a removal. Who is
    known from another branch only may be added here, too."""
    elsewhere = {key for record in off_path_rosters(tx, group, parent) for _, key in record.roster}
    here = {key for epoch in branches_of(tx, group).path(parent) for key in readers_of(tx, group, epoch)}
    for member in processed.added:
        key = MemberKey(member.signature_key)
        if tx.get(Space.MEMBER, group + key) is not None and (key in here or key not in elsewhere):
            raise PeerError("A commit adds somebody who was in the group before.")


def _check_form(message: bytes, group: GroupId, number: int, leaf: int) -> None:
    with peers_fault():
        read = mls.read_message(message)
    sender = read.content.sender if isinstance(read, mls.PublicMessage) else None
    if (
        not isinstance(read, mls.PublicMessage)
        or sender is None
        or (sender.type, sender.index) != (mls.SenderType.MEMBER, leaf)
        or read.content.content_type != mls.ContentType.COMMIT
        or (read.content.group_id, read.content.epoch) != (group, number)
    ):
        raise PeerError("Something that is no commit on its parent was sent as one.")


def _check_cited(
    history: History, body: CommitBody, epoch: EpochRecord, record: GroupRecord, processed: mls.Processed
) -> None:
    """The tree changes by exactly the cited operations, and holds nobody whom their past removes."""
    added = {member.signature_key for member in processed.added}
    removed = frozenset(MemberKey(member.signature_key) for member in processed.removed)
    cited = {ObjectId(operation) for operation in body.operations}
    past = 0
    for operation in cited:
        past |= history.past[operation] | 1 << history.position[operation]
    roster = members(arrange(o for index, o in enumerate(history.order) if past >> index & 1))
    additions: dict[bytes, bytes] = {}
    removals: set[MemberKey] = set()
    for operation in cited:
        change = history.order[history.position[operation]].change
        if operation not in roster.counting or isinstance(change, Genesis):
            raise PeerError("A commit cites an operation that does not count.")
        if isinstance(change, Add):
            additions[change.member] = change.key_package
        elif isinstance(change, Remove):
            removals.add(MemberKey(change.member))
        else:
            raise PeerError("A commit cites an operation that changes no tree.")
    packages = [proposal.key_package for proposal in processed.proposals if isinstance(proposal, mls.Add)]
    used = {package.leaf.signature_key: package.ref for package in packages}
    if added != additions.keys() or used != additions or removed != removals:
        raise PeerError("A commit changes the group by something else than the operations that it cites.")
    if ((tree_keys(epoch) | {MemberKey(key) for key in added}) - removed) & roster.removals.keys():
        raise PeerError("A commit keeps somebody whom its operations remove.")
    if added and record.kind == GroupKind.CONTACT:
        raise PeerError("A contact grows.")
