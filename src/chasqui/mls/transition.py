"""The step from one epoch to the next that maker and taker of a commit share (RFC 9420, 12.4.1 and 12.4.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import Extension
from chasqui.mls.framing import FramedContent
from chasqui.mls.key_schedule import (
    GroupContext,
    NewEpoch,
    confirmed_transcript,
    epoch_of_joiner,
    interim_transcript,
    joiner_secret,
)
from chasqui.mls.suite import Crypto


@dataclass(frozen=True, slots=True, repr=False)
class Advanced:
    """The next epoch's context, secrets, confirmation tag and interim transcript hash."""

    context: GroupContext
    epoch: NewEpoch
    confirmation_tag: bytes
    interim_transcript_hash: bytes


def provisional_context(old: GroupContext, tree_hash: bytes, extensions: tuple[Extension, ...]) -> GroupContext:
    """The new context with the old transcript: what path secrets are encrypted under. PeerError at the last epoch."""
    if old.epoch >= limits.EPOCH_MAX:
        raise PeerError(Check.EPOCH_EXHAUSTED)
    return replace(old, epoch=old.epoch + 1, tree_hash=tree_hash, extensions=extensions)


def advance(
    crypto: Crypto,
    provisional: GroupContext,
    interim: bytes,
    wire_format: int,
    content: FramedContent,
    signature: bytes,
    init: bytes,
    commit_secret: bytes,
    psk: bytes,
) -> Advanced:
    """The next epoch. `interim` is the old interim transcript hash, `psk` the psk_secret."""
    confirmed = confirmed_transcript(crypto, interim, wire_format, content.raw, signature)
    context = replace(provisional, confirmed_transcript_hash=confirmed)
    encoded = context.encode()
    joiner = joiner_secret(crypto, init, commit_secret, encoded)
    epoch = epoch_of_joiner(crypto, joiner, psk, encoded)
    tag = confirmation_tag(crypto, epoch, confirmed)
    return Advanced(context, epoch, tag, interim_transcript(crypto, confirmed, tag))


def confirmation_tag(crypto: Crypto, epoch: NewEpoch, confirmed: bytes) -> bytes:
    """MAC(confirmation_key, confirmed_transcript_hash)."""
    key = epoch.secrets.confirmation
    assert key is not None  # noqa: S101  a new epoch has all its secrets
    return crypto.mac(key.reveal(), confirmed)
