"""The MUSTs of docs/spec/pairing.md."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from nacl import bindings

from chasqui import mls
from chasqui.base.errors import PeerError, UserError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.schema import encode
from chasqui.groups.bodies import KeyPackagesBody
from chasqui.groups.operation import GroupKind, Role
from chasqui.groups.pairing import SUITE, Offer, ReplyBody, check_words, read_pairing_file, write_reply
from chasqui.groups.spares import prove_spare
from chasqui.mls.suite import crypto_of
from chasqui.node import inputs
from chasqui.node.changes import add_member, found_group
from chasqui.node.groups import load_group
from chasqui.node.joining import encode_welcome
from chasqui.node.records import ContactRecord, OwnKeyPackageRecord, Space, SpareRecord
from chasqui.sealed.kinds import Kind
from tests.node.hostile import keep, utter
from tests.node.world import Person, pair


def own_keys(person: Person, ref: bytes) -> mls.KeyPackageKeys:
    record = person.tx().load(Space.KEY_PACKAGE, ref, OwnKeyPackageRecord)
    assert record is not None
    return mls.KeyPackageKeys.from_bytes(record.keys)


@pytest.mark.must("M-PAI-1", "M-PAI-5")
def test_offer_and_reply_byte_by_byte() -> None:
    ana, ben = Person("ana"), Person("ben")
    offer: bytes = ana.do(inputs.MakeOffer())
    assert offer[:5] == b"CHQO\x01"
    package = mls.read_key_package(offer[5:])
    assert package.identity == b""
    assert b"ana" not in offer
    assert package.suite_number == 3
    keys = own_keys(ana, package.ref)
    reply: bytes = ben.do(inputs.AcceptPairing(offer, "ana")).reply
    assert reply[:5] == b"CHQR\x01"
    assert reply[5:37] == package.ref
    inside = crypto_of(mls.CipherSuite.X25519_CHACHA).hpke.open(
        reply[37:69], keys.init_private.reveal(), b"chasqui pairing reply 1", package.ref, reply[69:]
    )
    welcome, spares, proofs = msgspec.msgpack.decode(inside)
    assert len(spares) == len(proofs) == 8
    ((contact, _),) = ben.store.scan(Space.CONTACT)
    giver = load_group(ben.tx(), GroupId(contact)).member
    for spare, proof in zip(spares, proofs, strict=True):
        read = mls.read_key_package(spare)
        assert read.identity == b"ben"
        assert len(proof) == 64
        said = b"chasqui spare 1\0" + read.ref + contact + giver
        bindings.crypto_sign_open(proof + said, read.signature_key)
    assert len(msgspec.msgpack.decode(welcome)) == 11
    assert b"ben" not in reply


@pytest.mark.must("M-PAI-2")
def test_files_that_are_refused() -> None:
    ana, ben = Person("ana"), Person("ben")
    offer: bytes = ana.do(inputs.MakeOffer())
    reply: bytes = ben.do(inputs.AcceptPairing(offer, "ana")).reply
    for bad in (
        b"",
        b"CHQX" + offer[4:],
        b"CHQO\x02" + offer[5:],
        offer[:-1],
        offer + b"\0",
        offer[:-1] + bytes((offer[-1] ^ 1,)),
        reply[:80],
        offer.ljust(65_537, b"\0"),
    ):
        with pytest.raises(PeerError):
            read_pairing_file(bad, ana.now_s)
    with pytest.raises(PeerError):
        read_pairing_file(offer, ana.now_s + 181 * 86_400)
    other = mls.make_key_package(mls.CipherSuite.X25519_AES128, b"", ana.entropy, ana.now_s, 86_400)
    with pytest.raises(PeerError):
        read_pairing_file(b"CHQO\x01" + other.key_package, ana.now_s)
    for at in (40, 80, len(reply) - 1):
        with pytest.raises(PeerError):
            ana.do(inputs.AcceptPairing(reply[:at] + bytes((reply[at] ^ 1,)) + reply[at + 1 :], None))
    assert ana.do(inputs.AcceptPairing(reply, None))


@pytest.mark.must("M-PAI-3")
@pytest.mark.parametrize(("kind", "more"), [(GroupKind.GROUP, False), (GroupKind.CONTACT, True)])
def test_a_reply_leads_into_a_contact_of_two(kind: GroupKind, more: bool) -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    offers = [read_pairing_file(person.do(inputs.MakeOffer()), ana.now_s) for person in (ana, caro)]
    first, third = offers
    assert isinstance(first, Offer)
    assert isinstance(third, Offer)
    tx = ben.tx()
    group, _, _ = found_group(tx, "", kind, "ben", 0)
    if more:
        add_member(tx, group, third.key_package, Role.MEMBER, first_of_contact=True)
    welcome = add_member(tx, group, first.key_package, Role.MEMBER, first_of_contact=True).welcome
    keep(ben, tx)
    reply = write_reply(first, ReplyBody(encode(welcome), ()), ben.entropy)
    before = dict(ana.store.scan(Space.KEY_PACKAGE))
    with pytest.raises(PeerError):
        ana.do(inputs.AcceptPairing(reply, None))
    assert dict(ana.store.scan(Space.KEY_PACKAGE)) == before
    assert not list(ana.store.scan(Space.GROUP))


@pytest.mark.must("M-PAI-4")
def test_once_each() -> None:
    ana, ben = Person("ana"), Person("ben")
    offer: bytes = ana.do(inputs.MakeOffer())
    with pytest.raises(UserError):
        ana.do(inputs.AcceptPairing(offer, "myself"))
    reply: bytes = ben.do(inputs.AcceptPairing(offer, "ana")).reply
    with pytest.raises(UserError):
        ben.do(inputs.AcceptPairing(offer, "ana again"))
    other: bytes = Person("caro").do(inputs.AcceptPairing(offer, "ana")).reply
    ana.do(inputs.AcceptPairing(reply, None))
    for late in (reply, other):
        with pytest.raises(UserError):
            ana.do(inputs.AcceptPairing(late, "again"))
    assert len(list(ana.store.scan(Space.CONTACT))) == 1


class Exporting:
    """An MLS state that exports what it was told to."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.asked: tuple[Any, ...] = ()

    def export(self, *asked: Any) -> bytes:
        self.asked = asked
        return self.secret


