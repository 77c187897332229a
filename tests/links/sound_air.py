"""A channel of sound between modem processes, through named pipes, faster than real time: noise, collisions, half
duplex. When a station is late, time waits for it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from chasqui.media.modes import RATE_HZ

BLOCK = RATE_HZ // 25
PATIENCE_S = 5.0  # with a process that has no turn on a busy machine; only one that was killed costs that much
_F_SETPIPE_SZ = 1031


class SoundAir(threading.Thread):
    """`noise_rms` of 32767; signals come with about 6,000."""

    def __init__(self, folder: Path, stations: int, *, noise_rms: float, speed: float, gain: float = 1.0) -> None:
        super().__init__(daemon=True)
        dice = random.Random(7)
        self._dice, self._speed, self._gain = dice, speed, gain
        self._noise = array("h", (round(dice.gauss(0, noise_rms)) for _ in range(1 << 16)))
        self.on_air_s = [0.0] * stations
        self.passed_s = 0.0  # on the channel, which stands still when a busy machine has no turn for it
        self.devices = []
        self._to: list[int] = []
        self._from: list[int] = []
        for number in range(stations):
            come, go = folder / f"{number}.in", folder / f"{number}.out"
            for fifo, ends in ((come, self._to), (go, self._from)):
                os.mkfifo(fifo)
                ends.append(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))
                fcntl.fcntl(ends[-1], _F_SETPIPE_SZ, 4_096)
            self.devices.append(f"pipes:{come}:{go}")
        self._done = threading.Event()
        self._strange = array("h")

    async def sleep(self, seconds: float) -> None:
        """So long on the channel."""
        until_s = self.passed_s + seconds
        while self.passed_s < until_s:
            await asyncio.sleep(0.01)

    def inject(self, sound: array[int]) -> None:
        """A stranger sends this."""
        self._strange = sound

    def run(self) -> None:
        held, speaking = [b""] * len(self._to), set[int]()  # in the middle of a burst: it ends with silence
        due = time.monotonic()
        while not self._done.is_set():
            said: dict[int, array[int]] = {}
            for number in range(len(self._to)):
                piece = self._read(number, held, patient=number in speaking)
                if piece:
                    said[number] = array("h", piece.ljust(2 * BLOCK, b"\0"))
                    self.on_air_s[number] += BLOCK / RATE_HZ
            begun = {number for number, sound in said.items() if number in speaking or any(sound)}
            speaking = {number for number in begun if any(said[number][-BLOCK // 8 :])}
            if self._strange:
                strange, self._strange = self._strange[:BLOCK], self._strange[BLOCK:]
                said[-1] = array("h", strange.tobytes().ljust(2 * BLOCK, b"\0"))
            for number in range(len(self._to)):
                start = self._dice.randrange(len(self._noise) - BLOCK)
                heard = self._noise[start : start + BLOCK]
                if number not in said:
                    for sound in said.values():
                        mixed = (int(x + y * self._gain) for x, y in zip(heard, sound, strict=True))
                        heard = array("h", [max(-32768, min(32767, x)) for x in mixed])
                self._write(number, heard.tobytes(), patient=number not in said)
            self.passed_s += BLOCK / RATE_HZ
            due = max(due, time.monotonic() - 0.05) + BLOCK / RATE_HZ / self._speed
            time.sleep(max(0.0, due - time.monotonic()))

    def end(self) -> None:
        """Silence."""
        self._done.set()
        self.join()
        for file in (*self._to, *self._from):
            os.close(file)

    def _read(self, number: int, held: list[bytes], *, patient: bool) -> bytes:
        deadline = time.monotonic() + (PATIENCE_S if patient else 0.2)
        while len(held[number]) < 2 * BLOCK:
            with suppress(BlockingIOError):
                held[number] += os.read(self._from[number], 2 * BLOCK - len(held[number]))
                continue
            if not (patient or held[number]) or time.monotonic() > deadline:
                break
            time.sleep(0.001)
        piece, held[number] = held[number], b""
        return piece[: len(piece) & ~1]

    def _write(self, number: int, data: bytes, *, patient: bool) -> None:
        deadline = time.monotonic() + (2.0 if patient else 0.0)
        while not self._done.is_set():
            try:
                os.write(self._to[number], data)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return  # nobody listens there
                time.sleep(0.001)


@contextmanager
def sound_air(
    folder: Path, stations: int, *, noise_rms: float = 300, speed: float = 10, gain: float = 1.0
) -> Iterator[SoundAir]:
    """A channel for a test."""
    folder.mkdir(exist_ok=True)
    air = SoundAir(folder, stations, noise_rms=noise_rms, speed=speed, gain=gain)
    air.start()
    try:
        yield air
    finally:
        air.end()


def faded(sound: Sequence[int], dice: random.Random, *, doppler_hz: float, noise_rms: float) -> array[int]:
    """What comes over two paths of changing strength, one of them a millisecond longer, and noise."""
    from math import cos, sin, tau

    paths = [[(dice.uniform(-1, 1) * doppler_hz, dice.uniform(0, tau)) for _ in range(6)] for _ in range(2)]
    out = array("h")
    gains = [0.0, 0.0]
    for at, sample in enumerate(sound):
        if at % 80 == 0:
            t = at / RATE_HZ
            gains = [sum(cos(tau * f * t + p) + sin(tau * f * t / 2 + p) for f, p in path) / 6 for path in paths]
        late = sound[at - 8] if at >= 8 else 0
        value = int(gains[0] * sample + gains[1] * late + dice.gauss(0, noise_rms))
        out.append(max(-32768, min(32767, value)))
    return out
