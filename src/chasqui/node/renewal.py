"""Keys renew by themselves: each device puts fresh ones into the tree now and then, without anybody asking."""

from __future__ import annotations

from chasqui.base.days import day_of
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import SECONDS_PER_DAY, UNSETTLED_COMMITS_MAX
from chasqui.groups.operation import GroupKind
from chasqui.node.branches import is_renewal, open_forks, unsettled_path
from chasqui.node.changes import carry_out
from chasqui.node.derived import derived
from chasqui.node.epochs import head_of, load_chain, trusted_day
from chasqui.node.groups import is_clean, load_group
from chasqui.node.pauses import ASLEEP, Pause, until
from chasqui.node.records import EpochRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction

RENEW_AFTER_S = 7 * SECONDS_PER_DAY
SPREAD_S = SECONDS_PER_DAY  # members renew at different hours, or each would make a fork with each


def renewal_due_s(epoch: EpochRecord, now_s: int) -> int:
    """When our own keys in this epoch are to be renewed: on the branch that we are on, whatever we did on another."""
    renewed_s = min(dict(epoch.renewed).get(epoch.own_leaf, now_s), now_s)
    member = next(key for leaf, key in epoch.roster if leaf == epoch.own_leaf)
    return renewed_s + RENEW_AFTER_S + int.from_bytes(member[:4], "big") % SPREAD_S


@derived(Space.GROUP, Space.EPOCH)
def until_renewal(tx: Transaction, group: GroupId) -> Pause:
    """For how long our keys are new enough."""
    record = load_group(tx, group)
    if record.out or not record.head or record.stale_s:
        return ASLEEP
    _, epoch = head_of(tx, group, record)
    renewed_s = dict(epoch.renewed).get(epoch.own_leaf)
    if renewed_s is None or len(epoch.roster) < 2:
        return ASLEEP
    return until(renewal_due_s(epoch, renewed_s))


def renew_if_due(tx: Transaction, group: GroupId) -> None:
    """Commits fresh keys of ours where they are old. Not where nothing would be safer for it: in a contact that has not
    followed our last renewal yet, as long as we say nothing."""
    record = load_group(tx, group)
    if record.head and not _is_idle(tx, group, record):
        _renew(tx, group, record)


def renew_to_say(tx: Transaction, group: GroupId) -> GroupRecord:
    """The group, before we say something that people read: in a contact with the fresh keys that were put off."""
    record = load_group(tx, group)
    if record.kind == GroupKind.CONTACT:
        _renew(tx, group, record)
    return load_group(tx, group)


def _is_idle(tx: Transaction, group: GroupId, record: GroupRecord) -> bool:
    """Whether nothing was sealed, nor will be, under keys that a renewal would replace: the other has not followed to
    our head, and we have said nothing in it."""
    if record.kind != GroupKind.CONTACT or record.root == record.head:
        return False
    head, epoch = head_of(tx, group, record)
    chain = load_chain(tx, head, epoch.own_leaf)
    return chain is not None and not chain.counter


def _renew(tx: Transaction, group: GroupId, record: GroupRecord) -> None:
    """Not while a fork is open, which another commit would only make longer, unless that has lasted for long itself;
    and never so much that others would let it wait."""
    member = MemberKey(record.member)
    if record.out or not record.head or record.stale_s:
        return
    _, epoch = head_of(tx, group, record)
    late_s = tx.now_s - renewal_due_s(epoch, tx.now_s)
    if day_of(tx.now_s) != trusted_day(tx):
        return  # an epoch that begins in a future which only our clock believes in would silence us
    if late_s < 0 or len(epoch.roster) < 2 or not is_clean(tx, group, epoch):
        return
    own = [commit for _, commit in unsettled_path(tx, group) if commit.committer == member]
    unsettled = sum(is_renewal(tx, group, commit) for commit in own)
    if unsettled >= UNSETTLED_COMMITS_MAX // 2 or (late_s < RENEW_AFTER_S and open_forks(tx, group)):
        return
    carry_out(tx, group, record, (), ())
