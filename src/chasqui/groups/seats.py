"""What is for one member alone and travels inside an epoch that he still reads, where others read, too: a welcome, or
the word that he was removed. It is sealed to a key package that he gave, by HPKE (RFC 9180, base mode) as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from chasqui import mls
from chasqui.base import labels
from chasqui.base.codec import Reader
from chasqui.base.ports import Entropy
from chasqui.base.schema import encode
from chasqui.groups.bodies import RemovedBody, WelcomeBody, read_removed, read_welcome
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.pairing import SUITE

_REF_BYTES = 32
_KEM_BYTES = 32
SEALED_OVERHEAD_BYTES = _REF_BYTES + _KEM_BYTES + 16  # and the tag


@dataclass(frozen=True)
class SealedToOne:
    """What all see who share the epoch. `ref` is the KeyPackageRef (RFC 9420 5.2) that it was made for."""

    ref: bytes
    kem_output: bytes
    ciphertext: bytes


def seal_welcome(key_package: bytes, body: WelcomeBody, entropy: Entropy) -> bytes:
    """`ref 32 | kem output 32 | ciphertext`. Raises `PeerError` for a key package that cannot be used."""
    return _seal(key_package, labels.HPKE_SEAT, encode(body), entropy)


def seal_removed(key_package: bytes, body: RemovedBody, entropy: Entropy) -> bytes:
    """The same for the word that its owner was removed."""
    return _seal(key_package, labels.HPKE_REMOVED, encode(body), entropy)


def read_sealed(data: bytes) -> SealedToOne:
    """Raises `PeerError` where it is cut short."""
    reader = Reader(data)
    return SealedToOne(reader.take(_REF_BYTES), reader.take(_KEM_BYTES), reader.rest())


def open_welcome(sealed: SealedToOne, keys: mls.KeyPackageKeys) -> WelcomeBody:
    """The welcome inside. Raises `PeerError` where it does not open or breaks its schema."""
    return read_welcome(_open(sealed, labels.HPKE_SEAT, keys))


def open_removed(sealed: SealedToOne, keys: mls.KeyPackageKeys) -> RemovedBody:
    """The operations inside. Raises `PeerError` as above."""
    return read_removed(_open(sealed, labels.HPKE_REMOVED, keys))


def _seal(key_package: bytes, info: bytes, plaintext: bytes, entropy: Entropy) -> bytes:
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        package = mls.read_key_package(key_package)
        kem_output, ciphertext = hpke.seal(package.init_key, info, package.ref, plaintext, entropy(hpke.kem.seed_bytes))
    return package.ref + kem_output + ciphertext


def _open(sealed: SealedToOne, info: bytes, keys: mls.KeyPackageKeys) -> bytes:
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        return hpke.open(sealed.kem_output, keys.init_private.reveal(), info, sealed.ref, sealed.ciphertext)
