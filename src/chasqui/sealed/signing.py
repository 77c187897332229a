"""Ed25519 (RFC 8032) over objects, by libsodium, which refuses small-order and non-canonical keys."""

from __future__ import annotations

from typing import Final

from nacl import bindings, exceptions

from chasqui.base.errors import PeerError
from chasqui.base.secret import Secret

SIGNATURE_BYTES: Final = 64


def signing_key(seed: bytes, public: bytes) -> Secret:
    """libsodium's 64-byte secret key from a 32-byte seed and its public key."""
    return Secret(seed + public)


def sign(message: bytes, key: Secret) -> bytes:
    """64 bytes of signature."""
    return bindings.crypto_sign(message, key)[:SIGNATURE_BYTES]


def verify(message: bytes, signature: bytes, public: bytes) -> None:
    """Raises `PeerError` where the signature is not this key's over this message."""
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (exceptions.CryptoError, ValueError) as error:
        raise PeerError("The signature does not hold.") from error
