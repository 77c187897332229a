"""Is this list of proposals valid, and what tree does it lead to? (RFC 9420, 12.2 and 12.3)

The one place for these rules: whoever makes a commit and whoever takes one pass through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import GREASE, VERSION_MLS10, Extension, check_group_extensions
from chasqui.mls.framing import Sender, SenderType
from chasqui.mls.key_package import KeyPackage
from chasqui.mls.leaf import LeafNode, LeafSource
from chasqui.mls.proposals import (
    FROM_EXTERNAL,
    PATH_REQUIRED,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from chasqui.mls.psk import PreSharedKeyId, PskId, PskType, PskUsage
from chasqui.mls.suite import Crypto
from chasqui.mls.tree import Tree, TreeDraft


@dataclass(frozen=True, slots=True)
class Listed:
    """A proposal of a commit and who made it."""

    proposal: Proposal
    sender: Sender


@dataclass(frozen=True, slots=True)
class Staged:
    """A valid list, applied: the tree before any path, the group's extensions, and what else follows."""

    draft: TreeDraft
    extensions: tuple[Extension, ...]
    added: tuple[tuple[int, KeyPackage], ...]
    removed: tuple[int, ...]
    updated: tuple[int, ...]
    psks: tuple[PreSharedKeyId, ...]
    external_init: bytes | None
    reinit: ReInit | None
    path_required: bool

    @property
    def added_leaves(self) -> frozenset[int]:
        return frozenset(number for number, _ in self.added)


def check_proposal(
    crypto: Crypto,
    tree: Tree,
    group_id: bytes,
    item: Listed,
    now: int | None,
    psk_usage: PskUsage = PskUsage.APPLICATION,
) -> None:
    """The validity of one proposal by itself (RFC 12.1), before it is cached or listed. Raises PeerError."""
    proposal, sender = item.proposal, item.sender
    if sender.type == SenderType.EXTERNAL and proposal.type not in FROM_EXTERNAL:
        raise PeerError(Check.EXTERNAL_PROPOSAL_TYPE)
    if isinstance(proposal, Add):
        proposal.key_package.verify(crypto, now)
    elif isinstance(proposal, Update):
        if sender.type != SenderType.MEMBER:
            raise PeerError(Check.EXTERNAL_PROPOSAL_TYPE)
        check_new_leaf(crypto, tree.leaf(sender.index), proposal.leaf, LeafSource.UPDATE, group_id, sender.index)
    elif isinstance(proposal, Remove):
        if tree.leaf(proposal.removed) is None:
            raise PeerError(Check.REMOVE_BLANK)
    elif isinstance(proposal, PreSharedKey):
        proposal.psk.check_nonce(crypto)
        _check_psk_usage(proposal.psk.id, psk_usage)
    elif isinstance(proposal, ReInit):
        if proposal.version < VERSION_MLS10:
            raise PeerError(Check.REINIT_VERSION)
    elif isinstance(proposal, GroupContextExtensions):
        check_group_extensions(proposal.extensions)
    elif sender.type != SenderType.NEW_MEMBER_COMMIT:  # only ExternalInit is left
        raise PeerError(Check.EXTERNAL_INIT_BY_MEMBER)


def check_new_leaf(
    crypto: Crypto, old: LeafNode | None, new: LeafNode, source: LeafSource, group_id: bytes, number: int
) -> None:
    """A leaf that replaces `old` at that number (RFC 7.3), but for the group's demands. Raises PeerError."""
    if new.source != source:
        raise PeerError(Check.LEAF_SOURCE, source.name.lower())
    if old is not None and new.encryption_key == old.encryption_key:
        raise PeerError(Check.LEAF_SAME_ENCRYPTION_KEY)
    if old is not None and not new.credential.may_succeed(old.credential):
        raise PeerError(Check.CREDENTIAL_CHANGED, f"leaf {number}")
    new.check_alone(crypto)
    new.check_signature(crypto, group_id, number)


def _check_list(listed: Sequence[Listed], committer: int | None) -> None:
    """The rules about the list as a whole that need no tree."""
    if len(listed) > limits.PROPOSALS_MAX:
        raise PeerError(Check.TOO_MANY_PROPOSALS)
    leaves: set[int] = set()
    clients: set[bytes] = set()
    psks: set[PreSharedKeyId] = set()
    gce = False
    for item in listed:
        proposal = item.proposal
        if isinstance(proposal, Update | Remove):
            leaf = item.sender.index if isinstance(proposal, Update) else proposal.removed
            if leaf == committer:
                raise PeerError(
                    Check.UPDATE_BY_COMMITTER if isinstance(proposal, Update) else Check.REMOVE_OF_COMMITTER
                )
            if leaf in leaves:
                raise PeerError(Check.MULTIPLE_PER_LEAF, f"leaf {leaf}")
            leaves.add(leaf)
        elif isinstance(proposal, Add):
            if proposal.key_package.signature_key in clients:
                raise PeerError(Check.ADD_DUPLICATE)
            clients.add(proposal.key_package.signature_key)
        elif isinstance(proposal, PreSharedKey):
            if proposal.psk in psks:
                raise PeerError(Check.PSK_DUPLICATE)
            psks.add(proposal.psk)
        elif isinstance(proposal, GroupContextExtensions):
            if gce:
                raise PeerError(Check.GCE_DUPLICATE)
            gce = True
        elif isinstance(proposal, ReInit) and len(listed) > 1:
            raise PeerError(Check.REINIT_NOT_ALONE)
    if len(psks) > limits.PSKS_MAX:
        raise PeerError(Check.TOO_MANY, "pre-shared keys")


