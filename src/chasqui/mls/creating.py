"""The first epoch of a new group (RFC 9420, 11)."""

from __future__ import annotations

from collections.abc import Sequence

from chasqui.mls.codec import decode_all
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import Extension, check_group_extensions, own_extensions
from chasqui.mls.group import GroupState, epoch_state
from chasqui.mls.key_package import KeyPackageKeys, check_keys, read_key_package_form
from chasqui.mls.key_schedule import GroupContext, NewEpoch, epoch_of_secret, interim_transcript
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Entropy, fresh, own_crypto
from chasqui.mls.transition import Advanced, confirmation_tag
from chasqui.mls.tree import single_leaf_tree


def create_group(
    suite: int,
    group_id: bytes,
    keys: KeyPackageKeys,
    entropy: Entropy,
    *,
    extensions: Sequence[Extension] = (),
    private_messages: bool = True,
) -> GroupState:
    """A group of one, in epoch 0. The leaf is that of the key package, which must not be given to others.

    `extensions` become the group's. Without `private_messages` the state holds no secret tree.
    Raises UsageError when the keys or the extensions do not fit.
    """
    crypto = own_crypto(suite)
    try:
        key_package = decode_all(keys.key_package, read_key_package_form)
        key_package.verify(crypto)
        check_group_extensions(extensions)
        key_package.leaf.check_group(extensions)
    except PeerError as error:
        raise UsageError(f"this key package cannot found the group: {error}", error.check) from error
    check_keys(crypto, key_package, keys)
    group_extensions = own_extensions(extensions)
    tree = single_leaf_tree(crypto, key_package.leaf)
    context = GroupContext(int(crypto.suite), group_id, 0, tree.tree_hash(), b"", group_extensions)
    encryption, secrets = epoch_of_secret(crypto, fresh(entropy, crypto.nh))
    # Epoch 0 has neither joiner nor welcome secret: nobody can be welcomed into it.
    epoch = NewEpoch(Secret(b""), Secret(b""), encryption, secrets)
    tag = confirmation_tag(crypto, epoch, b"")
    new = Advanced(context, epoch, tag, interim_transcript(crypto, b"", tag))
    return epoch_state(
        new, tree, 0, {0: keys.leaf_private}, keys.signature_private, private_messages=private_messages
    )
