"""Cipher suites and the labelled functions of RFC 9420, section 5.1 and 5.2."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Final

from chasqui.mls import ed25519, labels
from chasqui.mls.checks import Check
from chasqui.mls.codec import u16, u32, vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.hpke import AES_128_GCM, CHACHA20_POLY1305, Aead, Hpke, hkdf_expand
from chasqui.mls.x25519 import DhkemX25519
from chasqui.mls.xwing import XWing

Entropy = Callable[[int], bytes]
"""Gives that many fresh random bytes. Never called twice for one purpose, so runs replay."""


class CipherSuite(IntEnum):
    """The suites of RFC 9420, 17.1 that this package implements."""

    X25519_AES128 = 0x0001
    X25519_CHACHA = 0x0003
    XWING_CHACHA = 0xF04D
    """X-Wing (KEM 0x647a), ChaCha20-Poly1305, SHA-256, Ed25519. The IETF has assigned no number to such a suite
    (draft-ietf-mls-pq-ciphersuites-06 still says TBD), so this one lies in the range for private use."""


class Crypto:
    """The algorithms of one suite. Stateless; one instance per suite, from `crypto_of`."""

    __slots__ = ("aead", "hpke", "kem", "nh", "nk", "suite", "zero")

    nn: Final = 12

    def __init__(self, suite: int, hpke: Hpke) -> None:
        self.suite = suite
        self.hpke = hpke
        self.kem = hpke.kem
        self.aead: Aead = hpke.aead
        self.nh = 32
        self.nk = hpke.aead.key_bytes
        self.zero = bytes(self.nh)

    def hash(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, "sha256")

    def extract(self, salt: bytes, ikm: bytes) -> bytes:
        """KDF.Extract."""
        return hmac.digest(salt, ikm, "sha256")

    def expand_with_label(self, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        """ExpandWithLabel (RFC 8)."""
        return hkdf_expand(secret, u16(length) + _label(label) + vl(context), length)

    def derive_secret(self, secret: bytes, label: bytes) -> bytes:
        """DeriveSecret (RFC 8): 32 bytes."""
        return hmac.digest(secret, _derive_info(label), "sha256")

    def derive_secret_of_any_label(self, secret: bytes, label: bytes) -> bytes:
        """DeriveSecret with a label from outside the RFC; such labels are not cached and may be long."""
        return hkdf_expand(secret, b"\x00\x20" + vl(labels.PREFIX + label) + b"\x00", 32)

    def derive_tree_secret(self, secret: bytes, label: bytes, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (RFC 9)."""
        return hkdf_expand(secret, u16(length) + _label(label) + b"\x04" + u32(generation), length)

    def ref_hash(self, label: bytes, value: bytes) -> bytes:
        """RefHash (RFC 5.2): 32 bytes."""
        return hashlib.sha256(vl(label) + vl(value)).digest()

    def sign_with_label(self, seed: bytes, label: bytes, content: bytes, public: bytes | None = None) -> bytes:
        """SignWithLabel (RFC 5.1.2) with an Ed25519 seed."""
        return ed25519.sign(seed, _label(label) + vl(content), public)

    def verify_with_label(self, public: bytes, label: bytes, content: bytes, signature: bytes) -> bool:
        """VerifyWithLabel (RFC 5.1.2)."""
        return ed25519.verify(public, _label(label) + vl(content), signature)

    def encrypt_with_label(
        self, public: bytes, label: bytes, context: bytes, plaintext: bytes, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (RFC 5.1.3): (KEM output, ciphertext). PeerError when the key is bad."""
        info = _label(label) + vl(context)
        return self.hpke.seal(public, info, b"", plaintext, fresh(entropy, self.kem.seed_bytes))

    def decrypt_with_label(
        self,
        private: bytes,
        label: bytes,
        context: bytes,
        output: bytes,
        ciphertext: bytes,
        public: bytes | None = None,
    ) -> bytes:
        """DecryptWithLabel (RFC 5.1.3). Raises PeerError."""
        return self.hpke.open(output, private, _label(label) + vl(context), b"", ciphertext, public)

    def check_signature_key(self, public: bytes) -> None:
        """Length only: every key that we accept has verified a signature, which refuses unsafe ones."""
        if len(public) != ed25519.PUBLIC_BYTES:
            raise PeerError(Check.KEY_LENGTH, "signature key")


def fresh(entropy: Entropy, length: int) -> bytes:
    """`length` bytes from the caller's source. Raises UsageError when it does not give them."""
    found = entropy(length)
    if len(found) != length:
        raise UsageError(f"entropy({length}) gave {len(found)} bytes")
    return bytes(found)


@lru_cache(maxsize=128)
def _label(label: bytes) -> bytes:
    return vl(labels.PREFIX + label)


@lru_cache(maxsize=128)
def _derive_info(label: bytes) -> bytes:
    return b"\x00\x20" + _label(label) + b"\x00\x01"


_CRYPTO: dict[int, Crypto] = {
    int(suite): Crypto(suite, Hpke(kem, aead))
    for suite, kem, aead in (
        (CipherSuite.X25519_AES128, DhkemX25519(), AES_128_GCM),
        (CipherSuite.X25519_CHACHA, DhkemX25519(), CHACHA20_POLY1305),
        (CipherSuite.XWING_CHACHA, XWing(), CHACHA20_POLY1305),
    )
}


def crypto_of(suite: int) -> Crypto:
    """The algorithms of a suite number from outside. Raises PeerError when it is not ours."""
    found = _CRYPTO.get(suite)
    if found is None:
        raise PeerError(Check.UNSUPPORTED_SUITE, f"0x{suite:04x}")
    return found


def own_crypto(suite: int) -> Crypto:
    """The algorithms of a suite that our own caller named. Raises UsageError when it is not ours."""
    try:
        return crypto_of(suite)
    except PeerError as error:
        raise UsageError(f"cipher suite 0x{suite:04x} is not implemented") from error
