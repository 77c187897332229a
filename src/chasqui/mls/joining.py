"""Entering a group by a welcome (RFC 9420, 12.4.3.1)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chasqui.mls import labels, tree_math
from chasqui.mls.checks import Check
from chasqui.mls.codec import decode_all
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import VERSION_MLS10, ExtensionType, check_group_extensions
from chasqui.mls.framing import read_message
from chasqui.mls.group import GroupState, epoch_state
from chasqui.mls.key_package import KeyPackage, KeyPackageKeys, open_keys
from chasqui.mls.key_schedule import epoch_of_joiner, interim_transcript, welcome_secret
from chasqui.mls.psk import PreSharedKeyId, PskLookup, PskType, PskUsage, look_up, no_psks, psk_secret
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto
from chasqui.mls.transition import Advanced, confirmation_tag
from chasqui.mls.tree import Tree, read_tree
from chasqui.mls.tree_check import check_tree
from chasqui.mls.treekem import derive_above
from chasqui.mls.welcome import GroupInfo, GroupSecrets, Welcome, read_group_info, read_group_secrets, welcome_key_nonce


@dataclass(frozen=True, slots=True, repr=False)
class _Opened:
    """A welcome that opened: secrets for us, the group info, and the psk_secret of both."""

    secrets: GroupSecrets
    info: GroupInfo
    psk: bytes


def join(
    welcome: bytes,
    keys: KeyPackageKeys,
    *,
    tree: bytes | None = None,
    now: int | None = None,
    psks: PskLookup = no_psks,
    parent: GroupState | None = None,
    known_groups: Collection[bytes] = (),
    private_messages: bool = True,
) -> GroupState:
    """The state of a newcomer. `welcome` is an MLSMessage, `tree` a ratchet tree when the welcome has none.

    `now` (unix seconds) also checks the lifetimes of all leaves, which a group of long standing may fail; leave it
    out to trust the group's own judgement. `parent` is the old group of a reinitialised or branched one, in the
    epoch that its resumption key names; a group that is not tied to it is refused. `known_groups` are ids that must
    not come again. Raises PeerError; UsageError when `keys` are damaged. The caller erases `keys.init_private`
    afterwards unless it is a last resort.
    """
    message = read_message(welcome)
    if not isinstance(message, Welcome):
        raise PeerError(Check.WRONG_WIRE_FORMAT, "no welcome")
    crypto, key_package = open_keys(keys)
    if message.suite != crypto.suite:
        raise PeerError(Check.WELCOME_SUITE)
    lookup = psks if parent is None else _with_parent(parent, psks)
    opened = _open(crypto, message, keys, key_package, lookup)
    info = opened.info
    if info.context.suite != crypto.suite:
        raise PeerError(Check.WELCOME_SUITE, "group info")
    if info.context.group_id in known_groups:
        raise PeerError(Check.GROUP_ID_KNOWN)
    ratchet_tree = check_group_info(crypto, info, tree, key_package.leaf.capabilities.understands_extension, now)
    own_leaf = next((number for number, leaf in ratchet_tree.leaves() if leaf.raw == key_package.leaf.raw), None)
    if own_leaf is None:
        raise PeerError(Check.WELCOME_OWN_LEAF)
    if own_leaf == info.signer:
        raise PeerError(Check.WELCOME_SIGNER_IS_US)
    node_keys = {2 * own_leaf: keys.leaf_private}
    if opened.secrets.path_secret is not None:
        node_keys.update(_path_keys(crypto, ratchet_tree, own_leaf, info.signer, opened.secrets.path_secret))
    _check_special(opened.secrets.psks, info, ratchet_tree, parent)
    epoch = epoch_of_joiner(crypto, opened.secrets.joiner.reveal(), opened.psk, info.context.encode())
    tag = confirmation_tag(crypto, epoch, info.context.confirmed_transcript_hash)
    if not hmac.compare_digest(tag, info.confirmation_tag):
        raise PeerError(Check.CONFIRMATION_TAG)
    interim = interim_transcript(crypto, info.context.confirmed_transcript_hash, tag)
    new = Advanced(info.context, epoch, tag, interim)
    return epoch_state(
        new, ratchet_tree, own_leaf, node_keys, keys.signature_private, private_messages=private_messages
    )


def _with_parent(parent: GroupState, others: PskLookup) -> PskLookup:
    return lambda psk: parent.psk(psk, others)


def _open(
    crypto: Crypto, welcome: Welcome, keys: KeyPackageKeys, key_package: KeyPackage, lookup: PskLookup
) -> _Opened:
    entry = welcome.find(key_package.ref)
    plaintext = crypto.decrypt_with_label(
        keys.init_private.reveal(),
        labels.ENCRYPT_WELCOME,
        welcome.encrypted_group_info,
        entry.secrets.kem_output,
        entry.secrets.ciphertext,
        key_package.init_key,
    )
    secrets = decode_all(plaintext, read_group_secrets)
    special = [psk for psk in secrets.psks if _is_special(psk)]
    if len(special) > 1:
        raise PeerError(Check.WELCOME_PSKS)
    if len(set(secrets.psks)) != len(secrets.psks):
        raise PeerError(Check.PSK_DUPLICATE)
    for identifier in secrets.psks:
        identifier.check_nonce(crypto)
    psk = psk_secret(crypto, look_up(lookup, secrets.psks))
    key, nonce = welcome_key_nonce(crypto, welcome_secret(crypto, secrets.joiner.reveal(), psk))
    try:
        encoded = crypto.aead.open(key, nonce, b"", welcome.encrypted_group_info)
    except PeerError as error:
        raise PeerError(Check.WELCOME_OPEN) from error
    return _Opened(secrets, decode_all(encoded, read_group_info), psk)


def check_group_info(
    crypto: Crypto, info: GroupInfo, tree: bytes | None, supports: Callable[[int], bool], now: int | None
) -> Tree:
    """The verified ratchet tree of a verified GroupInfo. Raises PeerError."""
    inside = info.extension(ExtensionType.RATCHET_TREE)
    encoded = inside if inside is not None else tree
    if encoded is None:
        raise PeerError(Check.WELCOME_TREE_MISSING)
    ratchet_tree = decode_all(encoded, lambda reader: read_tree(crypto, reader))
    signer = ratchet_tree.leaf(info.signer)
    if signer is None:
        raise PeerError(Check.GROUP_INFO_SIGNER)
    info.check_signature(crypto, signer.signature_key)
    if ratchet_tree.tree_hash() != info.context.tree_hash:
        raise PeerError(Check.TREE_HASH)
    check_group_extensions(info.context.extensions)
    for extension in info.context.extensions:
        if not supports(extension.type):
            raise PeerError(Check.GROUP_EXTENSION_UNSUPPORTED, f"type {extension.type}")
    check_tree(crypto, ratchet_tree, info.context.group_id, info.context.extensions, now)
    return ratchet_tree


def _path_keys(crypto: Crypto, tree: Tree, own_leaf: int, signer: int, path_secret: Secret) -> dict[int, Secret]:
    """Private keys from the common ancestor with the signer up to the root, along the signer's filtered path."""
    ancestor = tree_math.common_ancestor(own_leaf, signer)
    draft = tree.draft()
    nodes = [x for x, _ in draft.filtered_direct_path(signer) if tree_math.level(x) >= tree_math.level(ancestor)]
    # The ancestor is the lowest of them: its child above us is not empty, because we are below it.
    if any(draft.is_blank(x) for x in nodes):
        raise PeerError(Check.WELCOME_PATH_SECRET, "the path is not in the tree")
    return derive_above(crypto, draft, nodes, path_secret.reveal(), Check.WELCOME_PATH_SECRET).keys


