"""Which of the cached proposals a commit takes along: as many as fit together (RFC 9420, 12.2 and 12.4).

Every cached proposal is valid by itself, but two may contradict each other, and any member can send one that
contradicts. So whoever commits leaves out what does not fit, by the preferences of the RFC, instead of failing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chasqui.mls import limits
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import GREASE, Extension
from chasqui.mls.leaf import LeafNode
from chasqui.mls.pending import Pending
from chasqui.mls.proposals import Add, GroupContextExtensions, PreSharedKey, Proposal, ReInit, Remove, Update
from chasqui.mls.psk import PreSharedKeyId, PskLookup
from chasqui.mls.tree import Tree

_ROOM_BYTES = 1 << 17
"""Of the tree's bound, left for the path of the commit and the lists of unmerged leaves."""


@dataclass(slots=True)
class _Taken:
    """What the commit holds so far, its inline proposals first."""

    tree: Tree
    extensions: tuple[Extension, ...]
    members: dict[bytes, int]
    encryption_keys: set[bytes]
    tree_bytes: int
    leaves: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    clients: set[bytes] = field(default_factory=set)
    new_leaves: list[LeafNode] = field(default_factory=list)
    added: int = 0
    psks: set[PreSharedKeyId] = field(default_factory=set)
    gce: bool = False

    @staticmethod
    def of(tree: Tree, extensions: tuple[Extension, ...]) -> _Taken:
        members = {leaf.signature_key: number for number, leaf in tree.leaves()}
        size = sum(len(raw) for raw in tree.raw_nodes() if raw is not None)
        return _Taken(tree, extensions, members, set(tree.encryption_keys()), size)

    def note(self, proposal: Proposal, sender: int = -1) -> None:
        if isinstance(proposal, Remove):
            self.leaves.add(proposal.removed)
            self.removed.add(proposal.removed)
        elif isinstance(proposal, Update):
            self.leaves.add(sender)
            self._note_leaf(proposal.leaf)
        elif isinstance(proposal, Add):
            self.added += 1
            self._note_leaf(proposal.key_package.leaf)
        elif isinstance(proposal, PreSharedKey):
            self.psks.add(proposal.psk)
        elif isinstance(proposal, GroupContextExtensions):
            self.gce = True
            self.extensions = proposal.extensions

    def _note_leaf(self, leaf: LeafNode) -> None:
        self.clients.add(leaf.signature_key)
        self.encryption_keys.add(leaf.encryption_key)
        self.new_leaves.append(leaf)
        self.tree_bytes += len(leaf.raw)

    def _others(self) -> Iterator[LeafNode]:
        """The leaves beside which a further one would stand."""
        yield from (leaf for number, leaf in self.tree.leaves() if number not in self.leaves)
        yield from self.new_leaves

    def _fits_leaf(self, leaf: LeafNode) -> bool:
        if leaf.signature_key in self.clients or leaf.encryption_key in self.encryption_keys:
            return False
        if self.tree_bytes + len(leaf.raw) + _ROOM_BYTES > limits.TREE_BYTES_MAX:
            return False
        try:
            leaf.check_group(self.extensions)
        except PeerError:
            return False
        return all(
            leaf.credential.type in other.capabilities.credentials
            and other.credential.type in leaf.capabilities.credentials
            for other in self._others()
        )

    def fits_update(self, proposal: Update, sender: int) -> bool:
        owner = self.members.get(proposal.leaf.signature_key, sender)
        return owner == sender and self._fits_leaf(proposal.leaf)

    def fits_add(self, proposal: Add, now: int) -> bool:
        leaf = proposal.key_package.leaf
        known = self.members.get(leaf.signature_key)
        if known is not None and known not in self.removed:
            return False
        if len(self.members) - len(self.removed) + self.added >= limits.LEAVES_MAX:
            return False
        try:
            if leaf.lifetime is not None:
                leaf.lifetime.check(now)
        except PeerError:
            return False
        return self._fits_leaf(leaf)

    def fits_extensions(self, proposal: GroupContextExtensions) -> bool:
        if self.gce or any(extension.type in GREASE for extension in proposal.extensions):
            return False
        try:
            for number, leaf in self.tree.leaves():
                if number not in self.removed:
                    leaf.check_group(proposal.extensions)
            for leaf in self.new_leaves:
                leaf.check_group(proposal.extensions)
        except PeerError:
            return False
        return True


def select(
    pending: Sequence[Pending],
    inline: Sequence[Proposal],
    tree: Tree,
    extensions: tuple[Extension, ...],
    committer: int,
    now: int,
    lookup: PskLookup,
) -> list[Pending]:
    """The cached proposals that fit to each other, to `inline` and to the committer's leaf, in order of arrival.

    Removes come before Updates of the same leaf, later Updates before earlier ones, everything before a ReInit.
    What is left out can be of a member who means to keep others from committing at all: each cached proposal was
    valid by itself, but its leaf may lack what the group requires, or carry a key that another node holds.
    """
    if any(isinstance(proposal, ReInit) for proposal in inline):
        return []
    taken = _Taken.of(tree, extensions)
    for proposal in inline:
        taken.note(proposal)
    chosen: list[Pending] = []
    for item in pending:
        if isinstance(item.proposal, Remove) and item.proposal.removed not in taken.leaves | {committer}:
            taken.note(item.proposal)
            chosen.append(item)
    for item in reversed(pending):
        if isinstance(item.proposal, GroupContextExtensions) and taken.fits_extensions(item.proposal):
            taken.note(item.proposal)
            chosen.append(item)
    for item in reversed(pending):
        proposal, sender = item.proposal, item.sender.index
        if (
            isinstance(proposal, Update)
            and sender not in taken.leaves | {committer}
            and taken.fits_update(proposal, sender)
        ):
            taken.note(proposal, sender)
            chosen.append(item)
    for item in pending:
        proposal = item.proposal
        if (isinstance(proposal, Add) and taken.fits_add(proposal, now)) or (
            isinstance(proposal, PreSharedKey)
            and proposal.psk not in taken.psks
            and lookup(proposal.psk.id) is not None
            and len(taken.psks) < limits.PSKS_MAX
        ):
            taken.note(proposal)
            chosen.append(item)
    if not chosen and not inline:
        return [item for item in pending if isinstance(item.proposal, ReInit)][:1]
    order = {item.ref: place for place, item in enumerate(pending)}
    return sorted(chosen[: max(0, limits.PROPOSALS_MAX - len(inline))], key=lambda item: order[item.ref])

