"""One hash ratchet per sender and epoch: message key i is used once and erased."""

from __future__ import annotations

from dataclasses import dataclass

from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.hashing import kdf
from chasqui.base.limits import COUNTER_JUMP_MAX
from chasqui.base.secret import Secret

MESSAGE_KEY_BYTES = 64  # AES-256-SIV takes two keys


@dataclass(frozen=True)
class Chain:
    """The ratchet before message `counter`; earlier keys cannot be derived from it."""

    counter: int
    key: Secret


@dataclass(frozen=True)
class Advance:
    """What opening message `counter` would do to a chain: apply it only once the message is authentic."""

    message_key: Secret
    chain: Chain
    before: Chain

    @property
    def skipped(self) -> tuple[tuple[int, Secret], ...]:
        """Counters and keys of messages that may still come; derived only when asked for."""
        key = self.before.key
        keys: list[tuple[int, Secret]] = []
        for number in range(self.before.counter, self.chain.counter - 1):
            keys.append((number, _message_key(key, number)))
            key = kdf(key, labels.KDF_CHAIN_NEXT)
        return tuple(keys)


def advance(chain: Chain, counter: int) -> Advance:
    """Derives the key of message `counter`, which must not lie behind the chain.

    Raises `PeerError` for a counter behind the chain (its key is gone) or a jump beyond the limit.
    """
    if counter < chain.counter:
        raise PeerError("The key of this message has been used and erased.")
    if counter - chain.counter > COUNTER_JUMP_MAX:
        raise PeerError("A message counter jumps too far.")
    key = chain.key
    for _ in range(chain.counter, counter):
        key = kdf(key, labels.KDF_CHAIN_NEXT)
    message_key = _message_key(key, counter)
    return Advance(message_key, Chain(counter + 1, kdf(key, labels.KDF_CHAIN_NEXT)), chain)


def _message_key(key: Secret, counter: int) -> Secret:
    return kdf(key, labels.KDF_MESSAGE, counter.to_bytes(2, "big"), MESSAGE_KEY_BYTES)
