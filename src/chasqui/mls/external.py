"""Acting on a group from outside: external commits and external proposals (RFC 9420, 12.1.8 and 12.4.3.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chasqui.mls import ed25519, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import ExtensionType
from chasqui.mls.framing import (
    Auth,
    FramedContent,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_message,
    wrap,
)
from chasqui.mls.group import epoch_state
from chasqui.mls.joining import check_group_info
from chasqui.mls.key_package import KeyPackageKeys, check_keys, open_keys, read_key_package_form
from chasqui.mls.key_schedule import external_init_sender, interim_transcript
from chasqui.mls.leaf import LeafTemplate
from chasqui.mls.proposals import CommitContent, ExternalInit, PreSharedKey, Proposal, Remove
from chasqui.mls.protect import sign_content
from chasqui.mls.psk import PskId, PskLookup, look_up, no_psks, psk_secret, with_nonce
from chasqui.mls.requests import AddProposal, ProposalRequest, to_wire
from chasqui.mls.results import Commit, Member
from chasqui.mls.staging import Listed, stage
from chasqui.mls.suite import Crypto, Entropy, crypto_of, fresh, own_crypto
from chasqui.mls.transition import advance, provisional_context
from chasqui.mls.tree_check import check_credentials, check_unique_keys
from chasqui.mls.treekem import make_path
from chasqui.mls.welcome import GroupInfo


def read_group_info_message(data: bytes) -> GroupInfo:
    """A GroupInfo from an MLSMessage; its signature is verified where its tree is. Raises PeerError."""
    message = read_message(data)
    if not isinstance(message, GroupInfo):
        raise PeerError(Check.WRONG_WIRE_FORMAT, "no group info")
    return message


def join_external(
    group_info: bytes,
    keys: KeyPackageKeys,
    entropy: Entropy,
    now: int | None = None,
    *,
    tree: bytes | None = None,
    replaces: int | None = None,
    psks: Sequence[PskId] = (),
    lookup: PskLookup = no_psks,
    authenticated_data: bytes = b"",
    known_groups: Collection[bytes] = (),
    private_messages: bool = True,
) -> Commit:
    """An external commit with which the owner of `keys` enters, and his state after it.

    `group_info` is an MLSMessage with external_pub, `tree` a ratchet tree when it has none. `replaces` is the leaf
    of our own lost self (resync): of the same credential and signature key. `psks` are mixed in. `now` (unix seconds)
    checks all lifetimes. Only credential, capabilities, extensions and signature key of the key package are used; the
    leaf key is fresh.
    Raises PeerError for a bad group info, UsageError when the keys do not fit.
    """
    info = read_group_info_message(group_info)
    crypto = crypto_of(info.context.suite)
    template, seed, signature_key = _identity(crypto, keys)
    if info.context.group_id in known_groups and replaces is None:
        raise PeerError(Check.GROUP_ID_KNOWN)
    old_tree = check_group_info(crypto, info, tree, template.capabilities.understands_extension, now)
    provisional_context(info.context, b"", ())  # the last epoch takes no commit
    kem_output, init = external_init_sender(crypto, _external_pub(info), fresh(entropy, crypto.kem.seed_bytes))
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    proposals: list[Proposal] = [ExternalInit(kem_output)]
    if replaces is not None:
        proposals.append(Remove(replaces))
    proposals += [PreSharedKey(with_nonce(psk, fresh(entropy, crypto.nh))) for psk in psks]
    extensions = info.context.extensions
    try:
        staged = stage(
            crypto, old_tree, info.context.group_id, extensions, [Listed(item, sender) for item in proposals], None
        )
        replaced = None if replaces is None else old_tree.leaf(replaces)
        if replaced is not None and (replaced.credential, replaced.signature_key) != (
            template.credential,
            signature_key,
        ):
            raise PeerError(Check.EXTERNAL_REMOVE)
        found = look_up(lookup, staged.psks)
        own_leaf = staged.draft.free_leaf()
    except PeerError as error:
        raise UsageError(f"cannot enter this group: {error}", error.check) from error
    made = make_path(
        crypto,
        staged.draft,
        own_leaf,
        template,
        (seed, signature_key),
        info.context.group_id,
        lambda tree_hash: provisional_context(info.context, tree_hash, extensions).encode(),
        (),
        entropy,
    )
    try:
        made.path.leaf.check_group(extensions)
        staged.draft.check_size()
        check_unique_keys(staged.draft)
        check_credentials(staged.draft)
    except PeerError as error:
        raise UsageError(f"our leaf does not fit this group: {error}", error.check) from error
    new_tree = staged.draft.freeze()
    content = frame(
        info.context.group_id,
        info.context.epoch,
        sender,
        authenticated_data,
        CommitContent(tuple(proposals), made.path),
    )
    context = info.context.encode()
    signature = sign_content(crypto, WireFormat.PUBLIC_MESSAGE, content, context, seed, signature_key)
    new = advance(
        crypto,
        provisional_context(info.context, new_tree.tree_hash(), extensions),
        interim_transcript(crypto, info.context.confirmed_transcript_hash, info.confirmation_tag),
        WireFormat.PUBLIC_MESSAGE,
        content,
        signature,
        init,
        made.commit_secret,
        psk_secret(crypto, found),
    )
    message = PublicMessage(content, Auth(signature, new.confirmation_tag), None)
    state = epoch_state(
        new, new_tree, own_leaf, made.keys, keys.signature_private, private_messages=private_messages
    )
    removed = tuple(
        Member.of(number, leaf) for number in staged.removed if (leaf := old_tree.leaf(number)) is not None
    )
    return Commit(wrap(WireFormat.PUBLIC_MESSAGE, message.encode()), state, None, (), removed)


def _identity(crypto: Crypto, keys: KeyPackageKeys) -> tuple[LeafTemplate, bytes, bytes]:
    try:
        key_package = decode_all(keys.key_package, read_key_package_form)
        own = crypto_of(key_package.suite_number)
        key_package.verify(own)
    except PeerError as error:
        raise UsageError(f"this key package cannot enter the group: {error}", error.check) from error
    check_keys(own, key_package, keys)
    if own is not crypto:
        raise PeerError(Check.WELCOME_SUITE, "group info")
    return LeafTemplate.of(key_package.leaf), keys.signature_private.reveal(), key_package.signature_key


def _external_pub(info: GroupInfo) -> bytes:
    data = info.extension(ExtensionType.EXTERNAL_PUB)
    if data is None:
        raise PeerError(Check.EXTERNAL_PUB_MISSING)
    try:
        return decode_all(data, Reader.vl)
    except PeerError as error:
        raise PeerError(Check.EXTENSION_MALFORMED, "external_pub") from error


def _signed(crypto: Crypto, content: FramedContent, seed: bytes, signature_key: bytes) -> bytes:
    # Outsiders do not know the group context; their signature covers group id and epoch through the content.
    signature = sign_content(crypto, WireFormat.PUBLIC_MESSAGE, content, b"", seed, signature_key)
    return wrap(WireFormat.PUBLIC_MESSAGE, PublicMessage(content, Auth(signature, None), None).encode())


def propose_as_external_sender(
    suite: int,
    group_id: bytes,
    epoch: int,
    request: ProposalRequest,
    sender_index: int,
    signature_private: bytes,
    signature_key: bytes,
    entropy: Entropy,
) -> bytes:
    """An MLSMessage with a proposal of the external sender at that index of the group's extension.

    Raises UsageError for a type that only members may propose.
    """
    crypto = own_crypto(suite)
    if len(signature_private) != ed25519.SEED_BYTES or ed25519.public_key(signature_private) != signature_key:
        raise UsageError("signature_private is a seed of 32 bytes, signature_key its public key")
    proposal = to_wire(crypto, request, entropy)
    if proposal is None:  # an Update; all other requests may come from outside
        raise UsageError("an external sender may not propose this", Check.EXTERNAL_PROPOSAL_TYPE)
    if not 0 <= sender_index < limits.EXTENSIONS_MAX:
        raise UsageError("no such external sender", Check.SENDER_UNKNOWN)
    content = frame(group_id, epoch, Sender(SenderType.EXTERNAL, sender_index), b"", proposal)
    return _signed(crypto, content, signature_private, signature_key)


def propose_own_add(group_id: bytes, epoch: int, keys: KeyPackageKeys, entropy: Entropy) -> bytes:
    """An MLSMessage in which the owner of a key package asks to be added. Members decide by committing it or not.

    Raises UsageError when `keys` are damaged.
    """
    crypto, key_package = open_keys(keys)
    proposal = to_wire(crypto, AddProposal(keys.key_package), entropy)
    assert proposal is not None  # noqa: S101
    content = frame(group_id, epoch, Sender(SenderType.NEW_MEMBER_PROPOSAL), b"", proposal)
    return _signed(crypto, content, keys.signature_private.reveal(), key_package.signature_key)
