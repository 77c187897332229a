"""Bytes that must not be seen."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Key material with a blank repr, constant-time comparison, no pickling, and bytes that can be wiped.

    Python copies bytes freely, so `wipe` erases this copy only; the process that held it has to end for certainty.
    States share secrets with their successors: wipe one only when every state that holds it is gone.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes | bytearray) -> None:
        self._raw = bytearray(raw)

    def reveal(self) -> bytes:
        """A copy of the bytes, for the moment of use."""
        return bytes(self._raw)

    def wipe(self) -> None:
        """Overwrites the bytes with zeros and forgets their number."""
        for i in range(len(self._raw)):
            self._raw[i] = 0
        self._raw.clear()

    def __len__(self) -> int:
        return len(self._raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")
