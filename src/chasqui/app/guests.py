"""`group add --role guest`: carried out on a node."""

from __future__ import annotations

from chasqui.app import requests
from chasqui.app.names import find_contact, find_group
from chasqui.app.results import Guest
from chasqui.app.runner import Runner
from chasqui.base.ids import GroupId
from chasqui.node import inputs
from chasqui.node.guests import GuestView, guests_of


def add(runner: Runner, request: requests.AddGuest) -> Guest:
    """Makes a side group with a contact, and with those members who speak with him."""
    tx = runner.look()
    group, contact = find_group(tx, request.group), find_contact(tx, request.contact)
    speakers = tuple(find_contact(tx, speaker) for speaker in request.speakers)
    side: GroupId = runner.step(inputs.AddGuest(group, contact, speakers))
    return next(guest_line(guest) for guest in guests_of(runner.look(), group) if guest.side == side)


def guest_line(guest: GuestView) -> Guest:
    """A guest as people and scripts see him."""
    return Guest(guest.name, guest.side.hex(), guest.label, "pending" if guest.pending else "invited")
