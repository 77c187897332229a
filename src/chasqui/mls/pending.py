"""Proposals of this epoch that wait to be committed by reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chasqui.mls import limits
from chasqui.mls.checks import Check
from chasqui.mls.errors import PeerError
from chasqui.mls.framing import Sender, SenderType
from chasqui.mls.proposals import Proposal
from chasqui.mls.secret import Secret


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """A verified proposal under its ProposalRef. The private keys are those of an Update of our own, else None;
    they die with the epoch, or become ours when the Update is committed."""

    ref: bytes
    sender: Sender
    proposal: Proposal
    leaf_private: Secret | None = None
    signature_private: Secret | None = None


def check_room(pending: Sequence[Pending], new: Pending) -> None:
    """Raises PeerError when `new` is more than a state keeps, in all, of one sender, or of all outsiders."""
    same = [item for item in pending if item.sender == new.sender]
    _check_share(pending, new, 1)
    _check_share(same, new, limits.PROPOSALS_SENDER_SHARE)
    if new.sender.type != SenderType.MEMBER:
        outside = [item for item in pending if item.sender.type != SenderType.MEMBER]
        _check_share(outside, new, limits.PROPOSALS_OUTSIDE_SHARE)


def _check_share(held: Sequence[Pending], new: Pending, share: int) -> None:
    size = sum(len(item.proposal.encode()) for item in (*held, new))
    if len(held) >= limits.PROPOSALS_CACHED_MAX // share or size > limits.PROPOSALS_CACHED_BYTES_MAX // share:
        raise PeerError(Check.TOO_MANY_PROPOSALS, "cached")
