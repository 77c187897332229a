"""What travels between members besides text: commits, welcomes, key packages, manifests and parts."""

from __future__ import annotations

from itertools import pairwise

from chasqui.base.errors import PeerError
from chasqui.base.ids import ID_BYTES, MEMBER_KEY_BYTES
from chasqui.base.limits import (
    ASKED_MAX,
    FILE_BYTES_MAX,
    FILE_NAME_BYTES_MAX,
    FILE_PART_BYTES,
    FILE_PARTS_MAX,
    GROUP_MEMBERS_MAX,
    GROUP_OPERATIONS_MAX,
    OPERATIONS_IDLE_MAX,
    SEQUENCE_MAX,
    SPARE_KEY_PACKAGES,
    TOLD_OPERATIONS_MAX,
    WELCOME_WITNESSES_MAX,
)
from chasqui.base.schema import Body, decode
from chasqui.sealed.kinds import Kind


class CommitBody(Body, frozen=True):
    """An MLS commit (RFC 9420 12.4) with the operations that it carries out.

    `r` is 16 random bytes that enter the root of the new epoch and are erased with it; `first_day` is the first
    day on which the new epoch seals.
    """

    operations: tuple[bytes, ...]
    r: bytes
    first_day: int
    message: bytes


class WelcomeBody(Body, frozen=True):
    """All that a new member needs. Travels inside the contact, or wholly under HPKE in a pairing reply.

    `operations` are whole objects, `inviter` is the sender's key in the group that it invites to. `sealed_before`
    gives, for each member in the order of the leaves, the last number that the inviter has from it: those objects
    were sealed before the newcomer's first epoch. `witnesses` are whole objects, too: what members had when they took
    in a removal, without which the newcomer would see another roster than they. `gone` are the members who sat in a
    tree on the way to this epoch and do not now, `rejoined` the REJOINs that were carried out on that way, `lifted` the
    LIFTs that were cited: without them the newcomer would take commits that they do not.
    """

    group: bytes
    inviter: bytes
    operations: tuple[bytes, ...]
    r: bytes
    first_day: int
    sealed_before: tuple[int, ...]
    message: bytes
    witnesses: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    rejoined: tuple[bytes, ...]
    lifted: tuple[bytes, ...]


class KeyPackagesBody(Body, frozen=True):
    """Key packages (RFC 9420 10). In a contact, spare ones: each lets the contact add us to one group, and has a proof
    of 64 bytes at the same place (`groups.spares`). In a group, one's own for the next leaf, without a proof."""

    key_packages: tuple[bytes, ...]
    proofs: tuple[bytes, ...] = ()


class ManifestBody(Body, frozen=True):
    """Announces a body too large for one bundle, sent in parts. `digest` is the 32-byte hash of the whole."""

    kind: int
    digest: bytes
    size: int
    name: str


class PartBody(Body, frozen=True):
    """One part of what a manifest of the same author announces."""

    digest: bytes
    index: int
    data: bytes


class RemovedBody(Body, frozen=True):
    """Operations, whole and in their order, which tell somebody that he was removed: sealed to him alone."""

    operations: tuple[bytes, ...]


class DemandBody(Body, frozen=True):
    """A member who can follow no branch any more asks a contact for a new leaf: his REJOIN, whole and signed outside of
    every epoch, and the key package that it names. `earlier` are operations of his own, whole and the oldest first,
    which the REJOIN cites and nobody may have heard."""

    group: bytes
    operation: bytes
    key_package: bytes
    earlier: tuple[bytes, ...] = ()


class AskBody(Body, frozen=True):
    """What a member lacks and cannot open: operations by id, and per author (member key) runs of numbers."""

    operations: tuple[bytes, ...]
    numbers: tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...]


class ResealBody(Body, frozen=True):
    """An object of anybody in its whole form, sealed again; or, with no object, runs of the author's own numbers
    under which there is nothing (any more) for people to read: for anybody, or with a `member` (its key) for that one,
    to whom they were not sealed."""

    whole: bytes
    nothing: tuple[tuple[int, int], ...]
    member: bytes = b""


class LateBody(Body, frozen=True):
    """A commit in a contact, in the bundle in which it travelled first; its day, and the counter of its key."""

    bundle: bytes
    day: int
    counter: int


