"""Indices of full binary trees in array form (RFC 9420, appendix C). Leaf i is node 2i."""

from __future__ import annotations

from functools import lru_cache

from chasqui.mls.errors import UsageError


def level(x: int) -> int:
    """Height of node x; leaves have 0."""
    return (~x & (x + 1)).bit_length() - 1


def node_count(leaves: int) -> int:
    """Nodes of a tree with that many leaves."""
    return 2 * leaves - 1


def root(leaves: int) -> int:
    """The root; `leaves` is a power of two."""
    return leaves - 1


def left(x: int) -> int:
    """The left child of parent node x."""
    k = level(x)
    if k == 0:
        raise UsageError("a leaf has no children")
    return x ^ (1 << (k - 1))


def right(x: int) -> int:
    """The right child of parent node x."""
    k = level(x)
    if k == 0:
        raise UsageError("a leaf has no children")
    return x ^ (3 << (k - 1))


def parent(x: int, leaves: int) -> int:
    """The parent of node x in a tree of `leaves`. Raises UsageError for the root."""
    if x == root(leaves):
        raise UsageError("the root has no parent")
    k = level(x)
    return (x | (1 << k)) & ~(1 << (k + 1))


def sibling(x: int, leaves: int) -> int:
    """The other child of x's parent."""
    p = parent(x, leaves)
    return right(p) if x < p else left(p)


def is_power_of_two(leaves: int) -> bool:
    """Whether a tree can have that many leaves."""
    return leaves > 0 and leaves & (leaves - 1) == 0


@lru_cache(maxsize=8192)
def direct_path(leaf: int, leaves: int) -> tuple[int, ...]:
    """Ancestors of leaf number `leaf`, from its parent to the root. Raises UsageError for a leaf outside the tree."""
    if not 0 <= leaf < leaves:
        raise UsageError(f"leaf {leaf} is outside a tree of {leaves}")
    x = 2 * leaf
    path: list[int] = []
    while x != root(leaves):
        x = parent(x, leaves)
        path.append(x)
    return tuple(path)


@lru_cache(maxsize=8192)
def copath(leaf: int, leaves: int) -> tuple[int, ...]:
    """For each node of the direct path, its child that is not on the path. Errors as `direct_path`."""
    return tuple(sibling(x, leaves) for x in (2 * leaf, *direct_path(leaf, leaves)[:-1]) if leaves > 1)


def span(x: int) -> tuple[int, int]:
    """Nodes below x, itself included, as a half-open range of node indices."""
    reach = (1 << level(x)) - 1
    return x - reach, x + reach + 1


def leaf_span(x: int) -> tuple[int, int]:
    """Leaves below x as a half-open range of leaf numbers."""
    low, high = span(x)
    return low >> 1, (high + 1) >> 1


def is_below(leaf: int, x: int) -> bool:
    """Whether leaf number `leaf` lies in the subtree of node x."""
    low, high = leaf_span(x)
    return low <= leaf < high


def common_ancestor(a: int, b: int) -> int:
    """The lowest node above both leaf numbers (the leaf itself when they are equal)."""
    if a == b:
        return 2 * a
    height = (a ^ b).bit_length()
    return ((a >> height) << (height + 1)) | ((1 << height) - 1)
