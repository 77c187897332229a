"""Keying a transmitter: by sound alone (VOX), through rigctld (Hamlib), or by a line of a serial port. Blocking calls:
only the process of the modem makes them."""

from __future__ import annotations

import socket
import time
from typing import Any, Final, Protocol

from chasqui.base.errors import MachineError, NotInstalledError
from chasqui.links.device import read_place

ANSWER_S: Final = 3.0  # of a rig over its slow serial line
TRIES: Final = 4
PAUSE_S: Final = 0.3
LINES: Final = ("rts", "dtr")


class PttError(MachineError):
    """The transmitter could not be keyed, or not be released."""

    code = "device"


class Ptt(Protocol):
    """One way to do it."""

    audible: bool  # keyed by sound: the lead-in has to be heard

    def key(self, on: bool) -> None:
        """Keys or releases. Raises `PttError`."""
        ...

    def close(self) -> None:
        """Releases and lets go."""
        ...


def read_ptt(text: str) -> tuple[str, str]:
    """`vox`, `rig:HOST:PORT`, `rts:DEVICE` or `dtr:DEVICE`: the way and its place. Raises `ValueError`."""
    way, _, place = text.partition(":")
    if way == "vox" and not place:
        return way, place
    if way == "rig" and not isinstance(read_place(place), str):
        return way, place
    if way in LINES and isinstance(read_place(place), str):
        return way, place
    raise ValueError("no way to key a transmitter")


def open_ptt(text: str) -> Ptt:
    """Raises `PttError` where it does not answer, and `MachineError` without pyserial."""
    way, place = read_ptt(text)
    if way == "vox":
        return Vox()
    return Rig(place) if way == "rig" else SerialLine(way, place)


class Vox:
    """The radio keys itself when it hears sound."""

    audible = True

    def key(self, on: bool) -> None:
        """See `Ptt`."""

    def close(self) -> None:
        """See `Ptt`."""


class Rig:
    """A transmitter behind Hamlib's rigctld. One connection; a rigctld that was restarted is tried again."""

    audible = False

    def __init__(self, place: str) -> None:
        where = read_place(place)
        if isinstance(where, str):
            raise ValueError("rigctld answers at HOST:PORT")
        self._where = where
        self._rig: socket.socket | None = None
        self.key(False)

    def key(self, on: bool) -> None:
        """See `Ptt`."""
        for attempt in range(TRIES):
            try:
                answer = self._ask(b"T 1\n" if on else b"T 0\n")
                break
            except OSError as error:  # it closes the radio behind its last client, and hangs up on whoever comes then
                self._hang_up()
                if attempt == TRIES - 1:
                    raise PttError("rigctld does not answer") from error
                time.sleep(PAUSE_S)
        if answer.strip() != b"RPRT 0":
            raise PttError("rigctld did not key the transmitter")

    def close(self) -> None:
        """See `Ptt`."""
        try:
            self.key(False)
        finally:
            self._hang_up()

    def _ask(self, word: bytes) -> bytes:
        if self._rig is None:
            self._rig = socket.create_connection(self._where, timeout=ANSWER_S)
        self._rig.sendall(word)
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < 100:
            piece = self._rig.recv(100)
            if not piece:
                raise ConnectionResetError
            answer += piece
        return answer

    def _hang_up(self) -> None:
        if self._rig is not None:
            self._rig.close()
            self._rig = None


class SerialLine:
    """RTS or DTR of a serial port, through a keying circuit. Tested against a double only."""

    audible = False

    def __init__(self, line: str, path: str) -> None:
        try:
            import serial
        except ImportError as error:
            raise NotInstalledError(
                "Serial lines need the package pyserial, which is not installed here.",
                safety="Nothing was sent.",
                todo="`pip install 'chasqui[radio]'`.",
            ) from error
        self._line = line
        try:
            self._port: Any = serial.Serial()
            self._port.port = path
            self._port.rts = self._port.dtr = False  # before it opens: else it keys up for a moment
            self._port.open()
        except (OSError, ValueError) as error:
            raise PttError("the serial line cannot be used") from error

    def key(self, on: bool) -> None:
        """See `Ptt`."""
        try:
            setattr(self._port, self._line, on)
        except OSError as error:
            raise PttError("the serial line cannot be used") from error

    def close(self) -> None:
        """See `Ptt`."""
        try:
            self.key(False)
        finally:
            self._port.close()
