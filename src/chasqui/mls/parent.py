"""Parent nodes of the ratchet tree (RFC 9420, 7.1) and the parent hash (7.9)."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all, u32, vl, vl_join
from chasqui.mls.errors import PeerError
from chasqui.mls.suite import Crypto


class ParentNode(NamedTuple):
    """A key shared by the leaves below, except those listed as unmerged (ascending leaf numbers)."""

    encryption_key: bytes
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...]

    def encode(self) -> bytes:
        return vl(self.encryption_key) + vl(self.parent_hash) + vl_join(map(u32, self.unmerged_leaves))


def read_parent(reader: Reader) -> ParentNode:
    """ParentNode with its unmerged leaves in order. Raises PeerError."""
    node = ParentNode(reader.vl(), reader.vl(), reader.u32s(limits.LEAVES_MAX))
    unmerged = node.unmerged_leaves
    for before, after in pairwise(unmerged):
        if before >= after:
            raise PeerError(Check.UNMERGED_ORDER)
    return node


def decode_parent(data: bytes) -> ParentNode:
    """A parent node that fills `data`. Raises PeerError."""
    return decode_all(data, read_parent)


def parent_hash(crypto: Crypto, node: ParentNode, sibling_tree_hash: bytes) -> bytes:
    """The hash of ParentHashInput: of `node` with the original tree hash of its copath child."""
    return crypto.hash(vl(node.encryption_key) + vl(node.parent_hash) + vl(sibling_tree_hash))
