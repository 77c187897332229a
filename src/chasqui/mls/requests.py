"""What a caller may ask a commit to carry. Each becomes a proposal on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from chasqui.mls import proposals as wire
from chasqui.mls.codec import decode_all
from chasqui.mls.extensions import VERSION_MLS10, Extension, own_extensions
from chasqui.mls.key_package import read_key_package_form
from chasqui.mls.psk import PskId, with_nonce
from chasqui.mls.suite import Crypto, Entropy, fresh


@dataclass(frozen=True, slots=True)
class AddProposal:
    """Add the client of this KeyPackage structure."""

    key_package: bytes


@dataclass(frozen=True, slots=True)
class RemoveProposal:
    """Remove the member at this leaf."""

    leaf: int


@dataclass(frozen=True, slots=True)
class UpdateProposal:
    """Renew our own leaf. Only for `propose`: a commit renews its own leaf with its path."""

    signature_private: bytes | None = field(default=None, repr=False)
    """A new 32-byte Ed25519 seed, or None to keep the key."""


@dataclass(frozen=True, slots=True)
class PreSharedKeyProposal:
    """Mix a pre-shared key in. Its nonce is drawn when the message is made."""

    psk: PskId


@dataclass(frozen=True, slots=True)
class ReInitProposal:
    """Close the group in favour of one with this id, suite and extensions."""

    group_id: bytes
    suite: int
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupContextExtensionsProposal:
    """Replace all extensions of the group."""

    extensions: tuple[Extension, ...]


ProposalRequest = (
    AddProposal
    | RemoveProposal
    | UpdateProposal
    | PreSharedKeyProposal
    | ReInitProposal
    | GroupContextExtensionsProposal
)


def to_wire(crypto: Crypto, request: ProposalRequest, entropy: Entropy) -> wire.Proposal | None:
    """The proposal on the wire; None for UpdateProposal, which needs the state.

    Raises PeerError for a key package that does not decode, UsageError for what else no peer could read.
    """
    if isinstance(request, AddProposal):
        return wire.Add(decode_all(request.key_package, read_key_package_form))
    if isinstance(request, RemoveProposal):
        return wire.Remove(request.leaf)
    if isinstance(request, PreSharedKeyProposal):
        return wire.PreSharedKey(with_nonce(request.psk, fresh(entropy, crypto.nh)))
    if isinstance(request, ReInitProposal):
        return wire.ReInit(request.group_id, VERSION_MLS10, int(request.suite), own_extensions(request.extensions))
    if isinstance(request, GroupContextExtensionsProposal):
        return wire.GroupContextExtensions(own_extensions(request.extensions))
    return None


