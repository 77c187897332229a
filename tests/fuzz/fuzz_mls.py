"""MLS messages against a small live group: parsed, processed, decrypted, joined. Nothing changes the state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from chasqui import mls
from tests.fuzz.common import NOW_S, mls_group


def target(data: bytes) -> None:
    """Every door through which bytes come into `chasqui.mls`."""
    _, state, keys = mls_group()
    before = state.to_bytes()
    signer = state.own_leaf_node.signature_key
    doors: tuple[Callable[[], object], ...] = (
        lambda: mls.read_message(data),
        lambda: mls.read_key_package(data, NOW_S),
        lambda: state.process(data),
        lambda: state.inspect(data),
        lambda: state.decrypt(data),
        lambda: mls.join(data, keys),
        lambda: mls.read_short_commit(data, signer),
        lambda: state.process(state.lengthen(data, state.own_leaf)),
    )
    for door in doors:
        with contextlib.suppress(mls.PeerError):
            door()
    assert state.to_bytes() == before
