"""`send`, `read`, `save`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import NOT_YET, Invocation, Leaf, print_json, refuse_two_answers
from chasqui.app.private_file import NewFile, read_file
from chasqui.base.errors import UsageError
from chasqui.base.limits import FILE_BYTES_MAX, TEXT_BYTES_MAX


@click.command(cls=Leaf)
@click.argument("group")
@click.argument("text", required=False)
@click.option("--file", "file", metavar="FILE", help="Send a file.")
@click.option("--voice", metavar="WAV", hidden=True)
@click.option("--urgent", is_flag=True, help="Carriers pass it on first; they see that it is urgent.")
@click.pass_obj
def send(call: Invocation, group: str, text: str | None, file: str | None, voice: str | None, urgent: bool) -> None:
    """Send a text or a file. Prints its id once it is safely kept.

    TEXT - reads from stdin, which leaves nothing in your shell's history nor in the list of processes.
    """
    from chasqui.app.screens import messages as screen

    if voice is not None:
        raise UsageError(f"'--voice' {NOT_YET}.", todo="Send a recording with `--file`.")
    if (text is None) == (file is None):
        raise UsageError("Give a text or `--file FILE`, one of the two.", todo="`chasqui send GROUP TEXT`")
    request: requests.Request
    data = b""
    if file is not None:
        data = read_file(file, FILE_BYTES_MAX, what="one message")
        name = "stdin" if file == "-" else Path(file).name
        call.tell(screen.about_to_send(name, len(data)))
        request = requests.SendFile(group, name, urgent)
    else:
        request = requests.SendText(group, _text(text or ""), urgent)
    result, _ = call.call(request, results.Sent, data)
    call.show(result, result.id)
    if sys.stderr.isatty():
        call.tell(screen.sent(result))


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
@click.pass_obj
def read(call: Invocation, group: str, since: int, follow: bool) -> None:
    """Show messages, and what is missing."""
    from chasqui.app.screens import messages as screen

    if not follow:
        found, _ = call.call(requests.Read(group, since), results.Conversation)
        call.show(found, screen.conversation(found))
        return
    from chasqui.app.following import follow as follow_group

    scroll = screen.Scroll()
    with suppress(KeyboardInterrupt):  # the usual way to end it
        for found in follow_group(call.home, call.passphrase, group, since):
            if call.as_json:
                for message in found.document()["messages"]:
                    print_json(message)
            else:
                call.show(found, scroll.more(found))


@click.command(cls=Leaf, short_help="Take a file out of the vault.")
@click.argument("group")
@click.argument("id")
@click.argument("file")
@click.pass_obj
def save(call: Invocation, group: str, id: str, file: str) -> None:
    """Take a file out of the vault: write it to FILE, or - for stdout."""
    from chasqui.app.screens import messages as screen

    refuse_two_answers(call, file)
    place = NewFile(file)
    try:
        saved, data = call.call(requests.Save(group, id), results.Saved)
    except BaseException:
        place.discard()
        raise
    place.write(data)
    if file != "-":
        result = results.Saved(os.path.abspath(file), saved.name, saved.size)
        call.show(result, screen.saved(result))


COMMANDS = (send, read, save)