def parts_of(size: int) -> int:
    """How many parts a body of so many bytes has."""
    return max(1, -(-size // FILE_PART_BYTES))


def read_commit(data: bytes) -> CommitBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, CommitBody)
    _require(len(body.r) == ID_BYTES and 0 <= body.first_day < 2**24 and bool(body.message))
    _require(len(body.operations) <= GROUP_OPERATIONS_MAX)
    _require(all(len(operation) == ID_BYTES for operation in body.operations))
    _require(len(set(body.operations)) == len(body.operations))
    return body


def read_welcome(data: bytes) -> WelcomeBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, WelcomeBody)
    _require(len(body.group) == ID_BYTES and len(body.inviter) == MEMBER_KEY_BYTES)
    _require(len(body.r) == ID_BYTES and 0 <= body.first_day < 2**24)
    _require(1 <= len(body.operations) <= GROUP_OPERATIONS_MAX)
    _require(len(body.sealed_before) <= GROUP_MEMBERS_MAX)
    _require(len(body.witnesses) <= WELCOME_WITNESSES_MAX)
    _require(len(set(body.witnesses)) == len(body.witnesses))
    _require(_are_ids(body.gone, MEMBER_KEY_BYTES))
    _require(_are_ids(body.rejoined, ID_BYTES) and _are_ids(body.lifted, ID_BYTES))
    _require(all(0 <= last <= SEQUENCE_MAX for last in body.sealed_before))
    return body


def read_key_packages(data: bytes) -> KeyPackagesBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, KeyPackagesBody)
    _require(1 <= len(body.key_packages) <= SPARE_KEY_PACKAGES and len(body.proofs) in (0, len(body.key_packages)))
    return body


def read_demand(data: bytes) -> DemandBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, DemandBody)
    _require(len(body.group) == ID_BYTES and bool(body.operation) and bool(body.key_package))
    _require(len(body.earlier) <= OPERATIONS_IDLE_MAX)
    return body


def read_removed(data: bytes) -> RemovedBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, RemovedBody)
    _require(0 < len(body.operations) <= TOLD_OPERATIONS_MAX)
    return body


def read_ask(data: bytes) -> AskBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, AskBody)
    _require(bool(body.operations or body.numbers))
    _require(len(body.operations) <= ASKED_MAX and len(body.numbers) <= GROUP_MEMBERS_MAX)
    _require(all(len(operation) == ID_BYTES for operation in body.operations))
    _require(all(len(member) == MEMBER_KEY_BYTES for member, _ in body.numbers))
    for _, spans in body.numbers:
        _require_spans(spans)
    return body


def read_reseal(data: bytes) -> ResealBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, ResealBody)
    _require(bool(body.whole) != bool(body.nothing))
    _require(len(body.member) in ((0,) if body.whole else (0, MEMBER_KEY_BYTES)))
    _require_spans(body.nothing)
    return body


def read_late(data: bytes) -> LateBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, LateBody)
    _require(bool(body.bundle) and 0 <= body.day < 2**24 and 0 <= body.counter < 2**16)
    return body


def read_manifest(data: bytes) -> ManifestBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, ManifestBody)
    _require(body.kind in (Kind.MANIFEST, Kind.WELCOME, Kind.RESEAL))
    _require(len(body.digest) == 32 and 0 <= body.size <= FILE_BYTES_MAX)
    _require(len(body.name.encode()) <= FILE_NAME_BYTES_MAX and body.name.isprintable())
    _require(not set(body.name) & set("/\\") and body.name not in (".", ".."))
    return body


def read_part(data: bytes) -> PartBody:
    """Raises `PeerError` for anything else."""
    body = decode(data, PartBody)
    _require(len(body.digest) == 32 and 0 <= body.index < FILE_PARTS_MAX)
    _require(len(body.data) <= FILE_PART_BYTES)
    return body


def _are_ids(ids: tuple[bytes, ...], size: int) -> bool:
    ascending = all(before < after for before, after in pairwise(ids))
    return ascending and len(ids) <= GROUP_OPERATIONS_MAX and all(len(each) == size for each in ids)


def _require_spans(spans: tuple[tuple[int, int], ...]) -> None:
    """Runs of numbers, ascending and apart."""
    _require(len(spans) <= ASKED_MAX)
    before = -1
    for first, last in spans:
        _require(before + 1 < first <= last <= SEQUENCE_MAX and first > 0)
        before = last


def _require(holds: bool) -> None:
    if not holds:
        raise PeerError("A body breaks the rules of its kind.")
