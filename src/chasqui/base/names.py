"""Names that people give: one printable line, the same bytes for the same look."""

from __future__ import annotations

from unicodedata import normalize

from chasqui.base.errors import PeerError, UsageError
from chasqui.base.limits import NAME_BYTES_MAX

# Letters and marks that show nothing: joiner, Hangul and Khmer fillers, Mongolian selectors, blank Braille
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


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
    if name and not (_is_fit(name) and name == normalize("NFC", name).strip()):
        raise PeerError("A member's name is not one printable line in its one form.")
    return name


def _is_fit(name: str) -> bool:
    # isprintable refuses control and format characters, bidirectional overrides among them
    if not name.isprintable() or len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        return False
    return bool(name) and not _INVISIBLE & set(name)
