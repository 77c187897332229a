"""Texts, bursts and files of a conversation: kept in the order of arrival, found in the order of reading."""

from __future__ import annotations

from chasqui.base.errors import PeerError, UsageError, UserError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.base.limits import TEXT_BYTES_MAX
from chasqui.node.effects import Notice
from chasqui.node.keys import u64
from chasqui.node.order import order_of
from chasqui.node.records import MessageRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.sealed.object import SignedObject

_ARRIVALS = b"arrivals"


def read_text(body: bytes) -> str:
    """The text of a body. Raises `PeerError` where it is none."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise PeerError("A text is not UTF-8.") from error
    if not text or len(body) > TEXT_BYTES_MAX:
        raise PeerError("A text is empty or too long.")
    return text


def text_body(text: str) -> bytes:
    """The body of a text. Raises `UsageError` for one that is empty, too long, or no Unicode text."""
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise UsageError("The text holds characters that are no Unicode text.") from error
    if not body:
        raise UsageError("There is nothing to send.")
    if len(body) > TEXT_BYTES_MAX:
        raise UsageError(
            f"The text is {len(body)} bytes long; one message holds {TEXT_BYTES_MAX}.",
            todo="Send it as a file: `--file`.",
        )
    return body


def message_of(tx: Transaction, group: GroupId, message: ObjectId) -> MessageRecord:
    """A message by its id. Raises `UserError` where it is not here."""
    arrival = tx.get(Space.MESSAGE_ID, group + message)
    record = tx.load(Space.MESSAGE, group + arrival, MessageRecord) if arrival else None
    if record is None:
        raise UserError("There is no such message in this group.", todo="See `read`.")
    return record


def last_arrival(tx: Transaction) -> int:
    """The number of the newest message in this vault; 0 for none."""
    return int.from_bytes(tx.get(Space.META, _ARRIVALS) or b"", "big")


def next_arrival(tx: Transaction) -> int:
    """The number of the next message in this vault, from 1."""
    number = last_arrival(tx) + 1
    tx.put(Space.META, _ARRIVALS, u64(number))
    return number


def keep_message(tx: Transaction, signed: SignedObject, arrival: int) -> None:
    """Stores a message whose object has its stamp."""
    group = signed.group
    key = order_of(tx, signed)
    record = MessageRecord(signed.to_whole(), tx.now_s, key)
    tx.save(Space.MESSAGE, group + u64(arrival), record)
    tx.put(Space.MESSAGE_ID, group + signed.id, u64(arrival))
    tx.put(Space.ORDER, key, u64(arrival))
    tx.notify(Notice("message", group))
