"""Bodies too large for one bundle: a manifest, then parts, each an object of its own."""

from __future__ import annotations

from collections.abc import Iterator

from chasqui.base import labels
from chasqui.base.errors import PeerError, UsageError, UserError
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, FILE_PART_BYTES
from chasqui.base.schema import encode
from chasqui.groups.bodies import ManifestBody, PartBody, parts_of, read_manifest, read_part
from chasqui.node.keys import u32
from chasqui.node.outbox import say
from chasqui.node.records import GroupRecord, ManifestRecord, MessageRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import SignedObject, parse_whole

_DIGEST_BYTES = 32


def digest_of(data: bytes) -> bytes:
    """32 bytes that name a large body."""
    return labelled_hash(labels.HASH_FILE, data, size=_DIGEST_BYTES)


def say_large(
    tx: Transaction,
    group: GroupId,
    record: GroupRecord,
    kind: Kind,
    data: bytes,
    name: str = "",
    *,
    bundle_class: BundleClass | None = None,
    arrival: int = 0,
) -> tuple[SignedObject, GroupRecord]:
    """Seals a manifest and all parts. `kind` is MANIFEST for a file, or the kind of the object that was too large.

    Raises `UsageError` for a file or name beyond the limits.
    """
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(
            f"The file has {len(data)} bytes; at most {FILE_BYTES_MAX} can be sent.",
            todo="Make it smaller or split it.",
        )
    if len(name.encode(errors="replace")) > FILE_NAME_BYTES_MAX:
        raise UsageError("The name of the file is too long.", todo="Rename it.")
    digest = digest_of(data)
    body = encode(ManifestBody(kind, digest, len(data), name))
    try:
        read_manifest(body)
    except (PeerError, UnicodeError) as error:
        raise UsageError("The name of the file cannot be sent.", todo="Rename it.") from error
    manifest, record = say(tx, group, record, Kind.MANIFEST, body, bundle_class=bundle_class, arrival=arrival)
    tx.save(Space.MANIFEST, _key(group, manifest.author, digest), ManifestRecord(kind, len(data), name, manifest.seq))
    for index in range(parts_of(len(data))):
        piece = data[index * FILE_PART_BYTES : (index + 1) * FILE_PART_BYTES]
        part = encode(PartBody(digest, index, piece))
        _, record = say(tx, group, record, Kind.PART, part, bundle_class=bundle_class)
        if kind == Kind.MANIFEST:
            tx.put(Space.PART, _key(group, manifest.author, digest) + u32(index), piece)
    return manifest, record


def take_manifest(tx: Transaction, signed: SignedObject) -> ManifestBody:
    """Keeps what a manifest announces."""
    body = read_manifest(signed.body)
    record = ManifestRecord(body.kind, body.size, body.name, signed.seq)
    tx.save(Space.MANIFEST, _key(signed.group, signed.author, body.digest), record)
    return body


def take_part(tx: Transaction, signed: SignedObject) -> bytes:
    """Keeps a part; gives the digest of what it belongs to."""
    body = read_part(signed.body)
    tx.put(Space.PART, _key(signed.group, signed.author, body.digest) + u32(body.index), body.data)
    return body.digest


def completed(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> tuple[Kind, bytes] | None:
    """The whole body once its manifest and all parts are here. Raises `PeerError` where it is not what its
    manifest said."""
    manifest = tx.load(Space.MANIFEST, _key(group, author, digest), ManifestRecord)
    if manifest is None or manifest.kind == Kind.MANIFEST:
        return None  # files stay in parts until somebody saves them
    if parts_here(tx, group, author, digest) < parts_of(manifest.size):
        return None
    data = b"".join(_parts(tx, group, author, digest))
    if len(data) != manifest.size or digest_of(data) != digest:
        raise PeerError("A large body is not what its manifest said.")
    return Kind(manifest.kind), data


def forget_large(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> None:
    """Erases parts and manifest."""
    tx.erase(Space.MANIFEST, _key(group, author, digest))
    tx.erase_prefix(Space.PART, _key(group, author, digest))


def parts_here(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> int:
    """How many parts have come."""
    key = _key(group, author, digest)
    return tx.count(Space.PART, key, key + b"\xff\xff\xff\xff")


def file_of(tx: Transaction, group: GroupId, record: MessageRecord) -> tuple[str, bytes]:
    """Name and bytes of a file. Raises `UserError` while parts are missing, `PeerError` for a forged one."""
    signed = parse_whole(record.whole, group)
    if signed.kind is not Kind.MANIFEST:
        raise UserError("That message is a text, not a file.")
    body = read_manifest(signed.body)
    here, all_parts = parts_here(tx, group, signed.author, body.digest), parts_of(body.size)
    if here < all_parts:
        raise UserError(
            f"The file is not complete: {here} of {all_parts} parts are here.",
            todo="Exchange with the others and try again.",
        )
    data = b"".join(_parts(tx, group, signed.author, body.digest))
    if len(data) != body.size or digest_of(data) != body.digest:
        raise PeerError("The file is not what its sender announced.")
    return body.name, data


def erase_large(tx: Transaction, group: GroupId, record: MessageRecord) -> SignedObject:
    """Erases the parts of a message that is a file; gives the message's object."""
    signed = parse_whole(record.whole, group)
    if signed.kind is Kind.MANIFEST:
        forget_large(tx, group, signed.author, read_manifest(signed.body).digest)
    return signed


def _parts(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> Iterator[bytes]:
    for _, data in tx.scan_prefix(Space.PART, _key(group, author, digest)):
        yield data


def _key(group: GroupId, author: MemberKey, digest: bytes) -> bytes:
    return group + author + digest
