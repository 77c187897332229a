"""Votes: a member's word, given once for each parent, on which child it follows. Spec: `docs/spec/forks.md`."""

from __future__ import annotations

from chasqui.base.ids import ID_BYTES, CommitId, EpochId, GroupId, MemberKey
from chasqui.groups.operation import GroupKind
from chasqui.node.branches import branches_of, follow, unsettled_path
from chasqui.node.derived import derived
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import load_group, tree_keys
from chasqui.node.keys import u64
from chasqui.node.pauses import ASLEEP, Pause, until
from chasqui.node.receipting import have
from chasqui.node.records import CommitRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject
from chasqui.sealed.receipts import VOTE_REACH, Vote, decode_receipts

_EVERY = Vote(0, 2**24)
VOTE_RIDES_S = 6 * 3600  # on a slow link: alone it costs as much as a receipt, in what is said meanwhile nothing
_SLOW_NOTED_S = 600  # not for each of them
VOTE_AFTER_S = 72 * 3600  # a commit that not all have signed for gets our vote so long after we knew of the first one


def due_vote(tx: Transaction, group: GroupId, record: GroupRecord) -> Vote | None:
    """The vote that we owe on the way to our head, or None."""
    if record.root == record.head:
        return None
    own = MemberKey(record.member)
    skip, count = 0, 0
    for _, commit in unsettled_path(tx, group):
        if not _may_vote(tx, group, own, commit):
            break
        if count or _is_ripe(tx, group, own, commit):
            count += 1
        else:
            skip += 1
    return Vote(skip, min(count, VOTE_REACH)) if count and skip <= VOTE_REACH else None


def goes_alone(tx: Transaction, group: GroupId) -> bool:
    """Whether a vote that we owe waits for no object any more in which it could ride."""
    record = load_group(tx, group)
    own = MemberKey(record.member)
    for _, commit in unsettled_path(tx, group):
        if not _may_vote(tx, group, own, commit):
            return False
        if _is_ripe(tx, group, own, commit) and tx.now_s >= _rides_until_s(tx, group, commit):
            return True
    return False


def note_slow(tx: Transaction, group: GroupId) -> None:
    """A slow link brought something of a group: what can wait there for something to ride in does."""
    if tx.frame_ms:
        known_s = int.from_bytes(tx.get(Space.SLOW, group) or b"", "big")
        if not known_s <= tx.now_s < known_s + _SLOW_NOTED_S:
            tx.put(Space.SLOW, group, u64(tx.now_s))


@derived(Space.GROUP, Space.EPOCH, Space.COMMIT, Space.VOTE, Space.HAVE, Space.SLOW)
def until_vote(tx: Transaction, group: GroupId) -> Pause:
    """For how long no vote of ours has to go by itself."""
    record = load_group(tx, group)
    if record.out or not record.head or record.root == record.head:
        return ASLEEP
    own = MemberKey(record.member)
    pause = ASLEEP
    for _, commit in unsettled_path(tx, group):
        if not _may_vote(tx, group, own, commit):
            break
        signed_for = _all_signed(tx, group, own, commit)
        old_s = _first_seen_s(tx, group, commit) + VOTE_AFTER_S
        pause = pause.and_(until(_rides_until_s(tx, group, commit) if signed_for else old_s))
    return pause


def mark_voted(tx: Transaction, group: GroupId, record: GroupRecord, vote: Vote) -> None:
    """Our vote is signed: it is never given again for the same parents, and counts here, too."""
    if _count(tx, group, EpochId(record.head), MemberKey(record.member), vote):
        follow(tx, group)


def take_vote(tx: Transaction, signed: SignedObject) -> None:
    """Counts the vote in a verified object, if there is one, as far as the commits that it names are known."""
    vote = decode_receipts(signed.receipts)[1] if signed.receipts else None
    if vote is not None and _count(tx, signed.group, signed.origin.epoch, signed.author, vote):
        follow(tx, signed.group)
    note_spoken(tx, signed)


