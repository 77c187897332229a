"""Proposals of this epoch that wait to be committed by reference."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.mls.framing import Sender
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
