"""Taking messages: authenticate, check, apply (RFC 9420, 12.4.2). Nothing here changes a state."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import external_senders
from chasqui.mls.framing import (
    ContentType,
    FramedContent,
    Message,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
)
from chasqui.mls.key_schedule import external_init_receiver
from chasqui.mls.leaf import LeafSource
from chasqui.mls.pending import Pending, check_room
from chasqui.mls.proposals import Add, CommitContent, ProposalRef
from chasqui.mls.protect import Verified, check_signature, from_public, open_private
from chasqui.mls.psk import PskLookup, look_up, psk_secret
from chasqui.mls.results import Application, Inspected, Kind, Member, Processed
from chasqui.mls.secret_tree import SecretTree
from chasqui.mls.staging import Listed, Staged, check_new_leaf, check_proposal, stage
from chasqui.mls.transition import advance, provisional_context
from chasqui.mls.tree_check import check_credentials, check_unique_keys
from chasqui.mls.treekem import TakenPath, check_ciphertexts, merge_path, surviving_keys, take_path
from chasqui.mls.update_path import UpdatePath

if TYPE_CHECKING:
    from chasqui.mls.group import GroupState


def _signature_key(state: GroupState, content: FramedContent) -> bytes:
    """The key with which this content must be signed (RFC 6.1). Raises PeerError."""
    sender, body = content.sender, content.body
    if sender.type == SenderType.MEMBER:
        leaf = state.tree.leaf(sender.index)
        if leaf is None:
            raise PeerError(Check.SENDER_UNKNOWN, f"leaf {sender.index}")
        return leaf.signature_key
    if sender.type == SenderType.EXTERNAL:
        listed = external_senders(state.context.extensions)
        if sender.index >= len(listed):
            raise PeerError(Check.SENDER_UNKNOWN, f"external sender {sender.index}")
        if isinstance(body, bytes | CommitContent):
            raise PeerError(Check.EXTERNAL_CONTENT)
        return listed[sender.index].signature_key
    if sender.type == SenderType.NEW_MEMBER_PROPOSAL:
        if not isinstance(body, Add):
            raise PeerError(Check.EXTERNAL_CONTENT)
        return body.key_package.signature_key
    if not isinstance(body, CommitContent):
        raise PeerError(Check.EXTERNAL_CONTENT)
    if body.path is None:
        raise PeerError(Check.PATH_MISSING)
    return body.path.leaf.signature_key


def _check_place(state: GroupState, group_id: bytes, epoch: int) -> None:
    if group_id != state.context.group_id:
        raise PeerError(Check.WRONG_GROUP)
    if epoch != state.context.epoch:
        raise PeerError(Check.WRONG_EPOCH, f"{epoch}, not {state.context.epoch}")


def authenticate(state: GroupState, message: PublicMessage | PrivateMessage) -> tuple[Verified, SecretTree | None, int]:
    """(verified content, secret tree afterwards, generation). Raises PeerError for whatever is not proven."""
    state.require_open()
    if isinstance(message, PublicMessage):
        _check_place(state, message.content.group_id, message.content.epoch)
        key = _signature_key(state, message.content)
        verified = from_public(state.crypto, message, state.secrets.membership, state.context_bytes, key)
        tree, generation = state.messages, 0
    else:
        _check_place(state, message.group_id, message.epoch)
        if state.messages is None or not state.secrets.sender_data:  # None, or wiped
            raise PeerError(Check.NO_MESSAGE_KEYS)
        opened = open_private(state.crypto, message, state.messages, state.secrets.sender_data)
        content, tree, generation = opened
        key = _signature_key(state, content.content)
        verified = check_signature(state.crypto, content, state.context_bytes, key)
    sender = verified.framed.sender
    if sender.type == SenderType.MEMBER and sender.index == state.own_leaf:
        # Only after the signature: this row then proves that our own keys signed it.
        raise PeerError(Check.OWN_MESSAGE)
    return verified, tree, generation


def _handshake(message: Message) -> PublicMessage | PrivateMessage:
    if not isinstance(message, PublicMessage | PrivateMessage):
        raise PeerError(Check.WRONG_WIRE_FORMAT, "no handshake")
    if isinstance(message, PrivateMessage) and message.content_type == ContentType.APPLICATION:
        raise PeerError(Check.WRONG_WIRE_FORMAT, "application data")
    return message


def process(state: GroupState, message: Message, psks: PskLookup) -> Processed:
    """Applies a handshake message. Raises PeerError."""
    verified, tree, _ = authenticate(state, _handshake(message))
    if isinstance(verified.framed.body, CommitContent):
        return _Taking(state, verified, verified.framed.body, psks).apply()
    return _cache_proposal(state, verified, tree)


def inspect(state: GroupState, message: Message) -> Inspected:
    """Proves who sent a handshake message and lists what it proposes. Raises PeerError."""
    verified, _, _ = authenticate(state, _handshake(message))
    framed = verified.framed
    external = framed.sender.type != SenderType.MEMBER
    leaf = None if external else framed.sender.index
    body = framed.body
    if isinstance(body, CommitContent):
        listed = tuple(item for item in body.proposals if not isinstance(item, ProposalRef))
        refs = tuple(item.ref for item in body.proposals if isinstance(item, ProposalRef))
        return Inspected(
            Kind.COMMIT, framed.epoch, leaf, external, framed.authenticated_data, listed, refs, body.path is not None
        )
    assert not isinstance(body, bytes)  # noqa: S101  _handshake and from_public refuse application data
    return Inspected(Kind.PROPOSAL, framed.epoch, leaf, external, framed.authenticated_data, (body,), (), False)


def decrypt_application(state: GroupState, message: Message) -> tuple[Application, GroupState]:
    """Opens application data. Raises PeerError."""
    if not isinstance(message, PrivateMessage) or message.content_type != ContentType.APPLICATION:
        raise PeerError(Check.WRONG_WIRE_FORMAT, "no application data")
    verified, tree, generation = authenticate(state, message)
    framed = verified.framed
    assert isinstance(framed.body, bytes)  # noqa: S101  open_private reads the body by the content type
    application = Application(framed.body, framed.authenticated_data, framed.sender.index, generation)
    return application, replace(state, messages=tree)


def _cache_proposal(state: GroupState, verified: Verified, tree: SecretTree | None) -> Processed:
    framed = verified.framed
    proposal = framed.body
    assert not isinstance(proposal, bytes | CommitContent)  # noqa: S101
    check_proposal(state.crypto, state.tree, state.group_id, Listed(proposal, framed.sender), None)
    ref = verified.content.proposal_ref(state.crypto)
    pending = state.pending
    if all(item.ref != ref for item in pending):
        new = Pending(ref, framed.sender, proposal)
        check_room(pending, new)
        pending = (*pending, new)
    member = framed.sender.type == SenderType.MEMBER
    return Processed(
        Kind.PROPOSAL,
        replace(state, pending=pending, messages=tree),
        framed.sender.index if member else None,
        not member,
        framed.authenticated_data,
        proposals=(proposal,),
        proposal_ref=ref,
    )


def resolve(state: GroupState, commit: CommitContent, sender: Sender) -> tuple[list[Listed], list[Pending]]:
    """The proposals of a commit with their senders, and which of them were cached. Raises PeerError."""
    held = {item.ref: item for item in state.pending}
    listed: list[Listed] = []
    used: list[Pending] = []
    for item in commit.proposals:
        if not isinstance(item, ProposalRef):
            listed.append(Listed(item, sender))
            continue
        if sender.type == SenderType.NEW_MEMBER_COMMIT:
            raise PeerError(Check.EXTERNAL_BY_REFERENCE)
        found = held.get(item.ref)
        if found is None:
            raise PeerError(Check.PROPOSAL_REF_UNKNOWN)
        listed.append(Listed(found.proposal, found.sender))
        used.append(found)
    return listed, used


@dataclass(frozen=True, slots=True)
class _Taking:
    """One commit on its way into a state."""

    state: GroupState
    verified: Verified
    commit: CommitContent
    psks: PskLookup

    def apply(self) -> Processed:
        state, commit, framed = self.state, self.commit, self.verified.framed
        crypto = state.crypto
        external = framed.sender.type == SenderType.NEW_MEMBER_COMMIT
        if external and state.secrets.external is None:
            raise PeerError(Check.EXTERNAL_DISABLED)
        listed, used = resolve(state, commit, framed.sender)
        committer = None if external else framed.sender.index
        staged = stage(crypto, state.tree, state.group_id, state.context.extensions, listed, committer)
        if staged.path_required and commit.path is None:
            raise PeerError(Check.PATH_MISSING)
        leaf = staged.draft.free_leaf() if committer is None else committer
        filtered = self._merge(staged, leaf, external) if commit.path is not None else []
        staged.draft.check_size()
        check_unique_keys(staged.draft)
        self._check_credentials(staged)
        result = Processed(
            Kind.COMMIT,
            None,
            leaf,
            external,
            framed.authenticated_data,
            tuple(Member.of(number, key_package.leaf) for number, key_package in staged.added),
            tuple(member for member in map(self._old_member, staged.removed) if member is not None),
            self._updated(staged, leaf),
            tuple(psk.id for psk in staged.psks),
            tuple(item.proposal for item in listed),
            None,
            staged.reinit,
            self_removed=state.own_leaf in staged.removed,
        )
        if result.self_removed:
            # The path is not encrypted to us, so the confirmation tag cannot be checked; all else was.
            if commit.path is not None:
                check_ciphertexts(staged.draft, filtered, commit.path, staged.added_leaves)
            return result
        return replace(result, state=self._advance(staged, filtered, used))

    def _merge(self, staged: Staged, leaf: int, external: bool) -> list[tuple[int, int]]:
        path = self.commit.path
        assert path is not None  # noqa: S101
        state = self.state
        old = None if external else state.tree.leaf(leaf)
        if external and staged.removed:
            old = state.tree.leaf(staged.removed[0])
            # A credential alone proves nothing here: whoever had the group info could throw anybody out by his name.
            if (
                old is None
                or old.credential != path.leaf.credential
                or old.signature_key != path.leaf.signature_key
            ):
                raise PeerError(Check.EXTERNAL_REMOVE)
        check_new_leaf(state.crypto, old, path.leaf, LeafSource.COMMIT, state.group_id, leaf)
        path.leaf.check_group(staged.extensions)
        return merge_path(state.crypto, staged.draft, leaf, path)

    def _check_credentials(self, staged: Staged) -> None:
        """Only a leaf that brings or drops a credential type can break what held before."""
        path = self.commit.path
        new = [staged.draft.leaf(number) for number in (*staged.added_leaves, *staged.updated)]
        if path is not None:
            new.append(path.leaf)
        known = self.state.own_leaf_node
        if any(
            leaf is not None
            and (
                leaf.credential.type != known.credential.type
                or leaf.capabilities.credentials != known.capabilities.credentials
            )
            for leaf in new
        ):
            check_credentials(staged.draft)

    def _old_member(self, number: int) -> Member | None:
        leaf = self.state.tree.leaf(number)
        return None if leaf is None else Member.of(number, leaf)

    def _updated(self, staged: Staged, sender: int) -> tuple[Member, ...]:
        numbers = set(staged.updated)
        if self.commit.path is not None and self.verified.framed.sender.type == SenderType.MEMBER:
            numbers.add(sender)
        found = ((number, staged.draft.leaf(number)) for number in sorted(numbers))
        return tuple(Member.of(number, leaf) for number, leaf in found if leaf is not None)

    def _advance(self, staged: Staged, filtered: list[tuple[int, int]], used: list[Pending]) -> GroupState:
        state, verified = self.state, self.verified
        crypto, framed = state.crypto, verified.framed
        own_update = _own_update(state, used)
        own_keys = surviving_keys(staged.draft, state.keys, state.tree)
        signature_private = state.signature_private
        if own_update is not None and own_update.leaf_private is not None:
            own_keys[2 * state.own_leaf] = own_update.leaf_private
            signature_private = own_update.signature_private or signature_private
        tree_hash = staged.draft.tree_hash()
        provisional = provisional_context(state.context, tree_hash, staged.extensions)
        taken = TakenPath({}, crypto.zero)
        path: UpdatePath | None = self.commit.path
        if path is not None:
            taken = take_path(
                crypto,
                staged.draft,
                filtered,
                path,
                state.own_leaf,
                own_keys,
                provisional.encode(),
                staged.added_leaves,
            )
        psk = psk_secret(crypto, look_up(lambda psk: state.psk(psk, self.psks), staged.psks))
        next_epoch = advance(
            crypto,
            provisional,
            state.interim_transcript_hash,
            verified.content.wire_format,
            framed,
            verified.content.auth.signature,
            self._init_secret(staged),
            taken.commit_secret,
            psk,
        )
        tag = verified.content.auth.confirmation_tag
        if tag is None or not hmac.compare_digest(tag, next_epoch.confirmation_tag):
            raise PeerError(Check.CONFIRMATION_TAG)
        return state.successor(
            next_epoch,
            staged.draft.freeze(),
            {**own_keys, **taken.keys},
            signature_private,
            staged.reinit,
        )

    def _init_secret(self, staged: Staged) -> bytes:
        secrets = self.state.secrets
        if staged.external_init is not None and secrets.external is not None:
            return external_init_receiver(self.state.crypto, secrets.external.reveal(), staged.external_init)
        assert secrets.init is not None  # noqa: S101  every state keeps it until it is replaced
        return secrets.init.reveal()


def _own_update(state: GroupState, used: list[Pending]) -> Pending | None:
    own = Sender(SenderType.MEMBER, state.own_leaf)
    return next((item for item in used if item.sender == own and item.leaf_private is not None), None)

