"""Breaking the rules 2xx and 4xx: encryption, framing, senders, private messages."""

from __future__ import annotations

from dataclasses import replace

from chasqui.mls import (
    Check,
    ExternalSender,
    GroupState,
    RemoveProposal,
    ed25519,
    external_senders_extension,
    join_external,
    limits,
)
from chasqui.mls.codec import Reader, u32
from chasqui.mls.credential import Credential
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    ContentType,
    PrivateMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_body,
    read_message,
    wrap,
)
from chasqui.mls.proposals import ExternalInit, Remove, read_commit
from chasqui.mls.protect import (
    _guarded,
    _sender_data_key,
    sign_content,
    to_private,
)
from chasqui.mls.psk import read_psk_id
from chasqui.mls.secret_tree import RatchetKind, SecretTree
from chasqui.mls.tree import read_tree
from tests.mls import forge
from tests.mls.rules import breaks, feed
from tests.mls.support import Rng


def _flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def _private(state: GroupState, *, flip: bool = False, padding: bytes = b"", leaf: int | None = None) -> bytes:
    """An application message of the state's owner, sealed by hand with chosen padding and claimed leaf."""
    crypto = state.crypto
    assert state.messages is not None
    assert state.secrets.sender_data is not None
    content = frame(state.group_id, state.epoch, Sender(SenderType.MEMBER, state.own_leaf), b"", b"text")
    signature = sign_content(
        crypto,
        WireFormat.PRIVATE_MESSAGE,
        content,
        state.context_bytes,
        state.signature_private.reveal(),
        state.own_leaf_node.signature_key,
    )
    if flip:
        signature = _flip(signature, 3)
    generation, key, _ = state.messages.next(crypto, state.own_leaf, RatchetKind.APPLICATION)
    empty = PrivateMessage(state.group_id, state.epoch, ContentType.APPLICATION, b"", b"", b"")
    plaintext = b"\x04text" + Auth(signature, None).encode() + padding
    ciphertext = crypto.aead.seal(key.key, _guarded(key.nonce, bytes(4)), empty.aad(), plaintext)
    data_key, nonce = _sender_data_key(crypto, state.secrets.sender_data.reveal(), ciphertext)
    claimed = state.own_leaf if leaf is None else leaf
    sealed = crypto.aead.seal(
        data_key, nonce, empty.sender_data_aad(), u32(claimed) + u32(generation) + bytes(4)
    )
    return wrap(
        WireFormat.PRIVATE_MESSAGE, replace(empty, encrypted_sender_data=sealed, ciphertext=ciphertext).encode()
    )


def _decrypt(state: GroupState, message: bytes) -> None:
    before = state.to_bytes()
    try:
        state.decrypt(message)
    finally:
        assert state.to_bytes() == before


@breaks(Check.AEAD_OPEN)
def private_message_changed() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, _flip(a.encrypt(b"text", b"", Rng(1))[0], -1))


@breaks(Check.AEAD_OPEN)
def sender_data_changed() -> None:
    a, b, *_ = forge.world().states
    message = read_message(a.encrypt(b"text", b"", Rng(1))[0])
    assert isinstance(message, PrivateMessage)
    changed = replace(message, encrypted_sender_data=_flip(message.encrypted_sender_data, 0))
    _decrypt(b, wrap(WireFormat.PRIVATE_MESSAGE, changed.encode()))


@breaks(Check.AEAD_OPEN)
def authenticated_data_changed() -> None:
    a, b, *_ = forge.world().states
    message = read_message(a.encrypt(b"text", b"said", Rng(1))[0])
    assert isinstance(message, PrivateMessage)
    _decrypt(b, wrap(WireFormat.PRIVATE_MESSAGE, replace(message, authenticated_data=b"sung").encode()))


@breaks(Check.WRONG_GROUP)
def commit_of_another_group() -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.commit(a, [], group_id=b"another"))


@breaks(Check.WRONG_EPOCH)
def commit_of_another_epoch() -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.commit(a, [], epoch=a.epoch + 1))


@breaks(Check.WRONG_EPOCH)
def commit_replayed() -> None:
    a, b, *_ = forge.world().states
    made = a.commit([], Rng(1), forge.NOW)
    after = b.process(made.message).state
    assert after is not None
    feed(after, made.message)


