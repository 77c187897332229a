"""Overwriting what an outgrown state held and no kept state shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chasqui.mls.secret import Secret

if TYPE_CHECKING:
    from chasqui.mls.group import GroupState


def secrets_of(state: GroupState) -> Iterator[Secret]:
    """Every secret that a state holds."""
    kept = state.secrets
    yield from (
        secret
        for secret in (
            kept.init,
            kept.membership,
            kept.exporter,
            kept.authenticator,
            kept.external,
            kept.confirmation,
            kept.resumption,
            kept.sender_data,
        )
        if secret is not None
    )
    yield from state.keys.values()
    yield state.signature_private
    if state.messages is not None:
        yield from state.messages.nodes.values()
        for ratchet in state.messages.ratchets.values():
            yield ratchet.secret
            yield from ratchet.skipped.values()
    for item in state.pending:
        yield from (secret for secret in (item.leaf_private, item.signature_private) if secret is not None)


def wipe(state: GroupState, kept: tuple[GroupState, ...]) -> int:
    """Wipes the secrets of `state` that no state in `kept` shares; returns their number."""
    shared = {id(secret) for other in kept for secret in secrets_of(other)}
    count = 0
    for secret in secrets_of(state):
        if id(secret) not in shared:
            secret.wipe()
            count += 1
    return count
