"""What one transmission carries between neighbours. Byte-exact in `docs/spec/frames.md`.

The first nibble is the type. Of the types in the design this build speaks BUNDLE and REQ, and IDS, the
reconciliation by ids that links fast enough use until sketches come.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chasqui.base.errors import PeerError
from chasqui.base.ids import BundleId
from chasqui.base.limits import BUNDLE_BYTES_MAX, BUNDLE_BYTES_MIN, FRAME_IDS_MAX

SHORT_ID_BYTES = 8
REQUEST_IDS_MAX = 64  # at most 1 MB of answers to one frame; what is asked for and has not come stays below it


class FrameType(IntEnum):
    """First byte of a frame; its low nibble is zero."""

    BUNDLE = 0x10
    REQ = 0x60
    IDS = 0x90


@dataclass(frozen=True)
class BundleFrame:
    """One bundle, not judged yet."""

    bundle: bytes


@dataclass(frozen=True)
class RequestFrame:
    """Short ids that are wanted."""

    short_ids: tuple[bytes, ...]


@dataclass(frozen=True)
class IdsFrame:
    """Short ids that the sender holds."""

    short_ids: tuple[bytes, ...]


Frame = BundleFrame | RequestFrame | IdsFrame


def short_id(bundle: BundleId) -> bytes:
    """The first 8 bytes of a bundle's id: enough among the bundles that two neighbours hold."""
    return bundle[:SHORT_ID_BYTES]


def write_frame(frame: Frame) -> bytes:
    """The bytes of a frame."""
    match frame:
        case BundleFrame(bundle):
            return bytes((FrameType.BUNDLE,)) + bundle
        case RequestFrame(short_ids):
            return bytes((FrameType.REQ,)) + b"".join(short_ids)
        case IdsFrame(short_ids):
            return bytes((FrameType.IDS,)) + b"".join(short_ids)


def read_frame(data: bytes) -> Frame:
    """Raises `PeerError` for an empty or unknown frame, one of a wrong length, or one that lists an id twice."""
    if not data:
        raise PeerError("A frame is empty.")
    kind, rest = data[0], data[1:]
    if kind == FrameType.BUNDLE:
        if not BUNDLE_BYTES_MIN <= len(rest) <= BUNDLE_BYTES_MAX:
            raise PeerError("A frame carries something that is no bundle.")
        return BundleFrame(rest)
    if kind not in (FrameType.REQ, FrameType.IDS):
        raise PeerError("A frame is of an unknown type.")
    ids_max = REQUEST_IDS_MAX if kind == FrameType.REQ else FRAME_IDS_MAX
    if len(rest) % SHORT_ID_BYTES or not 0 < len(rest) <= ids_max * SHORT_ID_BYTES:
        raise PeerError("A frame lists ids of a wrong length.")
    short_ids = tuple(rest[i : i + SHORT_ID_BYTES] for i in range(0, len(rest), SHORT_ID_BYTES))
    if len(set(short_ids)) < len(short_ids):
        raise PeerError("A frame lists an id twice.")
    return RequestFrame(short_ids) if kind == FrameType.REQ else IdsFrame(short_ids)
