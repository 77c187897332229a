"""Saved states: canonical, whole or refused, quick to load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chasqui.mls import (
    GroupState,
    KeyPackageKeys,
    ReInitProposal,
    RemoveProposal,
    Secret,
    StateError,
    UpdateProposal,
    state_codec,
)
from chasqui.mls.proposals import Remove
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

RNG = Rng("states")


def varieties() -> dict[str, GroupState]:
    """States with everything that a state can hold."""
    a, b, c, _ = forge.world().states
    waiting = c.process(b.propose(RemoveProposal(0), RNG, NOW).message).state
    assert waiting is not None
    waiting = waiting.propose(UpdateProposal(signature_private=RNG(32)), RNG, NOW).state
    talking = a
    for _ in range(3):
        _, talking = talking.encrypt(b"text", b"", RNG)
    late = b
    sent = []
    sender = a
    for _ in range(4):
        message, sender = sender.encrypt(b"text", b"", RNG)
        sent.append(message)
    _, late = late.decrypt(sent[3])
    return {
        "plain": a,
        "waiting proposals": waiting,
        "used ratchets": talking,
        "skipped keys": late,
        "retained parent": b.without_epoch_secrets(),
        "retained parent with external": b.without_epoch_secrets(external=True),
        "without messages": b.without_message_secrets(),
        "closed": a.commit([ReInitProposal(b"next", 3)], RNG, NOW).state,
        "blank leaves": a.commit([RemoveProposal(1), RemoveProposal(3)], RNG, NOW).state,
        "alone": forge.world(1).states[0],
    }


@pytest.mark.parametrize("name", list(varieties()))
def test_round_trip(name: str) -> None:
    state = varieties()[name]
    saved = state.to_bytes()
    loaded = GroupState.from_bytes(saved)
    assert loaded == state
    assert loaded.to_bytes() == saved
    assert loaded.tree.tree_hash() == state.tree_hash


def test_a_loaded_state_goes_on_like_the_saved_one() -> None:
    a, b, *_ = forge.world().states
    made = a.commit([], Rng(1), NOW)
    assert GroupState.from_bytes(a.to_bytes()).commit([], Rng(1), NOW).message == made.message
    after = GroupState.from_bytes(b.to_bytes()).process(made.message).state
    assert after == b.process(made.message).state


@pytest.mark.parametrize("name", ["skipped keys", "waiting proposals"])
def test_every_flipped_bit_and_every_truncation_is_refused(name: str) -> None:
    saved = varieties()[name].to_bytes()
    for at in range(len(saved)):
        damaged = saved[:at] + bytes((saved[at] ^ 1 << at % 8,)) + saved[at + 1 :]
        with pytest.raises(StateError):
            GroupState.from_bytes(damaged)
        with pytest.raises(StateError):
            GroupState.from_bytes(saved[:at])


def test_foreign_states_are_refused() -> None:
    saved = forge.world().states[0].to_bytes()
    other_version = b"mlsG\x02" + saved[5:-16]
    with pytest.raises(StateError):
        GroupState.from_bytes(other_version + state_codec._checksum(other_version))
    for foreign in (b"", b"mlsG\x02" + saved[5:], saved + b"\0", forge.keys("x").to_bytes(), bytes(100), saved[16:]):
        with pytest.raises(StateError):
            GroupState.from_bytes(foreign)


def test_states_put_together_wrongly_are_refused() -> None:
    state = forge.world().states[0]
    wrong = (
        replace(state, own_leaf=9),
        replace(state, keys={}),
        replace(state, keys={**state.keys, 99: Secret(bytes(32))}),
        replace(state, signature_private=Secret(b"short")),
        replace(state, secrets=replace(state.secrets, init=None)),
        replace(state, context=replace(state.context, suite=9)),
        replace(state, reinit=Remove(1)),  # type: ignore[arg-type]
    )
    for made in wrong:
        body = state_codec.encode_state(made)
        with pytest.raises(StateError):
            GroupState.from_bytes(body)


def test_damage_under_a_true_checksum_raises_nothing_else() -> None:
    """Not what the checksum is for, but even then only StateError comes out of loading."""
    saved = varieties()["skipped keys"].to_bytes()
    rng = Rng("damage")
    for _ in range(2000):
        body = bytearray(saved[:-16])
        body[rng.below(len(body))] ^= 1 << rng.below(8)
        try:
            GroupState.from_bytes(bytes(body) + state_codec._checksum(bytes(body)))
        except StateError:
            continue


def test_key_package_keys_round_trip_and_refuse_damage() -> None:
    keys = forge.keys("saved")
    saved = keys.to_bytes()
    assert KeyPackageKeys.from_bytes(saved) == keys
    for at in range(len(saved)):
        with pytest.raises(StateError):
            KeyPackageKeys.from_bytes(saved[:at])
    for bad in (saved + b"\0", b"mlsK\x02" + saved[5:], saved[:-1] + bytes((saved[-1] ^ 1,))):
        with pytest.raises(StateError):
            KeyPackageKeys.from_bytes(bad)


def test_secrets_can_be_wiped_and_are_not_pickled() -> None:
    secret = Secret(b"sixteen byte key")
    assert secret.reveal() == b"sixteen byte key"
    assert repr(secret) == "Secret()"
    assert secret != Secret(b"another")
    with pytest.raises(TypeError):
        secret.__reduce__()
    secret.wipe()
    assert len(secret) == 0


def test_size_grows_with_the_members_only() -> None:
    small, large = (forge.world(size).states[0].without_message_secrets().to_bytes() for size in (4, 8))
    assert (len(large) - len(small)) / 4 < 350