@breaks(Check.WRONG_EPOCH)
def private_message_of_another_epoch() -> None:
    a, b, *_ = forge.world().states
    made = a.commit([], Rng(1), forge.NOW)
    _decrypt(b, made.state.encrypt(b"text", b"", Rng(1))[0])


@breaks(Check.SENDER_UNKNOWN)
def sender_who_is_no_member() -> None:
    a, b, *_ = forge.world(3).states
    feed(b, forge.commit(a, [], sender=Sender(SenderType.MEMBER, 3)))


@breaks(Check.SENDER_UNKNOWN)
def sender_outside_the_tree() -> None:
    a, b, *_ = forge.world(3).states
    feed(b, forge.commit(a, [], sender=Sender(SenderType.MEMBER, 1 << 31)))


@breaks(Check.SENDER_UNKNOWN)
def external_sender_who_is_not_listed() -> None:
    _, b, *_ = forge.world().states
    seed = bytes(32)
    feed(b, forge.message(b, Remove(0), sender=Sender(SenderType.EXTERNAL, 0), seed=seed))


@breaks(Check.CONTENT_SIGNATURE)
def member_who_speaks_for_another() -> None:
    """Any member can make the membership tag; only the signature tells them apart."""
    a, b, c, _ = forge.world().states
    feed(b, forge.commit(a, [], sender=Sender(SenderType.MEMBER, c.own_leaf)))


@breaks(Check.CONTENT_SIGNATURE)
def private_message_with_a_changed_signature() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, _private(a, flip=True))


@breaks(Check.CONTENT_SIGNATURE)
def private_commit_taken_from_a_public_one() -> None:
    """The wire format is signed: a content cannot be moved from one kind of message to the other."""
    a, b, *_ = forge.world().states
    assert a.messages is not None
    assert a.secrets.sender_data is not None
    made = read_message(a.commit([], Rng(1), forge.NOW).message)
    content = AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, made.content, made.auth)  # type: ignore[union-attr]
    message, _ = to_private(a.crypto, content, a.messages, a.secrets.sender_data, Rng(1), 0)
    feed(b, wrap(WireFormat.PRIVATE_MESSAGE, message.encode()))


@breaks(Check.CONTENT_SIGNATURE)
def newcomer_who_signs_with_another_key() -> None:
    _, b, *_ = forge.world().states
    key_package = forge.add(forge.key_package())
    feed(b, forge.message(b, key_package, sender=Sender(SenderType.NEW_MEMBER_PROPOSAL), seed=bytes(32)))


@breaks(Check.MEMBERSHIP_TAG)
def former_member_without_the_membership_key() -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.commit(a, [], tag=False))


@breaks(Check.CONFIRMATION_TAG)
def commit_with_a_wrong_confirmation() -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.commit(a, [], forge.path(a).path))


@breaks(Check.PUBLIC_APPLICATION)
def application_data_in_the_open() -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.message(a, b"text"))


def _with_external_sender() -> tuple[GroupState, GroupState, bytes]:
    seed = Rng("external sender")(32)
    listed = external_senders_extension([ExternalSender(ed25519.public_key(seed), Credential.basic(b"service"))])
    world = forge.world(4, (listed,))
    return world.states[0], world.states[1], seed


@breaks(Check.EXTERNAL_CONTENT)
def external_sender_who_commits() -> None:
    a, b, seed = _with_external_sender()
    feed(b, forge.commit(a, [], sender=Sender(SenderType.EXTERNAL, 0), seed=seed))


@breaks(Check.EXTERNAL_CONTENT)
def newcomer_who_proposes_a_removal() -> None:
    _, b, *_ = forge.world().states
    feed(b, forge.message(b, Remove(0), sender=Sender(SenderType.NEW_MEMBER_PROPOSAL), seed=bytes(32)))


@breaks(Check.EXTERNAL_CONTENT)
def newcomer_who_commits_a_bare_proposal() -> None:
    _, b, *_ = forge.world().states
    feed(b, forge.message(b, Remove(0), sender=Sender(SenderType.NEW_MEMBER_COMMIT), seed=bytes(32)))


@breaks(Check.EXTERNAL_PROPOSAL_TYPE)
def external_sender_with_an_external_init() -> None:
    a, b, seed = _with_external_sender()
    feed(b, forge.message(a, ExternalInit(bytes(32)), sender=Sender(SenderType.EXTERNAL, 0), seed=seed))


@breaks(Check.OWN_MESSAGE)
def commit_of_ours_reflected() -> None:
    a, *_ = forge.world().states
    feed(a, a.commit([], Rng(1), forge.NOW).message)


