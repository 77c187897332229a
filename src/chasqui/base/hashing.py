"""The two keyed and unkeyed uses of BLAKE2b (RFC 7693) that chasqui makes, always with a label."""

from __future__ import annotations

from hashlib import blake2b

from chasqui.base.secret import Secret


def kdf(secret: bytes, label: bytes, context: bytes = b"", size: int = 32) -> Secret:
    """`size` bytes (at most 64) from a secret of at most 64 bytes: BLAKE2b keyed, personalised by the label."""
    return Secret(blake2b(context, key=secret, person=label, digest_size=size).digest())


def labelled_hash(label: bytes, *parts: bytes, size: int = 16) -> bytes:
    """BLAKE2b of the parts, personalised by the label. Callers give parts of fixed length, or only one."""
    state = blake2b(person=label, digest_size=size)
    for part in parts:
        state.update(part)
    return state.digest()
