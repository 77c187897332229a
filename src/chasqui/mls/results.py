"""What the verbs of a group state give back. All frozen; applying is the caller's adoption of `state`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from chasqui.mls.credential import Credential
from chasqui.mls.leaf import LeafNode
from chasqui.mls.proposals import Proposal, ReInit
from chasqui.mls.psk import PskId

if TYPE_CHECKING:
    from chasqui.mls.group import GroupState


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the tree shows it: its leaf number, Ed25519 key (32 bytes), credential and public key of the KEM.

    Whether the credential may bear that signature key is for the application to judge (RFC 9420, 5.3.1).
    """

    leaf: int
    signature_key: bytes
    credential: Credential
    encryption_key: bytes

    @property
    def identity(self) -> bytes:
        """The identity of a basic credential, empty for X.509: see `credential`."""
        return self.credential.identity

    @staticmethod
    def of(number: int, leaf: LeafNode) -> Member:
        """The public view of a leaf."""
        return Member(number, leaf.signature_key, leaf.credential, leaf.encryption_key)


class Kind(Enum):
    """What a processed message was."""

    COMMIT = "commit"
    PROPOSAL = "proposal"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of our own. Persist `state` before sending `message`; until then `self` of commit() stays valid.

    `welcome` is an MLSMessage for all members added, None when there are none.
    """

    message: bytes
    state: GroupState
    welcome: bytes | None
    added: tuple[Member, ...]
    removed: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal of our own by reference: the MLSMessage, the state that remembers it, and its ProposalRef."""

    message: bytes
    state: GroupState
    ref: bytes


@dataclass(frozen=True, slots=True)
class Processed:
    """A handshake message applied. `state` is None exactly when `self_removed`.

    `sender_leaf` is None for a proposal from outside; for an external commit it is the newcomer's leaf.
    `updated` lists members whose leaf was replaced, the committer with a path among them. The application
    judges credentials here (RFC 5.3.1): to refuse, it does not adopt `state`. `proposals` are all that were applied, or
    the one that was cached, by reference or not, as they stand in the messages; `proposal_ref` (32 bytes) names a
    cached one for `discard`. `reinit` is the ReInit by which the group is now closed.
    """

    kind: Kind
    state: GroupState | None
    sender_leaf: int | None
    external: bool
    authenticated_data: bytes
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    updated: tuple[Member, ...] = ()
    psks: tuple[PskId, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    proposal_ref: bytes | None = None
    reinit: ReInit | None = None
    self_removed: bool = False


@dataclass(frozen=True, slots=True)
class Inspected:
    """A handshake message whose sender is proven and that was not applied.

    `proposals` stand in the message itself; `by_reference` are the ProposalRefs (32 bytes each) of the others.
    """

    kind: Kind
    epoch: int
    sender_leaf: int | None
    external: bool
    authenticated_data: bytes
    proposals: tuple[Proposal, ...]
    by_reference: tuple[bytes, ...]
    has_path: bool


@dataclass(frozen=True, slots=True)
class Application:
    """A decrypted application message. Its repr does not show the text."""

    data: bytes = field(repr=False)
    authenticated_data: bytes
    sender_leaf: int
    generation: int
