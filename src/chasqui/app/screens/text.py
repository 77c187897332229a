"""Text that is safe on a terminal, and the shapes that screens share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from shlex import quote
from textwrap import wrap
from typing import Final
from unicodedata import east_asian_width

from msgspec import UnsetType

from chasqui.app.results import SlowLink

# Format characters that real scripts and emoji need; the rest of their kind can reorder or hide what is shown.
_HARMLESS: Final = frozenset("\u200c\u200d\u200e\u200f")
_RULE: Final = "─"
RULE_COLUMNS: Final = 72


def safe_line(text: str) -> str:
    """One line in which nothing can move the cursor, change colours or turn the direction of reading."""
    return "".join(_shown(character) for character in text)


def safe_lines(text: str) -> list[str]:
    """The lines of a text, each safe. Only a line feed makes a new one."""
    return [safe_line(line) for line in text.replace("\r\n", "\n").replace("\t", "    ").split("\n")]


def _shown(character: str) -> str:
    if character.isprintable() or character in _HARMLESS:
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:x}}}"


def columns(text: str) -> int:
    """How many cells of a terminal a safe line takes."""
    return sum(0 if c in _HARMLESS else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, width: int) -> str:
    """The text with spaces up to a width."""
    return text + " " * max(0, width - columns(text))


def table(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Rows with their cells one below the other; the last cell of a row may be long."""
    lines = [tuple(safe_line(cell) for cell in row) for row in rows]
    widths = [max(columns(cell) for cell in cells) for cells in zip(*lines, strict=True)] if lines else []
    return "\n".join(
        (indent + "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in lines
    )


def heading(text: str) -> str:
    """A line with a rule behind the text."""
    return f"{_RULE * 2} {text} {_RULE * max(2, RULE_COLUMNS - 4 - columns(text))}"


def local(stamp: str) -> datetime:
    """A time of a document in the time of this machine."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone()


def when(stamp: str | None) -> str:
    """Date and time in the time of this machine; 'never' for none."""
    return local(stamp).strftime("%Y-%m-%d %H:%M") if stamp else "never"


def day(stamp: str | None) -> str:
    """The date in the time of this machine; 'never' for none."""
    return local(stamp).strftime("%Y-%m-%d") if stamp else "never"


def cut(text: str, width: int) -> str:
    """A safe line that takes at most so many cells; one that was longer ends in an ellipsis."""
    shown = safe_line(text)
    if columns(shown) <= width:
        return shown
    while columns(shown) >= width:
        shown = shown[:-1]
    return shown + "…"


def paragraph(text: str, first: str = "", rest: str = "", width: int = 80) -> list[str]:
    """A text in lines of at most so many cells, `first` before the first of them and `rest` before the others."""
    return wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def count(number: int, noun: str, nouns: str = "") -> str:
    """'1 member', '2 members'."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}".replace(",", " ")


def size(number: int) -> str:
    """Bytes in a unit that people read."""
    if number < 1000:
        return count(number, "byte")
    for unit in ("KB", "MB"):
        number_of = number / 1000 if unit == "KB" else number / 1_000_000
        if number_of < 1000:
            return f"{number_of:.0f} {unit}" if number_of >= 10 else f"{number_of:.1f} {unit}"
    return f"{number / 1_000_000_000:.1f} GB"


def short(number: str) -> str:
    """As many digits of an id or key as a person types."""
    return number[:8]


def span(seconds: int) -> str:
    """A length of time in its largest whole unit."""
    for unit, length in (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return count(seconds // length, unit)
    return count(seconds, "second")


def about(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return count(round(seconds / length), unit)
    return count(round(seconds), "second")


def on_link(link: SlowLink | UnsetType, lead: str) -> str:
    """How long the slowest link takes for what is left, behind some words; empty where that is not worth saying."""
    if isinstance(link, UnsetType):
        return ""
    return f"{lead}{about(link.lasts_s)} on the link {link.id} ({link.kind})"


def typed(name: str) -> str:
    """A name as a person has to type it in a shell."""
    return safe_line(quote(name))