def note_spoken(tx: Transaction, signed: SignedObject) -> None:
    """In a contact, whoever says something in an epoch follows it: a vote that was lost holds up nothing."""
    group, epoch = signed.group, signed.origin.epoch
    record = load_group(tx, group)
    if record.kind != GroupKind.CONTACT:
        return
    if signed.author != record.member and any(tx.scan_prefix(Space.LATE, group)):
        branches = branches_of(tx, group)
        for at in branches.path(epoch):
            if at in branches.made_by:
                tx.erase(Space.LATE, group + branches.made_by[at][0])  # the other has it
    if record.root != epoch and _count(tx, group, epoch, signed.author, _EVERY):
        follow(tx, group)


def note_committed(tx: Transaction, signed: SignedObject, commit: CommitId) -> None:
    """Whoever is alone in the parent's tree, or in a contact, has voted for a commit by making it."""
    group, parent = signed.group, load_epoch(tx, signed.group, signed.origin.epoch)
    if parent is None or parent.settled_s:
        return
    if len(parent.roster) == 1 or load_group(tx, group).kind == GroupKind.CONTACT:
        _note(tx, group + signed.origin.epoch + signed.author, commit)


def _may_vote(tx: Transaction, group: GroupId, member: MemberKey, commit: CommitRecord) -> bool:
    """Whether we sat in the parent's tree and did not vote there yet."""
    parent = load_epoch(tx, group, EpochId(commit.parent))
    if parent is None or member not in tree_keys(parent):
        return False
    return tx.get(Space.VOTE, group + commit.parent + member) is None


def _is_ripe(tx: Transaction, group: GroupId, own: MemberKey, commit: CommitRecord) -> bool:
    """Whether the fork is old enough, or all its members have signed for the commit. Were it the commit that has to be
    old enough, whoever makes another one now and then, each before the last in the order, would keep all from voting.
    """
    seen_s = _first_seen_s(tx, group, commit)
    if not seen_s <= tx.now_s < seen_s + VOTE_AFTER_S:
        return tx.now_s >= seen_s
    return _all_signed(tx, group, own, commit)


def _rides_until_s(tx: Transaction, group: GroupId, commit: CommitRecord) -> int:
    """Until when a vote waits for something to ride in: where a slow link is in use, and nothing depends on it."""
    slow_s = int.from_bytes(tx.get(Space.SLOW, group) or b"", "big")
    fork = len(branches_of(tx, group).children[EpochId(commit.parent)]) > 1
    return 0 if fork or slow_s + _SLOW_NOTED_S <= commit.seen_s else commit.seen_s + VOTE_RIDES_S


def _first_seen_s(tx: Transaction, group: GroupId, commit: CommitRecord) -> int:
    """Since when we know that the parent of a commit has a child."""
    return min(sibling.seen_s for _, sibling in branches_of(tx, group).children[EpochId(commit.parent)])


def _all_signed(tx: Transaction, group: GroupId, own: MemberKey, commit: CommitRecord) -> bool:
    child = load_epoch(tx, group, EpochId(commit.child))
    parent = load_epoch(tx, group, EpochId(commit.parent))
    both = tree_keys(child) & tree_keys(parent) if child is not None and parent is not None else frozenset()
    others = both - {own, commit.committer}  # newcomers cannot read the commit that let them in
    return all(commit.seq in have(tx, group, member, MemberKey(commit.committer)) for member in others)


def _count(tx: Transaction, group: GroupId, sealed_in: EpochId, member: MemberKey, vote: Vote) -> bool:
    """Notes a vote for every commit that it names; whether that changed anything."""
    branches = branches_of(tx, group)
    path = [branches.made_by[epoch] for epoch in branches.path(sealed_in) if epoch in branches.made_by]
    news = False
    for commit, made in path[vote.skip : vote.skip + vote.named]:
        parent = load_epoch(tx, group, EpochId(made.parent))
        if parent is not None and not parent.settled_s and member in tree_keys(parent):
            news = _note(tx, group + made.parent + member, commit) or news
    return news


def _note(tx: Transaction, key: bytes, commit: CommitId) -> bool:
    chosen = tx.get(Space.VOTE, key) or b""
    if commit in (chosen[at : at + ID_BYTES] for at in range(0, len(chosen), ID_BYTES)):
        return False
    tx.put(Space.VOTE, key, chosen + commit)
    return True
