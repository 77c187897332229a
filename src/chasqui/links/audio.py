"""Where sound comes from and goes to: a device of this machine, two pipes, or WAV files. Samples are 16 bits, 8 kHz,
one channel. These calls block: only the process of the modem makes them."""

from __future__ import annotations

import os
import time
import wave
from array import array
from typing import Any, Final, Protocol

from chasqui.base.errors import MachineError, NotInstalledError
from chasqui.media.modes import RATE_HZ, bytes_of, samples_of

BLOCK: Final = RATE_HZ // 25  # samples of one read
LEVEL: Final = 0.7  # of full scale: sound cards and radios distort what is louder


class AudioGoneError(MachineError):
    """The device is not there, or has gone."""

    code = "device"


class Audio(Protocol):
    """One of them, open."""

    def read(self) -> array[int]:
        """The next block; waits for it. Raises `AudioGoneError`."""
        ...

    def play(self, samples: array[int]) -> None:
        """Returns when all of it has been played. Raises `AudioGoneError`."""
        ...

    def drain(self, samples: int) -> None:
        """Drops up to so many samples that were heard while we played: we heard ourselves. Never waits."""
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


def check_device(device: str) -> None:
    """Whether `open_audio` could ever open it. Raises `ValueError`."""
    kind, _, rest = device.partition(":")
    come, colon, go = rest.partition(":")
    if (kind == "pipes" and not (come and go)) or (kind == "wav" and not (colon and (come or go))):
        raise ValueError("not the name of a sound device")


def open_audio(device: str) -> Audio:
    """`pipes:IN:OUT`, `wav:IN:OUT` (either may be empty), or the name of a device, empty for the usual one. Raises
    `AudioGoneError`, and `MachineError` where it never will work here."""
    kind, _, rest = device.partition(":")
    if kind in ("pipes", "wav"):
        come, _, go = rest.partition(":")
        return Pipes(come, go) if kind == "pipes" else WavFiles(come, go)
    return SoundCard(device)


class Pipes:
    """Two named pipes of raw little-endian samples: what software radios speak. Whoever is at the other end keeps the
    pace."""

    def __init__(self, come: str, go: str) -> None:
        try:
            self._in = os.open(come, os.O_RDONLY)
            self._out = os.open(go, os.O_WRONLY)
        except OSError as error:
            raise AudioGoneError(os.strerror(error.errno or 0)) from error

    def read(self) -> array[int]:
        """See `Audio`."""
        data = b""
        while len(data) < 2 * BLOCK:
            piece = os.read(self._in, 2 * BLOCK - len(data))
            if not piece:
                raise AudioGoneError("the pipe was closed")
            data += piece
        return samples_of(data)

    def play(self, samples: array[int]) -> None:
        """See `Audio`."""
        data = memoryview(bytes_of(samples))
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError as error:
            raise AudioGoneError("the pipe was closed") from error

    def drain(self, samples: int) -> None:
        """See `Audio`."""
        os.set_blocking(self._in, False)
        rest = 2 * samples
        try:
            while rest and (piece := os.read(self._in, rest)):
                rest -= len(piece)
        except BlockingIOError:
            pass
        finally:
            os.set_blocking(self._in, True)

    def close(self) -> None:
        """See `Audio`."""
        os.close(self._in)
        os.close(self._out)


class WavFiles:
    """A recording that is heard once, as fast as it can be read, and a file that grows by what is sent."""

    def __init__(self, come: str, go: str) -> None:
        self._rest = array("h")
        self._go = go
        self._played = array("h")
        try:
            if come:
                self._rest = _read_wav(come)
            if go and os.path.exists(go):
                self._played = _read_wav(go)
        except (OSError, EOFError, wave.Error) as error:
            raise AudioGoneError("this is no WAV file of 16 bits, 8 kHz, one channel") from error

    def read(self) -> array[int]:
        """See `Audio`."""
        block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
        if not block:
            time.sleep(BLOCK / RATE_HZ)
        block.extend([0] * (BLOCK - len(block)))
        return block

    def play(self, samples: array[int]) -> None:
        """See `Audio`."""
        if not self._go:
            raise AudioGoneError("no file to write to was named")
        self._played.extend([0] * (RATE_HZ // 2))
        self._played.extend(samples)
        draft = self._go + ".new"
        try:
            with wave.open(draft, "wb") as file:
                file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
                file.writeframes(bytes_of(self._played))
            os.replace(draft, self._go)
        except OSError as error:
            raise AudioGoneError(os.strerror(error.errno or 0)) from error

    def drain(self, samples: int) -> None:
        """See `Audio`. A recording has nothing of ours."""

    def close(self) -> None:
        """See `Audio`."""


def portaudio() -> Any:
    """The library of sound devices. Raises `MachineError` where it is not installed."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the package is there, PortAudio is not
        raise NotInstalledError(
            "Sound devices need the package sounddevice and PortAudio, which are not installed here.",
            safety="Nothing was sent.",
            todo="`pip install 'chasqui[radio]'`; on Debian and Ubuntu `apt-get install libportaudio2`, too.",
        ) from error
    return sounddevice


class SoundCard:
    """A device of this machine, through PortAudio."""

    def __init__(self, name: str) -> None:
        sounddevice = portaudio()
        self._portaudio: Any = sounddevice
        self._settings = {"samplerate": RATE_HZ, "channels": 1, "dtype": "int16", "device": name or None}
        try:
            self._in = sounddevice.RawInputStream(**self._settings)
            self._in.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioGoneError("the sound device cannot be opened") from error

    def read(self) -> array[int]:
        """See `Audio`."""
        try:
            data, _ = self._in.read(BLOCK)
        except self._portaudio.PortAudioError as error:
            raise AudioGoneError("the sound device went away") from error
        return samples_of(bytes(data))

    def play(self, samples: array[int]) -> None:
        """See `Audio`."""
        began = time.monotonic()
        try:
            with self._portaudio.RawOutputStream(**self._settings) as out:
                out.write(bytes_of(samples))  # leaving the block waits until it was played
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise AudioGoneError("the sound device does not play") from error
        time.sleep(max(0.0, len(samples) / RATE_HZ - (time.monotonic() - began)))

    def drain(self, samples: int) -> None:
        """See `Audio`."""
        try:
            while (piece := min(self._in.read_available, samples)) > 0:
                self._in.read(piece)
                samples -= piece
        except self._portaudio.PortAudioError as error:
            raise AudioGoneError("the sound device went away") from error

    def close(self) -> None:
        """See `Audio`."""
        self._in.close(ignore_errors=True)


def _read_wav(path: str) -> array[int]:
    with wave.open(path, "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
            raise wave.Error("another format")
        return samples_of(file.readframes(file.getnframes()))
