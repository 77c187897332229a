"""The secret tree and its ratchets: one key per private message (RFC 9420, 9).

A frozen value. `take` and `next` return the key and a new tree in which everything consumed is gone; a message
that fails to decrypt leaves the old tree in place, so a forgery burns no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from chasqui.mls import labels, limits, tree_math
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto


class RatchetKind(IntEnum):
    """Each leaf has two ratchets."""

    HANDSHAKE = 0
    APPLICATION = 1


@dataclass(frozen=True, slots=True, repr=False)
class MessageKey:
    """Key and nonce of one generation."""

    key: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Ratchet:
    """The secret of the next generation, and the keys of skipped ones (oldest first)."""

    secret: Secret
    generation: int
    skipped: Mapping[int, Secret]

    def _step(self, crypto: Crypto) -> tuple[MessageKey, Ratchet]:
        secret, generation = self.secret.reveal(), self.generation
        key = MessageKey(
            crypto.derive_tree_secret(secret, labels.KEY, generation, crypto.nk),
            crypto.derive_tree_secret(secret, labels.NONCE, generation, crypto.nn),
        )
        following = crypto.derive_tree_secret(secret, labels.SECRET, generation, crypto.nh)
        return key, replace(self, secret=Secret(following), generation=generation + 1)

    def take(self, crypto: Crypto, generation: int) -> tuple[MessageKey, Ratchet]:
        """The key of a generation, which then is gone. Raises PeerError when it is gone already or too far."""
        skipped = dict(self.skipped)
        if generation < self.generation:
            kept = skipped.pop(generation, None)
            if kept is None:
                raise PeerError(Check.GENERATION_PAST)
            raw = kept.reveal()
            return MessageKey(raw[: crypto.nk], raw[crypto.nk :]), replace(self, skipped=skipped)
        if generation - self.generation > limits.RATCHET_JUMP_MAX:
            raise PeerError(Check.GENERATION_FAR)
        ratchet = self
        while True:
            key, ratchet = ratchet._step(crypto)
            if ratchet.generation > generation:
                break
            skipped[ratchet.generation - 1] = Secret(key.key + key.nonce)
        while len(skipped) > limits.RATCHET_KEPT_MAX:
            del skipped[min(skipped)]
        return key, replace(ratchet, skipped=skipped)


@dataclass(frozen=True, slots=True, repr=False)
class SecretTree:
    """Unconsumed node secrets and the ratchets of the leaves already used."""

    leaf_count: int
    nodes: Mapping[int, Secret]
    ratchets: Mapping[tuple[int, int], Ratchet]

    @staticmethod
    def of(encryption_secret: Secret, leaf_count: int) -> SecretTree:
        return SecretTree(leaf_count, {tree_math.root(leaf_count): encryption_secret}, {})

    def _open(self, crypto: Crypto, leaf: int) -> SecretTree:
        """A tree in which the ratchets of `leaf` exist and all secrets above it are gone."""
        if (leaf, RatchetKind.HANDSHAKE) in self.ratchets:
            return self
        path = [2 * leaf, *tree_math.direct_path(leaf, self.leaf_count)]
        nodes = dict(self.nodes)
        start = next((i for i, x in enumerate(path) if x in nodes), None)
        if start is None:
            raise PeerError(Check.GENERATION_PAST, "the ratchets of this leaf are erased")
        secret = nodes.pop(path[start]).reveal()
        for x, below in zip(path[start:0:-1], path[start - 1 :: -1] if start else [], strict=True):
            left, right = tree_math.left(x), tree_math.right(x)
            for child, side in ((left, labels.LEFT), (right, labels.RIGHT)):
                nodes[child] = Secret(crypto.expand_with_label(secret, labels.TREE, side, crypto.nh))
            secret = nodes.pop(below).reveal()
        ratchets = dict(self.ratchets)
        for kind, label in ((RatchetKind.HANDSHAKE, labels.HANDSHAKE), (RatchetKind.APPLICATION, labels.APPLICATION)):
            root = crypto.expand_with_label(secret, label, b"", crypto.nh)
            ratchets[(leaf, int(kind))] = Ratchet(Secret(root), 0, {})
        return SecretTree(self.leaf_count, nodes, ratchets)

    def take(self, crypto: Crypto, leaf: int, kind: RatchetKind, generation: int) -> tuple[MessageKey, SecretTree]:
        """The key of a received message. Raises PeerError when it is consumed or too far ahead."""
        if not 0 <= leaf < self.leaf_count:
            raise PeerError(Check.SENDER_DATA)
        tree = self._open(crypto, leaf)
        key, ratchet = tree.ratchets[(leaf, int(kind))].take(crypto, generation)
        return key, replace(tree, ratchets={**tree.ratchets, (leaf, int(kind)): ratchet})

    def next(self, crypto: Crypto, leaf: int, kind: RatchetKind) -> tuple[int, MessageKey, SecretTree]:
        """(generation, key, tree) for a message that we send."""
        tree = self._open(crypto, leaf)
        generation = tree.ratchets[(leaf, int(kind))].generation
        key, tree = tree.take(crypto, leaf, kind, generation)
        return generation, key, tree
