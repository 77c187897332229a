"""Where speech comes from: a microphone, a WAV file, or a recorder behind a pipe. All of it stays in memory."""

from __future__ import annotations

import os
import stat
import sys
from array import array
from typing import Any, BinaryIO, Final, Protocol

from chasqui.base.errors import MachineError, UserError
from chasqui.links.audio import portaudio
from chasqui.media.burst import PLACE_SAMPLES, SAMPLES_PER_S
from chasqui.media.modes import samples_of
from chasqui.media.wav import RATES, WavStream

UNITS_PER_S: Final = SAMPLES_PER_S // PLACE_SAMPLES  # sound is taken in units of 40 ms


class Source(Protocol):
    """One of them. `take` blocks; it and `open`, `close` are called by one thread."""

    rate: int
    runs_on: bool  # what is said while nobody takes it is lost, as with a microphone
    waits_for_key: bool  # nobody speaks into it before the space bar

    def open(self) -> None:
        """Begins to listen. Raises `MachineError`."""
        ...

    def take(self) -> array[int]:
        """The next 40 ms; fewer or none at its end. Raises `MachineError`."""
        ...

    def close(self) -> None:
        """Listens no more."""
        ...


def source_of(name: str | None, device: str) -> Source:
    """A source: `-` is stdin, None the microphone. Raises `ChasquiError` where there is none."""
    return Microphone(device) if name is None else Stream(name)


class Microphone:
    """A device of this machine, through PortAudio, open only while somebody speaks into it."""

    runs_on = False  # it is closed in between
    waits_for_key = True

    def __init__(self, device: str) -> None:
        self._portaudio = portaudio()
        self._settings = {"channels": 1, "dtype": "int16", "device": device or None}
        self._stream: Any = None
        self.rate = self._rate()

    def open(self) -> None:
        """See `Source`."""
        try:
            self._stream = self._portaudio.RawInputStream(samplerate=self.rate, **self._settings)
            self._stream.start()
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise _no_microphone(error) from error

    def take(self) -> array[int]:
        """See `Source`."""
        try:
            data, _ = self._stream.read(self.rate // UNITS_PER_S)
        except self._portaudio.PortAudioError as error:
            raise _no_microphone(error) from error
        return samples_of(bytes(data))

    def close(self) -> None:
        """See `Source`."""
        if self._stream is not None:
            self._stream.close(ignore_errors=True)
            self._stream = None

    def _rate(self) -> int:
        """The first rate of ours that the device has; it says so without being opened."""
        refused: Exception = ValueError("no rate")
        for rate in (SAMPLES_PER_S, *sorted(RATES, reverse=True)):
            try:
                self._portaudio.check_input_settings(samplerate=rate, **self._settings)
                return rate
            except (self._portaudio.PortAudioError, ValueError) as error:
                refused = error
        raise _no_microphone(refused) from refused


class Stream:
    """A WAV file, which waits while nobody takes from it, or a pipe, which does not."""

    waits_for_key = False

    def __init__(self, name: str) -> None:
        try:
            # no buffer of its own: what lies in one would be heard late
            self._file: BinaryIO = sys.stdin.buffer if name == "-" else open(name, "rb", buffering=0)  # noqa: SIM115
            self.runs_on = not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise UserError(f"The file cannot be read ({reason}).", todo="Check its name and folder.") from error
        self._wav = WavStream(self._file.read)
        self.rate = self._wav.rate

    def open(self) -> None:
        """See `Source`."""

    def take(self) -> array[int]:
        """See `Source`."""
        try:
            return self._wav.take(self.rate // UNITS_PER_S)
        except OSError as error:
            raise MachineError(
                "The recording cannot be read any further.",
                safety="What came before that is sent.",
                todo="Look what arrived: `chasqui read`.",
            ) from error

    def close(self) -> None:
        """See `Source`."""


def _no_microphone(error: Exception) -> MachineError:
    return MachineError(
        "No microphone can be used on this device.",
        safety="Nothing was recorded or sent.",
        todo="Plug one in, or name it: `--device NAME` (`python3 -m sounddevice` lists them). A recording goes, too: "
        "`--from FILE.wav`.",
    )
