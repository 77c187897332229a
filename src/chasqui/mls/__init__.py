"""Messaging Layer Security (RFC 9420), complete, strict and without I/O.

A group is a frozen `GroupState`. Its verbs return a new state or raise, and never change the one they are called
on; time (unix seconds) and entropy are arguments. Hostile bytes raise `PeerError` and nothing else.

What a caller asks for is a `ProposalRequest` (`AddProposal` ...); what stands in a message, ours or another's, is
a `Proposal` (`Add` ..., RFC 9420, 12.1). `process` and `inspect` return the latter. All of them are frozen.
"""

from __future__ import annotations

from chasqui.mls.checks import Check
from chasqui.mls.creating import create_group
from chasqui.mls.credential import Credential, CredentialType
from chasqui.mls.errors import MlsError, PeerError, StateError, UsageError
from chasqui.mls.extensions import (
    Capabilities,
    Extension,
    ExtensionType,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
    own_capabilities,
)
from chasqui.mls.external import join_external, propose_as_external_sender, propose_own_add
from chasqui.mls.framing import (
    ContentType,
    FramedContent,
    Message,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    read_message,
)
from chasqui.mls.group import GroupState
from chasqui.mls.joining import join
from chasqui.mls.key_package import KeyPackage, KeyPackageKeys, make_key_package, read_key_package
from chasqui.mls.leaf import LeafNode, LeafSource, LeafTemplate, Lifetime
from chasqui.mls.linking import branch, reinitialise
from chasqui.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalType,
    ReInit,
    Remove,
    Update,
)
from chasqui.mls.psk import PreSharedKeyId, PskId, PskLookup, PskType, PskUsage
from chasqui.mls.requests import (
    AddProposal,
    GroupContextExtensionsProposal,
    PreSharedKeyProposal,
    ProposalRequest,
    ReInitProposal,
    RemoveProposal,
    UpdateProposal,
)
from chasqui.mls.results import Application, Commit, Inspected, Kind, Member, Processed, Proposed
from chasqui.mls.secret import Secret
from chasqui.mls.short_commit import ShortCommit, read_short_commit, shorten
from chasqui.mls.suite import CipherSuite, Crypto, Entropy, crypto_of
from chasqui.mls.welcome import GroupInfo, Welcome

__all__ = [
    "Add",
    "AddProposal",
    "Application",
    "Capabilities",
    "Check",
    "CipherSuite",
    "Commit",
    "ContentType",
    "Credential",
    "CredentialType",
    "Crypto",
    "Entropy",
    "Extension",
    "ExtensionType",
    "ExternalInit",
    "ExternalSender",
    "FramedContent",
    "GroupContextExtensions",
    "GroupContextExtensionsProposal",
    "GroupInfo",
    "GroupState",
    "Inspected",
    "KeyPackage",
    "KeyPackageKeys",
    "Kind",
    "LeafNode",
    "LeafSource",
    "LeafTemplate",
    "Lifetime",
    "Member",
    "Message",
    "MlsError",
    "PeerError",
    "PreSharedKey",
    "PreSharedKeyId",
    "PreSharedKeyProposal",
    "PrivateMessage",
    "Processed",
    "Proposal",
    "ProposalRequest",
    "ProposalType",
    "Proposed",
    "PskId",
    "PskLookup",
    "PskType",
    "PskUsage",
    "PublicMessage",
    "ReInit",
    "ReInitProposal",
    "Remove",
    "RemoveProposal",
    "RequiredCapabilities",
    "Secret",
    "Sender",
    "SenderType",
    "ShortCommit",
    "StateError",
    "Update",
    "UpdateProposal",
    "UsageError",
    "Welcome",
    "branch",
    "create_group",
    "crypto_of",
    "external_senders_extension",
    "join",
    "join_external",
    "make_key_package",
    "own_capabilities",
    "propose_as_external_sender",
    "propose_own_add",
    "read_key_package",
    "read_message",
    "read_short_commit",
    "reinitialise",
    "shorten",
]
