"""What somebody says who has keys and does not keep to the rules: signed and sealed as ever, never sent by a Node."""

from __future__ import annotations

from contextlib import suppress

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.ids import EpochId, GroupId
from chasqui.base.schema import encode
from chasqui.groups.bodies import CommitBody
from chasqui.node.effects import Persist
from chasqui.node.epochs import head_of
from chasqui.node.groups import load_group
from chasqui.node.outbox import say
from chasqui.node.records import EpochRecord
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import SignedObject
from tests.node.world import Person


def keep(person: Person, tx: Transaction) -> None:
    """Makes durable what a transaction staged, and starts the node anew on it."""
    for effect in tx.outcome():
        if isinstance(effect, Persist):
            person.store.apply(effect.writes)
            person.store.commit()
    person.restart()


def head(person: Person, group: GroupId) -> tuple[EpochId, EpochRecord]:
    """The head of a group, as this person has it."""
    tx = person.tx()
    return head_of(tx, group, load_group(tx, group))


def mls_state(person: Person, group: GroupId) -> mls.GroupState:
    """The MLS state of the head."""
    return mls.GroupState.from_bytes(head(person, group)[1].mls_state)


def fresh(person: Person, before: set[bytes]) -> tuple[bytes, ...]:
    """What somebody holds and did not hold before."""
    return tuple(bundle for bundle in person.held() if bundle not in before)


def utter_object(
    person: Person, group: GroupId, kind: Kind, body: bytes, within: EpochId | None = None
) -> tuple[SignedObject, bytes]:
    """An object of any kind and body, and its bundle. Its author does not act upon it himself."""
    before, tx = set(person.held()), person.tx()
    signed, _ = say(tx, group, load_group(tx, group), kind, body, within=within)
    keep(person, tx)
    (bundle,) = fresh(person, before)
    return signed, bundle


def utter(person: Person, group: GroupId, kind: Kind, body: bytes, within: EpochId | None = None) -> bytes:
    """The bundle alone."""
    return utter_object(person, group, kind, body, within)[1]


def utter_commit(
    person: Person, group: GroupId, message: bytes, operations: tuple[bytes, ...] = (), r: bytes = bytes(16)
) -> bytes:
    """A commit object around any MLS message; what has no short form stands in it as it is."""
    with suppress(mls.UsageError):
        message = mls.shorten(message)
    return utter(person, group, Kind.COMMIT, encode(CommitBody(operations, r, day_of(person.now_s), message)))
