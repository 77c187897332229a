"""What a commit of somebody else has to hold to, beyond what MLS itself demands. Each check raises `PeerError`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from chasqui import mls
from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId, MemberKey, ObjectId
from chasqui.base.limits import GROUP_MEMBERS_MAX, LEAF_BYTES_MAX
from chasqui.base.names import peer_name
from chasqui.groups.bodies import CommitBody
from chasqui.groups.history import History
from chasqui.groups.membership import Roster
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import Accuse, Add, Confirm, GroupKind, Lift, Operation, Rejoin, Remove, SetRole
from chasqui.node.citing import cited_operations, cited_roster
from chasqui.node.epochs import load_epoch
from chasqui.node.groups import load_group, tree_keys
from chasqui.node.records import EpochRecord
from chasqui.node.transaction import Transaction


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


def check_only_additions_and_removals(processed: mls.Processed) -> None:
    """MLS can do more than a group of ours ever does: re-initialise, extend, join from outside. All of that would
    go past the operations."""
    plain = all(isinstance(proposal, mls.Add | mls.Remove) for proposal in processed.proposals)
    if processed.kind is not mls.Kind.COMMIT or processed.external or processed.reinit or processed.psks or not plain:
        raise PeerError("A commit does something that no operation can ask for.")


def check_form(commit: bytes, committer: MemberKey) -> None:
    """The parent is settled, so that nothing else can be checked: this has the form of a commit."""
    with peers_fault():
        mls.read_short_commit(commit, committer)


def check_cited(
    tx: Transaction, group: GroupId, history: History, body: CommitBody, parent: EpochId, processed: mls.Processed
) -> frozenset[MemberKey]:
    """The tree changes by exactly the cited operations, and holds nobody whom their past puts out; nobody who ever sat
    in the tree of this branch comes back but by his own REJOIN. Gives those who did. Raises `PeerError`."""
    epoch = load_epoch(tx, group, parent)
    before = tree_keys(epoch) if epoch is not None else frozenset()
    added = {member.signature_key for member in processed.added}
    removed = frozenset(MemberKey(member.signature_key) for member in processed.removed)
    cited = cited_operations(history, body.operations)
    roster = cited_roster(tx, group, map(ObjectId, body.operations))
    additions: dict[bytes, bytes] = {}
    rejoins: dict[ObjectId, MemberKey] = {}
    put_out: set[MemberKey] = set()
    for operation in cited:
        known = history.order[history.position[operation]]
        let_in = known.change.member if isinstance(known.change, Add) else b""
        if operation in roster.void | roster.pending and let_in in roster.unseated.keys() | roster.unconfirmed.keys():
            put_out.add(MemberKey(let_in))
            continue
        if operation in roster.late and let_in in roster.unwitnessed:
            put_out.add(MemberKey(let_in))
            continue
        if operation not in roster.counting:
            if not _shows(roster, known):
                raise PeerError("A commit cites an operation that does not count.")
            continue
        match known.change:
            case Add(member=member, key_package=key_package):
                additions[member] = key_package
            case Rejoin(key_package=key_package):
                additions[known.issuer] = key_package
                rejoins[operation] = known.issuer
            case Remove(member=member):
                put_out.add(MemberKey(member))
            case Accuse(member=member) if member in roster.out:
                put_out.add(MemberKey(member))
            case Confirm() | Accuse() | SetRole() | Lift():
                pass  # it only stands behind another that is cited, or makes it void, or ends what would forbid it
            case _:
                raise PeerError("A commit cites an operation that no commit carries out.")
    rejoined = frozenset(rejoins.values())
    packages = [proposal.key_package for proposal in processed.proposals if isinstance(proposal, mls.Add)]
    used = {package.leaf.signature_key: package.ref for package in packages}
    if added != additions.keys() or used != additions or removed != (put_out | rejoined) & before:
        raise PeerError("A commit changes the group by something else than the operations that it cites.")
    if ((before | {MemberKey(key) for key in added}) - put_out) & roster.barred:
        raise PeerError("A commit keeps somebody whom its operations remove.")
    if added and load_group(tx, group).kind == GroupKind.CONTACT:
        raise PeerError("A contact grows.")
    _check_never_seated(epoch, {MemberKey(key) for key in added} - rejoined)
    _check_not_carried_out(epoch, rejoins)
    return rejoined


def _shows(roster: Roster, operation: Operation) -> bool:
    """Whether what does not count may be cited all the same, because other things follow from it: that a ROLE stands
    makes others void though it is void itself, and what a removal made late stays so where it is late itself."""
    if isinstance(operation.change, SetRole):
        return operation.id in roster.void
    return isinstance(operation.change, Remove | Confirm)


def _check_not_carried_out(epoch: EpochRecord | None, rejoins: Iterable[ObjectId]) -> None:
    """An old key package of a member must not take the place of his leaf again."""
    if epoch is not None and not frozenset(epoch.rejoined).isdisjoint(rejoins):
        raise PeerError("A commit carries out again what was carried out before.")


def _check_never_seated(epoch: EpochRecord | None, added: AbstractSet[MemberKey]) -> None:
    """Nobody who ever sat in the tree of this branch is added again: an old addition cannot undo a removal. Who is
    known from another branch only may be added here, too."""
    if epoch is not None and not added.isdisjoint(epoch.gone):
        raise PeerError("A commit adds somebody who was in the group before.")
