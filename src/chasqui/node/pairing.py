"""Contacts: offers, replies, spare key packages, and the labels that bind to keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from chasqui import mls
from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import (
    KEY_PACKAGE_LIFETIME_S,
    SECONDS_PER_DAY,
    SPARE_KEY_PACKAGES,
    SPARES_HELD_MAX,
)
from chasqui.base.names import own_name, peer_name
from chasqui.base.schema import decode_own, encode
from chasqui.groups.bodies import KeyPackagesBody, read_key_packages, read_welcome
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.operation import GroupKind, Role
from chasqui.groups.pairing import (
    SUITE,
    Offer,
    ReplyBody,
    SealedReply,
    check_words,
    open_reply,
    write_offer,
    write_reply,
)
from chasqui.groups.spares import prove_spare, read_spare
from chasqui.node.authors import load_author
from chasqui.node.changes import add_member, found_group
from chasqui.node.groups import load_group
from chasqui.node.joining import encode_welcome, enter, invited_with
from chasqui.node.labels import free_label, unused_label
from chasqui.node.outbox import say
from chasqui.node.records import (
    ContactRecord,
    OwnKeyPackageRecord,
    SelfRecord,
    Space,
    SpareRecord,
)
from chasqui.node.transaction import Transaction
from chasqui.sealed.kinds import Kind

SPARE_GIVEN_S: Final = KEY_PACKAGE_LIFETIME_S - 30 * SECONDS_PER_DAY  # new ones are on their way before it expires


@dataclass(frozen=True)
class Accepted:
    """A new contact. `reply` is the file to hand back, where an offer was accepted."""

    contact: GroupId
    record: ContactRecord
    reply: bytes | None


def make_offer(tx: Transaction) -> bytes:
    """The bytes of an offer file: one key package without a name."""
    return write_offer(_new_key_package(tx, b"", contact=b"").key_package)


def accept_offer(tx: Transaction, offer: Offer, label: str) -> Accepted:
    """Makes the contact's group of two and the reply. Raises `UserError` for our own or an answered offer."""
    if tx.get(Space.KEY_PACKAGE, offer.ref) is not None:
        raise UserError("This is your own offer.", todo="Give the file to the other person.")
    if tx.get(Space.ANSWERED, offer.ref) is not None:
        raise UserError("This offer was answered before.", todo="Ask for a fresh offer to pair once more.")
    name = free_label(tx, own_name(label))
    own = load_self(tx)
    contact, _, _ = found_group(tx, "", GroupKind.CONTACT, own.name, 0)
    added = add_member(tx, contact, offer.key_package, Role.MEMBER, first_of_contact=True)
    spares = _new_spares(tx, contact, SPARE_KEY_PACKAGES)
    body = ReplyBody(encode_welcome(added.welcome), spares.key_packages, spares.proofs)
    reply = write_reply(offer, body, tx.entropy)
    record = ContactRecord(name, added.member, 0, check_words(added.state, contact))
    tx.save(Space.CONTACT, contact, record)
    tx.put(Space.ANSWERED, offer.ref, b"")
    return Accepted(contact, record, reply)


def accept_reply(tx: Transaction, reply: SealedReply, label: str | None) -> Accepted:
    """Enters the contact that a reply to our offer made, and sends spare key packages into it."""
    own = tx.load(Space.KEY_PACKAGE, reply.ref, OwnKeyPackageRecord)
    if own is None:
        raise UserError(
            "This reply does not answer an open offer of this vault.",
            todo="If you accepted it before, see `chasqui contact list`; otherwise make a new offer.",
        )
    body = open_reply(reply, mls.KeyPackageKeys.from_bytes(own.keys))
    welcome = read_welcome(body.welcome)
    record, state = enter(tx, welcome, reply.ref)
    contact = GroupId(welcome.group)
    if record.kind != GroupKind.CONTACT or len(state.members) != 2:
        raise PeerError("The reply does not lead into a contact of two.")
    other = next(member for member in state.members if member.signature_key != record.member)
    claimed = peer_name(other.identity)
    name = own_name(label) if label is not None else claimed or "contact"
    name = free_label(tx, name) if label is not None else unused_label(tx, name)
    made = ContactRecord(name, other.signature_key, 0, check_words(state, contact))
    tx.save(Space.CONTACT, contact, made)
    _keep_spares(tx, contact, made, KeyPackagesBody(body.key_packages, body.proofs))
    send_spares(tx, contact)
    return Accepted(contact, made, None)


def verify_contact(tx: Transaction, contact: GroupId) -> ContactRecord:
    """Records that the words were compared."""
    record = load_contact(tx, contact)
    changed = structs.replace(record, verified_s=tx.now_s)
    tx.save(Space.CONTACT, contact, changed)
    return changed


