"""Signing, tagging and encrypting messages, and the reverse (RFC 9420, 6.1 to 6.3).

A `Verified` can only be made here, from a received message whose signature, and tag or AEAD, held.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from chasqui.mls import labels, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, u32
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    encode_body,
    frame,
    read_body,
)
from chasqui.mls.secret import Secret
from chasqui.mls.secret_tree import RatchetKind, SecretTree
from chasqui.mls.suite import Crypto, Entropy, fresh


@dataclass(frozen=True, slots=True)
class Verified:
    """A content whose sender is proven, but for the confirmation tag of a commit, which comes last."""

    content: AuthenticatedContent

    @property
    def framed(self) -> FramedContent:
        return self.content.content


def sign_content(
    crypto: Crypto, wire_format: WireFormat, content: FramedContent, context: bytes, seed: bytes, public: bytes
) -> bytes:
    """The signature over FramedContentTBS."""
    return crypto.sign_with_label(seed, labels.SIGN_FRAMED_CONTENT, content.tbs(wire_format, context), public)


def check_signature(crypto: Crypto, content: AuthenticatedContent, context: bytes, public: bytes) -> Verified:
    """Raises PeerError unless the content is signed with that key."""
    tbs = content.content.tbs(content.wire_format, context)
    if not crypto.verify_with_label(public, labels.SIGN_FRAMED_CONTENT, tbs, content.auth.signature):
        raise PeerError(Check.CONTENT_SIGNATURE)
    return Verified(content)


def membership_tag(crypto: Crypto, key: Secret, content: AuthenticatedContent, context: bytes) -> bytes:
    """The tag over AuthenticatedContentTBM."""
    tbm = content.content.tbs(content.wire_format, context) + content.auth.encode()
    return crypto.mac(key.reveal(), tbm)


def to_public(crypto: Crypto, content: AuthenticatedContent, key: Secret | None, context: bytes) -> PublicMessage:
    """A PublicMessage; `key` is the membership key when the sender is a member."""
    tag = None
    if content.content.sender.type == SenderType.MEMBER:
        if not key:
            raise UsageError("the membership key is erased")
        tag = membership_tag(crypto, key, content, context)
    return PublicMessage(content.content, content.auth, tag)


def from_public(
    crypto: Crypto, message: PublicMessage, key: Secret | None, context: bytes, signature_key: bytes
) -> Verified:
    """A verified content. Raises PeerError for a wrong tag or signature, or application data."""
    if message.content.content_type == ContentType.APPLICATION:
        raise PeerError(Check.PUBLIC_APPLICATION)
    content = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, message.content, message.auth)
    if message.content.sender.type == SenderType.MEMBER:
        if not key:
            raise UsageError("the membership key of this state is erased")
        expected = membership_tag(crypto, key, content, context)
        if message.membership_tag is None or not hmac.compare_digest(message.membership_tag, expected):
            raise PeerError(Check.MEMBERSHIP_TAG)
    return check_signature(crypto, content, context, signature_key)


def _sender_data_key(crypto: Crypto, secret: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    sample = ciphertext[: crypto.nh]
    return (
        crypto.expand_with_label(secret, labels.KEY, sample, crypto.nk),
        crypto.expand_with_label(secret, labels.NONCE, sample, crypto.nn),
    )


def _guarded(nonce: bytes, guard: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(nonce[:4], guard, strict=True)) + nonce[4:]


def _kind(content_type: int) -> RatchetKind:
    return RatchetKind.APPLICATION if content_type == ContentType.APPLICATION else RatchetKind.HANDSHAKE


def to_private(
    crypto: Crypto,
    content: AuthenticatedContent,
    tree: SecretTree,
    sender_data_secret: Secret,
    entropy: Entropy,
    padding: int,
) -> tuple[PrivateMessage, SecretTree]:
    """The encrypted message and the secret tree without its key. `padding` zero bytes hide the length."""
    framed = content.content
    generation, key, tree = tree.next(crypto, framed.sender.index, _kind(framed.content_type))
    if generation >= 1 << 32:
        raise UsageError("this ratchet is used up; commit first")
    guard = fresh(entropy, 4)
    empty = PrivateMessage(framed.group_id, framed.epoch, framed.content_type, framed.authenticated_data, b"", b"")
    plaintext = encode_body(framed.body) + content.auth.encode() + bytes(padding)
    ciphertext = crypto.aead.seal(key.key, _guarded(key.nonce, guard), empty.aad(), plaintext)
    sender_data = u32(framed.sender.index) + u32(generation) + guard
    data_key, data_nonce = _sender_data_key(crypto, sender_data_secret.reveal(), ciphertext)
    sealed = crypto.aead.seal(data_key, data_nonce, empty.sender_data_aad(), sender_data)
    message = PrivateMessage(
        framed.group_id, framed.epoch, framed.content_type, framed.authenticated_data, sealed, ciphertext
    )
    return message, tree


def open_private(
    crypto: Crypto, message: PrivateMessage, tree: SecretTree, sender_data_secret: Secret
) -> tuple[AuthenticatedContent, SecretTree, int]:
    """(content, tree without the key, generation); the signature is still to be checked. Raises PeerError."""
    data_key, data_nonce = _sender_data_key(crypto, sender_data_secret.reveal(), message.ciphertext)
    reader = Reader(
        crypto.aead.open(data_key, data_nonce, message.sender_data_aad(), message.encrypted_sender_data)
    )
    leaf, generation, guard = reader.u32(), reader.u32(), reader.take(4)
    reader.finish()
    key, tree = tree.take(crypto, leaf, _kind(message.content_type), generation)
    plaintext = crypto.aead.open(key.key, _guarded(key.nonce, guard), message.aad(), message.ciphertext)
    reader = Reader(plaintext)
    body: Body = read_body(reader, message.content_type)
    auth = Auth.read(reader, message.content_type)
    padding = reader.rest()
    if len(padding) > limits.PADDING_MAX:
        raise PeerError(Check.TOO_LARGE, "padding")
    if padding.count(0) != len(padding):
        raise PeerError(Check.PADDING)
    sender = Sender(SenderType.MEMBER, leaf)
    framed = frame(message.group_id, message.epoch, sender, message.authenticated_data, body)
    return AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, framed, auth), tree, generation
