"""From what a person typed to a group, contact, member or message: a unique name, or a hex prefix of its id or key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from unicodedata import normalize

from chasqui.app.errors import AmbiguousError
from chasqui.app.results import Candidate
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.base.schema import decode_own
from chasqui.groups.operation import GroupKind
from chasqui.node.groups import not_joined
from chasqui.node.records import ContactRecord, GroupRecord, InvitationRecord, Space
from chasqui.node.store_port import prefix_end
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import MemberView
from chasqui.node.views import group_view

PREFIX_DIGITS_MIN: Final = 8
_SHOWN_DIGITS: Final = 16


class _Named(NamedTuple):
    """Something that can be meant: what the answer is, how it is called, and which hex numbers stand for it."""

    id: bytes
    name: str
    numbers: tuple[str, ...]


def find_group(tx: Transaction, text: str) -> GroupId:
    """A group, contact or, where neither fits, an invitation. Raises `UserError`, `AmbiguousError`."""
    found = _match([*_groups(tx), *_contacts(tx)], text) or _match(_invitations(tx), text)
    return GroupId(_one(found, text, "group or contact", "See `chasqui group list` and `chasqui contact list`."))


def find_invitation(tx: Transaction, text: str) -> GroupId:
    """An invitation. Raises `UserError`, also for a group that we are in, and `AmbiguousError`."""
    found = _match(_invitations(tx), text)
    if not found and _match(_groups(tx), text):
        raise UserError("You have joined this group already.", todo="See `chasqui group show`.")
    return GroupId(_one(found, text, "invitation", "See `chasqui group list`."))


def find_contact(tx: Transaction, text: str) -> GroupId:
    """A contact. Raises `UserError`, `AmbiguousError`."""
    return GroupId(_one(_match(_contacts(tx), text), text, "contact", "See `chasqui contact list`."))


def find_member(tx: Transaction, group: GroupId, text: str) -> MemberView:
    """A member who is not removed. Raises `UserError`, `AmbiguousError`."""
    view = group_view(tx, group)
    if view.state == "invited":
        raise not_joined()
    found = _match([_Named(m.key, m.name, (m.key.hex(),)) for m in view.members if m.state != "removed"], text)
    if not found and _match([_Named(m.key, m.name, (m.key.hex(),)) for m in view.members], text):
        raise UserError(
            f"'{_short(text)}' is out of this group already.",
            safety="Nothing was changed.",
            todo="See `chasqui group show`. Exchange, so that the others hear of it, too.",
        )
    key = _one(found, text, "member of this group", "See `chasqui group show`.")
    return next(m for m in view.members if m.key == key)


def find_message(tx: Transaction, group: GroupId, text: str) -> ObjectId:
    """A message by its id or the beginning of it. Raises `UserError`, `AmbiguousError`."""
    prefix = text.lower()
    if not _is_prefix(prefix):
        raise UserError("This is no id of a message.", todo="`chasqui read` shows them.")
    raw = bytes.fromhex(prefix[: len(prefix) & ~1])
    start = group + raw
    found = [
        _Named(key[len(group) :], "", ())
        for key, _ in tx.scan(Space.MESSAGE_ID, start, prefix_end(start), limit=64)
        if key[len(group) :].hex().startswith(prefix)
    ]
    return ObjectId(_one(found, text, "message in this group", "See `chasqui read`."))


def _groups(tx: Transaction) -> list[_Named]:
    return [
        _Named(key, record.name, (key.hex(),))
        for key, data in tx.scan(Space.GROUP)
        if (record := decode_own(data, GroupRecord)).kind != GroupKind.CONTACT
    ]


def _contacts(tx: Transaction) -> list[_Named]:
    return [
        _Named(key, record.name, (key.hex(), record.member.hex()))
        for key, data in tx.scan(Space.CONTACT)
        for record in (decode_own(data, ContactRecord),)
    ]


def _invitations(tx: Transaction) -> list[_Named]:
    return [
        _Named(key, decode_own(data, InvitationRecord).name, (key.hex(),)) for key, data in tx.scan(Space.INVITATION)
    ]


def _match(named: Iterable[_Named], text: str) -> list[_Named]:
    name, prefix = normalize("NFC", text).strip(), text.lower()
    by_number = _is_prefix(prefix)
    return [n for n in named if n.name == name or (by_number and any(x.startswith(prefix) for x in n.numbers))]


def _is_prefix(text: str) -> bool:
    return len(text) >= PREFIX_DIGITS_MIN and all(digit in "0123456789abcdef" for digit in text)


def _one(found: list[_Named], text: str, what: str, todo: str) -> bytes:
    if not found:
        raise UserError(f"There is no {what} called '{_short(text)}'.", todo=todo)
    if len(found) > 1:
        candidates = tuple(Candidate(n.name, n.id.hex()[:_SHOWN_DIGITS]) for n in found)
        raise AmbiguousError(f"'{_short(text)}' could mean several.", candidates)
    return found[0].id


def _short(text: str) -> str:
    """What was typed, fit for one line of an error."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= 80 else shown[:79] + "…"
