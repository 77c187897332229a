"""The signed unit of content, as members see it. Byte-exact in `docs/spec/sealing.md`.

Inside its first bundle an object is written short: group, author, day and origin are implied by the keys that
opened the bundle. Anywhere else (a welcome, the vault, later a reseal) it is written whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from chasqui.base import labels
from chasqui.base.codec import Reader, write_block
from chasqui.base.errors import PeerError
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import (
    ID_BYTES,
    MEMBER_KEY_BYTES,
    EpochId,
    GroupId,
    MemberKey,
    ObjectId,
)
from chasqui.base.limits import MINUTES_PER_DAY, SEQUENCE_MAX
from chasqui.base.secret import Secret
from chasqui.sealed.kinds import Kind
from chasqui.sealed.signing import SIGNATURE_BYTES, sign, verify

_KIND_MASK: Final = 0x1F
_HAS_RECEIPTS: Final = 0x20
_WHOLE: Final = 0x40
_KNOWN_KINDS: Final = frozenset(Kind)

SHORT_OVERHEAD_BYTES: Final = 1 + 3 + 2 + SIGNATURE_BYTES  # without the lengths of body and receipts


class Origin(NamedTuple):
    """Where an object was first sealed: implied by the key that opens its bundle."""

    epoch: EpochId
    leaf: int
    counter: int


@dataclass(frozen=True)
class SignedObject:
    """An object with its signature; not necessarily verified (see `verified`).

    `minute` counts from 1970-01-01 UTC and is the author's claim; `seq` counts per author from 1.
    """

    group: GroupId
    author: MemberKey
    seq: int
    minute: int
    kind: Kind
    body: bytes
    receipts: bytes
    origin: Origin
    signature: bytes

    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        return _signed_bytes(
            self.group, self.seq, self.minute, self.kind, self.body, self.receipts, self.origin
        )

    @cached_property
    def id(self) -> ObjectId:
        """Hash of the author and all that is signed."""
        return ObjectId(labelled_hash(labels.HASH_OBJECT_ID, self.author, self.signed_bytes()))

    def verified(self) -> SignedObject:
        """This object. Raises `PeerError` where its author did not sign it."""
        verify(self.signed_bytes(), self.signature, self.author)
        return self

    def to_short(self) -> bytes:
        """The form inside its first bundle."""
        return (
            bytes((_kind_byte(self.kind, self.receipts),))
            + self.seq.to_bytes(3, "big")
            + (self.minute % MINUTES_PER_DAY).to_bytes(2, "big")
            + _content(self.body, self.receipts)
            + self.signature
        )

    def to_whole(self) -> bytes:
        """The form that stands alone beside the id of its group."""
        return (
            bytes((_kind_byte(self.kind, self.receipts) | _WHOLE,))
            + self.author
            + _origin_bytes(self.origin)
            + self.seq.to_bytes(3, "big")
            + self.minute.to_bytes(4, "big")
            + _content(self.body, self.receipts)
            + self.signature
        )


def make_object(
    *,
    group: GroupId,
    author: MemberKey,
    key: Secret,
    seq: int,
    minute: int,
    kind: Kind,
    body: bytes,
    receipts: bytes,
    origin: Origin,
) -> SignedObject:
    """Signs a new object with the 64-byte signing key of its author."""
    if not 1 <= seq <= SEQUENCE_MAX:
        raise ValueError("sequence number out of range")
    signature = sign(_signed_bytes(group, seq, minute, kind, body, receipts, origin), key)
    return SignedObject(group, author, seq, minute, kind, body, receipts, origin, signature)


def read_short(
    data: bytes, *, group: GroupId, author: MemberKey, day: int, origin: Origin
) -> SignedObject:
    """The verified object in the padded plaintext of a bundle.

    Raises `PeerError` for a malformed object, padding that is not zero, or a signature that is not his.
    """
    reader = Reader(data)
    flags = reader.uint(1)
    if flags & _WHOLE:
        raise PeerError("A whole object stands where a short one belongs.")
    kind = _read_kind(flags)
    seq = _read_seq(reader)
    minute = reader.uint(2)
    if minute >= MINUTES_PER_DAY:
        raise PeerError("The minute of an object is out of range.")
    body, receipts = _read_content(reader, flags)
    signature = reader.take(SIGNATURE_BYTES)
    if reader.rest().strip(b"\x00"):
        raise PeerError("The padding of an object is not zero.")
    made = SignedObject(
        group, author, seq, day * MINUTES_PER_DAY + minute, kind, body, receipts, origin, signature
    )
    return made.verified()


def read_whole(data: bytes, group: GroupId) -> SignedObject:
    """The verified object in its whole form. Raises `PeerError` as `read_short` does."""
    return parse_whole(data, group).verified()


def parse_whole(data: bytes, group: GroupId) -> SignedObject:
    """The object in its whole form, unverified: for what this vault itself wrote."""
    reader = Reader(data)
    flags = reader.uint(1)
    if not flags & _WHOLE:
        raise PeerError("A short object stands where a whole one belongs.")
    kind = _read_kind(flags)
    author = MemberKey(reader.take(MEMBER_KEY_BYTES))
    origin = Origin(EpochId(reader.take(ID_BYTES)), reader.uint(2), reader.uint(2))
    seq = _read_seq(reader)
    minute = reader.uint(4)
    body, receipts = _read_content(reader, flags)
    signature = reader.take(SIGNATURE_BYTES)
    reader.end()
    return SignedObject(group, author, seq, minute, kind, body, receipts, origin, signature)


def _kind_byte(kind: Kind, receipts: bytes) -> int:
    return kind | (_HAS_RECEIPTS if receipts else 0)


def _content(body: bytes, receipts: bytes) -> bytes:
    return write_block(body) + (write_block(receipts) if receipts else b"")


def _origin_bytes(origin: Origin) -> bytes:
    return origin.epoch + origin.leaf.to_bytes(2, "big") + origin.counter.to_bytes(2, "big")


def _signed_bytes(
    group: GroupId, seq: int, minute: int, kind: Kind, body: bytes, receipts: bytes, origin: Origin
) -> bytes:
    return b"".join(
        (
            labels.SIGN_OBJECT,
            group,
            _origin_bytes(origin),
            bytes((_kind_byte(kind, receipts),)),
            seq.to_bytes(3, "big"),
            minute.to_bytes(4, "big"),
            _content(body, receipts),
        )
    )


def _read_kind(flags: int) -> Kind:
    if flags & 0x80 or flags & _KIND_MASK not in _KNOWN_KINDS:
        raise PeerError("An object is of an unknown kind.")
    return Kind(flags & _KIND_MASK)


def _read_seq(reader: Reader) -> int:
    seq = reader.uint(3)
    if seq == 0:
        raise PeerError("Objects count from one.")
    return seq


def _read_content(reader: Reader, flags: int) -> tuple[bytes, bytes]:
    body = reader.block()
    if not flags & _HAS_RECEIPTS:
        return body, b""
    receipts = reader.block()
    if not receipts:
        raise PeerError("An object announces receipts and has none.")
    return body, receipts
