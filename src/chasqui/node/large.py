"""Bodies too large for one bundle: a manifest, then parts, each an object of its own."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from chasqui.base import labels
from chasqui.base.errors import PeerError, UsageError, UserError
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import (
    FILE_BYTES_MAX,
    FILE_NAME_BYTES_MAX,
    FILE_PART_BYTES,
    PARTS_UNANNOUNCED_MAX,
    WELCOME_BYTES_MAX,
)
from chasqui.base.ranges import Ranges
from chasqui.base.schema import encode
from chasqui.groups.bodies import ManifestBody, PartBody, parts_of, read_manifest, read_part
from chasqui.node.authors import note_numbers
from chasqui.node.keys import u32, u64
from chasqui.node.outbox import say
from chasqui.node.records import GroupRecord, ManifestRecord, MessageRecord, Space
from chasqui.node.store_port import prefix_end
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
    within: EpochId | None = None,
) -> tuple[SignedObject, GroupRecord]:
    """Seals a manifest and all parts. `kind` is MANIFEST for a file, or the kind of the object that was too large.

    Raises `UsageError` for a file or name beyond the limits, `UserError` for such a welcome.
    """
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(
            f"The file has {len(data)} bytes; at most {FILE_BYTES_MAX} can be sent.",
            todo="Make it smaller or split it.",
        )
    if kind == Kind.WELCOME and len(data) > WELCOME_BYTES_MAX:
        raise UserError("The group has seen too many changes to invite anybody.", todo="Make a new group.")
    if len(name.encode(errors="replace")) > FILE_NAME_BYTES_MAX:
        raise UsageError("The name of the file is too long.", todo="Rename it.")
    digest = digest_of(data)
    body = encode(ManifestBody(kind, digest, len(data), name))
    try:
        read_manifest(body)
    except (PeerError, UnicodeError) as error:
        raise UsageError("The name of the file cannot be sent.", todo="Rename it.") from error
    manifest, record = say(
        tx, group, record, Kind.MANIFEST, body, bundle_class=bundle_class, arrival=arrival, within=within
    )
    if kind == Kind.MANIFEST:
        known = ManifestRecord(kind, len(data), name, manifest.seq, tx.now_s)
        tx.save(Space.MANIFEST, _key(group, manifest.author, digest), known)
    for index in range(parts_of(len(data))):
        piece = data[index * FILE_PART_BYTES : (index + 1) * FILE_PART_BYTES]
        part = encode(PartBody(digest, index, piece))
        _, record = say(tx, group, record, Kind.PART, part, bundle_class=bundle_class, within=within)
        if kind == Kind.MANIFEST:
            tx.put(Space.PART, _key(group, manifest.author, digest) + u32(index), piece)
    return manifest, record


def take_manifest(tx: Transaction, signed: SignedObject) -> ManifestBody:
    """Keeps what a manifest announces, and those parts of it that came before. Raises `PeerError` where it says
    otherwise than one before it, or is for a welcome that is too large."""
    body = read_manifest(signed.body)
    key = _key(signed.group, signed.author, body.digest)
    known = tx.load(Space.MANIFEST, key, ManifestRecord)
    if known is not None and not known.erased and (known.kind, known.size) != (body.kind, body.size):
        raise PeerError("Two manifests say different things of the same body.")
    if body.kind == Kind.WELCOME and body.size > WELCOME_BYTES_MAX:
        raise PeerError("A welcome is too large.")
    seq = signed.seq if known is None else max(known.seq, signed.seq)
    tx.save(Space.MANIFEST, key, ManifestRecord(body.kind, body.size, body.name, seq, tx.now_s))
    if _orphans(tx, signed) >= PARTS_UNANNOUNCED_MAX:  # parts may have been refused: they are tried again
        tx.epochs_opened.append((signed.group, signed.origin.epoch))
    for orphan, _ in list(tx.scan_prefix(Space.ORPHAN, key)):
        tx.erase(Space.ORPHAN, orphan)
        if len(tx.get(Space.PART, orphan) or b"") != _part_bytes(body.size, int.from_bytes(orphan[-4:], "big")):
            tx.erase(Space.PART, orphan)
    return body


def take_part(tx: Transaction, signed: SignedObject) -> bytes:
    """Keeps a part, unless it is here or what it belongs to was erased; gives the digest of what it belongs to.

    Raises `PeerError` for one that does not fit its manifest, and where too many have come without any.
    """
    body = read_part(signed.body)
    key = _key(signed.group, signed.author, body.digest)
    manifest = tx.load(Space.MANIFEST, key, ManifestRecord)
    part = key + u32(body.index)
    if manifest is None:
        if _orphans(tx, signed) >= PARTS_UNANNOUNCED_MAX:
            raise PeerError("Too many parts of one member belong to nothing that is known here.")
        tx.put(Space.ORPHAN, part, u64(tx.now_s))
    elif manifest.erased:
        return body.digest
    elif len(body.data) != _part_bytes(manifest.size, body.index):
        raise PeerError("A part does not fit its manifest.")
    if tx.get(Space.PART, part) is None:
        tx.put(Space.PART, part, body.data)
    if manifest is not None and manifest.kind == Kind.MANIFEST and manifest.seq + 1 + body.index < signed.seq:
        number = manifest.seq + 1 + body.index  # said again: it will not come under its first number any more
        note_numbers(tx, signed.group, signed.author, Ranges(((number, number),)), up_to=signed.seq)
    return body.digest


def completed(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> tuple[Kind, bytes] | None:
    """The whole body once its manifest and all parts are here; a forged one is forgotten and never looked at again."""
    manifest = tx.load(Space.MANIFEST, _key(group, author, digest), ManifestRecord)
    if manifest is None or manifest.erased or manifest.kind == Kind.MANIFEST:
        return None  # files stay in parts until somebody saves them
    if parts_here(tx, group, author, digest) < parts_of(manifest.size):
        return None
    data = b"".join(_parts(tx, group, author, digest))
    if digest_of(data) != digest:
        forget_large(tx, group, author, digest)
        return None
    return Kind(manifest.kind), data


def forget_large(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> None:
    """Erases the parts; of the manifest stays that it was there, so that parts which come later are not kept."""
    key = _key(group, author, digest)
    manifest = tx.load(Space.MANIFEST, key, ManifestRecord)
    if manifest is not None:
        tx.save(Space.MANIFEST, key, ManifestRecord(manifest.kind, 0, "", manifest.seq, tx.now_s, erased=True))
    tx.erase_prefix(Space.PART, key)
    tx.erase_prefix(Space.ORPHAN, key)


def sweep_large(tx: Transaction, group: GroupId, oldest_s: int, orphans_oldest_s: int) -> None:
    """Erases what can never be completed any more, and the traces of what was erased."""
    for key, value in list(tx.scan_prefix(Space.ORPHAN, group)):
        since_s = int.from_bytes(value, "big")
        if since_s < orphans_oldest_s:
            tx.erase(Space.ORPHAN, key)
            tx.erase(Space.PART, key)
        elif since_s > tx.now_s:
            tx.put(Space.ORPHAN, key, u64(tx.now_s))  # our clock was ahead
    for key, manifest in list(tx.load_prefix(Space.MANIFEST, group, ManifestRecord)):
        if not manifest.erased and manifest.kind == Kind.MANIFEST:
            continue  # a file goes with its message
        if manifest.since_s < oldest_s:
            tx.erase(Space.MANIFEST, group + key)
            tx.erase_prefix(Space.PART, group + key)
        elif manifest.since_s > tx.now_s:
            tx.save(Space.MANIFEST, group + key, structs.replace(manifest, since_s=tx.now_s))


def parts_here(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> int:
    """How many parts have come."""
    key = _key(group, author, digest)
    return tx.count(Space.PART, key, key + b"\xff\xff\xff\xff")


def file_of(tx: Transaction, group: GroupId, record: MessageRecord) -> tuple[str, bytes]:
    """Name and bytes of a file. Raises `UserError` while parts are missing, `PeerError` for a forged one."""
    signed = parse_whole(record.whole, group)
    if signed.kind is not Kind.MANIFEST:
        raise UserError("That message is no file.")
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
    """Erases the parts of a message that is a file, unless a later message has the same; gives its object."""
    signed = parse_whole(record.whole, group)
    if signed.kind is Kind.MANIFEST:
        digest = read_manifest(signed.body).digest
        manifest = tx.load(Space.MANIFEST, _key(group, signed.author, digest), ManifestRecord)
        if manifest is None or manifest.seq == signed.seq:
            forget_large(tx, group, signed.author, digest)
    return signed


def _parts(tx: Transaction, group: GroupId, author: MemberKey, digest: bytes) -> Iterator[bytes]:
    for _, data in tx.scan_prefix(Space.PART, _key(group, author, digest)):
        yield data


def _key(group: GroupId, author: MemberKey, digest: bytes) -> bytes:
    return group + author + digest


def _part_bytes(size: int, index: int) -> int:
    """How long a part of a body is; -1 for one behind its end."""
    return min(FILE_PART_BYTES, size - index * FILE_PART_BYTES) if index < parts_of(size) else -1


def _orphans(tx: Transaction, signed: SignedObject) -> int:
    author = signed.group + signed.author
    return tx.count(Space.ORPHAN, author, prefix_end(author))
