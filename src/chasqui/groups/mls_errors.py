"""The edge between chasqui and `chasqui.mls`, which knows nothing of chasqui's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chasqui import mls
from chasqui.base.errors import PeerError


@contextmanager
def peers_fault() -> Iterator[None]:
    """Turns what MLS refuses into our `PeerError`; what is our own mistake passes through unchanged."""
    try:
        yield
    except mls.PeerError as error:
        raise PeerError("A message about group keys breaks the rules of MLS.") from error
