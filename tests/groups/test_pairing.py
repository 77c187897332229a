"""Pairing files: what they show, that they cannot be altered, and that whoever sits between is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chasqui import mls
from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId
from chasqui.base.limits import CHECK_WORDS, PAIRING_FILE_BYTES_MAX, SPARE_KEY_PACKAGES
from chasqui.base.schema import encode
from chasqui.groups.pairing import (
    SUITE,
    Offer,
    ReplyBody,
    SealedReply,
    check_words,
    open_reply,
    read_pairing_file,
    write_offer,
    write_reply,
)
from chasqui.node import inputs
from chasqui.node.pairing import Accepted
from tests.node.world import Person, SeededEntropy

NOW_S = 1_800_000_000
ENTROPY = SeededEntropy("pairing")
KEYS = mls.make_key_package(SUITE, b"", ENTROPY, NOW_S, 86_400)
OFFER = write_offer(KEYS.key_package)
BODY = ReplyBody(b"welcome", (b"one", b"two"))


def offer_of(data: bytes) -> Offer:
    file = read_pairing_file(data, NOW_S)
    assert isinstance(file, Offer)
    return file


def reply_of(data: bytes) -> SealedReply:
    file = read_pairing_file(data, NOW_S)
    assert isinstance(file, SealedReply)
    return file


REPLY = write_reply(offer_of(OFFER), BODY, ENTROPY)


def flips(data: bytes) -> list[bytes]:
    """Every byte changed in each of its eight bits."""
    return [data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


def test_an_offer_comes_back() -> None:
    offer = offer_of(OFFER)
    package = mls.read_key_package(KEYS.key_package)
    assert offer == Offer(KEYS.key_package, package.ref, package.init_key, package.signature_key)


def test_a_reply_comes_back() -> None:
    reply = reply_of(REPLY)
    assert reply.ref == offer_of(OFFER).ref
    assert open_reply(reply, KEYS) == BODY


def test_every_flipped_bit_of_an_offer_is_refused() -> None:
    """One flip changes nothing but the version or the magic: those are refused, too."""
    for data in flips(OFFER):
        with pytest.raises(PeerError):
            read_pairing_file(data, NOW_S)


def test_every_flipped_bit_of_a_reply_is_refused() -> None:
    for data in flips(REPLY):
        with pytest.raises(PeerError):
            open_reply(reply_of(data), KEYS)


@pytest.mark.parametrize("file", [OFFER, REPLY])
def test_every_cut_is_refused(file: bytes) -> None:
    for end in range(len(file)):
        with pytest.raises(PeerError):
            read = read_pairing_file(file[:end], NOW_S)
            open_reply(read if isinstance(read, SealedReply) else pytest.fail("an offer that was cut"), KEYS)


def test_bounds() -> None:
    with pytest.raises(PeerError):
        read_pairing_file(OFFER + b"\0", NOW_S)
    with pytest.raises(PeerError):
        read_pairing_file(REPLY.ljust(PAIRING_FILE_BYTES_MAX + 1, b"\0"), NOW_S)
    with pytest.raises(PeerError):
        read_pairing_file(OFFER, NOW_S + 10 * 86_400)  # it has expired
    many = ReplyBody(b"", (b"p",) * (SPARE_KEY_PACKAGES + 1))
    with pytest.raises(PeerError):
        open_reply(reply_of(write_reply(offer_of(OFFER), many, ENTROPY)), KEYS)


def test_an_offer_for_another_suite_is_refused() -> None:
    keys = mls.make_key_package(mls.CipherSuite.X25519_AES128, b"", ENTROPY, NOW_S, 86_400)
    with pytest.raises(PeerError):
        read_pairing_file(write_offer(keys.key_package), NOW_S)


def test_a_reply_opens_for_nobody_else() -> None:
    other = mls.make_key_package(SUITE, b"", ENTROPY, NOW_S, 86_400)
    reply = reply_of(REPLY)
    with pytest.raises(PeerError):
        open_reply(reply, other)
    with pytest.raises(PeerError):
        open_reply(replace(reply, ref=mls.read_key_package(other.key_package).ref), KEYS)


def test_an_offer_shows_public_keys_and_nothing_else() -> None:
    """No name, and no private key; everything in it is public material or the same for everybody."""
    ana = Person("Ana Quispe")
    first, second = (ana.do(inputs.MakeOffer()) for _ in range(2))
    assert b"Ana" not in first + second
    assert b"Quispe" not in first + second
    package = mls.read_key_package(offer_of(first).key_package)
    assert package.leaf.credential.identity == b""
    assert first[:5] == labels.MAGIC_OFFER + b"\x01"
    for private in (KEYS.init_private, KEYS.leaf_private, KEYS.signature_private):
        assert private.reveal() not in OFFER
    # two offers of one person share what all offers share: no key comes twice
    other = Person("Zoe").do(inputs.MakeOffer())
    mine = {first[i : i + 16] for i in range(len(first) - 15)}
    shared = {second[i : i + 16] for i in range(len(second) - 15)} & mine
    assert shared <= {other[i : i + 16] for i in range(len(other) - 15)}


def test_a_reply_shows_neither_names_nor_what_it_welcomes_to() -> None:
    ana, ben = Person("Ana Quispe"), Person("Ben Mamani")
    accepted: Accepted = ben.do(inputs.AcceptPairing(ana.do(inputs.MakeOffer()), "Ana Quispe"))
    reply = accepted.reply or b""
    for secret in (b"Ana", b"Quispe", b"Ben", b"Mamani", accepted.contact, ben.key(accepted.contact)):
        assert secret not in reply


def test_both_see_the_same_twelve_words() -> None:
    ana, ben = Person("ana"), Person("ben")
    theirs: Accepted = ben.do(inputs.AcceptPairing(ana.do(inputs.MakeOffer()), "ana"))
    mine: Accepted = ana.do(inputs.AcceptPairing(theirs.reply or b"", "ben"))
    assert mine.record.words == theirs.record.words
    assert len(mine.record.words) == CHECK_WORDS == 12
    assert all(0 <= word < 2048 for word in mine.record.words)
    assert mine.record.verified_s == 0


def test_whoever_sits_between_changes_the_words() -> None:
    """Mal takes Ana's offer and hands Ben her own, and answers both."""
    ana, ben, mal = Person("ana"), Person("ben"), Person("mal")
    offer = ana.do(inputs.MakeOffer())
    to_mal: Accepted = ben.do(inputs.AcceptPairing(mal.do(inputs.MakeOffer()), "ana"))
    mal.do(inputs.AcceptPairing(to_mal.reply or b"", "ben"))
    from_mal: Accepted = mal.do(inputs.AcceptPairing(offer, "ana"))
    seen_by_ana: Accepted = ana.do(inputs.AcceptPairing(from_mal.reply or b"", "ben"))
    same = sum(a == b for a, b in zip(seen_by_ana.record.words, to_mal.record.words, strict=True))
    assert seen_by_ana.record.words != to_mal.record.words
    assert same <= 1


def test_the_words_are_bound_to_the_contact_and_cover_132_bits() -> None:
    state = mls.create_group(SUITE, b"g" * 16, KEYS, ENTROPY)
    words = check_words(state, GroupId(b"g" * 16))
    assert words != check_words(state, GroupId(b"h" * 16))
    secret = int.from_bytes(state.export(labels.EXPORTER_CHECK_WORDS, b"g" * 16, 17), "big")
    assert sum(word << 11 * i for i, word in enumerate(words)) == secret % 2**132


def test_the_hidden_body_has_one_encoding() -> None:
    offer = offer_of(OFFER)
    reply = reply_of(write_reply(offer, BODY, ENTROPY))
    assert len(reply.ciphertext) == len(encode(BODY)) + 16
