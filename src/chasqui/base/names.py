"""Names that people give: one printable line, the same bytes for the same look."""

from __future__ import annotations

from unicodedata import normalize

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import NAME_BYTES_MAX


def own_name(text: str) -> str:
    """A name typed by the user, normalised (NFC). Raises `UsageError` for one that cannot be shown safely."""
    name = normalize("NFC", text).strip()
    if not _is_fit(name):
        raise UsageError(
            "That name cannot be used.",
            todo=f"Take one printable line of 1 to {NAME_BYTES_MAX} bytes, without control characters.",
        )
    return name


def peer_name(data: bytes) -> str:
    """A name that a peer gave to itself; may be empty. Raises `PeerError` for one that could deceive the eye."""
    try:
        name = data.decode()
    except UnicodeDecodeError as error:
        raise PeerError("A member's name is not text.") from error
    if name and not (_is_fit(name) and name == name.strip()):
        raise PeerError("A member's name is not one printable line.")
    return name


def _is_fit(name: str) -> bool:
    # isprintable refuses control and format characters, bidirectional overrides among them
    return bool(name) and name.isprintable() and len(name.encode(errors="replace")) <= NAME_BYTES_MAX