@breaks(Check.OWN_MESSAGE)
def message_of_ours_reflected() -> None:
    a, *_ = forge.world().states
    _decrypt(a, a.encrypt(b"text", b"", Rng(1))[0])


@breaks(Check.PADDING)
def padding_that_says_something() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, _private(a, padding=bytes(9) + b"\x01"))


@breaks(Check.TOO_LARGE)
def padding_without_end() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, _private(a, padding=bytes(limits.PADDING_MAX + 1)))


@breaks(Check.GENERATION_PAST)
def private_message_replayed() -> None:
    a, b, *_ = forge.world().states
    sent, _ = a.encrypt(b"text", b"", Rng(1))
    _, after = b.decrypt(sent)
    _decrypt(after, sent)


@breaks(Check.GENERATION_PAST)
def leaf_whose_ratchets_are_gone() -> None:
    tree = SecretTree(4, {}, {})
    tree.take(forge.world().crypto, 0, RatchetKind.APPLICATION, 0)


@breaks(Check.GENERATION_FAR)
def private_message_from_far_ahead() -> None:
    a, b, *_ = forge.world().states
    assert a.messages is not None
    tree = a.messages
    for _ in range(limits.RATCHET_JUMP_MAX + 1):
        _, _, tree = tree.next(a.crypto, a.own_leaf, RatchetKind.APPLICATION)
    _decrypt(b, replace(a, messages=tree).encrypt(b"text", b"", Rng(1))[0])


@breaks(Check.SENDER_DATA)
def sender_data_with_a_leaf_outside_the_tree() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, _private(a, leaf=4))


@breaks(Check.NO_MESSAGE_KEYS)
def private_message_after_the_keys_are_gone() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b.without_message_secrets(), a.encrypt(b"text", b"", Rng(1))[0])


@breaks(Check.WRONG_WIRE_FORMAT)
def application_data_for_a_handshake() -> None:
    a, b, *_ = forge.world().states
    feed(b, a.encrypt(b"text", b"", Rng(1))[0])


@breaks(Check.WRONG_WIRE_FORMAT)
def handshake_for_application_data() -> None:
    a, b, *_ = forge.world().states
    _decrypt(b, a.commit([], Rng(1), forge.NOW, private=True).message)


@breaks(Check.TOO_MANY_PROPOSALS)
def proposals_without_end() -> None:
    a, b, *_ = forge.world().states
    state: GroupState | None = b
    for number in range(limits.PROPOSALS_CACHED_MAX + 1):
        assert state is not None
        message = a.propose(RemoveProposal(2), Rng(1), forge.NOW, authenticated_data=b"%d" % number).message
        state = state.process(message).state


@breaks(Check.EXTERNAL_DISABLED)
def external_commit_to_a_state_that_takes_none() -> None:
    a, b, *_ = forge.world().states
    joined = join_external(a.group_info(external_pub=True), forge.keys("new"), Rng(1))
    feed(b.without_epoch_secrets(), joined.message)



@breaks(Check.UNKNOWN_ENUM)
def content_of_type_nine() -> None:
    read_body(Reader(b"\0"), 9)


@breaks(Check.UNKNOWN_ENUM)
def private_message_of_type_nine() -> None:
    a, b, *_ = forge.world().states
    message = read_message(a.encrypt(b"text", b"", Rng(1))[0])
    assert isinstance(message, PrivateMessage)
    b.decrypt(wrap(WireFormat.PRIVATE_MESSAGE, replace(message, content_type=9).encode()))


@breaks(Check.UNKNOWN_ENUM)
def key_of_no_type() -> None:
    read_psk_id(Reader(b"\3\0\0"))


@breaks(Check.UNKNOWN_ENUM)
def resumption_for_no_usage() -> None:
    read_psk_id(Reader(b"\2\4\0" + bytes(8) + b"\0"))


@breaks(Check.UNKNOWN_ENUM)
def resumption_for_usage_zero() -> None:
    read_psk_id(Reader(b"\2\0\0" + bytes(8) + b"\0"))


@breaks(Check.UNKNOWN_ENUM)
def proposal_neither_by_value_nor_by_reference() -> None:
    read_commit(Reader(b"\1\3\0"))


@breaks(Check.UNKNOWN_ENUM)
def node_of_type_nine() -> None:
    read_tree(forge.world().crypto, Reader(b"\2\1\x09"))
