"""Recordings in and out of bursts, in the process of the person's command: the daemon knows no codec, so what others
said is decoded only where somebody asked to hear it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET, structs

from chasqui.app.message_results import Conversation, Message
from chasqui.app.private_file import NewFile, make_folder
from chasqui.media.burst import QUALITY_OF_LABEL, SAMPLES_PER_S, QualityLabel, read_burst
from chasqui.media.codec2 import decode, encode
from chasqui.media.library import codec2_library
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


def recording_of(body: bytes) -> bytes:
    """A WAV file of a burst. Raises `CodecMissingError`."""
    return wav_of(decode(read_burst(body)))


def export(found: Conversation, folder: str, tell: Callable[[str], None]) -> Conversation:
    """Writes every burst of a conversation into a folder, each as a file called by its place in this vault. Files that
    are there stay as they are. Gives the conversation with the names of those that were written."""
    if not any(message.kind == "voice" for message in found.messages):
        return found
    make_folder(folder)
    messages = tuple(_export(message, folder, tell) for message in found.messages)
    if any(isinstance(message.file, str) for message in messages):
        tell("These copies are outside of the vault: whoever opens this device can hear them.")
    return structs.replace(found, messages=messages)


def _export(message: Message, folder: str, tell: Callable[[str], None]) -> Message:
    if not isinstance(message.speech, bytes):
        return message
    body, message = message.speech, structs.replace(message, speech=UNSET)
    path = os.path.abspath(Path(folder, f"voice-{message.pos}.wav"))
    if os.path.lexists(path):
        tell(f"{path} is there already and was not touched.")
        return message
    recording = recording_of(body)
    NewFile(path).write(recording)
    return structs.replace(message, file=path)
