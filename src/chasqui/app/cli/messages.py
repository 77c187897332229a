"""`send`, `read`, `save`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from chasqui.app import message_results, requests
from chasqui.app.cli.base import Invocation, Leaf, print_json, refuse_two_answers
from chasqui.app.errors import SlowLinkError
from chasqui.app.private_file import NewFile, read_file
from chasqui.app.screens import messages as screen
from chasqui.base.errors import ChasquiError, MachineError, UsageError
from chasqui.base.limits import FILE_BYTES_MAX, TEXT_BYTES_MAX
from chasqui.media.burst import QUALITY_OF_LABEL, QualityLabel

if TYPE_CHECKING:
    from chasqui.app.client import DaemonClient
    from chasqui.app.local import LocalDesk
    from chasqui.app.speech import Exporter

PATIENCE_S = 60.0  # so long the rest of a recording is waited for before what is here is written out


@click.command(cls=Leaf)
@click.argument("group")
@click.argument("text", required=False)
@click.option("--file", "file", metavar="FILE", help="Send a file.")
@click.option("--voice", metavar="FILE.wav", help="Send recorded speech, - for stdin.")
@click.option("--quality", type=click.Choice(tuple(QUALITY_OF_LABEL)), help="Of speech; else the slowest link decides.")
@click.option("--urgent", is_flag=True, help="Carriers pass it on first; they see that it is urgent.")
@click.option("--yes", is_flag=True, help="Send it even if a slow link needs long for it.")
@click.pass_obj
def send(
    call: Invocation,
    group: str,
    text: str | None,
    file: str | None,
    voice: str | None,
    quality: QualityLabel | None,
    urgent: bool,
    yes: bool,
) -> None:
    """Send a text, a file or speech. Prints its id once it is safely kept.

    TEXT - reads from stdin, which leaves nothing in your shell's history nor in the list of processes.
    """
    if [text, file, voice].count(None) != 2:
        raise UsageError("Give a text, `--file` or `--voice`, one of them.", todo="`chasqui send GROUP TEXT`")
    if quality is not None and voice is None:
        raise UsageError("`--quality` is for speech.", todo="`chasqui send GROUP --voice FILE.wav`")
    if voice is not None:
        result = _send_voice(call, group, voice, quality, urgent, yes)
    elif file is not None:
        result = _send_file(call, group, file, urgent, yes)
    else:
        result, _ = call.call(requests.SendText(group, _text(text or ""), urgent), message_results.Sent)
    call.show(result, "\n".join(result.bursts if isinstance(result.bursts, tuple) else (result.id,)))
    if screen.slow(result):
        call.tell(screen.slow(result))
    if sys.stderr.isatty():
        call.tell(screen.sent(result))


def _send_file(call: Invocation, group: str, file: str, urgent: bool, yes: bool) -> message_results.Sent:
    data = read_file(file, FILE_BYTES_MAX, what="one message")
    name = "stdin" if file == "-" else Path(file).name
    call.tell(screen.about_to_send(name, len(data)))
    with call.reach() as desk:
        return _send(call, desk, requests.SendFile(group, name, urgent, confirmed=yes), data)


def _send_voice(
    call: Invocation, group: str, voice: str, quality: QualityLabel | None, urgent: bool, yes: bool
) -> message_results.Sent:
    from chasqui.app import speech

    samples = speech.samples_of(read_file(voice, speech.WAV_BYTES_MAX, what="speech"))
    speech.require_codec()
    with call.reach() as desk:
        link = ""
        if quality is None:
            chosen, _ = desk.call(requests.ChooseQuality())
            if not isinstance(chosen, message_results.QualityChosen):
                raise TypeError("an answer of another kind")
            quality, link = chosen.quality, chosen.link
        call.tell(screen.about_to_speak(speech.seconds_of(samples), quality, link))
        request = requests.SendVoice(group, quality, urgent, confirmed=yes)
        return _send(call, desk, request, speech.coded(samples, quality))


def _send(
    call: Invocation, desk: DaemonClient | LocalDesk, request: requests.SendFile | requests.SendVoice, data: bytes
) -> message_results.Sent:
    """Sends it; where a slow link needs long for it, asks a person first."""
    try:
        result, _ = desk.call(request, data)
    except ChasquiError as error:
        if error.code != SlowLinkError.code or not _can_ask(call):
            raise
        call.tell(f"{error.what} {error.safety}")
        if not click.confirm("Send it all the same?", err=True):
            raise
        result, _ = desk.call(msgspec.structs.replace(request, confirmed=True), data)
    if not isinstance(result, message_results.Sent):
        raise TypeError("an answer of another kind")
    return result


def _can_ask(call: Invocation) -> bool:
    """Whether a person is there who can answer."""
    return not call.as_json and sys.stdin.isatty() and sys.stderr.isatty()


def _text(text: str) -> str:
    if text == "-":
        data = read_file("-", 4 * TEXT_BYTES_MAX, what="a text")
        try:
            text = data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise UsageError("What came on stdin is no text in UTF-8.", todo="Send it with `--file -`.") from error
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("The text holds characters that are no Unicode text.") from error
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise UsageError(
            f"The text is {len(text.encode())} bytes long; one message holds {TEXT_BYTES_MAX}.",
            todo="Send it as a file: `--file`.",
        )
    return text


@click.command(cls=Leaf)
@click.argument("group")
@click.option("--since", type=click.IntRange(min=0), default=0, metavar="POS", help="Only what came here after POS.")
@click.option("--follow", is_flag=True, help="Go on and show what comes. Ctrl-C ends it.")
@click.option("--export", metavar="DIR", help="Write what was spoken into a folder, as WAV files.")
@click.pass_obj
def read(call: Invocation, group: str, since: int, follow: bool, export: str | None) -> None:
    """Show messages, and what is missing."""
    hear = _Hearing(call, export, PATIENCE_S if follow else 0.0)
    if not follow:
        request = requests.Read(group, since, hear.wants, whole=True)
        found, _ = call.call(request, message_results.Conversation)
        found = hear.take(found)
        call.show(found, screen.conversation(found))
        return
    from chasqui.app.following import follow as follow_group

    scroll = screen.Scroll()
    with suppress(KeyboardInterrupt):  # the usual way to end it
        for found in follow_group(call.home, call.passphrase, group, since, speech=hear.wants):
            found = hear.take(found)
            if call.as_json:
                for message in found.document()["messages"]:
                    print_json(message)
            else:
                call.show(found, scroll.more(found))
    hear.end()


class _Hearing:
    """What `read` does about speech: writes it out where that was asked for, else says once if it cannot be heard."""

    def __init__(self, call: Invocation, folder: str | None, patience_s: float) -> None:
        self._call = call
        self._folder = folder
        self._patience_s = patience_s
        self._exporter: Exporter | None = None
        self._told = False
        self.wants = folder is not None

    def take(self, found: message_results.Conversation) -> message_results.Conversation:
        spoken = any(message.kind == "voice" for message in found.messages)
        if self._exporter is None and not spoken:
            return found
        from chasqui.app import speech

        if self._folder is not None:
            if self._exporter is None:
                self._exporter = speech.Exporter(self._folder, self._call.tell, self._patience_s)
            return self._exporter.take(found, time.monotonic())
        if not self._told:
            self._told = True
            try:
                speech.require_codec()
            except MachineError as error:
                self._call.tell(screen.codec_missing(error))
        return found

    def end(self) -> None:
        """Writes out what waited for the rest of it."""
        if self._exporter is not None:
            self._exporter.end()


@click.command(cls=Leaf, short_help="Take a file or speech out of the vault.")
@click.argument("group")
@click.argument("id")
@click.argument("file")
@click.pass_obj
def save(call: Invocation, group: str, id: str, file: str) -> None:
    """Take a file out of the vault, or speech as a WAV file: write it to FILE, or - for stdout."""
    refuse_two_answers(call, file)
    place = NewFile(file)
    try:
        saved, data = call.call(requests.Save(group, id), message_results.Saved)
        if saved.voice:
            from chasqui.app import speech

            data = speech.recording_of(speech.bodies_of(data))
    except BaseException:
        place.discard()
        raise
    place.write(data)
    if file != "-":
        result = message_results.Saved(os.path.abspath(file), saved.name, len(data), missing_s=saved.missing_s)
        call.show(result, screen.saved(result))


COMMANDS = (send, read, save)
