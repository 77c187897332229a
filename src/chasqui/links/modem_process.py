"""The modem of a `sound` link, a process of its own: `python -m chasqui.links.modem_process SETTINGS`.

The library in C that reads hostile sound, and calls that block, live here and not where the keys are. It speaks KISS
with the link at its standard input and output, and ends with it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Final

from chasqui.base.errors import MachineError, NotInstalledError
from chasqui.links.audio import LEVEL, Audio, open_audio
from chasqui.links.kiss import FEND, KissFrame, KissReader, write_kiss
from chasqui.links.modem_words import SLOT_BLOCKS, STRENGTH_ZERO, Settings, Word
from chasqui.links.ptt import Ptt, open_ptt
from chasqui.links.sound_frames import Joiner, split
from chasqui.media.modem import Modem
from chasqui.media.modes import RATE_HZ, Mode

TAIL_SAMPLES: Final = RATE_HZ // 20  # so that nothing of the last symbol is cut


class Station:
    """Hears until there is something to send and nobody else sends."""

    def __init__(self, settings: Settings, frames: SimpleQueue[bytes]) -> None:
        self._modem = Modem(Mode(settings.mode))
        self._joiner = Joiner(self._modem.shape)
        self._lead = RATE_HZ * settings.lead_ms // 1000
        self._frames = frames
        self._next: bytes | None = None
        self._quiet_blocks = 0
        self._lost_told = 0
        self._ptt: Ptt = open_ptt(settings.ptt)
        self._audio: Audio = open_audio(settings.device)

    def run(self) -> None:
        """For ever. Raises `MachineError`."""
        _say(Word.READY)
        try:
            while True:
                self._hear(self._audio.read())
                if self._next is None:
                    self._next = _taken(self._frames)
                    self._quiet_blocks = SLOT_BLOCKS * random.randrange(1, 4)
                elif not self._modem.busy:
                    self._quiet_blocks -= 1
                    if self._quiet_blocks <= 0:
                        self._send(self._next)
                        self._next = None
                else:
                    self._quiet_blocks = SLOT_BLOCKS * random.randrange(1, 8)
        finally:
            self._ptt.close()
            self._audio.close()

    def _hear(self, block: array[int]) -> None:
        for payload, strength_db in self._modem.hear(block):
            frame = self._joiner.hear(payload)
            if self._joiner.over:
                self._modem.next_burst()
            if frame is not None:
                strength = max(0, min(255, round(strength_db) + STRENGTH_ZERO))
                _say(Word.FRAME, bytes((strength,)) + frame)
        if not self._modem.busy:
            self._joiner.lost()
        more = self._joiner.passed_over - self._lost_told
        if more:
            self._lost_told += more
            _say(Word.LOST, more.to_bytes(2, "big"))

    def _send(self, frame: bytes) -> None:
        burst = self._modem.burst(split(frame, self._modem.shape))
        sound = array("h", _tone(self._lead) if self._ptt.audible else bytes(2 * self._lead))
        sound.extend(round(sample * LEVEL) for sample in burst)
        sound.extend([0] * TAIL_SAMPLES)
        with _keyed(self._ptt):
            self._audio.play(sound)
        self._audio.drain(len(sound))
        self._modem.forget()
        self._joiner.lost()
        _say(Word.LEFT, (len(sound) * 1000 // RATE_HZ).to_bytes(4, "big"))


@contextmanager
def _keyed(ptt: Ptt) -> Iterator[None]:
    """Whatever happens, the transmitter is released."""
    ptt.key(True)
    try:
        yield
    finally:
        ptt.key(False)


def _tone(samples: int) -> array[int]:
    """1 kHz at the level of speech, for a radio that keys itself."""
    wave = (0, 5_800, 8_200, 5_800, 0, -5_800, -8_200, -5_800)
    return array("h", (wave[at % len(wave)] for at in range(samples)))


def _say(word: Word, data: bytes = b"") -> None:
    rest = write_kiss(KissFrame(0, word, data))
    while rest:
        rest = rest[os.write(1, rest) :]


def _taken(frames: SimpleQueue[bytes]) -> bytes | None:
    try:
        return frames.get_nowait()
    except Empty:
        return None


def _listen(frames: SimpleQueue[bytes]) -> None:
    """What the link says. When it has gone, the main thread ends as by a signal and releases the transmitter."""
    reader = KissReader()
    reader.feed(bytes((FEND,)))
    while data := os.read(0, 4_096):
        for frame in reader.feed(data):
            frames.put(frame.data)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _end(*_: object) -> None:
    sys.exit(0)


def main() -> int:
    """The process."""
    frames: SimpleQueue[bytes] = SimpleQueue()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the link ends us, once it has ended
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_listen, args=(frames,), daemon=True).start()
    try:
        Station(Settings(*json.loads(sys.argv[1])), frames).run()
    except NotInstalledError as error:
        _say(Word.LACKS, f"{error.what}\n{error.todo}".encode())
    except MachineError as error:
        _say(Word.TROUBLE, error.what.encode())
    return 1


if __name__ == "__main__":
    sys.exit(main())