def load_contact(tx: Transaction, contact: GroupId) -> ContactRecord:
    """Raises `UserError` where there is none."""
    record = tx.load(Space.CONTACT, contact, ContactRecord)
    if record is None:
        raise UserError("There is no such contact.", todo="See `chasqui contact list`.")
    return record


def load_self(tx: Transaction) -> SelfRecord:
    """Whose vault this is."""
    record = tx.load(Space.META, b"self", SelfRecord)
    if record is None:
        raise AssertionError("a vault without an owner")
    return record


def take_key_packages(tx: Transaction, contact: GroupId, data: bytes) -> None:
    """Keeps spare key packages that came through a contact. Raises `PeerError` where one is not the contact's own."""
    record = tx.load(Space.CONTACT, contact, ContactRecord)
    if record is None:
        raise PeerError("Key packages stand in a group that is no contact.")
    _keep_spares(tx, contact, record, read_key_packages(data))


def take_spare(tx: Transaction, contact: GroupId) -> bytes | None:
    """One key package of a contact, never to be used again; None where none is at hand."""
    for ref, spare in list(tx.load_prefix(Space.SPARE, contact, SpareRecord)):
        tx.erase(Space.SPARE, contact + ref)
        try:
            with peers_fault():
                mls.read_key_package(spare.key_package, tx.now_s)
        except PeerError:
            continue  # it has expired
        return spare.key_package
    return None


def send_spares(tx: Transaction, contact: GroupId) -> None:
    """Fills up what the contact can add us with."""
    used = invited_with(tx)
    given = [
        ref
        for ref, data in tx.scan(Space.KEY_PACKAGE)
        if ref not in used
        and (known := decode_own(data, OwnKeyPackageRecord)).contact == contact
        and known.created_s + SPARE_GIVEN_S > tx.now_s
    ]
    if len(given) > SPARE_KEY_PACKAGES // 2:
        return
    fresh = _new_spares(tx, contact, SPARE_KEY_PACKAGES - len(given))
    say(tx, contact, load_group(tx, contact), Kind.KEY_PACKAGES, encode(fresh))


def refill_spares(tx: Transaction, contact: GroupId) -> None:
    """Gives a contact new key packages for those that have expired, so that it can add us after years, too; not again
    before it was heard: in silence one bundle would follow another."""
    record = tx.load(Space.CONTACT, contact, ContactRecord)
    if record is not None:
        known = tx.load_prefix(Space.KEY_PACKAGE, b"", OwnKeyPackageRecord)
        given_s = max((own.created_s for _, own in known if own.contact == contact), default=tx.now_s - SPARE_GIVEN_S)
        if load_author(tx, contact, MemberKey(record.member)).last_heard_s > given_s:
            send_spares(tx, contact)


def _keep_spares(tx: Transaction, contact: GroupId, record: ContactRecord, given: KeyPackagesBody) -> None:
    if len(given.proofs) != len(given.key_packages):
        raise PeerError("A contact gives key packages without saying whose they are.")
    giver = MemberKey(record.member)
    read = [
        (read_spare(key_package, proof, contact, giver).ref, key_package)
        for key_package, proof in zip(given.key_packages, given.proofs, strict=True)
    ]
    for ref, key_package in read:
        tx.save(Space.SPARE, contact + ref, SpareRecord(key_package, tx.now_s))
    held = sorted(tx.load_prefix(Space.SPARE, contact, SpareRecord), key=lambda pair: pair[1].received_s)
    for ref, _ in held[: max(0, len(held) - SPARES_HELD_MAX)]:
        tx.erase(Space.SPARE, contact + ref)


def _new_spares(tx: Transaction, contact: GroupId, number: int) -> KeyPackagesBody:
    """So many new key packages for this contact alone."""
    identity, giver = load_self(tx).name.encode(), MemberKey(load_group(tx, contact).member)
    made = [_new_key_package(tx, identity, contact=contact) for _ in range(number)]
    proofs = tuple(prove_spare(keys, contact, giver) for keys in made)
    return KeyPackagesBody(tuple(keys.key_package for keys in made), proofs)


def _new_key_package(tx: Transaction, identity: bytes, *, contact: bytes) -> mls.KeyPackageKeys:
    keys = mls.make_key_package(SUITE, identity, tx.entropy, tx.now_s, KEY_PACKAGE_LIFETIME_S)
    ref = mls.read_key_package(keys.key_package).ref
    tx.save(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord(keys.to_bytes(), tx.now_s, contact))
    return keys
