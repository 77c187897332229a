"""Labels of the LAN link (BLAKE2b personalisation), mirrored in docs/spec/lan.md. No label has two uses."""

from __future__ import annotations

from typing import Final

LAN_MASK: Final = b"chq1 lan mask"
LAN_CHECK: Final = b"chq1 lan check"
LAN_RUN_ID: Final = b"chq1 lan run id"
