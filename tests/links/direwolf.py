"""Real Direwolf stations that share one noisy audio channel, without a sound card.

What a station transmits goes through ALSA's file plugin into a FIFO; a thread mixes what the others sent with noise
and feeds it back over UDP. A station that sends hears nothing, two that send at once spoil each other's frames.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_F_SETPIPE_SZ = 1031
_ALSA_PLUGINS = Path("/usr/share/alsa/alsa.conf")


def require_direwolf() -> None:
    """Skips where it cannot run."""
    if shutil.which("direwolf") is None or not _ALSA_PLUGINS.exists():
        pytest.skip("no Direwolf here: apt-get install direwolf")


class Air(threading.Thread):
    """The channel. `noise_rms` of 32767."""

    def __init__(self, fifos: Sequence[Path], ports: Sequence[int], rate_hz: int, noise_rms: float) -> None:
        super().__init__(daemon=True)
        self.on_air_s = [0.0] * len(ports)  # by station
        self.collided_s = 0.0
        self._ports, self._rate_hz = ports, rate_hz
        dice = random.Random(1)
        self._noise = array("h", (max(-32768, min(32767, round(dice.gauss(0, noise_rms)))) for _ in range(1 << 16)))
        self._dice = dice
        self._files = []
        for fifo in fifos:
            os.mkfifo(fifo)
            file = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
            fcntl.fcntl(file, _F_SETPIPE_SZ, 8192)  # else a station is done half a second before its sound is
            self._files.append(file)
        self._done = threading.Event()

    def run(self) -> None:
        block, ports = self._rate_hz // 50, self._ports
        held = [b""] * len(ports)
        speaking: list[int] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            due = time.monotonic()
            while not self._done.is_set():
                said = {}
                for number in range(len(ports)):
                    piece = self._read(number, held, 2 * block, patient=number in speaking)
                    if any(piece):
                        said[number] = array("h", piece.ljust(2 * block, b"\0"))
                speaking = list(said)
                for number in speaking:
                    self.on_air_s[number] += 0.02
                self.collided_s += 0.02 * (len(speaking) > 1)
                for number, port in enumerate(ports):
                    start = self._dice.randrange(len(self._noise) - block)
                    heard = self._noise[start : start + block]
                    if number not in said:
                        for sound in said.values():
                            mixed = [x + y * 3 // 8 for x, y in zip(heard, sound, strict=True)]
                            heard = array("h", [max(-32768, min(32767, x)) for x in mixed])
                    udp.sendto(heard.tobytes(), ("127.0.0.1", port))
                due = max(due, time.monotonic() - 0.1) + block / self._rate_hz
                time.sleep(max(0.0, due - time.monotonic()))

    def _read(self, number: int, held: list[bytes], size: int, *, patient: bool) -> bytes:
        """Up to one block. On a busy machine a station that speaks may be late: then time stands still for it."""
        deadline = time.monotonic() + 0.2
        while len(held[number]) < size:
            with suppress(BlockingIOError):
                held[number] += os.read(self._files[number], size - len(held[number]))
                continue
            if not (patient or held[number]) or time.monotonic() > deadline:
                break
            time.sleep(0.002)
        piece, held[number] = held[number], b""
        return piece[: len(piece) & ~1]

    def end(self) -> None:
        """Silence."""
        self._done.set()
        self.join()
        for file in self._files:
            os.close(file)


class Direwolfs:
    """Stations that hear each other; `kiss_ports` is where their TNCs answer."""

    def __init__(
        self, folder: Path, count: int, *, noise_rms: float, modem: str = "1200", tx_delay: int = 30, fx25: bool = False
    ) -> None:
        self.folder = folder
        rate_hz = 44_100
        udp_ports, self.kiss_ports = _free(count, socket.SOCK_DGRAM), _free(count, socket.SOCK_STREAM)
        fifos = [folder / f"{number}.fifo" for number in range(count)]
        alsa = ["</usr/share/alsa/alsa.conf>"]
        for number, fifo in enumerate(fifos):
            alsa.append(f'pcm.s{number} {{ type file slave.pcm null file "{fifo}" format raw }}')
            (folder / f"{number}.conf").write_text(
                f"ADEVICE UDP:{udp_ports[number]} s{number}\nARATE {rate_hz}\nACHANNELS 1\nCHANNEL 0\n"
                f"MYCALL N0CALL-{number}\nMODEM {modem}\nAGWPORT 0\nKISSPORT {self.kiss_ports[number]}\n"
                f"TXDELAY {tx_delay}\nTXTAIL {min(10, tx_delay)}\nSLOTTIME 10\nPERSIST 63\nDWAIT 0\n"
            )
        (folder / "asound.conf").write_text("\n".join(alsa))
        self.air = Air(fifos, udp_ports, rate_hz, noise_rms)
        self.air.start()
        self._extra = ["-X", "1"] if fx25 else []
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count
        for number in range(count):
            self.start(number)

    def start(self, number: int) -> None:
        """Starts one of them; returns when it answers."""
        with (self.folder / f"{number}.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                ["direwolf", "-t", "0", *self._extra, "-c", str(self.folder / f"{number}.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "ALSA_CONFIG_PATH": str(self.folder / "asound.conf")},
            )
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.kiss_ports[number]), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise AssertionError(self.log(number)) from None
                time.sleep(0.05)

    def stop(self, number: int) -> None:
        """Pulls the plug of one."""
        process = self.processes[number]
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.processes[number] = None

    def log(self, number: int) -> str:
        """What it said."""
        return (self.folder / f"{number}.log").read_text(errors="replace")

    def end(self) -> None:
        """Stops all."""
        for number in range(len(self.processes)):
            self.stop(number)
        self.air.end()


@contextmanager
def direwolfs(
    folder: Path, count: int, *, noise_rms: float, modem: str = "1200", tx_delay: int = 30, fx25: bool = False
) -> Iterator[Direwolfs]:
    """Stations for a test."""
    folder.mkdir(exist_ok=True)
    stations = Direwolfs(folder, count, noise_rms=noise_rms, modem=modem, tx_delay=tx_delay, fx25=fx25)
    try:
        yield stations
    finally:
        stations.end()


def _free(count: int, kind: int) -> list[int]:
    """Free ports; Direwolf takes none above 49151, where the system gives out its own."""
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            one = socket.socket(socket.AF_INET, kind)
            with suppress(OSError):
                one.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
                held.append(one)
                continue
            one.close()
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
