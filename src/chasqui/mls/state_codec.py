"""A saved state: canonical, versioned, with a checksum against damage (not against an attacker who holds the disk).

Canonical: bytes that load are the bytes that the loaded state saves. Nodes of the tree are kept as they stand, under
the tree hash, and decoded when somebody asks; one that does not decode is a StateError then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chasqui.mls import ed25519, labels, limits
from chasqui.mls.codec import Reader, decode_all, optional, u8, u32, vl, vl_join
from chasqui.mls.errors import PeerError, StateError
from chasqui.mls.framing import Sender
from chasqui.mls.key_schedule import EpochSecrets, read_group_context
from chasqui.mls.pending import Pending
from chasqui.mls.proposals import ReInit, read_proposal
from chasqui.mls.secret import Secret
from chasqui.mls.secret_tree import Ratchet, RatchetKind, SecretTree
from chasqui.mls.suite import Crypto, crypto_of
from chasqui.mls.tree import Tree
from chasqui.mls.tree_math import is_power_of_two

if TYPE_CHECKING:
    from chasqui.mls.group import GroupState

MAGIC = b"mlsG\x01"
_CHECKSUM_BYTES = 16
_NODE_BYTES_MIN = (66, 33)
"""Of a leaf and of a parent node: as far as `tree` looks into them without decoding."""


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(labels.STATE_CHECKSUM + body).digest()[:_CHECKSUM_BYTES]


def _secret(secret: Secret | None) -> bytes:
    return b"\x00" if secret is None else vl(secret.reveal())


def _encode_messages(tree: SecretTree) -> bytes:
    nodes = vl_join(u32(x) + vl(tree.nodes[x].reveal()) for x in sorted(tree.nodes))
    ratchets = vl_join(
        u32(leaf)
        + u8(kind)
        + u32(ratchet.generation)
        + vl(ratchet.secret.reveal())
        + vl_join(u32(generation) + vl(ratchet.skipped[generation].reveal()) for generation in sorted(ratchet.skipped))
        for (leaf, kind), ratchet in sorted(tree.ratchets.items(), key=lambda item: item[0])
    )
    return u32(tree.leaf_count) + nodes + ratchets


def _encode_pending(item: Pending) -> bytes:
    return (
        vl(item.ref)
        + item.sender.encode()
        + item.proposal.encode()
        + _secret(item.leaf_private)
        + _secret(item.signature_private)
    )


def encode_state(state: GroupState) -> bytes:
    """See `GroupState.to_bytes`."""
    s = state.secrets
    body = b"".join(
        (
            MAGIC,
            vl(state.context_bytes),
            vl_join(b"\x00" if raw is None else vl(raw) for raw in state.tree.raw_nodes()),
            u32(state.own_leaf),
            b"".join(
                map(
                    _secret,
                    (
                        s.init,
                        s.membership,
                        s.exporter,
                        s.authenticator,
                        s.external,
                        s.confirmation,
                        s.resumption,
                        s.sender_data,
                    ),
                )
            ),
            vl_join(u32(x) + vl(state.keys[x].reveal()) for x in sorted(state.keys)),
            vl(state.signature_private.reveal()),
            vl(state.confirmation_tag),
            vl(state.interim_transcript_hash),
            optional(None if state.messages is None else _encode_messages(state.messages)),
            vl_join(map(_encode_pending, state.pending)),
            optional(None if state.reinit is None else state.reinit.encode()),
            u8(state.private_messages),
        )
    )
    return body + _checksum(body)


def _read_secret(reader: Reader) -> Secret | None:
    raw = reader.vl()
    return Secret(raw) if raw else None


def _read_keyed(reader: Reader) -> tuple[int, Secret]:
    return reader.u32(), Secret(reader.vl())


def _read_ratchet(reader: Reader) -> tuple[tuple[int, int], Ratchet]:
    leaf, kind, generation = reader.u32(), reader.u8(), reader.u32()
    secret = Secret(reader.vl())
    return (leaf, kind), Ratchet(secret, generation, dict(reader.many(_read_keyed, limits.RATCHET_KEPT_MAX)))


def _read_messages(reader: Reader) -> SecretTree:
    leaf_count = reader.u32()
    nodes = dict(reader.many(_read_keyed, 2 * limits.LEAVES_MAX))
    return SecretTree(leaf_count, nodes, dict(reader.many(_read_ratchet, 2 * limits.LEAVES_MAX)))


def _read_pending(reader: Reader) -> Pending:
    return Pending(
        reader.vl(), Sender.read(reader), read_proposal(reader), _read_secret(reader), _read_secret(reader)
    )


def _read_nodes(reader: Reader) -> list[bytes | None]:
    sub = reader.sub()
    raw: list[bytes | None] = []
    while sub.pos < sub.end:
        raw.append(sub.vl() or None)
    return raw


def _read_state(reader: Reader) -> dict[str, Any]:
    reader.take(len(MAGIC))
    context = decode_all(reader.vl(), read_group_context)
    tree = Tree(crypto_of(context.suite), _read_nodes(reader))
    fields = {
        "context": context,
        "tree": tree,
        "own_leaf": reader.u32(),
        "secrets": EpochSecrets(*(_read_secret(reader) for _ in range(8))),
        "keys": dict(reader.many(_read_keyed, 64)),
        "signature_private": Secret(reader.vl()),
        "confirmation_tag": reader.vl(),
        "interim_transcript_hash": reader.vl(),
        "messages": _read_messages(reader) if reader.present() else None,
        "pending": reader.many(_read_pending, limits.PROPOSALS_CACHED_MAX),
        "reinit": _read_reinit(reader) if reader.present() else None,
        "private_messages": reader.present(),
    }
    reader.finish()
    return fields


def _read_reinit(reader: Reader) -> ReInit:
    proposal = read_proposal(reader)
    if not isinstance(proposal, ReInit):
        raise StateError("a saved state holds the wrong proposal")
    return proposal


def decode_state(data: bytes) -> dict[str, Any]:
    """The fields of a GroupState, which has still to encode to `data` again. Raises StateError."""
    if len(data) > limits.STATE_BYTES_MAX:
        raise StateError("larger than any saved state")
    if data[: len(MAGIC)] != MAGIC:
        raise StateError("not a saved group state of this version")
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        raise StateError("the saved group state is damaged")
    try:
        fields = _read_state(Reader(body))
    except (PeerError, ValueError) as error:
        raise StateError("the saved group state is inconsistent") from error
    _check_consistent(fields)
    return fields


def _check_consistent(fields: dict[str, Any]) -> None:
    """A state that was put together by something else than `encode_state` is refused here, not later."""
    tree: Tree = fields["tree"]
    own_leaf: int = fields["own_leaf"]
    pending: tuple[Pending, ...] = fields["pending"]
    raw = tree.raw_nodes()
    crypto = tree.crypto
    checks: tuple[Callable[[], bool], ...] = (
        lambda: is_power_of_two(tree.leaf_count) and len(raw) == 2 * tree.leaf_count - 1,
        lambda: 2 * own_leaf < len(raw) and raw[2 * own_leaf] is not None,
        lambda: 2 * own_leaf in fields["keys"],
        lambda: all(x < len(raw) and raw[x] is not None for x in fields["keys"]),
        lambda: all(node is None or len(node) >= _NODE_BYTES_MIN[x & 1] for x, node in enumerate(raw)),
        lambda: len(fields["signature_private"]) == ed25519.SEED_BYTES,
        lambda: all(len(secret) == crypto.kem.private_bytes for secret in fields["keys"].values()),
        lambda: len(fields["confirmation_tag"]) == len(fields["interim_transcript_hash"]) == crypto.nh,
        lambda: all(secret is None or len(secret) == crypto.nh for secret in _kept(fields["secrets"])),
        lambda: fields["messages"] is None or _fits(crypto, fields["messages"], tree.leaf_count),
        lambda: len({item.ref for item in pending}) == len(pending),
        lambda: all(_is_whole(crypto, item) for item in pending),
        lambda: tree.tree_hash() == fields["context"].tree_hash,
        lambda: fields["secrets"].init is not None and fields["secrets"].membership is not None,
    )
    if not all(check() for check in checks):
        raise StateError("the saved group state is inconsistent")


def _kept(secrets: EpochSecrets) -> Iterator[Secret | None]:
    return (getattr(secrets, name) for name in EpochSecrets.__slots__)


def _fits(crypto: Crypto, tree: SecretTree, leaf_count: int) -> bool:
    """Whether every secret of a secret tree has its length and its place."""
    return (
        tree.leaf_count == leaf_count
        and all(x < 2 * leaf_count - 1 and len(secret) == crypto.nh for x, secret in tree.nodes.items())
        and all(
            leaf < leaf_count
            and kind in tuple(RatchetKind)
            and len(ratchet.secret) == crypto.nh
            and all(generation < ratchet.generation for generation in ratchet.skipped)
            and all(len(secret) == crypto.nk + crypto.nn for secret in ratchet.skipped.values())
            for (leaf, kind), ratchet in tree.ratchets.items()
        )
    )


def _is_whole(crypto: Crypto, item: Pending) -> bool:
    """Whether the private keys of a cached proposal have their lengths."""
    return (item.leaf_private is None or len(item.leaf_private) == crypto.kem.private_bytes) and (
        item.signature_private is None or len(item.signature_private) == ed25519.SEED_BYTES
    )
