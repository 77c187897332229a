"""Random histories of our own members with every verb: all agree after each step, and nobody removed follows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from chasqui.mls import (
    AddProposal,
    GroupState,
    KeyPackageKeys,
    PeerError,
    PreSharedKeyProposal,
    ProposalRequest,
    PskId,
    RemoveProposal,
    UpdateProposal,
    join,
    join_external,
)
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import ALL_SUITES, Rng

PSK = PskId.external(b"shared by all")


def lookup(_: PskId) -> bytes:
    return b"key of all"


@dataclass
class History:
    """The states of all members by leaf, and those of the removed."""

    seed: int
    suite: int
    states: dict[int, GroupState] = field(default_factory=dict)
    removed: list[GroupState] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.rng = Rng(self.seed)
        self.states[0] = forge.world(1, suite=self.suite).states[0]

    def some(self) -> int:
        leaves = sorted(self.states)
        return leaves[self.rng.below(len(leaves))]

    def commit(self, by: int, requests: list[ProposalRequest], joiners: list[KeyPackageKeys]) -> None:
        private, path = self.rng.below(3) == 0, (None, True)[self.rng.below(2)]
        made = self.states[by].commit(requests, self.rng, NOW, psks=lookup, private=private, path=path)
        self.spread(made.message, by, made.state)
        for keys in joiners:
            assert made.welcome is not None
            state = join(made.welcome, keys, psks=lookup)
            self.states[state.own_leaf] = state

    def spread(self, message: bytes, by: int, maker: GroupState) -> None:
        """Everybody but the maker processes; some of them from disk."""
        after: dict[int, GroupState] = {maker.own_leaf: maker}
        for leaf, state in self.states.items():
            if leaf == by:
                continue
            held = GroupState.from_bytes(state.to_bytes()) if self.rng.below(4) == 0 else state
            done = held.process(message, psks=lookup)
            if done.state is None:
                self.removed.append(state)
            else:
                after[leaf] = done.state
        self.states = after

    def propose(self) -> None:
        by = self.some()
        others = [leaf for leaf in self.states if leaf != by]
        request: ProposalRequest = UpdateProposal(self.rng(32) if self.rng.below(2) else None)
        if others and self.rng.below(3) == 0:
            request = RemoveProposal(others[self.rng.below(len(others))])
        made = self.states[by].propose(request, self.rng, NOW, private=self.rng.below(2) == 0)
        for leaf, state in self.states.items():
            after = made.state if leaf == by else state.process(made.message).state
            assert after is not None
            self.states[leaf] = after

    def step(self) -> None:
        choice = self.rng.below(10)
        by = self.some()
        if choice < 3 and len(self.states) < 20:
            self.count += 1
            joiners = [forge.keys(f"{self.seed}.{self.count}.{number}", suite=self.suite) for number in range(2)]
            self.commit(by, [AddProposal(keys.key_package) for keys in joiners], joiners)
        elif choice < 5 and len(self.states) > 2:
            target = next(leaf for leaf in sorted(self.states) if leaf != by)
            self.commit(by, [RemoveProposal(target)], [])
        elif choice < 7:
            self.propose()
        elif choice < 8:
            self.count += 1
            keys = forge.keys(f"{self.seed}.{self.count}.x", suite=self.suite)
            made = join_external(self.states[by].group_info(external_pub=True), keys, self.rng)
            self.spread(made.message, -1, made.state)
        elif choice < 9:
            self.commit(by, [PreSharedKeyProposal(PSK)], [])
        else:
            self.commit(by, [], [])
            self.talk()

    def talk(self) -> None:
        by = self.some()
        message, self.states[by] = self.states[by].encrypt(b"text", b"", self.rng)
        for leaf, state in self.states.items():
            if leaf != by:
                application, self.states[leaf] = state.decrypt(message)
                assert application.data == b"text"
        for state in self.removed:
            with pytest.raises(PeerError):
                state.decrypt(message)

    def agree(self) -> None:
        states = list(self.states.values())
        for state in states:
            assert state.epoch_authenticator == states[0].epoch_authenticator
            assert state.export("x", b"", 32) == states[0].export("x", b"", 32)
            assert state.tree.tree_hash() == state.tree_hash == states[0].tree_hash
            own = state.tree.key(2 * state.own_leaf)
            assert state.crypto.kem.public_key(state.keys[2 * state.own_leaf].reveal()) == own
            for x, key in state.keys.items():
                assert state.crypto.kem.public_key(key.reveal()) == state.tree.key(x)


def run(seed: int, steps: int) -> None:
    history = History(seed, ALL_SUITES[seed % 3])
    for number in range(steps):
        try:
            history.step()
            history.agree()
        except Exception as error:
            raise AssertionError(f"seed {seed}, step {number}") from error


@pytest.mark.parametrize("seed", range(6))
def test_histories(seed: int) -> None:
    run(seed, 60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 130))
def test_long_histories(seed: int) -> None:
    run(seed, 300)
