"""Proposals and commits as they travel (RFC 9420, 12.1 and 12.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, optional, u8, u16, u32, vl, vl_join
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import Extension, encode_extensions, read_extensions
from chasqui.mls.key_package import KeyPackage, read_key_package_form
from chasqui.mls.leaf import LeafNode, read_leaf
from chasqui.mls.psk import PreSharedKeyId, read_psk_id
from chasqui.mls.update_path import UpdatePath, read_update_path


class ProposalType(IntEnum):
    """Proposal types of RFC 17.4."""

    ADD = 1
    UPDATE = 2
    REMOVE = 3
    PSK = 4
    REINIT = 5
    EXTERNAL_INIT = 6
    GROUP_CONTEXT_EXTENSIONS = 7


PATH_REQUIRED = frozenset(
    {
        ProposalType.UPDATE,
        ProposalType.REMOVE,
        ProposalType.EXTERNAL_INIT,
        ProposalType.GROUP_CONTEXT_EXTENSIONS,
    }
)
"""Types with which a commit needs a path (RFC 12.4)."""

FROM_EXTERNAL = frozenset(
    {
        ProposalType.ADD,
        ProposalType.REMOVE,
        ProposalType.PSK,
        ProposalType.REINIT,
        ProposalType.GROUP_CONTEXT_EXTENSIONS,
    }
)
"""Types that a listed external sender may propose (RFC 12.1.8)."""


@dataclass(frozen=True, slots=True)
class Add:
    """Adds the client of a key package."""

    type = ProposalType.ADD
    key_package: KeyPackage

    def encode(self) -> bytes:
        return u16(self.type) + self.key_package.raw


@dataclass(frozen=True, slots=True)
class Update:
    """Replaces the sender's leaf."""

    type = ProposalType.UPDATE
    leaf: LeafNode

    def encode(self) -> bytes:
        return u16(self.type) + self.leaf.raw


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes the member at a leaf."""

    type = ProposalType.REMOVE
    removed: int

    def encode(self) -> bytes:
        return u16(self.type) + u32(self.removed)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Mixes a pre-shared key into the next epoch."""

    type = ProposalType.PSK
    psk: PreSharedKeyId

    def encode(self) -> bytes:
        return u16(self.type) + self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """Closes the group in favour of a new one with these parameters."""

    type = ProposalType.REINIT
    group_id: bytes
    version: int
    suite: int
    extensions: tuple[Extension, ...]

    def encode(self) -> bytes:
        return (
            u16(self.type)
            + vl(self.group_id)
            + u16(self.version)
            + u16(self.suite)
            + encode_extensions(self.extensions)
        )


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """Carries the KEM output with which an outsider enters."""

    type = ProposalType.EXTERNAL_INIT
    kem_output: bytes

    def encode(self) -> bytes:
        return u16(self.type) + vl(self.kem_output)


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Replaces the extensions of the group."""

    type = ProposalType.GROUP_CONTEXT_EXTENSIONS
    extensions: tuple[Extension, ...]

    def encode(self) -> bytes:
        return u16(self.type) + encode_extensions(self.extensions)


Proposal = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions


def read_proposal(reader: Reader) -> Proposal:
    """Proposal. Form only. Raises PeerError, for unknown types too: their end cannot be found."""
    kind = reader.u16()
    if kind == ProposalType.ADD:
        return Add(read_key_package_form(reader))
    if kind == ProposalType.UPDATE:
        return Update(read_leaf(reader))
    if kind == ProposalType.REMOVE:
        return Remove(reader.u32())
    if kind == ProposalType.PSK:
        return PreSharedKey(read_psk_id(reader))
    if kind == ProposalType.REINIT:
        return ReInit(reader.vl(), reader.u16(), reader.u16(), read_extensions(reader))
    if kind == ProposalType.EXTERNAL_INIT:
        return ExternalInit(reader.vl())
    if kind == ProposalType.GROUP_CONTEXT_EXTENSIONS:
        return GroupContextExtensions(read_extensions(reader))
    raise PeerError(Check.UNKNOWN_PROPOSAL, f"type {kind}")


@dataclass(frozen=True, slots=True)
class ProposalRef:
    """A proposal named by the hash of the message that brought it (RFC 5.2)."""

    ref: bytes

    def encode(self) -> bytes:
        return b"\x02" + vl(self.ref)


ProposalOrRef = Proposal | ProposalRef


def encode_proposal_or_ref(item: ProposalOrRef) -> bytes:
    """ProposalOrRef."""
    return item.encode() if isinstance(item, ProposalRef) else u8(1) + item.encode()


def _read_proposal_or_ref(reader: Reader) -> ProposalOrRef:
    kind = reader.u8()
    if kind == 1:
        return read_proposal(reader)
    if kind == 2:
        return ProposalRef(reader.vl())
    raise PeerError(Check.UNKNOWN_ENUM, "ProposalOrRefType")


@dataclass(frozen=True, slots=True)
class CommitContent:
    """The Commit structure: proposals by value or reference, and perhaps a path."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    def encode(self) -> bytes:
        listed = vl_join(encode_proposal_or_ref(item) for item in self.proposals)
        return listed + optional(None if self.path is None else self.path.encode())


def read_commit(reader: Reader) -> CommitContent:
    """Commit. Form only. Raises PeerError."""
    sub = reader.sub()
    listed: list[ProposalOrRef] = []
    while sub.pos < sub.end:
        if len(listed) >= limits.PROPOSALS_MAX:
            raise PeerError(Check.TOO_MANY_PROPOSALS)
        listed.append(_read_proposal_or_ref(sub))
    return CommitContent(tuple(listed), read_update_path(reader) if reader.present() else None)
