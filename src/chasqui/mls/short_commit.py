"""A member's commit without what its readers know already: for carriers that seal and sign it themselves.

Left out of the MLSMessage (RFC 9420, 6) are version, wire format, group, epoch, sender, authenticated data, content
type and membership tag, and out of the committer's new leaf its signature key: 101 bytes with a group id of 16. What
is left is the Commit with that gap, its signature and its confirmation tag.
"""

from __future__ import annotations

from typing import NamedTuple

from chasqui.mls.codec import Reader, vl
from chasqui.mls.errors import PeerError, UsageError
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    ContentType,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_message,
    wrap,
)
from chasqui.mls.proposals import CommitContent, read_commit
from chasqui.mls.protect import to_public
from chasqui.mls.secret import Secret
from chasqui.mls.suite import Crypto


class ShortCommit(NamedTuple):
    """What a short commit holds; nothing about it is verified."""

    content: CommitContent
    auth: Auth


def shorten(message: bytes) -> bytes:
    """The short form of a member's public commit. Raises UsageError for anything else."""
    try:
        read = read_message(message)
    except PeerError as error:
        raise UsageError("this is no message", error.check) from error
    if not isinstance(read, PublicMessage) or read.content.sender.type != SenderType.MEMBER:
        raise UsageError("only what a member says in public has a short form")
    body = read.content.body
    if not isinstance(body, CommitContent) or read.content.authenticated_data:
        raise UsageError("only a commit without further data has a short form")
    raw = body.encode()
    if body.path is not None:
        at, gap = _gap(body), len(vl(body.path.leaf.signature_key))
        raw = raw[:at] + raw[at + gap :]
    return raw + read.auth.encode()


def read_short_commit(data: bytes, signature_key: bytes) -> ShortCommit:
    """Form only: the committer signs with that key. Raises PeerError."""
    whole = _filled(data, signature_key)
    reader = Reader(whole)
    content = read_commit(reader)
    auth = Auth.read(reader, ContentType.COMMIT)
    reader.finish()
    return ShortCommit(content, auth)


def lengthen(
    crypto: Crypto, short: ShortCommit, group: bytes, epoch: int, leaf: int, membership: Secret, context: bytes
) -> bytes:
    """The MLSMessage as its committer made it."""
    framed = frame(group, epoch, Sender(SenderType.MEMBER, leaf), b"", short.content)
    content = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, framed, short.auth)
    return wrap(WireFormat.PUBLIC_MESSAGE, to_public(crypto, content, membership, context).encode())


def _gap(content: CommitContent) -> int:
    """Where in the encoded Commit the signature key of the new leaf stands."""
    path = content.path
    if path is None:
        raise AssertionError("a commit without a path has no leaf")
    return len(content.encode()) - len(path.encode()) + len(vl(path.leaf.encryption_key))


def _filled(data: bytes, signature_key: bytes) -> bytes:
    """With the signature key where the Commit has a path."""
    reader = Reader(data)
    reader.sub().rest()
    if not reader.present():
        return data
    reader.vl()
    return data[: reader.pos] + vl(signature_key) + data[reader.pos :]
