"""The short form of a commit: what is left out comes back as it was, and nothing passes that MLS would not take."""

from __future__ import annotations

from typing import Any

import pytest

from chasqui.mls import AddProposal, GroupState, PeerError, RemoveProposal, UsageError, read_short_commit, shorten
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import ALL_SUITES, Rng


def _states(suite: int = 1) -> tuple[GroupState, ...]:
    return forge.world(4, suite=suite).states


def _made(state: GroupState, what: str) -> bytes:
    requests: dict[str, tuple[Any, ...]] = {
        "renewal": (),
        "removal": (RemoveProposal(3),),
        "addition": (AddProposal(forge.keys("zoe", suite=int(state.suite)).key_package),),
    }
    path = True if what == "renewal" else None
    return state.commit(requests[what], Rng(what), NOW, path=path).message


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("what", ["renewal", "removal", "addition"])
def test_a_commit_comes_back_byte_for_byte_and_is_much_shorter(what: str, suite: int) -> None:
    _, other, maker, _ = _states(suite)
    message = _made(maker, what)
    short = shorten(message)
    assert other.lengthen(short, maker.own_leaf) == message
    left_out = 4 + 1 + len(maker.group_id) + 8 + 5 + 1 + 1 + 33
    assert len(message) - len(short) == left_out + (0 if what == "addition" else 33)
    assert other.process(other.lengthen(short, maker.own_leaf)).state is not None


def test_a_commit_of_another_member_or_epoch_does_not_pass() -> None:
    maker, other, third, *_ = _states()
    short = shorten(_made(maker, "renewal"))
    with pytest.raises(PeerError):
        third.process(third.lengthen(short, other.own_leaf))
    after = third.process(_made(other, "renewal")).state
    assert after is not None
    with pytest.raises(PeerError):
        after.process(after.lengthen(short, maker.own_leaf))
    with pytest.raises(PeerError):
        third.lengthen(short, 77)


def test_every_changed_or_cut_short_form_is_refused() -> None:
    maker, other, *_ = _states()
    short = shorten(_made(maker, "removal"))
    for at in range(len(short)):
        changed = short[:at] + bytes((short[at] ^ 1,)) + short[at + 1 :]
        with pytest.raises(PeerError):
            other.process(other.lengthen(changed, maker.own_leaf))
    key = maker.own_leaf_node.signature_key
    for cut in (b"", short[:-1], short + b"\0", short[: len(short) // 2]):
        with pytest.raises(PeerError):
            read_short_commit(cut, key)


def test_only_a_members_public_commit_has_a_short_form() -> None:
    maker, *_ = _states()
    proposal = maker.propose(RemoveProposal(3), Rng(1), NOW).message
    private = maker.commit((), Rng(2), NOW, path=True, private=True).message
    for message in (proposal, private, b"", b"\0\1\0\1"):
        with pytest.raises(UsageError):
            shorten(message)
