"""Making and taking an UpdatePath: fresh keys from a leaf to the root, and their secrets to everyone else
(RFC 9420, 7.4 to 7.6, 7.9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from chasqui.mls import labels, tree_math
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.leaf import LeafTemplate, sign_leaf
from chasqui.mls.parent import ParentNode, parent_hash
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto, Entropy, fresh
from chasqui.mls.tree import Tree, TreeDraft
from chasqui.mls.update_path import HpkeCiphertext, PathNode, UpdatePath

NodeKeys = Mapping[int, Secret]
"""Private keys by node index: our leaf's, and those of the ancestors that we know."""

ContextOf = Callable[[bytes], bytes]
"""Encodes the provisional GroupContext for a tree hash."""


def node_key_pair(crypto: Crypto, path_secret: bytes) -> tuple[bytes, bytes]:
    """(private, public) of the node with that path secret."""
    return crypto.kem.derive_key_pair(crypto.derive_secret(path_secret, labels.NODE))


@dataclass(frozen=True, slots=True, repr=False)
class MadePath:
    """A path of our own: what travels, our new private keys, and what the commit and its welcome need."""

    path: UpdatePath
    keys: dict[int, Secret]
    commit_secret: bytes
    path_secrets: dict[int, bytes]


@dataclass(frozen=True, slots=True, repr=False)
class TakenPath:
    """The outcome of somebody else's path: the private keys it gave us, and the commit secret."""

    keys: dict[int, Secret]
    commit_secret: bytes


def _set_parents(
    crypto: Crypto, draft: TreeDraft, path: list[tuple[int, int]], keys: list[bytes]
) -> bytes:
    """Sets the nodes of a filtered direct path with these keys, from the root down; returns the leaf's parent hash."""
    above = b""
    for (x, sibling), key in zip(reversed(path), reversed(keys), strict=True):
        node = ParentNode(key, above, ())
        draft.set_parent(x, node)
        above = parent_hash(crypto, node, draft.tree_hash(sibling))
    return above


def make_path(
    crypto: Crypto,
    draft: TreeDraft,
    leaf: int,
    template: LeafTemplate,
    signature: tuple[bytes, bytes],
    group_id: bytes,
    context_of: ContextOf,
    excluded: Collection[int],
    entropy: Entropy,
) -> MadePath:
    """Renews our leaf and its path in `draft` and encrypts the path secrets to everyone but `excluded` leaves.

    `signature` is (seed, public key). The context is asked for once the tree hash is known.
    """
    leaf_private, leaf_public = crypto.kem.derive_key_pair(fresh(entropy, 32))
    draft.blank_path(leaf)
    path = draft.filtered_direct_path(leaf)
    secret = fresh(entropy, crypto.nh)
    keys = {2 * leaf: Secret(leaf_private)}
    publics: list[bytes] = []
    path_secrets: dict[int, bytes] = {}
    for x, _ in path:
        path_secrets[x] = secret
        private, public = node_key_pair(crypto, secret)
        keys[x] = Secret(private)
        publics.append(public)
        secret = crypto.derive_secret(secret, labels.PATH)
    above = _set_parents(crypto, draft, path, publics)
    seed, signature_key = signature
    new_leaf = sign_leaf(
        crypto, template, leaf_public, seed, signature_key, parent_hash=above, group_id=group_id, leaf_index=leaf
    )
    draft.set_leaf(leaf, new_leaf)
    context = context_of(draft.tree_hash())
    nodes: list[PathNode] = []
    hidden = {2 * number for number in excluded}
    for (x, sibling), public in zip(path, publics, strict=True):
        ciphertexts = tuple(
            HpkeCiphertext(
                *crypto.encrypt_with_label(
                    draft.key(y), labels.ENCRYPT_PATH_NODE, context, path_secrets[x], entropy
                )
            )
            for y in draft.resolution(sibling)
            if y not in hidden
        )
        nodes.append(PathNode(public, ciphertexts))
    return MadePath(UpdatePath(new_leaf, tuple(nodes)), keys, secret, path_secrets)