@pytest.mark.must("M-PAI-6")
def test_twelve_words_of_one_exporter() -> None:
    secret = bytes(range(1, 18))
    state, contact = Exporting(secret), GroupId(b"c" * 16)
    bits = f"{int.from_bytes(secret, 'big'):0136b}"
    expected = tuple(int(bits[136 - 11 * (i + 1) : 136 - 11 * i], 2) for i in range(12))
    assert check_words(state, contact) == expected  # type: ignore[arg-type]
    assert state.asked == ("chasqui check words", contact, 17)
    ana, ben = Person("ana"), Person("ben")
    made = pair(ana, ben)
    for person in (ana, ben):
        record = person.tx().load(Space.CONTACT, made, ContactRecord)
        assert record is not None
        assert record.verified_s == 0
    ana.do(inputs.VerifyContact(made))
    one, other = (person.tx().load(Space.CONTACT, made, ContactRecord) for person in (ana, ben))
    assert one is not None
    assert other is not None
    assert one.words == other.words
    assert len(set(one.words)) > 6
    assert (one.verified_s, other.verified_s) == (ana.now_s, 0)


def spares(person: Person, contact: GroupId) -> dict[bytes, bytes]:
    """What this person can add the contact with."""
    return {ref: spare.key_package for ref, spare in person.tx().load_prefix(Space.SPARE, contact, SpareRecord)}


def foreign(ben: Person, caro: Person, contact: GroupId, other: GroupId) -> list[KeyPackagesBody]:
    """Whatever Ben can say of Caro's key packages, whose keys he does not have."""
    tx = caro.tx()
    refs = [ref for ref, _ in caro.store.scan(Space.KEY_PACKAGE)]
    keys = next(own for own in (own_keys(caro, ref) for ref in refs) if mls.read_key_package(own.key_package).identity)
    theirs = keys.key_package
    as_given = prove_spare(keys, other, MemberKey(load_group(tx, other).member))
    own = mls.make_key_package(SUITE, b"ben", ben.entropy, ben.now_s, 86_400)
    giver = load_group(ben.tx(), contact).member
    his = prove_spare(own, contact, MemberKey(giver))
    return [
        KeyPackagesBody((theirs,)),
        KeyPackagesBody((theirs,), (as_given,)),  # Caro's word, for another contact
        KeyPackagesBody((theirs,), (his,)),  # Ben's word, with another key
        KeyPackagesBody((own.key_package, theirs), (his, as_given)),
        KeyPackagesBody((own.key_package,), (prove_spare(own, contact, MemberKey(giver[::-1])),)),  # as another's
        KeyPackagesBody((own.key_package,), (his[:-1],)),
        KeyPackagesBody((own.key_package,), (his, his)),
    ]


@pytest.mark.must("M-PAI-8")
def test_nobody_hands_on_the_key_package_of_somebody_else() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    contact, other = pair(ana, ben), pair(ben, caro)
    before = spares(ana, contact)
    assert before
    for body in foreign(ben, caro, contact, other):
        ana.do(inputs.TakeBundles((utter(ben, contact, Kind.KEY_PACKAGES, encode(body)),)))
        assert spares(ana, contact) == before
    own = mls.make_key_package(SUITE, b"ben", ben.entropy, ben.now_s, 86_400)
    good = KeyPackagesBody((own.key_package,), (prove_spare(own, contact, ben.key(contact)),))
    ana.do(inputs.TakeBundles((utter(ben, contact, Kind.KEY_PACKAGES, encode(good)),)))
    assert set(spares(ana, contact).values()) == {*before.values(), own.key_package}


@pytest.mark.must("M-PAI-8")
def test_nor_in_a_reply() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    other = pair(ben, caro)
    offer = read_pairing_file(ana.do(inputs.MakeOffer()), ana.now_s)
    assert isinstance(offer, Offer)
    tx = ben.tx()
    contact, _, _ = found_group(tx, "", GroupKind.CONTACT, "ben", 0)
    added = add_member(tx, contact, offer.key_package, Role.MEMBER, first_of_contact=True)
    keep(ben, tx)
    before = dict(ana.store.scan(Space.KEY_PACKAGE))
    for body in foreign(ben, caro, contact, other):
        reply = write_reply(
            offer, ReplyBody(encode_welcome(added.welcome), body.key_packages, body.proofs), ben.entropy
        )
        with pytest.raises(PeerError):
            ana.do(inputs.AcceptPairing(reply, None))
        assert dict(ana.store.scan(Space.KEY_PACKAGE)) == before
        assert not list(ana.store.scan(Space.CONTACT))
