"""Ratchets: what was used is gone, what was skipped is kept, and a jump is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.hashing import kdf
from chasqui.base.limits import COUNTER_JUMP_MAX
from chasqui.base.secret import Secret
from chasqui.sealed.chain import MESSAGE_KEY_BYTES, Chain, advance
from chasqui.sealed.epoch_keys import derive_epoch
from tests.sealed.makers import DAY

START = Chain(0, Secret(b"c" * 32))


def keys_of(chain: Chain, count: int) -> list[bytes]:
    keys = []
    for _ in range(count):
        step = advance(chain, chain.counter)
        keys.append(bytes(step.message_key))
        chain = step.chain
    return keys


KEYS = keys_of(START, 64)


def test_keys_are_different_and_of_full_length() -> None:
    assert len(set(KEYS)) == len(KEYS)
    assert {len(key) for key in KEYS} == {MESSAGE_KEY_BYTES}


@given(st.permutations(range(24)))
def test_any_order_gives_every_key_once(order: list[int]) -> None:
    """A receiver who keeps skipped keys opens each message exactly once, in any order of arrival."""
    chain, skipped, got = START, dict[int, bytes](), dict[int, bytes]()
    for counter in order:
        if counter in skipped:
            got[counter] = skipped.pop(counter)
            continue
        step = advance(chain, counter)
        got[counter] = bytes(step.message_key)
        skipped.update((number, bytes(key)) for number, key in step.skipped)
        chain = step.chain
    assert [got[n] for n in range(24)] == KEYS[:24]
    assert not skipped
    assert chain.counter == 24


@given(st.integers(0, 30))
def test_used_keys_are_gone(used: int) -> None:
    """From the record after message `used`, no function of the ratchet gives an earlier key again."""
    step = advance(START, used)
    record = step.chain
    for counter in range(used + 1):
        with pytest.raises(PeerError):
            advance(record, counter)
    # what the record derives, at any counter, is disjoint from what was used
    known = {bytes(record.key)}
    key = record.key
    for number in range(200):
        known |= {bytes(kdf(key, labels.KDF_MESSAGE, n.to_bytes(2, "big"), 64)) for n in (number, used)}
        key = kdf(key, labels.KDF_CHAIN_NEXT)
        known.add(bytes(key))
    assert not known & set(KEYS[: used + 1])
    assert START.key not in known


def test_the_chain_is_one_way() -> None:
    """Each link is BLAKE2b keyed with the one before and stored alone: nothing of the old key is in the new record."""
    record = advance(START, 5).chain
    assert record.counter == 6
    assert len(record.key) == 32
    expected = START.key
    for _ in range(6):
        expected = kdf(expected, labels.KDF_CHAIN_NEXT)
    assert record.key == expected


def test_jumps_are_bounded() -> None:
    step = advance(START, COUNTER_JUMP_MAX)
    assert step.chain.counter == COUNTER_JUMP_MAX + 1
    with pytest.raises(PeerError):
        advance(START, COUNTER_JUMP_MAX + 1)
    with pytest.raises(PeerError):
        advance(step.chain, COUNTER_JUMP_MAX)  # the last counter is spent: no wrap


def test_skipped_keys_are_those_between() -> None:
    step = advance(advance(START, 3).chain, 9)
    assert step.skipped == tuple((n, KEYS[n]) for n in range(4, 9))
    assert advance(START, 0).skipped == ()


def test_advancing_changes_nothing() -> None:
    advance(START, 40)
    assert advance(START, 0).message_key == KEYS[0]


# -- epochs and days -----------------------------------------------------------------------------------------


def test_days_move_forward_only() -> None:
    days = derive_epoch(b"e" * 32, b"r" * 16, DAY, ()).days
    later = days.at(DAY + 10)
    assert later == days.at(DAY + 4).at(DAY + 10)
    assert days.at(DAY) == days
    for day in (DAY, DAY + 9):
        with pytest.raises(PeerError):
            later.at(day)


def test_older_days_are_erased() -> None:
    """What the chain of a later day derives has nothing in common with the days before it."""
    days = derive_epoch(b"e" * 32, b"r" * 16, DAY, ()).days
    older = {bytes(key) for d in range(10) for key in (days.at(DAY + d).keys.mark, days.at(DAY + d).keys.head)}
    assert len(older) == 20
    chain = days.at(DAY + 10)
    derived = set()
    for d in range(172):
        keys = chain.at(DAY + 10 + d).keys
        derived |= {bytes(keys.mark), bytes(keys.head)}
        for label in (labels.KDF_MARK_NEXT, labels.KDF_HEAD_NEXT, labels.KDF_MARK, labels.KDF_HEAD):
            derived |= {bytes(kdf(keys.mark, label)), bytes(kdf(keys.head, label))}
    assert not older & derived


def test_every_input_of_an_epoch_counts() -> None:
    base = derive_epoch(b"e" * 32, b"r" * 16, DAY, (0, 1))
    others = [
        derive_epoch(b"f" * 32, b"r" * 16, DAY, (0, 1)),
        derive_epoch(b"e" * 32, b"s" * 16, DAY, (0, 1)),
        derive_epoch(b"e" * 32, b"r" * 16, DAY + 1, (0, 1)),
    ]
    for other in others:
        assert other.days.keys.mark != base.days.keys.mark
        assert other.days.keys.head != base.days.keys.head
    for other in others[:2]:
        assert {chain.key for chain in other.chains}.isdisjoint(chain.key for chain in base.chains)
    keys = [base.days.keys.mark, base.days.keys.head, *(chain.key for chain in base.chains)]
    assert len(set(keys)) == 4


def test_nothing_of_it_shows() -> None:
    epoch = derive_epoch(b"e" * 32, b"r" * 16, DAY, (0, 1))
    shown = repr(epoch) + repr(advance(epoch.chains[0], 3)) + repr(epoch.days.keys.mark_state)
    for key in (epoch.days.keys.mark, epoch.days.keys.head, epoch.chains[0].key):
        assert key.hex() not in shown
        assert repr(bytes(key)) not in shown