def _check_psk_usage(psk: PskId, allowed: PskUsage) -> None:
    """Keys for reinit or branch belong into the first commit of such a group and nowhere else."""
    if psk.type == PskType.RESUMPTION and psk.usage not in (PskUsage.APPLICATION, allowed):
        raise PeerError(Check.PSK_USAGE)


def _check_external(listed: Sequence[Listed]) -> None:
    """What an external commit may hold (RFC 12.2)."""
    if sum(isinstance(item.proposal, ExternalInit) for item in listed) != 1:
        raise PeerError(Check.EXTERNAL_INIT_COUNT)
    if sum(isinstance(item.proposal, Remove) for item in listed) > 1:
        raise PeerError(Check.EXTERNAL_LIST, "several Removes")
    if not all(isinstance(item.proposal, ExternalInit | Remove | PreSharedKey) for item in listed):
        raise PeerError(Check.EXTERNAL_LIST)


def stage(
    crypto: Crypto,
    tree: Tree,
    group_id: bytes,
    extensions: tuple[Extension, ...],
    listed: Sequence[Listed],
    committer: int | None,
    *,
    now: int | None = None,
    psk_usage: PskUsage = PskUsage.APPLICATION,
) -> Staged:
    """Checks the list and applies it to a copy of `tree`. `committer` is None for an external commit.

    `now` (unix seconds) checks the lifetimes of added key packages: for the committer, not for receivers.
    `psk_usage` allows one special usage in the first commit of a reinitialised or branched group.
    Raises PeerError; nothing that was given is changed.
    """
    if committer is None:
        _check_external(listed)
    _check_list(listed, committer)
    new_extensions: tuple[Extension, ...] | None = None
    for item in listed:
        check_proposal(crypto, tree, group_id, item, now, psk_usage)
        if isinstance(item.proposal, GroupContextExtensions):
            new_extensions = item.proposal.extensions
    current = extensions if new_extensions is None else new_extensions
    draft = tree.draft()
    updated = _apply_updates(draft, listed, current)
    removed = tuple(item.proposal.removed for item in listed if isinstance(item.proposal, Remove))
    for leaf in removed:
        draft.remove(leaf)
    if removed:
        draft.truncate()
    added = _apply_adds(draft, listed, current)
    if new_extensions is not None:
        _check_new_extensions(draft, new_extensions)
    draft.check_size()
    reinit = next((item.proposal for item in listed if isinstance(item.proposal, ReInit)), None)
    kem_output = next((item.proposal.kem_output for item in listed if isinstance(item.proposal, ExternalInit)), None)
    return Staged(
        draft,
        current,
        added,
        removed,
        updated,
        tuple(item.proposal.psk for item in listed if isinstance(item.proposal, PreSharedKey)),
        kem_output,
        reinit,
        not listed or any(item.proposal.type in PATH_REQUIRED for item in listed),
    )


def _apply_updates(draft: TreeDraft, listed: Sequence[Listed], extensions: tuple[Extension, ...]) -> tuple[int, ...]:
    updated: list[int] = []
    for item in listed:
        if isinstance(item.proposal, Update):
            item.proposal.leaf.check_group(extensions)
            draft.update(item.sender.index, item.proposal.leaf)
            updated.append(item.sender.index)
    return tuple(updated)


def _apply_adds(
    draft: TreeDraft, listed: Sequence[Listed], extensions: tuple[Extension, ...]
) -> tuple[tuple[int, KeyPackage], ...]:
    adds = [item.proposal.key_package for item in listed if isinstance(item.proposal, Add)]
    if not adds:
        return ()
    present = set(draft.signature_keys())
    added: list[tuple[int, KeyPackage]] = []
    for key_package in adds:
        if key_package.signature_key in present:
            raise PeerError(Check.ADD_MEMBER)
        key_package.leaf.check_group(extensions)
        added.append((draft.add(key_package.leaf), key_package))
    return tuple(added)


def _check_new_extensions(draft: TreeDraft, extensions: tuple[Extension, ...]) -> None:
    if any(extension.type in GREASE for extension in extensions):
        raise PeerError(Check.GCE_UNSUPPORTED, "GREASE")
    for number, leaf in draft.leaves():
        try:
            leaf.check_group(extensions)
        except PeerError as error:
            raise PeerError(Check.GCE_UNSUPPORTED, f"leaf {number}") from error