def merge_path(crypto: Crypto, draft: TreeDraft, sender: int, path: UpdatePath) -> list[tuple[int, int]]:
    """Puts a received path into `draft` and checks its parent hash; returns the filtered direct path.

    Raises PeerError. The leaf's signature and its fitness for the group are checked by the caller.
    """
    taken = set(draft.encryption_keys())
    keys = [node.encryption_key for node in path.nodes]
    for key in (path.leaf.encryption_key, *keys):
        if key in taken:
            raise PeerError(Check.PATH_KEY_REUSED)
        crypto.kem.check_public(key)
        taken.add(key)
    draft.blank_path(sender)
    filtered = draft.filtered_direct_path(sender)
    if len(filtered) != len(path.nodes):
        raise PeerError(Check.PATH_LENGTH)
    above = _set_parents(crypto, draft, filtered, keys)
    if path.leaf.parent_hash != above:
        raise PeerError(Check.PATH_PARENT_HASH)
    draft.set_leaf(sender, path.leaf)
    return filtered


def check_ciphertexts(
    draft: TreeDraft, filtered: list[tuple[int, int]], path: UpdatePath, excluded: Collection[int]
) -> list[list[int]]:
    """One ciphertext per node of each resolution. Returns the resolutions. Raises PeerError."""
    hidden = {2 * number for number in excluded}
    resolutions: list[list[int]] = []
    for (_, sibling), node in zip(filtered, path.nodes, strict=True):
        resolution = [y for y in draft.resolution(sibling) if y not in hidden]
        if len(resolution) != len(node.ciphertexts):
            raise PeerError(Check.PATH_CIPHERTEXTS)
        resolutions.append(resolution)
    return resolutions


def take_path(
    crypto: Crypto,
    draft: TreeDraft,
    filtered: list[tuple[int, int]],
    path: UpdatePath,
    own_leaf: int,
    own_keys: NodeKeys,
    context: bytes,
    excluded: Collection[int],
) -> TakenPath:
    """Decrypts the path secret meant for us and derives what follows from it. Raises PeerError.

    `draft` holds the merged path; `own_keys` are our private keys that are still current.
    """
    resolutions = check_ciphertexts(draft, filtered, path, excluded)
    for place, (_, sibling) in enumerate(filtered):
        if not tree_math.is_below(own_leaf, sibling):
            continue
        for y, encrypted in zip(resolutions[place], path.nodes[place].ciphertexts, strict=True):
            private = own_keys.get(y)
            if private is not None:
                secret = crypto.decrypt_with_label(
                    private.reveal(),
                    labels.ENCRYPT_PATH_NODE,
                    context,
                    encrypted.kem_output,
                    encrypted.ciphertext,
                    draft.key(y),
                )
                nodes = [x for x, _ in filtered[place:]]
                return derive_above(crypto, draft, nodes, secret, Check.PATH_SECRET_MISMATCH)
    raise PeerError(Check.PATH_NO_KEY)


def derive_above(crypto: Crypto, draft: TreeDraft, nodes: list[int], secret: bytes, check: Check) -> TakenPath:
    """The key pairs of `nodes` (lowest first) from the path secret of the first, and the commit secret.

    Raises PeerError(check) when one does not give the public key that the tree holds.
    """
    keys: dict[int, Secret] = {}
    for x in nodes:
        private, public = node_key_pair(crypto, secret)
        if public != draft.key(x):
            raise PeerError(check, f"node {x}")
        keys[x] = Secret(private)
        secret = crypto.derive_secret(secret, labels.PATH)
    return TakenPath(keys, secret)


def surviving_keys(draft: TreeDraft, keys: NodeKeys, before: Tree) -> dict[int, Secret]:
    """Those private keys whose node still holds the same public key; the others are outdated and die here."""
    size = 2 * draft.leaf_count - 1
    return {
        x: key
        for x, key in keys.items()
        if x < size and not draft.is_blank(x) and draft.key(x) == before.key(x)
    }
