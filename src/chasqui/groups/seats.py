"""A welcome for somebody who is a member already: sealed to the key package that his REJOIN names.

It travels inside an epoch that he still reads, where others read, too; so it is HPKE (RFC 9180, base mode) as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from chasqui import mls
from chasqui.base import labels
from chasqui.base.codec import Reader
from chasqui.base.ports import Entropy
from chasqui.base.schema import encode
from chasqui.groups.bodies import WelcomeBody, read_welcome
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.pairing import SUITE

_REF_BYTES = 32
_KEM_BYTES = 32


@dataclass(frozen=True)
class SealedWelcome:
    """A welcome as all who share the epoch see it. `ref` is the KeyPackageRef (RFC 9420 5.2) that it was made for."""

    ref: bytes
    kem_output: bytes
    ciphertext: bytes


def seal_welcome(key_package: bytes, body: WelcomeBody, entropy: Entropy) -> bytes:
    """`ref 32 | kem output 32 | ciphertext`. Raises `PeerError` for a key package that cannot be used."""
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        package = mls.read_key_package(key_package)
        kem_output, ciphertext = hpke.seal(
            package.init_key, labels.HPKE_SEAT, package.ref, encode(body), entropy(hpke.kem.seed_bytes)
        )
    return package.ref + kem_output + ciphertext


def read_sealed_welcome(data: bytes) -> SealedWelcome:
    """Raises `PeerError` where it is cut short."""
    reader = Reader(data)
    return SealedWelcome(reader.take(_REF_BYTES), reader.take(_KEM_BYTES), reader.rest())


def open_welcome(sealed: SealedWelcome, keys: mls.KeyPackageKeys) -> WelcomeBody:
    """The welcome inside. Raises `PeerError` where it does not open or breaks its schema."""
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        plaintext = hpke.open(
            sealed.kem_output, keys.init_private.reveal(), labels.HPKE_SEAT, sealed.ref, sealed.ciphertext
        )
    return read_welcome(plaintext)
