"""Objects: what the signature covers, and that nothing else is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.ids import EpochId, GroupId
from chasqui.base.limits import MINUTES_PER_DAY, SEQUENCE_MAX
from chasqui.sealed.kinds import CLASS_OF_KIND, LIFETIME_EXPONENT, BundleClass, Kind
from chasqui.sealed.object import (
    SHORT_OVERHEAD_BYTES,
    Origin,
    SignedObject,
    parse_whole,
    read_short,
    read_whole,
)
from chasqui.sealed.signing import sign, verify
from tests.sealed.makers import DAY, GROUP, epoch, member

EPOCH = epoch(1)

objects = st.builds(
    EPOCH.text,
    st.integers(0, 2),
    st.integers(0, 65_535),
    body=st.binary(max_size=300),
    seq=st.integers(1, SEQUENCE_MAX),
    minute=st.integers(0, MINUTES_PER_DAY - 1),
    kind=st.sampled_from(Kind),
    receipts=st.binary(max_size=200),
)


def read(data: bytes, like: SignedObject) -> SignedObject:
    return read_short(data, group=like.group, author=like.author, day=DAY, origin=like.origin)


def flips(data: bytes) -> list[bytes]:
    out = []
    for at in range(len(data) * 8):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        out.append(bytes(changed))
    return out


@given(objects, st.integers(0, 100))
def test_short_and_whole_come_back(made: SignedObject, padding: int) -> None:
    assert read(made.to_short() + bytes(padding), made) == made
    assert read_whole(made.to_whole(), made.group) == made
    assert parse_whole(made.to_whole(), made.group).id == made.id


@given(objects)
def test_the_overhead_is_what_it_says(made: SignedObject) -> None:
    lengths = (1 if len(made.body) < 128 else 2) + len(made.body)
    if made.receipts:
        lengths += (1 if len(made.receipts) < 128 else 2) + len(made.receipts)
    assert len(made.to_short()) == SHORT_OVERHEAD_BYTES + lengths


@pytest.mark.parametrize("made", [EPOCH.text(), EPOCH.text(1, 7, receipts=b"\0\0\0\0\1\0", body=b"day", seq=9)])
def test_every_flipped_bit_is_refused(made: SignedObject) -> None:
    for data in flips(made.to_short() + bytes(5)):
        with pytest.raises(PeerError):
            read(data, made)
    for data in flips(made.to_whole()):
        with pytest.raises(PeerError):
            read_whole(data, made.group)


@given(objects, st.data())
def test_every_cut_and_every_addition_is_refused(made: SignedObject, data: st.DataObject) -> None:
    short, whole = made.to_short(), made.to_whole()
    with pytest.raises(PeerError):
        read(short[: data.draw(st.integers(0, len(short) - 1))], made)
    with pytest.raises(PeerError):
        read_whole(whole[: data.draw(st.integers(0, len(whole) - 1))], made.group)
    with pytest.raises(PeerError):
        read_whole(whole + b"\0", made.group)


def test_the_signature_covers_every_field() -> None:
    made = EPOCH.text(receipts=b"\0\0\0\0\1\0")
    epoch_id, leaf, counter = made.origin
    other = EpochId(bytes(16))
    for changed in (
        replace(made, group=GroupId(bytes(16))),
        replace(made, author=member(1)[0]),
        replace(made, seq=2),
        replace(made, minute=made.minute + 1),
        replace(made, minute=made.minute + MINUTES_PER_DAY),
        replace(made, kind=Kind.RECEIPT),
        replace(made, body=made.body + b"!"),
        replace(made, receipts=b""),
        replace(made, receipts=b"\0\0\0\0\2\0"),
        replace(made, body=made.body + b"\6" + made.receipts, receipts=b""),
        replace(made, origin=Origin(other, leaf, counter)),
        replace(made, origin=Origin(epoch_id, leaf + 1, counter)),
        replace(made, origin=Origin(epoch_id, leaf, counter + 1)),
    ):
        with pytest.raises(PeerError):
            changed.verified()
        assert changed.id != made.id
    assert made.verified() is made


def test_the_id_does_not_depend_on_the_signature() -> None:
    """Ed25519 signatures can be made anew by their author; the object stays the same."""
    made = EPOCH.text()
    assert replace(made, signature=bytes(64)).id == made.id


@pytest.mark.parametrize("seq", [0, -1, SEQUENCE_MAX + 1])
def test_numbers_of_our_own_are_in_range(seq: int) -> None:
    with pytest.raises(ValueError):
        EPOCH.text(seq=seq)


def resigned(data: bytes, made: SignedObject) -> bytes:
    """Malformed bytes with a signature that holds for them as far as there can be one."""
    return data[:-64] + made.signature


def test_malformed_objects_are_refused_before_anything_else() -> None:
    made = EPOCH.text(body=b"hello")
    short, whole = made.to_short(), made.to_whole()
    malformed = {
        "unknown kind": bytes((0,)) + short[1:],
        "kind 31": bytes((31,)) + short[1:],
        "top bit": bytes((short[0] | 0x80,)) + short[1:],
        "whole bit": bytes((short[0] | 0x40,)) + short[1:],
        "number 0": short[:1] + bytes(3) + short[4:],
        "minute 1440": short[:4] + (1440).to_bytes(2, "big") + short[6:],
        "long length": short[:6] + b"\x80\x05" + short[7:],
        "padding": short + b"\0\0\1",
        "receipts announced and empty": bytes((short[0] | 0x20,)) + short[1:12] + b"\0" + short[12:],
    }
    for what, data in malformed.items():
        with pytest.raises(PeerError):
            read(data, made)
            pytest.fail(what)
    with pytest.raises(PeerError):
        read_whole(short, GROUP)
    with pytest.raises(PeerError):
        read(whole, made)


def test_an_object_with_empty_receipts_has_one_form() -> None:
    """The bit for receipts is part of what is signed: it cannot be set over nothing."""
    made = EPOCH.text(body=b"hello")
    announced = bytes((made.kind | 0x20,)) + made.to_short()[1:12] + b"\0"
    author, key = member(0)
    place = made.origin.epoch + bytes(4)
    message = b"chasqui object 1\0" + GROUP + place + announced[:4] + made.minute.to_bytes(4, "big") + announced[6:]
    with pytest.raises(PeerError, match="announces receipts"):
        read_short(announced + sign(message, key), group=GROUP, author=author, day=DAY, origin=made.origin)


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_keys_of_small_order_sign_nothing(public: str) -> None:
    """With such a key one signature would hold for many messages."""
    key = bytes.fromhex(public)
    for signature in (key + bytes(32), bytes(64), SMALL_ORDER[0].encode()[:32] + bytes(32)):
        for message in (b"", b"a", b"b"):
            with pytest.raises(PeerError):
                verify(message, signature, key)


@pytest.mark.parametrize(("signature", "key"), [(b"", bytes(32)), (bytes(64), b""), (bytes(63), bytes(32))])
def test_a_signature_of_a_wrong_length_is_the_peers_fault(signature: bytes, key: bytes) -> None:
    with pytest.raises(PeerError):
        verify(b"", signature, key)


def test_a_signature_with_s_beyond_the_order_is_refused() -> None:
    """RFC 8032 5.1.7: otherwise anybody could make a second signature out of the first."""
    author, key = member(0)
    signature = sign(b"m", key)
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    verify(b"m", signature, author)
    with pytest.raises(PeerError):
        verify(b"m", signature[:32] + s.to_bytes(32, "little"), author)


def test_every_kind_has_a_class_and_every_class_a_lifetime() -> None:
    assert set(CLASS_OF_KIND) == set(Kind)
    assert set(LIFETIME_EXPONENT) == set(BundleClass)
    assert max(Kind) < 32
    assert max(LIFETIME_EXPONENT.values()) <= 12
    assert all(0 <= exponent < 16 for exponent in LIFETIME_EXPONENT.values())
