"""`group add --role guest`: carried out on a node."""

from __future__ import annotations

from chasqui.app import requests
from chasqui.app.names import find_contact, find_group
from chasqui.app.results import Guest
from chasqui.app.runner import Runner
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId
from chasqui.node import inputs
from chasqui.node.guests import GuestView, guests_of
from chasqui.node.pairing import load_self
from chasqui.node.transaction import Transaction
from chasqui.node.views import list_contacts


def add(runner: Runner, request: requests.AddGuest) -> Guest:
    """Makes a side group with a contact, and with those members who speak with him."""
    tx = runner.look()
    group, contact = find_group(tx, request.group), find_contact(tx, request.contact)
    speakers = tuple(_speaker(tx, contact, speaker) for speaker in request.speakers)
    side: GroupId = runner.step(inputs.AddGuest(group, contact, speakers))
    return next(guest_line(guest) for guest in guests_of(runner.look(), group) if guest.side == side)


def _speaker(tx: Transaction, guest: GroupId, text: str) -> GroupId:
    """Somebody who shall speak with the guest. Raises `UserError` for ourselves and for the guest."""
    known = {contact.name for contact in list_contacts(tx)}
    if text == load_self(tx).name and text not in known:
        raise UserError(
            "You speak with your guest anyway: `--with` is for others.",
            safety="Nothing was changed.",
            todo="Leave it out, or name contacts of yours who are in the group.",
        )
    speaker = find_contact(tx, text)
    if speaker == guest:
        raise UserError(
            "That is the guest: `--with` is for members who shall speak with him, too.",
            safety="Nothing was changed.",
            todo="Leave it out, or name contacts of yours who are in the group.",
        )
    return speaker


def guest_line(guest: GuestView) -> Guest:
    """A guest as people and scripts see him."""
    return Guest(guest.name, guest.side.hex(), guest.label, "pending" if guest.pending else "invited")
