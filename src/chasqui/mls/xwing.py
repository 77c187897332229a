"""X-Wing: ML-KEM-768 and X25519 in one KEM (draft-connolly-cfrg-xwing-kem-10, HPKE KEM id 0x647a).

Safe as long as either half is. The private key is the 32-byte seed from which both halves come. ML-KEM draws the
randomness of its encapsulation from the operating system: pyca takes none from outside, so messages of this suite
do not replay byte for byte; everything derived from a seed does.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from chasqui.mls import labels, x25519
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError

_PUBLIC_M: Final = 1184
_OUTPUT_M: Final = 1088


def _combine(secret_m: bytes, secret_x: bytes, output_x: bytes, public_x: bytes) -> bytes:
    return hashlib.sha3_256(secret_m + secret_x + output_x + public_x + labels.XWING).digest()


def _expand(seed: bytes) -> tuple[MLKEM768PrivateKey, bytes]:
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), expanded[64:]


@lru_cache(maxsize=64)
def _checked(public_m: bytes) -> MLKEM768PublicKey:
    """The parsed key, whose coefficients are all below the modulus (FIPS 203, 7.2)."""
    try:
        return MLKEM768PublicKey.from_public_bytes(public_m)
    except ValueError as error:
        raise PeerError(Check.KEY_NOT_CANONICAL, "ML-KEM-768 public key") from error


class XWing:
    """The KEM 0x647a: public keys of 1216 bytes, outputs of 1120, private keys and shared secrets of 32."""

    kem_id: Final = 0x647A
    public_bytes: Final = _PUBLIC_M + x25519.KEY_BYTES
    output_bytes: Final = _OUTPUT_M + x25519.KEY_BYTES
    private_bytes: Final = 32
    seed_bytes: Final = 32

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """(seed, public key) from at least 32 bytes of key material."""
        seed = hashlib.shake_256(ikm).digest(32)
        return seed, self.public_key(seed)

    def public_key(self, private: bytes) -> bytes:
        """The public key of a 32-byte seed."""
        private_m, private_x = _expand(private)
        return private_m.public_key().public_bytes_raw() + x25519.public_key(private_x)

    def check_public(self, public: bytes) -> None:
        """Raises PeerError unless both halves are canonical and the X25519 half is of large order."""
        if len(public) != self.public_bytes:
            raise PeerError(Check.KEY_LENGTH, "X-Wing public key")
        x25519.check_public(public[_PUBLIC_M:])
        _checked(public[:_PUBLIC_M])

    def encapsulate(self, public: bytes, seed: bytes) -> tuple[bytes, bytes]:
        """(shared secret, KEM output). `seed` makes the X25519 half; ML-KEM takes its own randomness."""
        self.check_public(public)
        public_x = public[_PUBLIC_M:]
        secret_m, output_m = _checked(public[:_PUBLIC_M]).encapsulate()
        output_x = x25519.public_key(seed)
        secret_x = x25519.exchange(seed, public_x)
        return _combine(secret_m, secret_x, output_x, public_x), output_m + output_x

    def decapsulate(self, output: bytes, private: bytes, public: bytes | None = None) -> bytes:
        """The shared secret. Raises PeerError for a KEM output of wrong form."""
        if len(output) != self.output_bytes:
            raise PeerError(Check.KEY_LENGTH, "X-Wing KEM output")
        private_m, private_x = _expand(private)
        output_x = output[_OUTPUT_M:]
        secret_m = private_m.decapsulate(output[:_OUTPUT_M])
        public_x = x25519.public_key(private_x) if public is None else public[_PUBLIC_M:]
        return _combine(secret_m, x25519.exchange(private_x, output_x), output_x, public_x)
