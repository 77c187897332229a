"""Bundles: sizes, layout, seals, and what a reused key would leak."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base.errors import PeerError
from chasqui.base.limits import BUNDLE_AGE_DAYS_MAX, BUNDLE_BYTES_MAX, BUNDLE_STEPS, TEXT_BYTES_MAX
from chasqui.base.secret import Secret
from chasqui.sealed.bundle import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    Bundle,
    is_marked,
    mark_of,
    parse_bundle,
    room_beside,
    seal,
    step_for,
    unmask,
    unseal,
)
from chasqui.sealed.chain import advance
from chasqui.sealed.kinds import LIFETIME_EXPONENT, BundleClass
from tests.sealed.makers import DAY, epoch

EPOCH = epoch(2)
KEYS = EPOCH.secrets.days.keys


def bundle_of(plaintext: bytes, *, key: bytes = b"k" * 64, leaf: int = 1, counter: int = 2, day: int = DAY) -> Bundle:
    return seal(
        plaintext,
        message_key=Secret(key),
        keys=KEYS,
        leaf=leaf,
        counter=counter,
        bundle_class=BundleClass.TEXT,
        day=day,
    )


@pytest.mark.parametrize("members", [2, 3, 8, 32, 128])
def test_a_signed_text_of_100_bytes_is_207_bytes_in_any_group(members: int) -> None:
    some = epoch(3, members)
    for leaf in {0, members - 1}:
        for counter in (0, 32_767):
            for seq in (1, 2**24 - 1):
                assert len(some.seal(some.text(leaf, counter, seq=seq)).data) == 207
    assert len(some.seal(some.text(body=b"x" * 106)).data) == 207
    assert len(some.seal(some.text(body=b"x" * 107)).data) == 240


@given(st.integers(0, BUNDLE_BYTES_MAX - OVERHEAD_BYTES))
def test_the_smallest_step_that_holds_it(size: int) -> None:
    step = step_for(size)
    assert step in BUNDLE_STEPS
    assert step >= size + OVERHEAD_BYTES
    assert all(other < size + OVERHEAD_BYTES for other in BUNDLE_STEPS if other < step)
    assert room_beside(size) == step - OVERHEAD_BYTES - size


def test_too_large_is_our_own_mistake() -> None:
    with pytest.raises(ValueError):
        step_for(BUNDLE_BYTES_MAX - OVERHEAD_BYTES + 1)


def test_the_longest_text_fits() -> None:
    made = EPOCH.text(body=b"x" * TEXT_BYTES_MAX)
    assert EPOCH.open(EPOCH.seal(made).data) == made


@given(st.binary(min_size=1, max_size=400), st.integers(0, 65_535), st.integers(0, 65_535))
def test_bundles_come_back(plaintext: bytes, leaf: int, counter: int) -> None:
    made = bundle_of(plaintext, leaf=leaf, counter=counter)
    parsed = parse_bundle(made.data, DAY)
    assert parsed == made
    assert is_marked(parsed, KEYS)
    assert unmask(parsed, KEYS) == (leaf, counter)
    padded = unseal(parsed, Secret(b"k" * 64), leaf, counter)
    assert padded == plaintext + bytes(room_beside(len(plaintext)))


def test_every_flipped_bit_is_refused() -> None:
    made = EPOCH.text(1, 3)
    data = EPOCH.seal(made).data
    assert EPOCH.open(data) == made
    for at in range(len(data) * 8):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        flipped = bytes(changed)
        try:
            bundle = parse_bundle(flipped, DAY)
        except PeerError:
            continue
        # whoever has the marks may recognise nothing; whoever forces it open finds the seal broken
        assert bundle.day != DAY or not is_marked(bundle, KEYS)
        if not 16 <= at < 80:  # the mark itself is outside the seal
            with pytest.raises(PeerError):
                EPOCH.open(flipped)


def test_what_a_carrier_refuses() -> None:
    data = EPOCH.seal(EPOCH.text()).data
    assert parse_bundle(data, DAY).expires_s == (DAY + 1) * 86_400 + 3600 * 2**12
    for size in (0, 1, 127, 129, 206, 208, 15_361):
        with pytest.raises(PeerError):
            parse_bundle(data[:1] + bytes(size)[:-1] if size else b"", DAY)
    for first in range(256):
        good = first >> 6 == 1 and first & 15 == LIFETIME_EXPONENT[BundleClass(first >> 4 & 3)]
        if good:
            assert parse_bundle(bytes((first,)) + data[1:], DAY).bundle_class == first >> 4 & 3
        else:
            with pytest.raises(PeerError):
                parse_bundle(bytes((first,)) + data[1:], DAY)
    parse_bundle(data, DAY - 1)
    parse_bundle(data, DAY + BUNDLE_AGE_DAYS_MAX)
    for today in (DAY - 2, DAY + BUNDLE_AGE_DAYS_MAX + 1):
        with pytest.raises(PeerError):
            parse_bundle(data, today)


def test_nobody_carries_a_bundle_longer_than_its_day_is_unambiguous() -> None:
    for bundle_class, exponent in LIFETIME_EXPONENT.items():
        lifetime_days = -(-(2**exponent) // 24)
        assert 1 + lifetime_days <= BUNDLE_AGE_DAYS_MAX < 256, bundle_class


# -- a key used twice (a rollback) ---------------------------------------------------------------------------


def test_a_key_used_twice_leaks_equality_and_nothing_else() -> None:
    """AES-SIV: equal plaintexts show, different ones share no byte beyond chance and their XOR tells nothing."""
    one, same, other = bundle_of(b"a" * 100), bundle_of(b"a" * 100), bundle_of(b"a" * 99 + b"b")
    assert one.data == same.data
    body, differing = one.data[10:], other.data[10:]
    equal = sum(x == y for x, y in zip(body, differing, strict=True))
    assert equal < 8  # 150 bytes, 0.6 expected
    xored = bytes(x ^ y for x, y in zip(body[20:], differing[20:], strict=True))
    assert xored[:99].count(0) < 8  # in a stream cipher these would be 99 zeroes


def test_leaf_counter_and_first_bytes_are_under_the_seal() -> None:
    """Associated data: a bundle does not move to another day, class, leaf or counter."""
    made = bundle_of(b"hello")
    key = Secret(b"k" * 64)
    for leaf, counter in ((0, 2), (1, 3), (2, 1)):
        with pytest.raises(PeerError):
            unseal(made, key, leaf, counter)
    for first, day in ((made.data[0] ^ 0x30, made.data[1]), (made.data[0], made.data[1] - 1)):
        moved = replace(made, data=bytes((first, day)) + made.data[2:])
        with pytest.raises(PeerError):
            unseal(moved, key, 1, 2)
    assert unseal(made, key, 1, 2)


def test_another_key_opens_nothing() -> None:
    made = bundle_of(b"hello")
    for at in (0, 31, 32, 63):
        key = bytearray(b"k" * 64)
        key[at] ^= 1
        with pytest.raises(PeerError):
            unseal(made, Secret(key), 1, 2)


# -- header protection ---------------------------------------------------------------------------------------


def test_the_header_shows_nothing_without_the_key() -> None:
    """Consecutive counters of one leaf under the mask: no bit of the field is constant or counts."""
    fields = []
    for counter in range(256):
        key = advance(EPOCH.chain(1), counter).message_key
        made = bundle_of(b"hello", key=key, leaf=1, counter=counter)
        fields.append(int.from_bytes(made.data[10:14], "big"))
    assert len(set(fields)) == len(fields)
    for bit in range(32):
        ones = sum(field >> bit & 1 for field in fields)
        assert 80 < ones < 176, f"bit {bit}: {ones} of 256"  # six standard deviations
    deltas = [(b - a) % 2**32 for a, b in pairwise(fields)]
    assert len(set(deltas)) == len(deltas)


def test_another_days_key_gives_another_header() -> None:
    made = bundle_of(b"hello")
    assert unmask(made, EPOCH.secrets.days.at(DAY + 1).keys) != (1, 2)


def test_the_mask_depends_on_every_bit_of_the_sample() -> None:
    sample = bytes(16)
    mask = KEYS.header_mask(sample)
    others = {KEYS.header_mask((1 << bit).to_bytes(16, "big")) for bit in range(128)}
    assert len(others) == 128
    assert mask not in others


# -- the mark ------------------------------------------------------------------------------------------------


def test_the_mark_covers_every_other_byte() -> None:
    data = bundle_of(b"hello").data
    mark = parse_bundle(data, DAY).mark
    for at in (*range(2), *range(10, len(data))):
        changed = bytearray(data)
        changed[at] ^= 1
        bundle = Bundle(bytes(changed), BundleClass.TEXT, DAY)
        assert mark_of(bundle.mark_body, KEYS) != mark
    assert len(data[:HEADER_BYTES]) == 14


def test_two_bundles_of_one_object_cannot_be_linked() -> None:
    """The same words again, in the next place of the chain: no byte string of four is shared."""
    dice = random.Random(5)
    body = dice.randbytes(100)
    one, two = (EPOCH.seal(EPOCH.text(0, n, body=body, seq=n + 1)).data for n in range(2))
    grams = {one[i : i + 4] for i in range(2, len(one) - 3)}
    assert not grams & {two[i : i + 4] for i in range(2, len(two) - 3)}
