"""The announcement: one datagram of fixed size in which nothing is stable (docs/spec/lan.md). Pure.

    nonce 16 | (run id 16, port 2) XOR mask(nonce) | check 6

The mask is a hash of the nonce under a public label. It hides the run id and the port from a watcher who matches
strings, not from one who has this program. See docs/howto/link-lan.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType

from chasqui.base.errors import PeerError
from chasqui.base.hashing import labelled_hash
from chasqui.base.labels import LAN_CHECK, LAN_MASK

RunId = NewType("RunId", bytes)  # 16 bytes: hash of the certificate made at this start

RUN_ID_BYTES: Final = 16
NONCE_BYTES: Final = 16
_PORT_BYTES: Final = 2
_CHECK_BYTES: Final = 6  # 2^-48 that a foreign datagram passes
ANNOUNCEMENT_BYTES: Final = NONCE_BYTES + RUN_ID_BYTES + _PORT_BYTES + _CHECK_BYTES


@dataclass(frozen=True)
class Announcement:
    """Somebody listens at a TCP port of the address from which this came."""

    run_id: RunId
    port: int  # 1 to 65535


def seal_announcement(announcement: Announcement, nonce: bytes) -> bytes:
    """The datagram. `nonce` is 16 fresh random bytes."""
    if len(nonce) != NONCE_BYTES or len(announcement.run_id) != RUN_ID_BYTES:
        raise ValueError("a nonce and a run id have 16 bytes")
    plain = announcement.run_id + announcement.port.to_bytes(_PORT_BYTES, "big")
    return nonce + _mask(nonce, plain) + labelled_hash(LAN_CHECK, nonce, plain, size=_CHECK_BYTES)


def open_announcement(datagram: bytes) -> Announcement:
    """Raises `PeerError` on anything that `seal_announcement` did not make."""
    if len(datagram) != ANNOUNCEMENT_BYTES:
        raise PeerError("Not the size of an announcement.")
    nonce = datagram[:NONCE_BYTES]
    plain = _mask(nonce, datagram[NONCE_BYTES:-_CHECK_BYTES])
    if labelled_hash(LAN_CHECK, nonce, plain, size=_CHECK_BYTES) != datagram[-_CHECK_BYTES:]:
        raise PeerError("Not an announcement.")
    port = int.from_bytes(plain[RUN_ID_BYTES:], "big")
    if port == 0:
        raise PeerError("An announcement without a port.")
    return Announcement(RunId(plain[:RUN_ID_BYTES]), port)


def _mask(nonce: bytes, data: bytes) -> bytes:
    stream = labelled_hash(LAN_MASK, nonce, size=len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))
