"""The tree of epochs of a group: every branch is followed, one is the head's, and what is settled is cut off.

A commit on any epoch that is still unsettled is applied, whichever branch it is on; so what is said on a losing branch
stays readable by all whom that branch had not removed. Where a device sends follows from `groups.fork_choice`.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from msgspec import structs

from chasqui.base.ids import ID_BYTES, CommitId, EpochId, GroupId, MemberKey
from chasqui.base.limits import SECONDS_PER_DAY
from chasqui.groups.fork_choice import Child, Fork
from chasqui.groups.operation import Reason, Remove
from chasqui.mls import Member
from chasqui.node.authors import load_author
from chasqui.node.commit_tree import Branches
from chasqui.node.derived import derived
from chasqui.node.effects import Notice
from chasqui.node.entries import elders, is_home
from chasqui.node.epochs import epochs_of, load_epoch, readers_of, retire_epoch
from chasqui.node.groups import history_of, load_group, removed_members, roster_of, save_group, tree_keys
from chasqui.node.pauses import ASLEEP, Pause, since, until
from chasqui.node.records import CommitRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject

FOLLOWED_S = 30 * SECONDS_PER_DAY  # how long a settled fork point still opens siblings that come late
FOLLOWED_TAKEN_S = 3 * SECONDS_PER_DAY  # where a captured member was put out


@derived(Space.COMMIT)
def branches_of(tx: Transaction, group: GroupId) -> Branches:
    """The tree of a group as this device has it."""
    children: dict[EpochId, list[tuple[CommitId, CommitRecord]]] = {}
    made_by: dict[EpochId, tuple[CommitId, CommitRecord]] = {}
    for key, commit in tx.load_prefix(Space.COMMIT, group, CommitRecord):
        children.setdefault(EpochId(commit.parent), []).append((CommitId(key), commit))
        made_by[EpochId(commit.child)] = CommitId(key), commit
    return Branches({parent: tuple(commits) for parent, commits in children.items()}, made_by)


def put_out(removed: Iterable[Member], added: Iterable[Member]) -> tuple[bytes, ...]:
    """Whom a commit puts out: not those who only get another leaf. The same for its maker and its readers."""
    return tuple(sorted({member.signature_key for member in removed} - {member.signature_key for member in added}))


def lets_in(tx: Transaction, group: GroupId, commit: CommitRecord) -> bool:
    """Whether a commit has let somebody in who did not sit in its parent's tree."""
    before = readers_of(tx, group, EpochId(commit.parent))
    return not set(readers_of(tx, group, EpochId(commit.child))) <= set(before)


def is_renewal(tx: Transaction, group: GroupId, commit: CommitRecord) -> bool:
    """Whether the same members sit in the tree after a commit as before it. Of all others there are no more on one way
    than operations that they carry out, and of these a member has a measure."""
    return not commit.removes and not lets_in(tx, group, commit)


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


def root_of(tx: Transaction, group: GroupId, record: GroupRecord, branches: Branches) -> EpochId:
    """The newest settled epoch; where that was erased with age, the oldest that is left above the head."""
    if load_epoch(tx, group, EpochId(record.root)) is not None:
        return EpochId(record.root)
    path = branches.path(EpochId(record.head))
    return [epoch for epoch in path if load_epoch(tx, group, epoch) is not None][-1]


def fork_at(
    tx: Transaction, group: GroupId, branches: Branches, parent: EpochId, out: AbstractSet[MemberKey]
) -> Fork:
    """A parent with its children and the votes on them. The caller knows that it has some."""
    record = load_epoch(tx, group, parent)
    if record is None:
        raise AssertionError("a commit whose parent is gone")
    votes: dict[CommitId, set[MemberKey]] = {}
    for member, chosen in tx.scan_prefix(Space.VOTE, group + parent):
        for at in range(0, len(chosen), ID_BYTES):
            voted = votes.setdefault(CommitId(chosen[at : at + ID_BYTES]), set())
            voted.add(MemberKey(member[2 * ID_BYTES :]))
    children = tuple(
        Child(commit, EpochId(made.child), MemberKey(made.committer), len(frozenset(made.removes) & out))
        for commit, made in branches.children[parent]
    )
    return Fork(parent, tree_keys(record), children, votes)


