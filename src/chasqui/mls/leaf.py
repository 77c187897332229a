"""Leaf nodes: one member's keys, credential and capabilities, signed by itself (RFC 9420, 7.2 and 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from chasqui.mls import labels, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all, u8, u32, u64, vl
from chasqui.mls.credential import Credential
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import (
    VERSION_MLS10,
    Capabilities,
    Extension,
    encode_extensions,
    read_capabilities,
    read_extensions,
    required_capabilities,
)
from chasqui.mls.suite import Crypto


class LeafSource(IntEnum):
    """How a leaf came into the tree."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Unix seconds between which a key package may be used."""

    not_before: int
    not_after: int

    def encode(self) -> bytes:
        return u64(self.not_before) + u64(self.not_after)

    def check(self, now: int) -> None:
        """Raises PeerError when `now` (unix seconds) is outside, or the span is longer than we accept."""
        if self.not_after < self.not_before:
            raise PeerError(Check.LEAF_LIFETIME, "it ends before it begins")
        if self.not_after - self.not_before > limits.LIFETIME_MAX_S:
            raise PeerError(Check.LEAF_LIFETIME_TOO_LONG)
        if not self.not_before - limits.CLOCK_SKEW_S <= now <= self.not_after:
            raise PeerError(Check.LEAF_LIFETIME)


class LeafNode(NamedTuple):
    """A decoded leaf node. `raw` is its encoding, `body` the part of it before the signature.

    A NamedTuple, not a dataclass: a tree of 128 leaves is built at every start, and this is three times faster.
    """

    raw: bytes
    body: bytes
    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: int
    lifetime: Lifetime | None
    parent_hash: bytes | None
    extensions: tuple[Extension, ...]
    signature: bytes

    def tbs(self, group_id: bytes, leaf_index: int) -> bytes:
        """LeafNodeTBS."""
        if self.source == LeafSource.KEY_PACKAGE:
            return self.body
        return self.body + vl(group_id) + u32(leaf_index)

    def check_signature(self, crypto: Crypto, group_id: bytes, leaf_index: int) -> None:
        """Raises PeerError unless the leaf is signed for that place."""
        content = self.tbs(group_id, leaf_index)
        if not crypto.verify_with_label(self.signature_key, labels.SIGN_LEAF_NODE, content, self.signature):
            raise PeerError(Check.LEAF_SIGNATURE, f"leaf {leaf_index}")

    def check_alone(self, crypto: Crypto) -> None:
        """What can be checked without the group: keys, and that the leaf agrees with its own capabilities."""
        crypto.kem.check_public(self.encryption_key)
        crypto.check_signature_key(self.signature_key)
        capabilities = self.capabilities
        if crypto.suite not in capabilities.cipher_suites or VERSION_MLS10 not in capabilities.versions:
            raise PeerError(Check.LEAF_SUITE)
        if self.credential.type not in capabilities.credentials:
            raise PeerError(Check.LEAF_OWN_CREDENTIAL)
        for extension in self.extensions:
            if not capabilities.supports_extension(extension.type):
                raise PeerError(Check.LEAF_EXTENSION_NOT_LISTED, f"type {extension.type}")

    def check_group(self, group_extensions: Sequence[Extension]) -> None:
        """That the leaf supports what the group uses and requires. Raises PeerError."""
        for extension in group_extensions:
            if not self.capabilities.supports_extension(extension.type):
                raise PeerError(Check.LEAF_GROUP_EXTENSION, f"type {extension.type}")
        required = required_capabilities(group_extensions)
        if required is not None and not self.capabilities.meets(required):
            raise PeerError(Check.LEAF_REQUIRED_CAPABILITIES)


def read_leaf(reader: Reader) -> LeafNode:
    """LeafNode. Form only, nothing is verified. Raises PeerError."""
    start = reader.pos
    encryption_key = reader.vl()
    signature_key = reader.vl()
    credential = Credential.read(reader)
    capabilities = read_capabilities(reader)
    source = reader.u8()
    lifetime = None
    parent_hash = None
    if source == LeafSource.KEY_PACKAGE:
        lifetime = Lifetime(reader.u64(), reader.u64())
    elif source == LeafSource.COMMIT:
        parent_hash = reader.vl()
    elif source != LeafSource.UPDATE:
        raise PeerError(Check.UNKNOWN_ENUM, "leaf_node_source")
    extensions = read_extensions(reader)
    end_of_body = reader.pos
    signature = reader.vl()
    if reader.pos - start > limits.LEAF_BYTES_MAX:
        raise PeerError(Check.TOO_LARGE, "leaf node")
    return LeafNode(
        reader.data[start : reader.pos],
        reader.data[start:end_of_body],
        encryption_key,
        signature_key,
        credential,
        capabilities,
        source,
        lifetime,
        parent_hash,
        extensions,
        signature,
    )


def decode_leaf(data: bytes) -> LeafNode:
    """A leaf node that fills `data`. Raises PeerError."""
    return decode_all(data, read_leaf)


@dataclass(frozen=True, slots=True)
class LeafTemplate:
    """The parts of a leaf that its owner chooses; what remains is keys, source and signature."""

    credential: Credential
    capabilities: Capabilities
    extensions: tuple[Extension, ...] = ()

    @staticmethod
    def of(leaf: LeafNode) -> LeafTemplate:
        return LeafTemplate(leaf.credential, leaf.capabilities, leaf.extensions)


def sign_leaf(
    crypto: Crypto,
    template: LeafTemplate,
    encryption_key: bytes,
    signature_seed: bytes,
    signature_key: bytes,
    *,
    lifetime: Lifetime | None = None,
    parent_hash: bytes | None = None,
    group_id: bytes = b"",
    leaf_index: int = 0,
) -> LeafNode:
    """A signed leaf: for a key package with `lifetime`, for a commit with `parent_hash`, else for an Update.

    Raises UsageError when no peer could read it.
    """
    if lifetime is not None:
        origin = u8(LeafSource.KEY_PACKAGE) + lifetime.encode()
    elif parent_hash is not None:
        origin = u8(LeafSource.COMMIT) + vl(parent_hash)
    else:
        origin = u8(LeafSource.UPDATE)
    body = b"".join(
        (
            vl(encryption_key),
            vl(signature_key),
            template.credential.encode(),
            template.capabilities.encode(),
            origin,
            encode_extensions(template.extensions),
        )
    )
    content = body if lifetime is not None else body + vl(group_id) + u32(leaf_index)
    signature = crypto.sign_with_label(signature_seed, labels.SIGN_LEAF_NODE, content, signature_key)
    try:
        return decode_leaf(body + vl(signature))
    except PeerError as error:
        raise UsageError(f"our leaf is invalid: {error}", error.check) from error
