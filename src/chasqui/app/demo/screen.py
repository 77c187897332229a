"""The screen: what people do on the left, what the watcher sees at that moment on the right.

On a wide terminal the present step is drawn in place as it grows and then stays in the scrollback. Elsewhere the same
lines come one after another: the story, then the watcher's, indented. Colour adds nothing that words do not say.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TextIO

COLUMNS_MIN: Final = 100  # for two columns; fewer: one after another
COLUMNS_MAX: Final = 200
DRAW_S: Final = 0.1
_GAP: Final = " │ "
_PLAIN, _BOLD, _SMALL, _WATCHER = "", "1", "2", "36"
_ASCII: Final = str.maketrans({"│": "|", "─": "-", "┬": "+", "┴": "+", "·": "-", "…": ".", "→": ">", "–": "-"})


class _Line(NamedTuple):
    text: str
    style: str = _PLAIN


class Screen:
    """Blocks of two columns. `live` gives the watcher's lines of the present block, anew at each drawing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._unicode = (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"
        size = shutil.get_terminal_size((100, 40))
        self.columns = min(size.columns, COLUMNS_MAX) if self._terminal else 100
        self.beside = self._terminal and size.columns >= COLUMNS_MIN
        self._left_width = (self.columns - len(_GAP)) * 46 // 100 if self.beside else self.columns - 1
        self._right_width = self.columns - len(_GAP) - self._left_width if self.beside else self.columns - 5
        self._left: list[_Line] = []
        self._right: list[str] = []
        self._drawn = 0
        self._told = 0
        self._drawn_at = 0.0
        self.live: Callable[[], list[str]] = list
        if self._terminal:
            self._write("\x1b[?25l")

    def heading(self, text: str) -> None:
        """A line over both columns."""
        self.close_block()
        rule = "─" * max(2, self.columns - len(text) - 5)
        self._print([_Line(f"── {text} {rule}", _BOLD)])

    def columns_are(self, left: str, right: str) -> None:
        """Names the columns."""
        if self.beside:
            self._print([_Line(""), _Line(f"{left:<{self._left_width}}{_GAP}{right}", _BOLD)])

    def wide(self, text: str, *, bold: bool = False) -> None:
        """Text over both columns."""
        self.close_block()
        wrapped = textwrap.wrap(text, min(self.columns - 1, 110)) or [""]
        self._print([_Line(line, _BOLD if bold else _PLAIN) for line in wrapped])

    def exact(self, text: str) -> None:
        """One line as it is."""
        self.close_block()
        self._print([_Line(text)])

    def says(self, text: str) -> None:
        """A sentence of the story."""
        self._add(text, "", "  ", _PLAIN)

    def small(self, text: str) -> None:
        """Small print: a real command."""
        self._add(text, "    ", "      ", _SMALL)

    def shows(self, text: str) -> None:
        """What a person sees on the own screen."""
        self._add(text, "    > ", "      ", _BOLD)

    def watcher(self, lines: list[str]) -> None:
        """Lines of the watcher's that are not of the wire."""
        self._right += lines
        self.draw()

    def draw(self, *, now: bool = True) -> None:
        """Shows the present block as it stands; without `now` not more often than the eye follows."""
        if not now and time.monotonic() - self._drawn_at < DRAW_S:
            return
        self._drawn_at = time.monotonic()
        if self.beside:
            rows = self._rows()
            if len(rows) < shutil.get_terminal_size().lines - 1:
                self._redraw(rows)
        elif self._told < len(self._left):
            self._print(self._left[self._told :])
            self._told = len(self._left)

    def gap(self) -> None:
        """A little room between two steps."""
        self.close_block()
        if self.beside:
            self._print([_Line(f"{'':{self._left_width}}{_GAP}".rstrip())])

    def close_block(self) -> None:
        """The present step is over: its lines stay as they are."""
        if not self.beside:
            self.draw()
            self._print([_Line(f"    | {line}"[: self.columns], _WATCHER) for line in self._watcher_lines()])
        elif self._left or self._watcher_lines():
            self._redraw(self._rows())
        self._left, self._right, self._drawn, self._told = [], [], 0, 0
        self.live = list

    def end(self) -> None:
        """Leaves the terminal as it was."""
        self.close_block()
        if self._terminal:
            self._write("\x1b[?25h")

    def _add(self, text: str, first: str, later: str, style: str) -> None:
        wrapped = textwrap.wrap(
            text, self._left_width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
        )
        self._left += [_Line(line, style) for line in wrapped]
        self.draw()

    def _watcher_lines(self) -> list[str]:
        return [_cut(line, self._right_width) for line in (*self._right, *self.live())]

    def _rows(self) -> list[str]:
        right = self._watcher_lines()
        rows = []
        for number in range(max(len(self._left), len(right))):
            left = self._left[number] if number < len(self._left) else _Line("")
            seen = right[number] if number < len(right) else ""
            shown = self._styled(left.text.ljust(self._left_width), left.style)
            rows.append(f"{shown}{_GAP}{self._styled(seen, _WATCHER)}".rstrip())
        return rows

    def _redraw(self, rows: list[str]) -> None:
        back = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        self._write(back + "".join(f"{row}\x1b[K\n" for row in rows))
        self._drawn = len(rows)

    def _print(self, lines: list[_Line]) -> None:
        self._write("".join(f"{self._styled(line.text, line.style)}\n" for line in lines))

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour and style and text.strip() else text

    def _write(self, text: str) -> None:
        self._out.write(text if self._unicode else text.translate(_ASCII).encode("ascii", "replace").decode())
        self._out.flush()


def _cut(line: str, width: int) -> str:
    """At most so many columns of a line, without half a byte at the end."""
    return line if len(line) <= width else re.sub(r" [0-9a-f]?$", "", line[:width])
