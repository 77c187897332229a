"""Where speech is heard: a device of this machine, through PortAudio."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Final

from chasqui.base.errors import MachineError
from chasqui.links.audio import portaudio
from chasqui.media.burst import SAMPLES_PER_S
from chasqui.media.modes import bytes_of

BLOCK: Final = SAMPLES_PER_S // 10


class Loudspeaker:
    """It is open only while something is heard. Raises `MachineError` where there is none."""

    def __init__(self, device: str) -> None:
        self._portaudio = portaudio()
        self._settings = {"samplerate": SAMPLES_PER_S, "channels": 1, "dtype": "int16", "device": device or None}
        try:
            self._portaudio.check_output_settings(**self._settings)
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise _no_loudspeaker() from error

    def play(self, samples: array[int], go_on: Callable[[], bool]) -> int:
        """Plays, block by block, as long as it may go on; how many samples were played."""
        at = 0
        try:
            with self._portaudio.RawOutputStream(**self._settings) as out:
                while at < len(samples) and go_on():
                    block = samples[at : at + BLOCK]
                    out.write(bytes_of(block))
                    at += len(block)
                if at < len(samples):
                    out.abort(ignore_errors=True)  # nothing more of it is heard, not even what the device holds
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise _no_loudspeaker() from error
        return at


def _no_loudspeaker() -> MachineError:
    return MachineError(
        "No loudspeaker can be used on this device.",
        safety="What others say is kept.",
        todo="Plug one in, or name it: `--out NAME`. To a file: `chasqui read GROUP --export DIR`.",
    )
