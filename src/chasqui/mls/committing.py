"""Making messages: commits with their welcomes, proposals, application data (RFC 9420, 12.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chasqui.mls import ed25519, labels, limits, tree_math
from chasqui.mls.checks import Check
from chasqui.mls.codec import vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import Extension, ExtensionType, own_extensions
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
    frame,
    wrap,
)
from chasqui.mls.key_package import KeyPackage
from chasqui.mls.leaf import LeafSource, LeafTemplate, sign_leaf
from chasqui.mls.pending import Pending, check_room
from chasqui.mls.proposals import CommitContent, Proposal, ProposalOrRef, ProposalRef, Update
from chasqui.mls.protect import sign_content, to_private, to_public
from chasqui.mls.psk import PreSharedKeyId, PskLookup, PskUsage, look_up, no_psks, psk_secret
from chasqui.mls.requests import ProposalRequest, UpdateProposal, to_wire
from chasqui.mls.results import Commit, Member, Proposed
from chasqui.mls.secret import Secret
from chasqui.mls.selection import select
from chasqui.mls.staging import Listed, Staged, check_new_leaf, check_proposal, stage
from chasqui.mls.suite import Crypto, Entropy, fresh
from chasqui.mls.transition import Advanced, advance, provisional_context
from chasqui.mls.tree_check import check_credentials, check_unique_keys
from chasqui.mls.treekem import MadePath, make_path, surviving_keys
from chasqui.mls.update_path import HpkeCiphertext
from chasqui.mls.welcome import (
    EncryptedGroupSecrets,
    GroupSecrets,
    Welcome,
    sign_group_info,
    welcome_key_nonce,
)

if TYPE_CHECKING:
    from chasqui.mls.group import GroupState


@dataclass(frozen=True, slots=True, repr=False)
class CommitOptions:
    """The keyword arguments of `GroupState.commit`."""

    path: bool | None = None
    pending: bool = True
    psks: PskLookup = no_psks
    private: bool = False
    padding: int = 0
    authenticated_data: bytes = b""
    signature_private: bytes | None = None
    leaf: LeafTemplate | None = None
    welcome_tree: bool = True
    group_info_extensions: tuple[Extension, ...] = ()
    psk_usage: PskUsage = PskUsage.APPLICATION


def encode_external_pub(public: bytes) -> bytes:
    """The value of the external_pub extension."""
    return vl(public)


def _listed(
    state: GroupState, requests: Sequence[ProposalRequest], entropy: Entropy, now: int, options: CommitOptions
) -> tuple[list[ProposalOrRef], list[Listed]]:
    """What the commit says, and what that means."""
    own = Sender(SenderType.MEMBER, state.own_leaf)
    inline: list[Proposal] = []
    for request in requests:
        proposal = to_wire(state.crypto, request, entropy)
        if proposal is None:
            raise UsageError("a commit renews its own leaf with its path; UpdateProposal is for propose()")
        inline.append(proposal)
    cached: list[Pending] = []
    if options.pending and state.pending:
        cached = select(
            state.pending,
            inline,
            state.tree,
            state.context.extensions,
            state.own_leaf,
            now,
            lambda psk: state.psk(psk, options.psks),
        )
    items: list[ProposalOrRef] = [*(ProposalRef(item.ref) for item in cached), *inline]
    listed = [Listed(item.proposal, item.sender) for item in cached] + [Listed(item, own) for item in inline]
    return items, listed


_OF_KEY_PACKAGES = range(200, 400)
"""The checks of keys, leaves and key packages: what breaks them was made by a peer, not by our caller."""


def make_commit(
    state: GroupState, requests: Sequence[ProposalRequest], entropy: Entropy, now: int, options: CommitOptions
) -> Commit:
    """See `GroupState.commit`."""
    state.require_active()
    if options.psk_usage != PskUsage.APPLICATION and state.epoch != 0:
        raise UsageError("only the first commit of a new group ties it to an old one", Check.PSK_USAGE)
    crypto = state.crypto
    items, listed = _listed(state, requests, entropy, now, options)
    try:
        staged = stage(
            crypto,
            state.tree,
            state.group_id,
            state.context.extensions,
            listed,
            state.own_leaf,
            now=now,
            psk_usage=options.psk_usage,
        )
        check_unique_keys(staged.draft)
        psks = look_up(lambda psk: state.psk(psk, options.psks), staged.psks)
        provisional_context(state.context, b"", ())
    except PeerError as error:
        if error.check.number in _OF_KEY_PACKAGES:
            raise
        raise UsageError(f"these proposals make no valid commit: {error}", error.check) from error
    renews = options.signature_private is not None or options.leaf is not None
    with_path = staged.path_required or bool(options.path) or renews
    if options.path is False and with_path:
        raise UsageError("this commit needs a path")
    seed, signature_key = _new_signature(state, options)
    made = _make_path(state, staged, options, (seed, signature_key), entropy) if with_path else None
    if any(leaf.credential.type != state.own_leaf_node.credential.type for _, leaf in staged.draft.leaves()):
        check_credentials(staged.draft)
    tree = staged.draft.freeze()
    provisional = provisional_context(state.context, tree.tree_hash(), staged.extensions)
    wire_format = WireFormat.PRIVATE_MESSAGE if options.private else WireFormat.PUBLIC_MESSAGE
    content = frame(
        state.group_id,
        state.epoch,
        Sender(SenderType.MEMBER, state.own_leaf),
        options.authenticated_data,
        CommitContent(tuple(items), None if made is None else made.path),
    )
    signature = _sign(state, wire_format, content)
    init = state.secrets.init
    assert init is not None  # noqa: S101  require_active
    new = advance(
        crypto,
        provisional,
        state.interim_transcript_hash,
        wire_format,
        content,
        signature,
        init.reveal(),
        crypto.zero if made is None else made.commit_secret,
        psk_secret(crypto, psks),
    )
    message, _ = _protect(state, content, Auth(signature, new.confirmation_tag), wire_format, entropy, options.padding)
    keys = surviving_keys(staged.draft, state.keys, state.tree) if made is None else dict(made.keys)
    successor = state.successor(new, tree, keys, Secret(seed), staged.reinit)
    welcome = None
    if staged.added:
        welcome = _make_welcome(successor, new, staged, made, entropy, options)
    return Commit(
        message,
        successor,
        welcome,
        tuple(Member.of(number, key_package.leaf) for number, key_package in staged.added),
        tuple(Member.of(number, leaf) for number in staged.removed if (leaf := state.tree.leaf(number)) is not None),
    )


def _new_signature(state: GroupState, options: CommitOptions) -> tuple[bytes, bytes]:
    if options.signature_private is None:
        return state.signature_private.reveal(), state.own_leaf_node.signature_key
    if len(options.signature_private) != ed25519.SEED_BYTES:
        raise UsageError("signature_private is a seed of 32 bytes")
    return options.signature_private, ed25519.public_key(options.signature_private)


def _make_path(
    state: GroupState, staged: Staged, options: CommitOptions, signature: tuple[bytes, bytes], entropy: Entropy
) -> MadePath:
    def context_of(tree_hash: bytes) -> bytes:
        return provisional_context(state.context, tree_hash, staged.extensions).encode()

    made = make_path(
        state.crypto,
        staged.draft,
        state.own_leaf,
        options.leaf or LeafTemplate.of(state.own_leaf_node),
        signature,
        state.group_id,
        context_of,
        staged.added_leaves,
        entropy,
    )
    if options.leaf is not None or options.signature_private is not None:
        try:
            check_new_leaf(
                state.crypto, state.own_leaf_node, made.path.leaf, LeafSource.COMMIT, state.group_id, state.own_leaf
            )
            made.path.leaf.check_group(staged.extensions)
            staged.draft.check_size()
            check_unique_keys(staged.draft)
            check_credentials(staged.draft)
        except PeerError as error:
            raise UsageError(f"our new leaf is invalid: {error}", error.check) from error
    return made


def _sign(state: GroupState, wire_format: WireFormat, content: FramedContent) -> bytes:
    """Signed with the key that the tree holds in this epoch, whatever the commit changes."""
    return sign_content(
        state.crypto,
        wire_format,
        content,
        state.context_bytes,
        state.signature_private.reveal(),
        state.own_leaf_node.signature_key,
    )


def _protect(
    state: GroupState, content: FramedContent, auth: Auth, wire_format: WireFormat, entropy: Entropy, padding: int
) -> tuple[bytes, GroupState]:
    """(MLSMessage, state without a used message key)."""
    if not 0 <= padding <= limits.PADDING_MAX:
        raise UsageError("padding is 0 to 65536 bytes")
    authenticated = AuthenticatedContent(wire_format, content, auth)
    if wire_format == WireFormat.PUBLIC_MESSAGE:
        public = to_public(state.crypto, authenticated, state.secrets.membership, state.context_bytes)
        return wrap(wire_format, public.encode()), state
    if state.messages is None or not state.secrets.sender_data:
        raise UsageError("the keys for private messages are erased")
    private, tree = to_private(
        state.crypto, authenticated, state.messages, state.secrets.sender_data, entropy, padding
    )
    return wrap(wire_format, private.encode()), replace(state, messages=tree)


def _make_welcome(
    state: GroupState,
    new: Advanced,
    staged: Staged,
    made: MadePath | None,
    entropy: Entropy,
    options: CommitOptions,
) -> bytes:
    crypto = state.crypto
    extensions = list(options.group_info_extensions)
    if options.welcome_tree:
        extensions.append(Extension(ExtensionType.RATCHET_TREE, state.tree.encode()))
    info = sign_group_info(
        crypto,
        state.context,
        own_extensions(extensions),
        state.confirmation_tag,
        state.own_leaf,
        state.signature_private.reveal(),
        state.own_leaf_node.signature_key,
    )
    key, nonce = welcome_key_nonce(crypto, new.epoch.welcome.reveal())
    encrypted_info = crypto.aead.seal(key, nonce, b"", info.encode())
    secrets = tuple(
        _for_newcomer(crypto, state, key_package, number, new, staged.psks, made, encrypted_info, entropy)
        for number, key_package in staged.added
    )
    return wrap(WireFormat.WELCOME, Welcome(state.context.suite, secrets, encrypted_info).encode())


def _for_newcomer(
    crypto: Crypto,
    state: GroupState,
    key_package: KeyPackage,
    number: int,
    new: Advanced,
    psks: tuple[PreSharedKeyId, ...],
    made: MadePath | None,
    encrypted_info: bytes,
    entropy: Entropy,
) -> EncryptedGroupSecrets:
    path_secret = None
    if made is not None:
        path_secret = Secret(made.path_secrets[tree_math.common_ancestor(state.own_leaf, number)])
    plaintext = GroupSecrets(new.epoch.joiner, path_secret, psks).encode()
    sealed = crypto.encrypt_with_label(
        key_package.init_key, labels.ENCRYPT_WELCOME, encrypted_info, plaintext, entropy
    )
    return EncryptedGroupSecrets(key_package.ref, HpkeCiphertext(*sealed))


def make_proposal(
    state: GroupState,
    request: ProposalRequest,
    entropy: Entropy,
    now: int,
    private: bool,
    padding: int,
    authenticated_data: bytes,
) -> Proposed:
    """See `GroupState.propose`."""
    state.require_active()
    crypto = state.crypto
    own = Sender(SenderType.MEMBER, state.own_leaf)
    leaf_private = signature_private = None
    proposal = to_wire(crypto, request, entropy)
    if proposal is None:
        assert isinstance(request, UpdateProposal)  # noqa: S101
        leaf_private, signature_private, proposal = _own_update(state, request, entropy)
    try:
        check_proposal(crypto, state.tree, state.group_id, Listed(proposal, own), now)
        check_room(state.pending, Pending(b"", own, proposal))
    except PeerError as error:
        if error.check.number in _OF_KEY_PACKAGES:
            raise
        raise UsageError(f"an invalid proposal: {error}", error.check) from error
    wire_format = WireFormat.PRIVATE_MESSAGE if private else WireFormat.PUBLIC_MESSAGE
    content = frame(state.group_id, state.epoch, own, authenticated_data, proposal)
    auth = Auth(_sign(state, wire_format, content), None)
    message, after = _protect(state, content, auth, wire_format, entropy, padding)
    ref = AuthenticatedContent(wire_format, content, auth).proposal_ref(crypto)
    if any(item.ref == ref for item in state.pending):
        return Proposed(message, after, ref)  # the same words, public and signed alike, say nothing new
    pending = Pending(ref, own, proposal, leaf_private, signature_private)
    return Proposed(message, replace(after, pending=(*after.pending, pending)), ref)


def _own_update(
    state: GroupState, request: UpdateProposal, entropy: Entropy
) -> tuple[Secret, Secret | None, Update]:
    crypto = state.crypto
    options = CommitOptions(signature_private=request.signature_private)
    seed, signature_key = _new_signature(state, options)
    private, public = crypto.kem.derive_key_pair(fresh(entropy, 32))
    leaf = sign_leaf(
        crypto,
        LeafTemplate.of(state.own_leaf_node),
        public,
        seed,
        signature_key,
        group_id=state.group_id,
        leaf_index=state.own_leaf,
    )
    changed = None if request.signature_private is None else Secret(seed)
    return Secret(private), changed, Update(leaf)


def encrypt_application(
    state: GroupState, data: bytes, aad: bytes, entropy: Entropy, padding: int
) -> tuple[bytes, GroupState]:
    """See `GroupState.encrypt`."""
    state.require_active()
    if state.pending:
        raise UsageError("proposals wait to be committed before anything is sent")
    body: Body = data
    content = frame(state.group_id, state.epoch, Sender(SenderType.MEMBER, state.own_leaf), aad, body)
    auth = Auth(_sign(state, WireFormat.PRIVATE_MESSAGE, content), None)
    return _protect(state, content, auth, WireFormat.PRIVATE_MESSAGE, entropy, padding)
