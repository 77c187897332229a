"""Messages as they travel: MLSMessage, PublicMessage, PrivateMessage (RFC 9420, 6). Form only; `protect` verifies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chasqui.mls import labels, limits
from chasqui.mls.checks import Check
from chasqui.mls.codec import Reader, u8, u16, u32, u64, vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.extensions import VERSION_MLS10
from chasqui.mls.key_package import KeyPackage, read_key_package_form
from chasqui.mls.proposals import CommitContent, Proposal, read_commit, read_proposal
from chasqui.mls.suite import Crypto
from chasqui.mls.welcome import GroupInfo, Welcome, read_group_info, read_welcome


class WireFormat(IntEnum):
    """What an MLSMessage holds (RFC 17.2)."""

    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


class ContentType(IntEnum):
    """What a FramedContent holds."""

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """Who may speak."""

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


@dataclass(frozen=True, slots=True)
class Sender:
    """Who claims to speak: a member's leaf, an external sender's index, or a newcomer (index 0)."""

    type: int
    index: int = 0

    def encode(self) -> bytes:
        if self.type in (SenderType.MEMBER, SenderType.EXTERNAL):
            return u8(self.type) + u32(self.index)
        return u8(self.type)

    @staticmethod
    def read(reader: Reader) -> Sender:
        kind = reader.u8()
        if kind in (SenderType.MEMBER, SenderType.EXTERNAL):
            return Sender(kind, reader.u32())
        if kind in (SenderType.NEW_MEMBER_PROPOSAL, SenderType.NEW_MEMBER_COMMIT):
            return Sender(kind)
        raise PeerError(Check.UNKNOWN_ENUM, "sender type")


Body = bytes | Proposal | CommitContent
"""Application data, a proposal, or a commit."""


@dataclass(frozen=True, slots=True, repr=False)
class FramedContent:
    """What is signed. `raw` is its encoding."""

    raw: bytes
    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content_type: int
    body: Body

    def tbs(self, wire_format: int, context: bytes) -> bytes:
        """FramedContentTBS; `context` is the encoded GroupContext, used where the sender type asks for it."""
        start = u16(VERSION_MLS10) + u16(wire_format) + self.raw
        if self.sender.type in (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT):
            return start + context
        return start


def encode_body(body: Body) -> bytes:
    """The part of FramedContent that depends on the content type."""
    return vl(body) if isinstance(body, bytes) else body.encode()


def frame(group_id: bytes, epoch: int, sender: Sender, authenticated_data: bytes, body: Body) -> FramedContent:
    """A FramedContent of our own."""
    if isinstance(body, bytes):
        content_type = ContentType.APPLICATION
    elif isinstance(body, CommitContent):
        content_type = ContentType.COMMIT
    else:
        content_type = ContentType.PROPOSAL
    raw = b"".join(
        (
            vl(group_id),
            u64(epoch),
            sender.encode(),
            vl(authenticated_data),
            u8(content_type),
            encode_body(body),
        )
    )
    return FramedContent(raw, group_id, epoch, sender, authenticated_data, content_type, body)


def read_body(reader: Reader, content_type: int) -> Body:
    """The content itself. Raises PeerError."""
    if content_type == ContentType.APPLICATION:
        return reader.vl()
    if content_type == ContentType.PROPOSAL:
        return read_proposal(reader)
    if content_type == ContentType.COMMIT:
        return read_commit(reader)
    raise PeerError(Check.UNKNOWN_ENUM, "content type")


def _read_content(reader: Reader) -> FramedContent:
    start = reader.pos
    group_id = reader.vl()
    epoch = reader.u64()
    sender = Sender.read(reader)
    authenticated_data = reader.vl()
    content_type = reader.u8()
    body = read_body(reader, content_type)
    raw = reader.data[start : reader.pos]
    return FramedContent(raw, group_id, epoch, sender, authenticated_data, content_type, body)


@dataclass(frozen=True, slots=True)
class Auth:
    """FramedContentAuthData: the signature, and for commits the confirmation tag."""

    signature: bytes
    confirmation_tag: bytes | None

    def encode(self) -> bytes:
        if self.confirmation_tag is None:
            return vl(self.signature)
        return vl(self.signature) + vl(self.confirmation_tag)

    @staticmethod
    def read(reader: Reader, content_type: int) -> Auth:
        signature = reader.vl()
        return Auth(signature, reader.vl() if content_type == ContentType.COMMIT else None)


@dataclass(frozen=True, slots=True)
class AuthenticatedContent:
    """A content with its signature, whatever it travelled in (RFC 6)."""

    wire_format: int
    content: FramedContent
    auth: Auth

    def encode(self) -> bytes:
        return u16(self.wire_format) + self.content.raw + self.auth.encode()

    def proposal_ref(self, crypto: Crypto) -> bytes:
        """ProposalRef of a proposal message (RFC 5.2)."""
        return crypto.ref_hash(labels.REF_PROPOSAL, self.encode())


def read_authenticated_content(reader: Reader) -> AuthenticatedContent:
    """AuthenticatedContent. Form only."""
    wire_format = reader.u16()
    content = _read_content(reader)
    return AuthenticatedContent(wire_format, content, Auth.read(reader, content.content_type))


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A received PublicMessage; nothing about it is verified yet."""

    content: FramedContent
    auth: Auth
    membership_tag: bytes | None

    def encode(self) -> bytes:
        tag = b"" if self.membership_tag is None else vl(self.membership_tag)
        return self.content.raw + self.auth.encode() + tag

    @staticmethod
    def read(reader: Reader) -> PublicMessage:
        content = _read_content(reader)
        auth = Auth.read(reader, content.content_type)
        tag = reader.vl() if content.sender.type == SenderType.MEMBER else None
        return PublicMessage(content, auth, tag)


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A received PrivateMessage, still encrypted."""

    group_id: bytes
    epoch: int
    content_type: int
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        return self.aad() + vl(self.encrypted_sender_data) + vl(self.ciphertext)

    def aad(self) -> bytes:
        """PrivateContentAAD."""
        return vl(self.group_id) + u64(self.epoch) + u8(self.content_type) + vl(self.authenticated_data)

    def sender_data_aad(self) -> bytes:
        """SenderDataAAD."""
        return vl(self.group_id) + u64(self.epoch) + u8(self.content_type)

    @staticmethod
    def read(reader: Reader) -> PrivateMessage:
        group_id, epoch, content_type = reader.vl(), reader.u64(), reader.u8()
        if not ContentType.APPLICATION <= content_type <= ContentType.COMMIT:
            raise PeerError(Check.UNKNOWN_ENUM, "content type")
        return PrivateMessage(group_id, epoch, content_type, reader.vl(), reader.vl(), reader.vl())


Message = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage
"""What an MLSMessage may hold."""


def read_message(data: bytes) -> Message:
    """The content of an MLSMessage, unverified. Raises PeerError."""
    if len(data) > limits.MESSAGE_BYTES_MAX:
        raise PeerError(Check.TOO_LARGE, "message")
    reader = Reader(data)
    if reader.u16() != VERSION_MLS10:
        raise PeerError(Check.UNKNOWN_VERSION, "message")
    wire_format = reader.u16()
    message: Message
    if wire_format == WireFormat.PUBLIC_MESSAGE:
        message = PublicMessage.read(reader)
    elif wire_format == WireFormat.PRIVATE_MESSAGE:
        message = PrivateMessage.read(reader)
    elif wire_format == WireFormat.WELCOME:
        message = read_welcome(reader)
    elif wire_format == WireFormat.GROUP_INFO:
        message = read_group_info(reader)
    elif wire_format == WireFormat.KEY_PACKAGE:
        message = read_key_package_form(reader)
    else:
        raise PeerError(Check.UNKNOWN_WIRE_FORMAT, f"{wire_format}")
    reader.finish()
    return message


def wrap(wire_format: WireFormat, encoded: bytes) -> bytes:
    """An MLSMessage around an encoded content. Raises UsageError when it is larger than any peer of ours accepts."""
    if len(encoded) + 4 > limits.MESSAGE_BYTES_MAX:
        raise UsageError(f"a message of {len(encoded)} bytes is larger than limits.py allows", Check.TOO_LARGE)
    return u16(VERSION_MLS10) + u16(wire_format) + encoded
