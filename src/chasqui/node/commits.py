"""Commits that others made: applied when they fit the head and the operations, kept when they do not."""

from __future__ import annotations

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import GROUP_MEMBERS_MAX, LEAF_BYTES_MAX, MINUTES_PER_DAY, SIBLINGS_PER_COMMITTER_MAX
from chasqui.base.names import peer_name
from chasqui.groups.bodies import CommitBody, read_commit
from chasqui.groups.history import History, arrange
from chasqui.groups.membership import members
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Accuse, Add, Confirm, GroupKind, Reason, Remove
from chasqui.groups.witnesses import Witness
from chasqui.node.authors import expect_from_start
from chasqui.node.changes import commit_id_of, shut
from chasqui.node.effects import Notice
from chasqui.node.epochs import head_of, load_epoch, open_epoch
from chasqui.node.groups import (
    history_of,
    load_group,
    note_members,
    note_renewal,
    roster_of,
    save_group,
    tree_keys,
    witnesses_of,
)
from chasqui.node.records import CommitRecord, EpochRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject


class Deferred(Exception):  # noqa: N818  (not an error: the bundle waits, its key is kept)
    """A commit cites an operation that is not here yet, or has a sibling that was applied."""


def take_commit(tx: Transaction, signed: SignedObject, bundle: bytes) -> None:
    """Applies a verified commit object that was opened under its parent epoch.

    Raises `Deferred` where it has to wait, `PeerError` where it breaks a rule; state is then unchanged.
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
    if record.head != parent:
        raise Deferred
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
    _check_cited(history, witnesses_of(tx, group), body, epoch, record, processed)
    _check_never_seated(tx, group, processed)
    if processed.state is not None:
        check_leaves(processed.state, before)
    if processed.state is None:
        taken = record.member in roster_of(tx, group).quarantined
        tx.notify(Notice("quarantined" if taken else "removed", group))
        shut(tx, group, record, Reason.TAKEN if taken else Reason.REMOVED)
        return
    after = processed.state.without_message_secrets()
    child = open_epoch(tx, group, after, r=body.r, first_day=body.first_day, parent=parent, commit=commit_id)
    tx.save(
        Space.COMMIT,
        group + commit_id,
        CommitRecord(parent, child, signed.author, bundle, body.operations, tx.now_s),
    )
    save_group(tx, group, record, head=child)
    note_members(tx, group, after)
    if any(member.leaf == processed.sender_leaf for member in processed.updated):
        note_renewal(tx, group, signed.author)
    for member in processed.added:
        expect_from_start(tx, group, MemberKey(member.signature_key))
    tx.notify(Notice("members" if processed.added or processed.removed else "renewed", group))


def keep_sibling(tx: Transaction, signed: SignedObject, bundle: bytes) -> bool:
    """Keeps a commit whose parent already has another child: 'fork pending'. Whether it was one.

    Its bundle stays sealed and its key is not spent, so that a later choice can still follow it. The parent's state
    is gone, so only its form can be checked here: who signed it is certain, that it would hold is not.
    """
    body = read_commit(signed.body)
    record = load_group(tx, signed.group)
    parent = load_epoch(tx, signed.group, signed.origin.epoch)
    if record.out or parent is None or record.head == signed.origin.epoch:
        return False
    _check_form(body.message, signed.group, parent.number, signed.origin.leaf)
    commit_id = commit_id_of(body.message)
    if tx.get(Space.COMMIT, signed.group + commit_id) is None:
        kept = [
            commit
            for _, commit in tx.load_prefix(Space.COMMIT, signed.group, CommitRecord)
            if (commit.parent, commit.committer) == (signed.origin.epoch, signed.author)
        ]
        if len(kept) >= SIBLINGS_PER_COMMITTER_MAX:
            raise PeerError("A member makes commits on one parent without end.")
        sibling = CommitRecord(signed.origin.epoch, b"", signed.author, bundle, body.operations, tx.now_s)
        tx.save(Space.COMMIT, signed.group + commit_id, sibling)
        tx.notify(Notice("fork", signed.group))
    return True


def removes_somebody(tx: Transaction, signed: SignedObject) -> bool:
    """Whether a commit that waits for its operation removes a member, and an admin made it. Raises `PeerError`
    where it does not hold on our head."""
    head, epoch = head_of(tx, signed.group, load_group(tx, signed.group))
    if head != signed.origin.epoch or signed.author not in roster_of(tx, signed.group).admins:
        return False
    with peers_fault():
        seen = mls.GroupState.from_bytes(epoch.mls_state).inspect(read_commit(signed.body).message)
    return any(isinstance(proposal, mls.Remove) for proposal in seen.proposals)


def unsettled_forks(tx: Transaction, group: GroupId) -> dict[EpochId, list[CommitRecord]]:
    """Every parent with more than one commit, and those commits."""
    children: dict[EpochId, list[CommitRecord]] = {}
    for _, commit in tx.load_prefix(Space.COMMIT, group, CommitRecord):
        children.setdefault(EpochId(commit.parent), []).append(commit)
    return {parent: commits for parent, commits in children.items() if len(commits) > 1}


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


def _check_never_seated(tx: Transaction, group: GroupId, processed: mls.Processed) -> None:
    """Nobody who ever sat in the tree is added again: an old addition cannot undo a removal."""
    if any(tx.get(Space.MEMBER, group + member.signature_key) is not None for member in processed.added):
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
    history: History,
    witnesses: tuple[Witness, ...],
    body: CommitBody,
    epoch: EpochRecord,
    record: GroupRecord,
    processed: mls.Processed,
) -> None:
    """The tree changes by exactly the cited operations, and holds nobody whom their past removes."""
    added = {member.signature_key for member in processed.added}
    removed = frozenset(MemberKey(member.signature_key) for member in processed.removed)
    cited = {ObjectId(operation) for operation in body.operations}
    past = 0
    for operation in cited:
        past |= history.past[operation] | 1 << history.position[operation]
    in_past = arrange(o for index, o in enumerate(history.order) if past >> index & 1)
    roster = members(in_past, witnesses)
    additions: dict[bytes, bytes] = {}
    removals: set[MemberKey] = set()
    for operation in cited:
        change = history.order[history.position[operation]].change
        if operation not in roster.counting or not isinstance(change, Add | Remove | Accuse | Confirm):
            raise PeerError("A commit cites an operation that does not count.")
        if isinstance(change, Add):
            additions[change.member] = change.key_package
        elif isinstance(change, Remove):
            removals.add(MemberKey(change.member))
        elif isinstance(change, Accuse):
            if change.member not in roster.out:
                raise PeerError("A commit puts somebody out whom too few accuse.")
            removals.add(MemberKey(change.member))
    packages = [proposal.key_package for proposal in processed.proposals if isinstance(proposal, mls.Add)]
    used = {package.leaf.signature_key: package.ref for package in packages}
    if added != additions.keys() or used != additions or removed != removals:
        raise PeerError("A commit changes the group by something else than the operations that it cites.")
    if ((tree_keys(epoch) | {MemberKey(key) for key in added}) - removed) & roster.out:
        raise PeerError("A commit keeps somebody whom its operations remove.")
    if added and record.kind == GroupKind.CONTACT:
        raise PeerError("A contact grows.")
