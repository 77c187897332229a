"""Pre-shared keys (RFC 9420, 8.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from chasqui.mls import labels
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, decode_all, u8, u16, u64, vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.suite import Crypto


class PskType(IntEnum):
    """Where a pre-shared key comes from."""

    EXTERNAL = 1
    RESUMPTION = 2


class PskUsage(IntEnum):
    """What a resumption key is used for."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


@dataclass(frozen=True, slots=True)
class PskId:
    """PreSharedKeyID without its nonce: an external name, or the resumption key of a group's epoch."""

    type: int
    name: bytes = b""
    usage: int = 0
    group_id: bytes = b""
    epoch: int = 0

    @staticmethod
    def external(name: bytes) -> PskId:
        return PskId(PskType.EXTERNAL, name)

    @staticmethod
    def resumption(group_id: bytes, epoch: int, usage: PskUsage = PskUsage.APPLICATION) -> PskId:
        return PskId(PskType.RESUMPTION, b"", usage, group_id, epoch)

    def encode(self) -> bytes:
        if self.type == PskType.EXTERNAL:
            return u8(self.type) + vl(self.name)
        return u8(self.type) + u8(self.usage) + vl(self.group_id) + u64(self.epoch)


PskLookup = Callable[[PskId], bytes | None]
"""Gives the key of an id, or None when the caller does not hold it."""


def no_psks(_: PskId) -> None:
    """The lookup of one who holds no pre-shared keys."""


@dataclass(frozen=True, slots=True)
class PreSharedKeyId:
    """PreSharedKeyID as on the wire: the id and the nonce of this use."""

    id: PskId
    nonce: bytes

    def encode(self) -> bytes:
        return self.id.encode() + vl(self.nonce)

    def check_nonce(self, crypto: Crypto) -> None:
        """Raises PeerError unless the nonce has KDF.Nh bytes."""
        if len(self.nonce) != crypto.nh:
            raise PeerError(Check.PSK_NONCE)


def read_psk_id(reader: Reader) -> PreSharedKeyId:
    """PreSharedKeyID. Raises PeerError."""
    kind = reader.u8()
    if kind == PskType.EXTERNAL:
        found = PskId(kind, reader.vl())
    elif kind == PskType.RESUMPTION:
        usage = reader.u8()
        if not PskUsage.APPLICATION <= usage <= PskUsage.BRANCH:
            raise PeerError(Check.UNKNOWN_ENUM, "resumption usage")
        found = PskId(kind, b"", usage, reader.vl(), reader.u64())
    else:
        raise PeerError(Check.UNKNOWN_ENUM, "psk type")
    return PreSharedKeyId(found, reader.vl())


def with_nonce(psk: PskId, nonce: bytes) -> PreSharedKeyId:
    """An id of our own caller for one use. Raises UsageError where peers would read another id, or none."""
    made = PreSharedKeyId(psk, nonce)
    try:
        same = decode_all(made.encode(), read_psk_id) == made
    except PeerError as error:
        raise UsageError("a pre-shared key of an unknown type or usage", error.check) from error
    if not same:
        raise UsageError("the id of the pre-shared key has fields that its type does not carry")
    return made


def psk_secret(crypto: Crypto, psks: Sequence[tuple[PreSharedKeyId, bytes]]) -> bytes:
    """psk_secret of the ids and their keys, in order; all zero when there are none."""
    secret = crypto.zero
    for index, (identifier, key) in enumerate(psks):
        extracted = crypto.extract(crypto.zero, key)
        label = identifier.encode() + u16(index) + u16(len(psks))
        secret = crypto.extract(crypto.expand_with_label(extracted, labels.DERIVED_PSK, label, crypto.nh), secret)
    return secret


def look_up(lookup: PskLookup, identifiers: Sequence[PreSharedKeyId]) -> list[tuple[PreSharedKeyId, bytes]]:
    """The ids with their keys. Raises PeerError(PSK_UNKNOWN) for one that the caller does not hold."""
    found: list[tuple[PreSharedKeyId, bytes]] = []
    for identifier in identifiers:
        key = lookup(identifier.id)
        if key is None:
            raise PeerError(Check.PSK_UNKNOWN)
        found.append((identifier, key))
    return found
