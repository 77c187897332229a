"""`contact ...`"""

from __future__ import annotations

import click

from chasqui.app import requests, results
from chasqui.app.cli.base import Family, Invocation, refuse_two_answers
from chasqui.app.private_file import NewFile, read_file
from chasqui.base.limits import PAIRING_FILE_BYTES_MAX


@click.group(cls=Family)
def contact() -> None:
    """People you have met: pair, verify, list."""


@contact.command()
@click.argument("file")
@click.pass_obj
def offer(call: Invocation, file: str) -> None:
    """Write an offer to FILE, for the person you want to meet."""
    from chasqui.app.screens import contacts as screen

    refuse_two_answers(call, file)
    place = NewFile(file)
    try:
        _, data = call.call(requests.MakeOffer(), results.Offered)
    except BaseException:
        place.discard()
        raise
    place.write(data)
    result = results.Offered(file)
    if file == "-":
        call.tell(screen.offered(result))
    else:
        call.show(result, screen.offered(result))


@contact.command()
@click.argument("file")
@click.option("--as", "label", metavar="NAME", help="How you call this person. Needed for an offer.")
@click.option("--reply", metavar="FILE", help="Where to write the reply to an offer.")
@click.pass_obj
def accept(call: Invocation, file: str, label: str | None, reply: str | None) -> None:
    """Accept an offer, or the reply to your own offer."""
    from chasqui.app.screens import contacts as screen

    refuse_two_answers(call, reply)
    data = read_file(file, PAIRING_FILE_BYTES_MAX, what="a pairing file")
    place = NewFile(reply) if reply else None
    try:
        result, answer = call.call(requests.Accept(label, place is not None), results.Paired, data)
    except BaseException:
        if place:
            place.discard()
        raise
    if place and answer:
        place.write(answer)
    elif place:
        place.discard()  # a reply needs no reply
    text = screen.paired(result, reply if answer else None)
    if reply == "-" and answer:
        call.tell(text)
    else:
        call.show(result, text)


@contact.command()
@click.argument("contact")
@click.pass_obj
def verify(call: Invocation, contact: str) -> None:
    """Record that you compared the check words and they were equal."""
    from chasqui.app.screens import contacts as screen

    result, _ = call.call(requests.Verify(contact), results.Verified)
    call.show(result, screen.verified(result))


@contact.command("list")
@click.pass_obj
def list_(call: Invocation) -> None:
    """All contacts, with their check words."""
    from chasqui.app.screens import contacts as screen

    result, _ = call.call(requests.ListContacts(), results.Contacts)
    call.show(result, screen.listed(result))
