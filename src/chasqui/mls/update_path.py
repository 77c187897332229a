"""The UpdatePath of a commit as it travels (RFC 9420, 7.6)."""

from __future__ import annotations

from typing import NamedTuple

from chasqui.mls import limits
from chasqui.mls.codec import Reader, vl, vl_join
from chasqui.mls.leaf import LeafNode, read_leaf


class HpkeCiphertext(NamedTuple):
    """HPKECiphertext."""

    kem_output: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        return vl(self.kem_output) + vl(self.ciphertext)


def read_ciphertext(reader: Reader) -> HpkeCiphertext:
    """HPKECiphertext. Raises PeerError."""
    return HpkeCiphertext(reader.vl(), reader.vl())


class PathNode(NamedTuple):
    """UpdatePathNode: a fresh public key, and its secret once per node of the copath's resolution."""

    encryption_key: bytes
    ciphertexts: tuple[HpkeCiphertext, ...]

    def encode(self) -> bytes:
        return vl(self.encryption_key) + vl_join(ciphertext.encode() for ciphertext in self.ciphertexts)


def _read_node(reader: Reader) -> PathNode:
    return PathNode(reader.vl(), reader.many(read_ciphertext, limits.LEAVES_MAX))


class UpdatePath(NamedTuple):
    """The committer's new leaf and the nodes of its filtered direct path, lowest first."""

    leaf: LeafNode
    nodes: tuple[PathNode, ...]

    def encode(self) -> bytes:
        return self.leaf.raw + vl_join(node.encode() for node in self.nodes)


def read_update_path(reader: Reader) -> UpdatePath:
    """UpdatePath. Form only. Raises PeerError."""
    return UpdatePath(read_leaf(reader), reader.many(_read_node, limits.LEAVES_MAX.bit_length()))
