"""`talk` in a terminal: a real process on a pseudo-terminal, with sound from files and pipes or from ALSA's file
plugin."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.app.people import BACKSTOP_S, Person, environment


class Session:
    """A command on a terminal of its own: keys go in, what it shows is kept."""

    def __init__(self, person: Person, *arguments: str, **more: str) -> None:
        self.screen = ""
        self._fd, inner = pty.openpty()
        self.process = subprocess.Popen(
            person.command(*arguments), stdin=inner, stdout=inner, stderr=inner, env=environment(TERM="xterm", **more),
            start_new_session=True,
        )  # fmt: skip
        os.close(inner)

    def until(self, text: str, times: int = 1) -> str:
        """Reads until it shows something so often; what it has shown."""
        end = time.monotonic() + BACKSTOP_S
        while self.screen.count(text) < times:
            assert time.monotonic() < end, (text, self.screen)
            assert self._read() or self.screen.count(text) >= times, (text, self.screen)
        return self.screen

    def press(self, keys: str) -> None:
        """As a person does."""
        os.write(self._fd, keys.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Reads to its end; the exit code."""
        while self._read():
            pass
        return self.process.wait(BACKSTOP_S)

    def _read(self) -> bool:
        """False at its end."""
        ready, _, _ = select.select([self._fd], [], [], BACKSTOP_S)
        assert ready, self.screen
        try:
            data = os.read(self._fd, 65_536)
        except OSError:  # Linux: nobody is at the other end any more
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._fd)


def alsa(folder: Path, microphone: Path | None, loudspeaker: Path | None) -> str:
    """A configuration of ALSA in which devices are files of raw samples; its path, for ALSA_CONFIG_PATH."""
    config = folder / "asound.conf"
    lines = ["</usr/share/alsa/alsa.conf>"]
    if microphone is not None:
        lines.append(f'pcm.mic {{ type file slave.pcm null file /dev/null infile "{microphone}" format raw }}')
    if loudspeaker is not None:
        lines.append(f'pcm.out {{ type file slave.pcm null file "{loudspeaker}" format raw }}')
    config.write_text("\n".join(lines) + "\n")
    return str(config)

