"""What somebody says who has keys and does not keep to the rules: signed and sealed as ever, never sent by a Node."""

from __future__ import annotations

from contextlib import suppress

from chasqui import mls
from chasqui.base.days import day_of
from chasqui.base.ids import EpochId, GroupId, ObjectId
from chasqui.base.schema import encode
from chasqui.groups.bodies import CommitBody
from chasqui.groups.operation import Reason, Remove, encode_change
from chasqui.groups.witnesses import encode_witnesses
from chasqui.node.effects import Persist
from chasqui.node.epochs import head_of
from chasqui.node.groups import keep_witnesses, load_group, save_operations
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


def utter_removal(
    person: Person, group: GroupId, whom: Person, heads: tuple[ObjectId, ...], within: EpochId | None = None
) -> tuple[bytes, ...]:
    """Somebody removes another as if he had these alone, and witnesses that; nothing is carried out."""
    tx, before = person.tx(), set(person.held())
    change = Remove(heads, whom.key(group), load_group(whom.tx(), group).seq, Reason.REMOVED)
    signed, _ = say(tx, group, load_group(tx, group), Kind.OP, encode_change(change), within=within)
    save_operations(tx, group, (signed,))
    keep(person, tx)
    return (*fresh(person, before), *utter_word(person, group, signed.id, heads, within))


def utter_word(
    person: Person, group: GroupId, removal: ObjectId, heads: tuple[ObjectId, ...], within: EpochId | None = None
) -> tuple[bytes, ...]:
    """Somebody says what he had when he heard of a removal."""
    tx, before, had = person.tx(), set(person.held()), ((removal, heads),)
    word, _ = say(tx, group, load_group(tx, group), Kind.WITNESS, encode_witnesses(had), within=within)
    keep_witnesses(tx, word, had)
    keep(person, tx)
    return fresh(person, before)
