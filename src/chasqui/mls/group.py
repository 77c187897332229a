"""A group as one member sees it in one epoch: a frozen value whose verbs return the next one (RFC 9420, 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from chasqui.mls import committing, key_schedule, processing, state_codec
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError, StateError, UsageError
from chasqui.mls.extensions import Extension, ExtensionType
from chasqui.mls.framing import WireFormat, read_message, wrap
from chasqui.mls.key_schedule import EpochSecrets, GroupContext
from chasqui.mls.leaf import LeafNode, LeafTemplate
from chasqui.mls.pending import Pending
from chasqui.mls.proposals import ReInit
from chasqui.mls.psk import PskId, PskLookup, PskUsage, no_psks
from chasqui.mls.requests import ProposalRequest
from chasqui.mls.results import Application, Commit, Inspected, Member, Processed, Proposed
from chasqui.mls.secret import Secret
from chasqui.mls.secret_tree import SecretTree
from chasqui.mls.short_commit import lengthen, read_short_commit
from chasqui.mls.suite import CipherSuite, Crypto, Entropy, crypto_of
from chasqui.mls.transition import Advanced
from chasqui.mls.tree import Tree
from chasqui.mls.treekem import NodeKeys
from chasqui.mls.welcome import sign_group_info
from chasqui.mls.wiping import wipe


@dataclass(frozen=True, repr=False)
class GroupState:
    """Everything a member knows in one epoch. No verb changes it; each returns a new state or raises.

    Hostile bytes raise PeerError and nothing else. Whoever adopts a new state forgets the old one, or keeps
    `without_epoch_secrets()` of it to be able to process a sibling commit.
    """

    context: GroupContext
    tree: Tree
    own_leaf: int
    secrets: EpochSecrets
    keys: NodeKeys
    signature_private: Secret
    confirmation_tag: bytes
    interim_transcript_hash: bytes
    messages: SecretTree | None = None
    pending: tuple[Pending, ...] = ()
    reinit: ReInit | None = None
    private_messages: bool = True
    """Whether later epochs get a secret tree; `without_message_secrets` ends that for good."""

    @property
    def crypto(self) -> Crypto:
        """The algorithms of the suite."""
        return crypto_of(self.context.suite)

    @property
    def suite(self) -> CipherSuite:
        return CipherSuite(self.context.suite)

    @property
    def group_id(self) -> bytes:
        return self.context.group_id

    @property
    def epoch(self) -> int:
        return self.context.epoch

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions of the group context."""
        return self.context.extensions

    @property
    def tree_hash(self) -> bytes:
        """32 bytes over the whole tree."""
        return self.context.tree_hash

    @property
    def confirmed_transcript_hash(self) -> bytes:
        """32 bytes over all commits up to this epoch; empty in epoch 0."""
        return self.context.confirmed_transcript_hash

    @cached_property
    def context_bytes(self) -> bytes:
        """The encoded GroupContext."""
        return self.context.encode()

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """All members in the order of their leaves."""
        return tuple(Member.of(number, leaf) for number, leaf in self.tree.leaves())

    def leaf(self, number: int) -> LeafNode | None:
        """The leaf node of a member; None where there is none."""
        return self.tree.leaf(number)

    @property
    def own_leaf_node(self) -> LeafNode:
        """Our own leaf node."""
        leaf = self.tree.leaf(self.own_leaf)
        if leaf is None:
            raise StateError("our own leaf is blank")
        return leaf

    @property
    def is_retained_parent(self) -> bool:
        """Whether this is what `without_epoch_secrets` leaves (or less: `wipe`)."""
        return not self.secrets.confirmation

    @property
    def epoch_authenticator(self) -> bytes:
        """32 bytes, equal for all members who see the same group (RFC 8.7). UsageError when erased."""
        return self._secret(self.secrets.authenticator, "epoch authenticator")

    @property
    def resumption_psk(self) -> Secret:
        """The resumption key of this epoch (RFC 8.6), to keep for a lookup of later epochs. UsageError when erased."""
        return Secret(self._secret(self.secrets.resumption, "resumption key"))

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (RFC 8.5): `length` bytes (1 to 8160) bound to this epoch.

        UsageError when the secret is erased, or `label` is no text that UTF-8 can hold.
        """
        exporter = self._secret(self.secrets.exporter, "exporter secret")
        try:
            encoded = label.encode()
        except UnicodeEncodeError as error:
            raise UsageError("the label holds a lone surrogate") from error
        return key_schedule.export(self.crypto, exporter, encoded, context, length)

    def commit(
        self,
        proposals: Sequence[ProposalRequest],
        entropy: Entropy,
        now: int,
        *,
        path: bool | None = None,
        pending: bool = True,
        psks: PskLookup = no_psks,
        private: bool = False,
        padding: int = 0,
        authenticated_data: bytes = b"",
        signature_private: bytes | None = None,
        leaf: LeafTemplate | None = None,
        welcome_tree: bool = True,
        group_info_extensions: Sequence[Extension] = (),
        psk_usage: PskUsage = PskUsage.APPLICATION,
    ) -> Commit:
        """A commit of these proposals, and of those received by reference unless `pending` is False.

        `now` in unix seconds checks the lifetimes of added key packages. `path` None: exactly when the RFC requires
        it; True: always. `private` encrypts the commit (it then uses a key of the handshake ratchet), `padding` adds
        that many zero bytes to it (at most 65536; none where it is not encrypted). `signature_private` and `leaf` renew
        our leaf's signature key and contents. The welcome carries the tree unless `welcome_tree` is False. Raises
        PeerError for hostile key packages, UsageError else.
        """
        options = committing.CommitOptions(
            path,
            pending,
            psks,
            private,
            padding,
            authenticated_data,
            signature_private,
            leaf,
            welcome_tree,
            tuple(group_info_extensions),
            psk_usage,
        )
        return committing.make_commit(self, proposals, entropy, now, options)

    def propose(
        self,
        proposal: ProposalRequest,
        entropy: Entropy,
        now: int,
        *,
        private: bool = False,
        padding: int = 0,
        authenticated_data: bytes = b"",
    ) -> Proposed:
        """A proposal by reference, for somebody else (or us) to commit. Errors as in `commit`."""
        return committing.make_proposal(self, proposal, entropy, now, private, padding, authenticated_data)

    def process(self, message: bytes, now: int | None = None, *, psks: PskLookup = no_psks) -> Processed:
        """Applies a commit or caches a proposal, from an MLSMessage. Raises PeerError and changes nothing.

        `now` is accepted for symmetry: lifetimes bind who commits, never who receives (see docs/mls.md).
        """
        del now
        return processing.process(self, read_message(message), psks)

    def lengthen(self, data: bytes, leaf: int) -> bytes:
        """The MLSMessage of a commit that a member made on this state, from its short form. Raises PeerError for what
        is none, or where nobody sits at that leaf. Nothing is verified; the membership tag is ours."""
        committer = self.tree.leaf(leaf)
        if committer is None:
            raise PeerError(Check.SENDER_UNKNOWN, f"leaf {leaf}")
        short = read_short_commit(data, committer.signature_key)
        membership = Secret(self._secret(self.secrets.membership, "membership key"))
        place = self.context.group_id, self.context.epoch, leaf
        return lengthen(self.crypto, short, *place, membership, self.context_bytes)

    def inspect(self, message: bytes) -> Inspected:
        """Who sent a handshake message and what it proposes, proven but not applied. Raises PeerError."""
        return processing.inspect(self, read_message(message))

    def encrypt(
        self, data: bytes, aad: bytes, entropy: Entropy, *, padding: int = 0
    ) -> tuple[bytes, GroupState]:
        """(MLSMessage, state without the used key) for application data. Persist the state before sending.

        UsageError when proposals wait to be committed (RFC 12.4), the keys are erased or the group is closed.
        """
        return committing.encrypt_application(self, data, aad, entropy, padding)

    def decrypt(self, message: bytes) -> tuple[Application, GroupState]:
        """(application message, state without its key). Raises PeerError; a forgery burns no key."""
        return processing.decrypt_application(self, read_message(message))

    def group_info(self, *, tree: bool = True, external_pub: bool = False) -> bytes:
        """A signed MLSMessage GroupInfo; with `external_pub` an outsider can join by external commit."""
        self.require_active()
        crypto = self.crypto
        extensions: list[Extension] = []
        if tree:
            extensions.append(Extension(ExtensionType.RATCHET_TREE, self.tree.encode()))
        if external_pub:
            external = self._secret(self.secrets.external, "external secret")
            public = key_schedule.external_key_pair(crypto, external)[1]
            extensions.append(Extension(ExtensionType.EXTERNAL_PUB, committing.encode_external_pub(public)))
        info = sign_group_info(
            crypto,
            self.context,
            tuple(extensions),
            self.confirmation_tag,
            self.own_leaf,
            self.signature_private.reveal(),
            self.own_leaf_node.signature_key,
        )
        return wrap(WireFormat.GROUP_INFO, info.encode())

    def ratchet_tree(self) -> bytes:
        """The public tree, for joiners whose welcome does not carry it."""
        return self.tree.encode()

    def discard(self, proposal_ref: bytes) -> GroupState:
        """Forgets one proposal that waits to be committed, which the application does not authorise, if it is held."""
        return replace(self, pending=tuple(item for item in self.pending if item.ref != proposal_ref))

    def without_message_secrets(self) -> GroupState:
        """A state that can no longer read or write private messages; everything else remains."""
        return replace(self, messages=None, private_messages=False, secrets=self.secrets.without_messages())

    def without_exporter_secret(self) -> GroupState:
        """For callers who have exported all they need of this epoch: `export` no longer works, all else does."""
        return replace(self, secrets=replace(self.secrets, exporter=None))

    def without_epoch_secrets(self, *, external: bool = False) -> GroupState:
        """A retained parent: it can verify and process a sibling commit, and has lost all secrets of its own use.

        Gone are exporter, authenticator, confirmation, resumption, sender-data and message secrets; kept are
        init_secret, the membership key and the tree's private keys. `external` keeps what external commits need.
        """
        return replace(self, messages=None, secrets=self.secrets.of_parent(external=external))

    def wipe(self, *kept: GroupState) -> int:
        """Overwrites the secrets of this outgrown state that none of the `kept` states shares; returns their number.

        The one verb that changes a state: afterwards it is of no use. Key package keys from which the state was made
        share their leaf and signature keys with it.
        """
        return wipe(self, kept)

    def to_bytes(self) -> bytes:
        """A canonical saved form with a version and a checksum. It holds the secrets in the clear.

        UsageError when this state was wiped.
        """
        self._secret(self.secrets.init, "init secret")
        return state_codec.encode_state(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> GroupState:
        """Raises StateError when `data` is damaged, foreign, of another version, or not as `to_bytes` puts it."""
        state = cls(**state_codec.decode_state(data))
        if state.to_bytes() != data:
            raise StateError("the saved group state is not canonical")
        return state

    def psk(self, psk: PskId, others: PskLookup) -> bytes | None:
        """The key of a PSK id: this epoch's own resumption key, else what `others` holds."""
        if psk.group_id == self.group_id and psk.epoch == self.epoch and psk.usage and self.secrets.resumption:
            return self.secrets.resumption.reveal()
        return others(psk)

    def successor(
        self,
        new: Advanced,
        tree: Tree,
        keys: NodeKeys,
        signature_private: Secret,
        reinit: ReInit | None,
    ) -> GroupState:
        """The state of the next epoch; what belonged to this one is not in it."""
        return epoch_state(
            new, tree, self.own_leaf, keys, signature_private, reinit=reinit, private_messages=self.private_messages
        )

    def require_active(self) -> None:
        """Raises UsageError unless this state may still send."""
        if self.is_retained_parent:
            raise UsageError("a retained parent only processes sibling commits")
        if self.reinit is not None:
            raise UsageError("the group was closed by a ReInit", Check.GROUP_CLOSED)

    def require_open(self) -> None:
        """Raises UsageError when this state was wiped, PeerError when no message can belong to it any more."""
        self._secret(self.secrets.init, "init secret")  # a wiped key would look like a peer's fault further on
        if self.reinit is not None:
            raise PeerError(Check.GROUP_CLOSED)

    @staticmethod
    def _secret(secret: Secret | None, name: str) -> bytes:
        if not secret:  # None, or wiped
            raise UsageError(f"the {name} of this state is erased")
        return secret.reveal()

    def __repr__(self) -> str:
        return f"GroupState(epoch {self.epoch}, leaf {self.own_leaf}, {self.tree!r})"


def epoch_state(
    new: Advanced,
    tree: Tree,
    own_leaf: int,
    keys: NodeKeys,
    signature_private: Secret,
    *,
    reinit: ReInit | None = None,
    private_messages: bool = True,
) -> GroupState:
    """A member's state at the beginning of an epoch."""
    secrets = new.epoch.secrets
    messages = SecretTree.of(new.epoch.encryption, tree.leaf_count) if private_messages else None
    return GroupState(
        new.context,
        tree,
        own_leaf,
        secrets if private_messages else secrets.without_messages(),
        keys,
        signature_private,
        new.confirmation_tag,
        new.interim_transcript_hash,
        messages,
        (),
        reinit,
        private_messages,
    )
