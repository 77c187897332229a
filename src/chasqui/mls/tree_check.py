"""The integrity of a ratchet tree that somebody else gave us (RFC 9420, 12.4.3.1 and 7.9.2)."""

from __future__ import annotations

from chasqui.mls import tree_math
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import Extension
from chasqui.mls.parent import ParentNode, parent_hash
from chasqui.mls.suite import Crypto
from chasqui.mls.tree import Tree, TreeDraft


def check_tree(
    crypto: Crypto, tree: Tree, group_id: bytes, extensions: tuple[Extension, ...], now: int | None = None
) -> None:
    """Everything but the tree hash. `now` (unix seconds) checks lifetimes too. Raises PeerError."""
    check_unmerged(tree)
    check_unique_keys(tree)
    check_parent_hashes(crypto, tree)
    for number, leaf in tree.leaves():
        leaf.check_alone(crypto)
        leaf.check_group(extensions)
        if leaf.lifetime is not None and now is not None:
            leaf.lifetime.check(now)
        leaf.check_signature(crypto, group_id, number)
    for x in range(1, 2 * tree.leaf_count - 1, 2):
        if not tree.is_blank(x):
            crypto.kem.check_public(tree.key(x))
    check_credentials(tree)


def check_unique_keys(tree: Tree | TreeDraft) -> None:
    """No two nodes share an encryption key, no two members a signature key. Raises PeerError."""
    encryption = tree.encryption_keys()
    if len(set(encryption)) != len(encryption):
        raise PeerError(Check.DUPLICATE_ENCRYPTION_KEY)
    signature = tree.signature_keys()
    if len(set(signature)) != len(signature):
        raise PeerError(Check.DUPLICATE_SIGNATURE_KEY)


def check_credentials(tree: Tree | TreeDraft) -> None:
    """Every member supports every credential type in use. Raises PeerError."""
    in_use: set[int] = set()
    listed: set[tuple[int, ...]] = set()
    for _, leaf in tree.leaves():
        in_use.add(leaf.credential.type)
        listed.add(leaf.capabilities.credentials)
    if not all(in_use.issubset(credentials) for credentials in listed):
        raise PeerError(Check.LEAF_CREDENTIAL_UNSUPPORTED)


def check_unmerged(tree: Tree) -> None:
    """Unmerged leaves are members below their node, and known to all nodes between. Raises PeerError."""
    unmerged: dict[int, frozenset[int]] = {}
    for x in range(1, 2 * tree.leaf_count - 1, 2):
        node = tree.parent(x)
        if node is not None:
            unmerged[x] = frozenset(node.unmerged_leaves)
    for x, leaves in unmerged.items():
        for number in sorted(leaves):
            if not tree_math.is_below(number, x) or tree.is_blank(2 * number):
                raise PeerError(Check.UNMERGED_LEAF, f"leaf {number} at node {x}")
            for between in tree_math.direct_path(number, tree.leaf_count):
                if between == x:
                    break
                if between in unmerged and number not in unmerged[between]:
                    raise PeerError(Check.UNMERGED_PATH, f"leaf {number} at node {between}")


def check_parent_hashes(crypto: Crypto, tree: Tree) -> None:
    """Every parent node descends, link by link, from exactly one leaf's signature. Raises PeerError.

    Bottom up: each leaf set by a commit, and each parent, vouches for the next set node above it. A node for which
    nobody, or more than one, vouches was put there by somebody who did not hold a leaf below it.
    """
    vouched: dict[int, int] = {}
    hashes: dict[tuple[int, int], bytes] = {}
    resolutions: dict[int, frozenset[int]] = {}
    for d in range(2 * tree.leaf_count - 1):
        if tree.is_blank(d):
            continue
        claim = _claim(tree, d)
        if not claim:
            continue
        p = _next_set(tree, d)
        if p is None:
            continue
        node = tree.parent(p)
        assert node is not None  # noqa: S101
        left, right = tree_math.left(p), tree_math.right(p)
        child, sibling = (left, right) if d < p else (right, left)
        found = hashes.get((p, sibling))
        if found is None:
            original = tree.tree_hash_without(sibling, node.unmerged_leaves)
            found = hashes[(p, sibling)] = parent_hash(crypto, node, original)
        if claim != found:
            continue
        resolution = resolutions.get(child)
        if resolution is None:  # once per child: a thousand leaves may all claim the same parent
            resolution = resolutions[child] = frozenset(tree.resolution(child))
        if _covers(resolution, d, child, node):
            vouched[p] = vouched.get(p, 0) + 1
    for x in range(1, 2 * tree.leaf_count - 1, 2):
        if not tree.is_blank(x) and vouched.get(x, 0) != 1:
            raise PeerError(Check.TREE_PARENT_HASH, f"node {x}")


def _claim(tree: Tree, d: int) -> bytes:
    if d & 1:
        node = tree.parent(d)
        return b"" if node is None else node.parent_hash
    leaf = tree.leaf(d >> 1)
    return b"" if leaf is None else leaf.parent_hash or b""  # only leaves of commits have one


def _next_set(tree: Tree, d: int) -> int | None:
    x = d
    while x != tree.root:
        x = tree_math.parent(x, tree.leaf_count)
        if not tree.is_blank(x):
            return x
    return None


def _covers(resolution: frozenset[int], d: int, child: int, above: ParentNode) -> bool:
    """D is in the resolution of C, and P's unmerged leaves below C are the resolution of C without D."""
    low, high = tree_math.leaf_span(child)
    unmerged = {2 * leaf for leaf in above.unmerged_leaves if low <= leaf < high}
    # Unmerged leaves of D itself are unmerged at P too; both stand in the resolution of C next to D.
    return d not in unmerged and unmerged | {d} == resolution
