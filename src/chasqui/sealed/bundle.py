"""The sealed form as carriers see it. Byte-exact in `docs/spec/sealing.md`.

off len
0   1   version 2 bits, class 2 bits, lifetime exponent 4 bits
1   1   day number mod 256
2   8   recognition mark
10  4   (leaf, counter) under the header mask
14  16  AES-SIV tag (RFC 5297 puts it first)
30  m   AES-SIV ciphertext of the object and its padding
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from chasqui.base import labels
from chasqui.base.days import resolve_day
from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId, bundle_id
from chasqui.base.limits import BUNDLE_STEPS, SECONDS_PER_DAY
from chasqui.base.secret import Secret
from chasqui.sealed.epoch_keys import DayKeys
from chasqui.sealed.kinds import LIFETIME_EXPONENT, BundleClass

VERSION: Final = 1
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 14
OVERHEAD_BYTES: Final = HEADER_BYTES + TAG_BYTES
_LEGAL_SIZES: Final = frozenset(BUNDLE_STEPS)


@dataclass(frozen=True)
class Bundle:
    """Well-formed bytes of a bundle: legal size, version, class and lifetime, and a day in range."""

    data: bytes
    bundle_class: BundleClass
    day: int

    @cached_property
    def id(self) -> BundleId:
        """Hash of the bytes."""
        return bundle_id(self.data)

    @property
    def mark(self) -> bytes:
        """The 8 bytes by which members recognise it."""
        return self.data[2:10]

    @cached_property
    def mark_body(self) -> bytes:
        """32 bytes over everything but the mark: what the mark is a keyed hash of."""
        state = blake2s(self.data[:2], person=labels.HASH_MARK_BODY)
        state.update(self.data[10:])
        return state.digest()

    @property
    def expires_s(self) -> int:
        """Seconds since 1970 at which nobody carries it any more."""
        lifetime_s = 3600 << LIFETIME_EXPONENT[self.bundle_class]
        return (self.day + 1) * SECONDS_PER_DAY + lifetime_s


def parse_bundle(data: bytes, today: int) -> Bundle:
    """What any carrier can check. Raises `PeerError` for bytes that are no bundle or a day out of range."""
    if len(data) not in _LEGAL_SIZES:
        raise PeerError("This is not the size of a bundle.")
    first = data[0]
    bundle_class = BundleClass(first >> 4 & 3)
    if first >> 6 != VERSION or first & 15 != LIFETIME_EXPONENT[bundle_class]:
        raise PeerError("The bundle is of another version, or breaks its rules.")
    return Bundle(data, bundle_class, resolve_day(data[1], today))


def is_marked(bundle: Bundle, keys: DayKeys) -> bool:
    """Whether the bundle carries the mark of these keys."""
    return mark_of(bundle.mark_body, keys) == bundle.mark


def mark_of(mark_body: bytes, keys: DayKeys) -> bytes:
    """The 8-byte mark for a mark body of 32 bytes."""
    state = keys.mark_state.copy()
    state.update(mark_body)
    return state.digest()


def step_for(plaintext_bytes: int) -> int:
    """The size of the bundle for an object of so many bytes. Raises ValueError where none is large enough."""
    index = bisect_left(BUNDLE_STEPS, plaintext_bytes + OVERHEAD_BYTES)
    if index == len(BUNDLE_STEPS):
        raise ValueError("object too large for a bundle")
    return BUNDLE_STEPS[index]


def room_beside(plaintext_bytes: int) -> int:
    """Bytes of padding that an object of this size leaves in its bundle."""
    return step_for(plaintext_bytes) - OVERHEAD_BYTES - plaintext_bytes


def seal(
    plaintext: bytes,
    *,
    message_key: Secret,
    keys: DayKeys,
    leaf: int,
    counter: int,
    bundle_class: BundleClass,
    day: int,
) -> Bundle:
    """Pads and encrypts one object under a message key that is used for nothing else (RFC 5297)."""
    padded = plaintext.ljust(step_for(len(plaintext)) - OVERHEAD_BYTES, b"\x00")
    head = bytes((VERSION << 6 | bundle_class << 4 | LIFETIME_EXPONENT[bundle_class], day & 0xFF))
    clear = leaf << 16 | counter
    sealed = AESSIV(message_key).encrypt(padded, [head, clear.to_bytes(4, "big")])
    masked = clear ^ keys.header_mask(sealed[:TAG_BYTES])
    body = masked.to_bytes(4, "big") + sealed
    unmarked = Bundle(head + bytes(8) + body, bundle_class, day)
    return Bundle(head + mark_of(unmarked.mark_body, keys) + body, bundle_class, day)


def unmask(bundle: Bundle, keys: DayKeys) -> tuple[int, int]:
    """(leaf, counter) of a recognised bundle; not authentic before `unseal` has held."""
    data = bundle.data
    clear = int.from_bytes(data[10:14], "big") ^ keys.header_mask(data[14 : 14 + TAG_BYTES])
    return clear >> 16, clear & 0xFFFF


def unseal(bundle: Bundle, message_key: Secret, leaf: int, counter: int) -> bytes:
    """The padded plaintext. Raises `PeerError` where the tag does not hold."""
    data = bundle.data
    clear = (leaf << 16 | counter).to_bytes(4, "big")
    try:
        return AESSIV(message_key).decrypt(data[HEADER_BYTES:], [data[:2], clear])
    except InvalidTag as error:
        raise PeerError("The bundle was not sealed with this key.") from error
