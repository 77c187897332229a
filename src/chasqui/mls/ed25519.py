"""Ed25519 through libsodium, which refuses small-order and non-canonical keys and points; pyca does not."""

from __future__ import annotations

from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

PUBLIC_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


def public_key(seed: bytes) -> bytes:
    """The public key of a 32-byte seed."""
    return crypto_sign_seed_keypair(seed)[0]


def sign(seed: bytes, message: bytes, public: bytes | None = None) -> bytes:
    """A 64-byte signature. `public` must belong to `seed`; it saves 13 us."""
    if public is None:
        public = crypto_sign_seed_keypair(seed)[0]
    return crypto_sign(message, seed + public)[:SIGNATURE_BYTES]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """True only for a valid signature under a key of full order."""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
