"""`contact ...`: carried out on a node."""

from __future__ import annotations

from chasqui.app import requests
from chasqui.app.desk import stamp, stamp_or_none
from chasqui.app.names import find_contact
from chasqui.app.results import ContactLine, Contacts, Offered, Paired, Verified
from chasqui.app.runner import Runner
from chasqui.app.spoken import words_of
from chasqui.base.errors import PeerError, UsageError
from chasqui.groups.pairing import Offer, read_pairing_file
from chasqui.node import inputs
from chasqui.node.pairing import Accepted
from chasqui.node.records import ContactRecord
from chasqui.node.views import list_contacts


def make_offer(runner: Runner, request: requests.MakeOffer) -> tuple[Offered, bytes]:
    """The bytes of an offer file; its keys are in the vault."""
    data: bytes = runner.step(inputs.MakeOffer())
    return Offered(""), data


def accept(runner: Runner, request: requests.Accept, file: bytes) -> tuple[Paired, bytes]:
    """Makes a contact of an offer or a reply. Raises `PeerError` for a foreign or torn file."""
    try:
        return _accept(runner, request, file)
    except PeerError as error:
        error.safety = error.safety or "Nothing was changed."
        error.todo = error.todo or "Check that this is the file you were given, or ask for it to be made anew."
        raise


def _accept(runner: Runner, request: requests.Accept, file: bytes) -> tuple[Paired, bytes]:
    if isinstance(read_pairing_file(file, None), Offer):
        if request.label is None:
            raise UsageError("An offer brings no name.", todo="Say how you call this person: `--as NAME`.")
        if not request.wants_reply:
            raise UsageError(
                "An offer has to be answered, or the other person learns nothing of it.",
                safety="Nothing was changed.",
                todo="Say where to write the answer: `--reply FILE`, and bring that file to the other person.",
            )
    accepted: Accepted = runner.step(inputs.AcceptPairing(file, request.label))
    record = accepted.record
    reply = accepted.reply or b""
    return Paired(record.name, record.member.hex(), words_of(record.words), bool(reply)), reply


def verify(runner: Runner, request: requests.Verify) -> Verified:
    """Records that the words were compared."""
    contact = find_contact(runner.look(), request.contact)
    record: ContactRecord = runner.step(inputs.VerifyContact(contact))
    return Verified(record.name, record.member.hex(), stamp(record.verified_s))


def list_all(runner: Runner, request: requests.ListContacts) -> Contacts:
    """All contacts, by name."""
    return Contacts(
        tuple(
            ContactLine(c.name, c.id.hex(), c.key.hex(), stamp_or_none(c.verified_s), words_of(c.words))
            for c in list_contacts(runner.look())
        )
    )
