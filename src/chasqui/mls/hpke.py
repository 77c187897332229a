"""HPKE (RFC 9180) in base mode: associated data, export, and the ephemeral entropy given by the caller.

Composed here because the single-shot HPKE of pyca/cryptography has neither export nor given entropy, which
MLS needs for external commits and the lab for replay. The KDF is HKDF-SHA256 in every suite of ours.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError, UsageError


class Kem(Protocol):
    """A key encapsulation mechanism, all keys as bytes."""

    @property
    def kem_id(self) -> int: ...
    @property
    def public_bytes(self) -> int: ...
    @property
    def private_bytes(self) -> int: ...
    @property
    def output_bytes(self) -> int: ...
    @property
    def seed_bytes(self) -> int: ...
    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]: ...
    def public_key(self, private: bytes) -> bytes: ...
    def check_public(self, public: bytes) -> None: ...
    def encapsulate(self, public: bytes, seed: bytes) -> tuple[bytes, bytes]: ...
    def decapsulate(self, output: bytes, private: bytes, public: bytes | None = None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Aead:
    """An AEAD by its HPKE id: 1 AES-128-GCM, 2 AES-256-GCM, 3 ChaCha20-Poly1305. Nonces are 12 bytes, tags 16."""

    aead_id: int
    key_bytes: int
    cipher: type[AESGCM] | type[ChaCha20Poly1305]

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        return self.cipher(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Raises PeerError(AEAD_OPEN) when the ciphertext is not authentic."""
        if len(ciphertext) < 16:
            raise PeerError(Check.AEAD_OPEN, "shorter than a tag")
        try:
            return self.cipher(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag as error:
            raise PeerError(Check.AEAD_OPEN) from error


AES_128_GCM = Aead(1, 16, AESGCM)
AES_256_GCM = Aead(2, 32, AESGCM)
CHACHA20_POLY1305 = Aead(3, 32, ChaCha20Poly1305)


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869); at most 8160 bytes."""
    if length <= 32:
        return hmac.digest(prk, info + b"\x01", "sha256")[:length]
    if length > 255 * 32:
        raise UsageError("HKDF-SHA256 expands to at most 8160 bytes")
    blocks: list[bytes] = []
    block = b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes((i,)), "sha256")
        blocks.append(block)
    return b"".join(blocks)[:length]


@dataclass(frozen=True, slots=True)
class Context:
    """The first step of an HPKE context, which is all that MLS uses: one seal or open, and export."""

    hpke: Hpke
    key: bytes
    base_nonce: bytes
    exporter_secret: bytes

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        return self.hpke.aead.seal(self.key, self.base_nonce, aad, plaintext)

    def open(self, aad: bytes, ciphertext: bytes) -> bytes:
        return self.hpke.aead.open(self.key, self.base_nonce, aad, ciphertext)

    def export(self, context: bytes, length: int) -> bytes:
        return self.hpke.expand(self.exporter_secret, b"sec", context, length)

    def __repr__(self) -> str:
        return "Context()"


class Hpke:
    """HPKE of one KEM and one AEAD with HKDF-SHA256."""

    __slots__ = ("_id", "_prefix", "_psk_id_hash", "aead", "kem")

    def __init__(self, kem: Kem, aead: Aead) -> None:
        self.kem = kem
        self.aead = aead
        self._id = b"HPKE" + kem.kem_id.to_bytes(2, "big") + b"\x00\x01" + aead.aead_id.to_bytes(2, "big")
        self._prefix = b"HPKE-v1" + self._id
        self._psk_id_hash = self.extract(b"", b"psk_id_hash", b"")

    def extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        """LabeledExtract."""
        return hmac.digest(salt, self._prefix + label + ikm, "sha256")

    def expand(self, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
        """LabeledExpand."""
        return hkdf_expand(prk, length.to_bytes(2, "big") + self._prefix + label + info, length)

    def _context(self, shared: bytes, info: bytes) -> Context:
        context = b"\x00" + self._psk_id_hash + self.extract(b"", b"info_hash", info)
        secret = self.extract(shared, b"secret", b"")
        return Context(
            self,
            self.expand(secret, b"key", context, self.aead.key_bytes),
            self.expand(secret, b"base_nonce", context, 12),
            self.expand(secret, b"exp", context, 32),
        )

    def setup_sender(self, public: bytes, info: bytes, seed: bytes) -> tuple[bytes, Context]:
        """(KEM output, context). `seed` is `kem.seed_bytes` of fresh entropy. PeerError for a bad key."""
        shared, output = self.kem.encapsulate(public, seed)
        return output, self._context(shared, info)

    def setup_receiver(self, output: bytes, private: bytes, info: bytes, public: bytes | None = None) -> Context:
        """The context of a KEM output. Raises PeerError."""
        return self._context(self.kem.decapsulate(output, private, public), info)

    def seal(self, public: bytes, info: bytes, aad: bytes, plaintext: bytes, seed: bytes) -> tuple[bytes, bytes]:
        """(KEM output, ciphertext), single shot."""
        shared, output = self.kem.encapsulate(public, seed)
        key, nonce = self._key_nonce(shared, info)
        return output, self.aead.seal(key, nonce, aad, plaintext)

    def open(
        self, output: bytes, private: bytes, info: bytes, aad: bytes, ciphertext: bytes, public: bytes | None = None
    ) -> bytes:
        """The plaintext, single shot. Raises PeerError(HPKE_OPEN) when it does not open."""
        key, nonce = self._key_nonce(self.kem.decapsulate(output, private, public), info)
        try:
            return self.aead.open(key, nonce, aad, ciphertext)
        except PeerError as error:
            raise PeerError(Check.HPKE_OPEN) from error

    def _key_nonce(self, shared: bytes, info: bytes) -> tuple[bytes, bytes]:
        context = b"\x00" + self._psk_id_hash + self.extract(b"", b"info_hash", info)
        secret = self.extract(shared, b"secret", b"")
        return (
            self.expand(secret, b"key", context, self.aead.key_bytes),
            self.expand(secret, b"base_nonce", context, 12),
        )
