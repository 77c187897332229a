"""Which cached proposals go together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chasqui.mls import (
    Credential,
    Extension,
    GroupState,
    PskId,
    RequiredCapabilities,
    UpdateProposal,
    limits,
    own_capabilities,
    selection,
)
from chasqui.mls.framing import Sender, SenderType
from chasqui.mls.pending import Pending
from chasqui.mls.proposals import Add, GroupContextExtensions, PreSharedKey, Proposal, ReInit, Remove
from chasqui.mls.psk import PreSharedKeyId
from chasqui.mls.selection import select
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

STATE = forge.world().states[0]
REINIT = ReInit(b"next", 1, 1, ())
UNSUPPORTED = GroupContextExtensions((RequiredCapabilities(extensions=(0xF001,)).extension(),))


def held(*proposals: Proposal, sender: int = 1) -> list[Pending]:
    return [
        Pending(b"%d" % number, Sender(SenderType.MEMBER, sender), proposal)
        for number, proposal in enumerate(proposals)
    ]


def chosen(
    pending: list[Pending],
    *inline: Proposal,
    now: int = NOW,
    key: bytes | None = b"k",
    state: GroupState = STATE,
) -> list[int]:
    picked = select(pending, inline, state.tree, state.extensions, state.own_leaf, now, lambda _: key)
    return [pending.index(item) for item in picked]


def update(member: int, seed: int, signature_private: bytes | None = None) -> Proposal:
    made = forge.world().states[member].propose(UpdateProposal(signature_private), Rng(seed), NOW)
    return made.state.pending[-1].proposal


def psk(name: bytes) -> PreSharedKey:
    return PreSharedKey(PreSharedKeyId(PskId.external(name), bytes(32)))


def test_removals_come_first_and_once() -> None:
    assert chosen(held(update(1, 1), Remove(1), Remove(1), Remove(2))) == [1, 3]
    assert chosen(held(Remove(1), Remove(2)), Remove(1)) == [1]
    assert chosen(held(Remove(STATE.own_leaf), Remove(2))) == [1]


def test_the_last_update_counts_and_never_our_own() -> None:
    assert chosen(held(update(1, 1), update(1, 2))) == [1]
    assert chosen(held(update(0, 1), sender=STATE.own_leaf)) == []
    assert chosen(held(update(1, 1)), Remove(1)) == []


def test_updates_with_new_signature_keys_count_once_too() -> None:
    first, second = (update(1, seed, Rng(seed)(32)) for seed in (1, 2))
    assert chosen(held(first, second)) == [1]


def test_no_update_takes_the_signature_key_of_another_member() -> None:
    assert chosen(held(update(1, 1, forge.world().states[2].signature_private.reveal()))) == []


def test_each_client_is_added_once_and_only_newcomers() -> None:
    seed = Rng("client")(32)
    first, second = (forge.add(forge.key_package(name, seed=seed)) for name in ("one", "two"))
    member = forge.world().states[2].signature_private.reveal()
    again = forge.add(forge.key_package("again", seed=member))
    assert chosen(held(first, second)) == [0]
    assert chosen(held(first), second) == []
    assert chosen(held(again)) == []
    assert chosen(held(again, Remove(2))) == [0, 1]
    assert chosen(held(again), Remove(2)) == [0]
    assert chosen(held(first), now=NOW + 2 * forge.DAY) == []


def test_newcomers_must_fit_the_extensions_that_will_hold() -> None:
    poor = forge.add(forge.key_package())
    required = GroupContextExtensions((RequiredCapabilities(credentials=(1, 2)).extension(),))
    assert chosen(held(poor), required) == [0]
    assert chosen(held(poor), UNSUPPORTED) == []


def test_newcomers_must_be_read_by_all_who_stay() -> None:
    narrow = forge.world(4, credentials=(1,)).states[0]
    paper = Credential.x509((b"certificate",))
    certified = forge.add(forge.key_package("certified", credential=paper))
    plain = replace(own_capabilities(), credentials=(1,))
    assert chosen(held(certified), state=narrow) == []
    assert chosen(held(certified)) == [0]
    assert chosen(held(certified, forge.add(forge.key_package("narrow", capabilities=plain)))) == [0]


def test_new_extensions_must_fit_the_newcomers_of_the_commit() -> None:
    able = forge.world(4, (), (0xF001,)).states[0]
    poor = forge.add(forge.key_package("poor"))
    fitting = forge.add(forge.key_package("able", capabilities=own_capabilities((0xF001,))))
    assert chosen(held(UNSUPPORTED), state=able) == [0]
    assert chosen(held(UNSUPPORTED), poor, state=able) == []
    assert chosen(held(UNSUPPORTED), fitting, state=able) == [0]


def newcomers(count: int) -> list[Proposal]:
    """Adds whose leaves have one length."""
    return [forge.add(forge.key_package(f"newcomer {number}")) for number in range(count)]


def test_as_many_newcomers_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEAVES_MAX", 6)
    assert chosen(held(*newcomers(4))) == [0, 1]
    assert chosen(held(*newcomers(4)), Remove(1)) == [0, 1, 2]
    assert chosen(held(*newcomers(3)), *newcomers(1)) == [1]


def test_as_many_bytes_of_leaves_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    adds = newcomers(3)
    (size,) = {len(item.key_package.leaf.raw) for item in adds if isinstance(item, Add)}
    tree = sum(len(raw) for raw in STATE.tree.raw_nodes() if raw is not None)
    for fit in (1, 2):
        monkeypatch.setattr(limits, "TREE_BYTES_MAX", tree + fit * size + selection._ROOM_BYTES)
        assert chosen(held(*adds)) == list(range(fit))
        monkeypatch.setattr(limits, "TREE_BYTES_MAX", tree + fit * size + selection._ROOM_BYTES - 1)
        assert chosen(held(*adds)) == list(range(fit - 1))


def test_no_more_proposals_than_a_commit_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROPOSALS_MAX", 2)
    keys = [psk(b"%d" % number) for number in range(5)]
    assert chosen(held(*keys[2:])) == [0, 1]
    assert chosen(held(*keys[2:]), keys[0]) == [0]
    assert chosen(held(*keys[2:]), *keys[:2]) == []
    assert chosen(held(*keys[3:]), *keys[:3]) == []


def test_extensions_the_latest_that_all_support() -> None:
    fine, other = GroupContextExtensions(()), GroupContextExtensions((Extension(1, b""),))
    assert chosen(held(fine, other)) == [1]
    assert chosen(held(fine, UNSUPPORTED)) == [0]
    assert chosen(held(fine), other) == []


def test_keys_that_we_hold_each_once() -> None:
    assert chosen(held(psk(b"a"), psk(b"a"), psk(b"b"))) == [0, 2]
    assert chosen(held(psk(b"a")), psk(b"a")) == []
    assert chosen(held(psk(b"a")), key=None) == []


def test_no_more_keys_than_a_commit_may_hold() -> None:
    many = held(*(psk(b"%d" % number) for number in range(limits.PSKS_MAX + 3)))
    assert chosen(many) == list(range(limits.PSKS_MAX))


def test_a_reinit_only_when_nothing_else_is_there() -> None:
    assert chosen(held(REINIT)) == [0]
    assert chosen(held(REINIT, REINIT)) == [0]
    assert chosen(held(REINIT, Remove(2))) == [1]
    assert chosen(held(REINIT), Remove(2)) == []
    assert chosen(held(Remove(2)), REINIT) == []