def _is_special(psk: PreSharedKeyId) -> bool:
    return psk.id.type == PskType.RESUMPTION and psk.id.usage != PskUsage.APPLICATION


def _check_of(parent: GroupState) -> Check:
    return Check.WELCOME_BRANCH if parent.reinit is None else Check.WELCOME_REINIT


def _check_special(
    psks: tuple[PreSharedKeyId, ...], info: GroupInfo, tree: Tree, parent: GroupState | None
) -> None:
    """The demands on a reinitialised or branched group (RFC 11.2, 11.3, 12.4.3.1)."""
    special = next((psk.id for psk in psks if _is_special(psk)), None)
    if special is None:
        if parent is not None:  # else whoever is asked for the new group could give any other in its place
            raise PeerError(_check_of(parent), "the group is not tied to the old one")
        return
    if info.context.epoch != 1:
        raise PeerError(Check.WELCOME_EPOCH)
    check = Check.WELCOME_REINIT if special.usage == PskUsage.REINIT else Check.WELCOME_BRANCH
    if parent is None or special.group_id != parent.group_id or special.epoch != parent.epoch:
        raise PeerError(check, "the old group is not at hand")
    if parent.reinit is not None and special.usage == PskUsage.BRANCH:
        raise PeerError(check, "the old group is closed: only what its ReInit asked for follows")
    new_identities = {leaf.credential.identity for _, leaf in tree.leaves()}
    old_identities = {member.identity for member in parent.members}
    context = info.context
    if special.usage == PskUsage.REINIT:
        wanted = parent.reinit
        if (
            wanted is None
            or wanted.version != VERSION_MLS10  # a group context is always of this version
            or (wanted.group_id, wanted.suite, wanted.extensions)
            != (context.group_id, context.suite, context.extensions)
            or not old_identities <= new_identities
        ):
            raise PeerError(check)
    elif context.suite != parent.context.suite or not new_identities <= old_identities:
        raise PeerError(check)

