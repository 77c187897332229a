"""X25519 and DHKEM(X25519, HKDF-SHA256) (RFC 7748, RFC 9180 section 4.1), with unsafe keys refused."""

from __future__ import annotations

import hmac
from typing import Final

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError

KEY_BYTES: Final = 32

_P = 2**255 - 19
# Points of order 1, 2, 4 and 8 on the curve and its twist, in canonical form. libsodium refuses them in the
# exchange; we refuse them as soon as they stand in a leaf, before anybody encrypts to them.
_SMALL_ORDER = frozenset(
    point.to_bytes(32, "little")
    for point in (
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
)


def check_public(key: bytes) -> None:
    """Raises PeerError unless `key` is a canonical X25519 public key of large order."""
    if len(key) != KEY_BYTES:
        raise PeerError(Check.KEY_LENGTH, "X25519 public key")
    if key[31] >= 0x7F and int.from_bytes(key, "little") >= _P:
        raise PeerError(Check.KEY_NOT_CANONICAL, "X25519 public key")
    if key in _SMALL_ORDER:
        raise PeerError(Check.KEY_SMALL_ORDER, "X25519 public key")


def exchange(private: bytes, public: bytes) -> bytes:
    """The shared secret, 32 bytes. Raises PeerError for keys that would make it zero."""
    check_public(public)
    try:
        return crypto_scalarmult(private, public)
    except RuntimeError as error:  # libsodium saw an all-zero result
        raise PeerError(Check.KEY_SMALL_ORDER, "X25519 shared secret") from error


def public_key(private: bytes) -> bytes:
    """The public key of a 32-byte private key."""
    return crypto_scalarmult_base(private)


def _extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + _SUITE_ID + label + ikm, "sha256")


def _expand32(prk: bytes, label: bytes, info: bytes) -> bytes:
    return hmac.digest(prk, b"\x00\x20HPKE-v1" + _SUITE_ID + label + info + b"\x01", "sha256")


_SUITE_ID = b"KEM\x00\x20"


class DhkemX25519:
    """The KEM 0x0020 of RFC 9180. Private keys are 32 bytes, public keys and KEM outputs too."""

    kem_id: Final = 0x0020
    public_bytes: Final = KEY_BYTES
    output_bytes: Final = KEY_BYTES
    private_bytes: Final = KEY_BYTES
    seed_bytes: Final = 32

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """(private, public) from at least 32 bytes of key material (RFC 9180, 7.1.3)."""
        private = _expand32(_extract(b"", b"dkp_prk", ikm), b"sk", b"")
        return private, crypto_scalarmult_base(private)

    def public_key(self, private: bytes) -> bytes:
        return crypto_scalarmult_base(private)

    def check_public(self, public: bytes) -> None:
        check_public(public)

    def encapsulate(self, public: bytes, seed: bytes) -> tuple[bytes, bytes]:
        """(shared secret, KEM output). `seed` is 32 fresh bytes, the ikmE of RFC 9180."""
        private, output = self.derive_key_pair(seed)
        shared = exchange(private, public)
        return _expand32(_extract(b"", b"eae_prk", shared), b"shared_secret", output + public), output

    def decapsulate(self, output: bytes, private: bytes, public: bytes | None = None) -> bytes:
        """The shared secret. `public` saves its computation. Raises PeerError for a bad KEM output."""
        shared = exchange(private, output)
        own = crypto_scalarmult_base(private) if public is None else public
        return _expand32(_extract(b"", b"eae_prk", shared), b"shared_secret", output + own)
