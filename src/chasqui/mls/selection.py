"""Which of the cached proposals a commit takes along: as many as fit together (RFC 9420, 12.2 and 12.4).

Every cached proposal is valid by itself, but two may contradict each other, and any member can send one that
contradicts. So whoever commits leaves out what does not fit, by the preferences of the RFC, instead of failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chasqui.mls import limits
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import Extension
from chasqui.mls.pending import Pending
from chasqui.mls.proposals import Add, GroupContextExtensions, PreSharedKey, Proposal, ReInit, Remove, Update
from chasqui.mls.psk import PreSharedKeyId, PskId, PskLookup, PskType, PskUsage
from chasqui.mls.tree import Tree


@dataclass(slots=True)
class _Taken:
    """What the commit holds so far, its inline proposals first."""

    tree: Tree
    extensions: tuple[Extension, ...]
    members: dict[bytes, int]
    leaves: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    clients: set[bytes] = field(default_factory=set)
    psks: set[PreSharedKeyId] = field(default_factory=set)
    gce: bool = False

    def note(self, proposal: Proposal) -> None:
        if isinstance(proposal, Remove):
            self.leaves.add(proposal.removed)
            self.removed.add(proposal.removed)
        elif isinstance(proposal, Add):
            self.clients.add(proposal.key_package.signature_key)
        elif isinstance(proposal, PreSharedKey):
            self.psks.add(proposal.psk)
        elif isinstance(proposal, GroupContextExtensions):
            self.gce = True
            self.extensions = proposal.extensions

    def fits_add(self, proposal: Add, now: int) -> bool:
        leaf = proposal.key_package.leaf
        known = self.members.get(leaf.signature_key)
        if leaf.signature_key in self.clients or (known is not None and known not in self.removed):
            return False
        try:
            leaf.check_group(self.extensions)
            if leaf.lifetime is not None:
                leaf.lifetime.check(now)
        except PeerError:
            return False
        return True

    def fits_extensions(self, proposal: GroupContextExtensions) -> bool:
        if self.gce:
            return False
        try:
            for number, leaf in self.tree.leaves():
                if number not in self.removed:
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
    """
    if any(isinstance(proposal, ReInit) for proposal in inline):
        return []
    members = {leaf.signature_key: number for number, leaf in tree.leaves()}
    taken = _Taken(tree, extensions, members)
    for proposal in inline:
        taken.note(proposal)
    chosen: list[Pending] = []
    for item in pending:
        if isinstance(item.proposal, Remove) and item.proposal.removed not in taken.leaves | {committer}:
            taken.note(item.proposal)
            chosen.append(item)
    for item in reversed(pending):
        proposal = item.proposal
        if isinstance(proposal, Update) and item.sender.index not in taken.leaves | {committer}:
            taken.leaves.add(item.sender.index)
            chosen.append(item)
        elif isinstance(proposal, GroupContextExtensions) and taken.fits_extensions(proposal):
            taken.note(proposal)
            chosen.append(item)
    for item in pending:
        proposal = item.proposal
        if (isinstance(proposal, Add) and taken.fits_add(proposal, now)) or (
            isinstance(proposal, PreSharedKey)
            and proposal.psk not in taken.psks
            and _usable(proposal.psk.id)
            and lookup(proposal.psk.id) is not None
            and len(taken.psks) < limits.PSKS_MAX
        ):
            taken.note(proposal)
            chosen.append(item)
    if not chosen and not inline:
        return [item for item in pending if isinstance(item.proposal, ReInit)][:1]
    order = {item.ref: place for place, item in enumerate(pending)}
    return sorted(chosen, key=lambda item: order[item.ref])


def _usable(psk: PskId) -> bool:
    return psk.type == PskType.EXTERNAL or psk.usage == PskUsage.APPLICATION
