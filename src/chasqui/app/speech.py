"""Recordings in and out of bursts, in the process of the person's command: the daemon knows no codec, so what others
said is decoded only where somebody asked to hear it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import UNSET, structs

from chasqui.app.message_results import Conversation
from chasqui.app.private_file import NewFile, make_folder
from chasqui.app.recordings import Recording, recordings_in
from chasqui.app.screens.text import safe_line
from chasqui.media.burst import QUALITY_OF_LABEL, SAMPLES_PER_S, QualityLabel, read_burst
from chasqui.media.codec2 import decode, encode
from chasqui.media.library import codec2_library
from chasqui.media.recording import in_order
from chasqui.media.wav import WAV_BYTES_MAX as WAV_BYTES_MAX
from chasqui.media.wav import speech_of, wav_of


def samples_of(recording: bytes) -> bytes:
    """The samples of a WAV file, as the codec takes them. Raises `UsageError` with what to do."""
    return speech_of(recording)


def require_codec() -> None:
    """Raises `CodecMissingError` where speech can neither be sent nor heard."""
    codec2_library()


def seconds_of(samples: bytes) -> float:
    """How long samples last."""
    return len(samples) / 2 / SAMPLES_PER_S


def coded(samples: bytes, quality: QualityLabel) -> bytes:
    """Speech of a quality. Raises `CodecMissingError`."""
    return encode(QUALITY_OF_LABEL[quality], samples)


def bodies_of(data: bytes) -> tuple[bytes, ...]:
    """The bodies of bursts out of what `save` answers: each behind its length."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return tuple(found)


def recording_of(bodies: Iterable[bytes]) -> bytes:
    """A WAV file of the bursts of one recording; what is missing before and between them is silent. Raises
    `CodecMissingError`."""
    samples = bytearray()
    for burst in in_order(read_burst(body) for body in bodies):
        samples += bytes(2 * burst.begins - len(samples))
        samples += decode(burst)
    return wav_of(bytes(samples))


class Exporter:
    """Writes recordings into a folder, each as a file called by its place in this vault; behind it stands how many
    bursts are here where some are missing. Files that are there stay as they are."""

    def __init__(self, folder: str, tell: Callable[[str], None], patience_s: float = 0.0) -> None:
        self._folder = folder
        self._tell = tell
        self._patience_s = patience_s  # what is not whole is written when nothing more came for so long
        self._waiting: dict[tuple[str, int, int], tuple[float, Recording]] = {}
        self._warned = False

    def take(self, found: Conversation, now_s: float = 0.0) -> Conversation:
        """The conversation with the names of the files that were written, without what was spoken."""
        files: dict[str, str] = {}
        for recording in recordings_in(found):
            self._waiting.pop(recording.key, None)
            if recording.whole or not self._patience_s:
                path = self._write(recording)
                files |= {message.id: path for message in recording.messages if path}
            else:
                self._waiting[recording.key] = (now_s + self._patience_s, recording)
        for key, (until_s, recording) in list(self._waiting.items()):
            if until_s <= now_s:
                del self._waiting[key]
                self._write_late(recording)
        messages = tuple(
            structs.replace(message, speech=UNSET, file=files.get(message.id, UNSET)) for message in found.messages
        )
        return structs.replace(found, messages=messages, earlier=())

    def end(self) -> None:
        """Writes what waits for more."""
        for _, recording in self._waiting.values():
            self._write_late(recording)
        self._waiting.clear()

    def _write_late(self, recording: Recording) -> None:
        path = self._write(recording)
        if path:
            self._tell(f"{path}: {recording.seconds:.1f} s of speech of which not all has arrived.")

    def _write(self, recording: Recording) -> str:
        """Its file; empty where it was not written."""
        bodies = recording.bodies()
        if make_folder(self._folder):
            self._tell(f"The folder {safe_line(os.path.abspath(self._folder))} is new.")
        suffix = "" if recording.whole else f"-{len(bodies)}"
        path = os.path.abspath(Path(self._folder, f"voice-{recording.pos}{suffix}.wav"))
        if os.path.lexists(path):
            self._tell(f"{path} is there already and was not touched.")
            return ""
        sound = recording_of(bodies)
        NewFile(path).write(sound)
        if not self._warned:
            self._warned = True
            self._tell("These copies are outside of the vault: whoever opens this device can hear them.")
        return path
