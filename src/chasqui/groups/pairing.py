"""Two files make a contact: an offer with one key package and no name, and a reply that is sealed to it.

Byte-exact in `docs/spec/pairing.md`. Whoever alters a file is found out by comparing the check words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chasqui import mls
from chasqui.base import labels
from chasqui.base.codec import Reader
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId
from chasqui.base.limits import CHECK_WORDS, PAIRING_FILE_BYTES_MAX, SPARE_KEY_PACKAGES
from chasqui.base.ports import Entropy
from chasqui.base.schema import Body, decode, encode
from chasqui.groups.mls_errors import peers_fault

SUITE: Final = mls.CipherSuite.X25519_CHACHA
_VERSION: Final = b"\x01"
_REF_BYTES: Final = 32
_WORD_BITS: Final = 11  # a list of 2,048 words


class ReplyBody(Body, frozen=True):
    """What a reply holds inside: a `WelcomeBody` into the contact, and spare key packages with their proofs."""

    welcome: bytes
    key_packages: tuple[bytes, ...]
    proofs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Offer:
    """A verified offer."""

    key_package: bytes
    ref: bytes
    init_key: bytes
    member: bytes


@dataclass(frozen=True)
class SealedReply:
    """A reply, not opened: it names the offer that it answers."""

    ref: bytes
    kem_output: bytes
    ciphertext: bytes


def write_offer(key_package: bytes) -> bytes:
    """The bytes of an offer file."""
    return labels.MAGIC_OFFER + _VERSION + key_package


def write_reply(offer: Offer, body: ReplyBody, entropy: Entropy) -> bytes:
    """The bytes of a reply file: HPKE (RFC 9180, base mode) to the init key of the offer."""
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        kem_output, ciphertext = hpke.seal(
            offer.init_key, labels.HPKE_PAIRING_REPLY, offer.ref, encode(body), entropy(hpke.kem.seed_bytes)
        )
    return labels.MAGIC_REPLY + _VERSION + offer.ref + kem_output + ciphertext


def read_pairing_file(data: bytes, now_s: int | None) -> Offer | SealedReply:
    """What a pairing file is. Raises `PeerError` for anything else, and for an offer that has expired."""
    if len(data) > PAIRING_FILE_BYTES_MAX:
        raise PeerError("The file is too large for a pairing file.")
    reader = Reader(data)
    magic = reader.take(4)
    if magic not in (labels.MAGIC_OFFER, labels.MAGIC_REPLY):
        raise PeerError("The file is not a pairing file.")
    if reader.take(1) != _VERSION:
        raise PeerError("The pairing file is of another version of chasqui.")
    if magic == labels.MAGIC_REPLY:
        reply = SealedReply(reader.take(_REF_BYTES), reader.take(32), reader.rest())
        if len(reply.ciphertext) < 16:
            raise PeerError("The pairing file is cut short.")
        return reply
    key_package = reader.rest()
    with peers_fault():
        package = mls.read_key_package(key_package, now_s)
    if package.suite_number != SUITE:
        raise PeerError("The offer is for another cipher suite.")
    return Offer(key_package, package.ref, package.init_key, package.signature_key)


def open_reply(reply: SealedReply, keys: mls.KeyPackageKeys) -> ReplyBody:
    """The inside of a reply to our own offer. Raises `PeerError` where it does not open or breaks the schema."""
    hpke = mls.crypto_of(SUITE).hpke
    with peers_fault():
        plaintext = hpke.open(
            reply.kem_output,
            keys.init_private.reveal(),
            labels.HPKE_PAIRING_REPLY,
            reply.ref,
            reply.ciphertext,
        )
    body = decode(plaintext, ReplyBody)
    if len(body.key_packages) > SPARE_KEY_PACKAGES:
        raise PeerError("A reply brings too many key packages.")
    return body


def check_words(state: mls.GroupState, contact: GroupId) -> tuple[int, ...]:
    """The numbers of the twelve words that both sides compare: 132 bits that only this epoch gives."""
    secret = state.export(labels.EXPORTER_CHECK_WORDS, contact, 17)
    number = int.from_bytes(secret, "big")
    return tuple(number >> (_WORD_BITS * i) & (1 << _WORD_BITS) - 1 for i in range(CHECK_WORDS))
