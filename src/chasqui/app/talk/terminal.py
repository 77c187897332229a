"""One line at the bottom of a terminal that changes, lines above it that stay, and keys without Enter."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from chasqui.app.screens.text import cut

_CLEAR: Final = "\r\x1b[K"


class Terminal:
    """Keys come from stdin or, where that is no terminal, from the one that the command runs in, if `keys`. Use it in
    a `with` block: it gives the terminal back as it was."""

    def __init__(self, *, keys: bool) -> None:
        self.shows = sys.stderr.isatty()
        self.fd = -1
        self._own = False
        self._before: object = None
        self._went_on: Any = signal.SIG_DFL
        self._status = ""
        if keys and sys.stdin.isatty():
            self.fd = sys.stdin.fileno()
        elif keys:
            with suppress(OSError):
                self.fd = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
                self._own = True

    def __enter__(self) -> Self:
        if self.fd >= 0:
            import termios

            self._before = termios.tcgetattr(self.fd)
            self._take()
        self._went_on = signal.signal(signal.SIGCONT, lambda *_: self._go_on())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGCONT, self._went_on)
        self.status("")
        self._give_back()
        if self._own:
            os.close(self.fd)

    def pause(self) -> None:
        """Stands still as Ctrl-Z asks for, with the terminal as it was before; goes on by `fg`."""
        shown = self._status
        self.status("")
        self._give_back()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # stands still here
        signal.signal(signal.SIGTSTP, handler)
        self._go_on()
        self.status(shown)

    def _go_on(self) -> None:
        """Whoever ran meanwhile has set the terminal for himself, and written over the line."""
        self._take()
        self._status = ""

    def _take(self) -> None:
        if self.fd >= 0:
            import tty

            tty.setcbreak(self.fd)  # Ctrl-C stays a signal

    def _give_back(self) -> None:
        if self.fd >= 0:
            import termios

            with suppress(termios.error):
                termios.tcsetattr(self.fd, termios.TCSAFLUSH, self._before)  # type: ignore[arg-type]

    def keys(self) -> str:
        """What was pressed; call it when there is something. Empty at its end."""
        try:
            return os.read(self.fd, 64).decode(errors="replace")
        except OSError:
            return ""

    def line(self, text: str) -> None:
        """Something that stays."""
        sys.stdout.flush()
        shown = self._status
        self.status("")
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
        self.status(shown)

    def status(self, text: str) -> None:
        """What is so now."""
        if self.shows and text != self._status:
            width = shutil.get_terminal_size().columns
            sys.stderr.write(_CLEAR + cut(text, max(1, width - 1)))
            sys.stderr.flush()
        self._status = text