def open_forks(tx: Transaction, group: GroupId) -> tuple[Fork, ...]:
    """The parents above the head that have more than one child and are not decided, the oldest first: where everybody
    who is not out has voted, nothing will change any more, settled or not."""
    record = load_group(tx, group)
    if record.out or not record.head:
        return ()
    branches, out = branches_of(tx, group), removed_members(tx, group)
    root = root_of(tx, group, record, branches)
    path = _from_root(branches, root, EpochId(record.head))
    forks = (fork_at(tx, group, branches, epoch, out) for epoch in path if len(branches.children.get(epoch, ())) > 1)
    return tuple(fork for fork in forks if fork.silent() - out)


def is_passed_over(tx: Transaction, group: GroupId) -> bool:
    """Whether others have gone on without us, by what does not count, from an epoch that leads to our head; until that
    is settled."""
    record = load_group(tx, group)
    if not record.passed or record.out or not record.head:
        return False
    branches = branches_of(tx, group)
    root = root_of(tx, group, record, branches)
    return EpochId(record.passed) in _from_root(branches, root, EpochId(record.head))


def unsettled_path(tx: Transaction, group: GroupId) -> tuple[tuple[CommitId, CommitRecord], ...]:
    """The commits between the settled root and our head, the newest first."""
    record = load_group(tx, group)
    branches = branches_of(tx, group)
    path = _from_root(branches, root_of(tx, group, record, branches), EpochId(record.head))
    return tuple(branches.made_by[epoch] for epoch in reversed(path[1:]))


def follow(tx: Transaction, group: GroupId) -> GroupRecord:
    """Settles what has the votes, and makes the winner's tip the head: a function of sets alone, so that devices
    with the same sets have the same head."""
    record = load_group(tx, group)
    if record.out or not record.head:
        return record
    branches, out = branches_of(tx, group), removed_members(tx, group)
    record = _entered(tx, group, record, branches)
    root = epoch = root_of(tx, group, record, branches)
    while epoch in branches.children:
        if epoch != root and len(branches.children[epoch]) == 1:
            epoch = EpochId(branches.children[epoch][0][1].child)  # nothing to choose, and nothing to settle yet
            continue
        fork = fork_at(tx, group, branches, epoch, out)
        winner = fork.winner(out)
        if epoch == root and fork.settled() is not None:
            _settle(tx, group, branches, fork, winner)
            root = winner.epoch
        epoch = winner.epoch
    before, moved = EpochId(record.head), epoch != record.head
    record = save_group(tx, group, record, head=epoch, root=root, seated=record.seated or root != record.root)
    if moved:
        _mark_head(tx, group, before, epoch)
        tx.retry.add(group)
    return record


def _entered(tx: Transaction, group: GroupId, record: GroupRecord, branches: Branches) -> GroupRecord:
    """Who has several entries cannot see where they part. He is where most of those spoke last whom he ever heard, or
    of those who were there before him: nobody alone can move him, and nobody need say where the group is."""
    if not record.elsewhere:
        return record
    entry, head, own = EpochId(record.entry), EpochId(record.head), MemberKey(record.member)
    here, others = load_epoch(tx, group, entry), roster_of(tx, group).current - {own}  # a tree may lack some of them
    heard = ((member, load_author(tx, group, member).at) for member in others)
    last = {member: EpochId(at) for member, at in heard if at}
    seated = tree_keys(here) if here is not None else frozenset()
    elder = elders(branches, history_of(tx, group), seated, entry, head)
    for other in map(EpochId, reversed(record.elsewhere)):
        if is_home(branches, other, last, elder) and load_epoch(tx, group, other) is not None:
            tx.notify(Notice("rejoined", group))
            return save_group(tx, group, record, root=other, entry=other, elsewhere=(), seated=False)
    return record


