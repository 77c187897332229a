"""The names under which this vault's owner finds groups and contacts: one namespace, no doubles."""

from __future__ import annotations

from chasqui.base.errors import UserError
from chasqui.base.schema import decode_own
from chasqui.node.records import ContactRecord, GroupRecord, Space
from chasqui.node.transaction import Transaction


def free_label(tx: Transaction, name: str) -> str:
    """The name. Raises `UserError` where another contact or group has it."""
    if name in _labels(tx):
        raise UserError("Another contact or group has this name already.", todo="Choose another name.")
    return name


def unused_label(tx: Transaction, name: str) -> str:
    """The name, with a number behind it where it is taken: for names that others chose."""
    taken = _labels(tx)
    if name and name not in taken:
        return name
    stem = name or "unnamed"
    return next(label for n in range(1, len(taken) + 3) if (label := f"{stem} {n}") not in taken)


def _labels(tx: Transaction) -> set[str]:
    contacts = {decode_own(data, ContactRecord).name for _, data in tx.scan(Space.CONTACT)}
    return contacts | {decode_own(data, GroupRecord).name for _, data in tx.scan(Space.GROUP)}