def _from_root(branches: Branches, root: EpochId, head: EpochId) -> tuple[EpochId, ...]:
    path = branches.path(head)
    return tuple(reversed(path[: path.index(root) + 1])) if root in path else (head,)


def erase_settled(tx: Transaction, group: GroupId) -> None:
    """Erases the MLS states of what was settled long enough ago: what is said on a branch that lost is followed for a
    while, so that little has to be sealed again; but not where a captured device may have opened what follows. The keys
    of messages stay until no bundle can be on its way."""
    for epoch, settled_s, kept_s in _settled(tx, group):
        known = load_epoch(tx, group, epoch) if settled_s > tx.now_s else None
        if known is not None:
            tx.save(Space.EPOCH, group + epoch, structs.replace(known, settled_s=tx.now_s))  # our clock was ahead
        elif kept_s is not None and settled_s + kept_s <= tx.now_s:
            retire_epoch(tx, group, epoch)
            tx.erase_prefix(Space.VOTE, group + epoch)


@derived(Space.EPOCH, Space.COMMIT, Space.OPERATION, Space.WITNESS)
def until_settled(tx: Transaction, group: GroupId) -> Pause:
    """For how long `erase_settled` has nothing to erase."""
    pause = ASLEEP
    for _, settled_s, kept_s in _settled(tx, group):
        pause = pause.and_(ASLEEP if kept_s is None else until(settled_s + kept_s)).and_(since(settled_s))
    return pause


@derived(Space.EPOCH, Space.COMMIT, Space.OPERATION, Space.WITNESS)
def _settled(tx: Transaction, group: GroupId) -> tuple[tuple[EpochId, int, int | None], ...]:
    """The epochs that are settled, since when, and how long their MLS states are kept then, if they still are."""
    taken = _taken(tx, group)
    captured = {
        EpochId(commit.parent)
        for _, commit in tx.load_prefix(Space.COMMIT, group, CommitRecord)
        if not taken.isdisjoint(commit.removes)
    }
    found = []
    for epoch, known in epochs_of(tx, group):
        kept_s = FOLLOWED_TAKEN_S if epoch in captured else FOLLOWED_S
        if known.settled_s:
            found.append((epoch, known.settled_s, kept_s if known.mls_state else None))
    return tuple(found)


def _taken(tx: Transaction, group: GroupId) -> frozenset[MemberKey]:
    """Members whose devices are said to be in the hands of others."""
    roster = roster_of(tx, group)
    final = (
        member
        for member, operation in roster.removals.items()
        if isinstance(operation.change, Remove) and operation.change.reason == Reason.TAKEN
    )
    return roster.quarantined | frozenset(final)


def _settle(tx: Transaction, group: GroupId, branches: Branches, fork: Fork, winner: Child) -> None:
    """Nothing before the winner can change any more."""
    lost = [epoch for child in fork.children if child is not winner for epoch in branches.below(child.epoch)]
    if lost:
        tx.notify(Notice("healed", group))
    for epoch in (fork.parent, *lost):
        known = load_epoch(tx, group, epoch)
        if known is not None and not known.settled_s:
            tx.save(Space.EPOCH, group + epoch, structs.replace(known, settled_s=tx.now_s))


def _mark_head(tx: Transaction, group: GroupId, before: EpochId, head: EpochId) -> None:
    """What was the head ages from now on; the head does not."""
    for epoch, since_s in ((before, tx.now_s), (head, 0)):
        known = load_epoch(tx, group, epoch)
        if known is not None:
            tx.save(Space.EPOCH, group + epoch, structs.replace(known, superseded_s=since_s))
