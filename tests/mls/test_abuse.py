"""What members and outsiders try against the availability of a group: blocked commits, states that do not load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chasqui.mls import (
    AddProposal,
    Check,
    Credential,
    Extension,
    GroupContextExtensionsProposal,
    GroupState,
    PeerError,
    PreSharedKeyProposal,
    PskId,
    ReInitProposal,
    RemoveProposal,
    StateError,
    UpdateProposal,
    UsageError,
    limits,
    make_key_package,
    own_capabilities,
    propose_as_external_sender,
    propose_own_add,
    reinitialise,
    state_codec,
)
from chasqui.mls import ed25519 as signatures
from chasqui.mls.extensions import GREASE
from chasqui.mls.proposals import GroupContextExtensions, Proposal, Update
from chasqui.mls.tree import Tree
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

LISTED = 0xF001
"""An extension that all members of the group support and that the group uses."""


def _group() -> forge.World:
    return forge.world(4, (Extension(LISTED, b""),), (LISTED,), credentials=(1,))


def _update(state: GroupState, **changes: object) -> Update:
    """An Update of the state's owner, true in itself."""
    fresh = state.crypto.kem.derive_key_pair(Rng(("update", state.own_leaf))(32))[1]
    leaf = state.own_leaf_node._replace(lifetime=None, parent_hash=None, encryption_key=fresh)
    return Update(forge.resigned_leaf(state, leaf, **changes))  # type: ignore[arg-type]


def _update_without_the_extension() -> Proposal:
    mallory = _group().states[1]
    return _update(mallory, capabilities=replace(own_capabilities(), credentials=(1,)))


def _update_with_the_key_of_another() -> Proposal:
    _, mallory, victim, _ = _group().states
    return _update(mallory, encryption_key=victim.own_leaf_node.encryption_key)


def _update_with_the_key_of_a_parent() -> Proposal:
    mallory = _group().states[1]
    return _update(mallory, encryption_key=mallory.tree.key(mallory.tree.root))


def _update_that_cannot_read_the_others() -> Proposal:
    mallory = _group().states[1]
    return _update(
        mallory,
        credential=Credential.x509((b"certificate",)),
        capabilities=replace(own_capabilities((LISTED,)), credentials=(2,)),
    )


def _add_with_the_key_of_another() -> Proposal:
    victim = _group().states[2]
    able = replace(own_capabilities((LISTED,)), credentials=(1,))
    return forge.add(
        forge.key_package("twin", encryption_key=victim.own_leaf_node.encryption_key, capabilities=able)
    )


def _add_whom_nobody_can_read() -> Proposal:
    able = own_capabilities((LISTED,))
    return forge.add(forge.key_package("paper", credential=Credential.x509((b"certificate",)), capabilities=able))


def _grease_for_everyone() -> Proposal:
    return GroupContextExtensions((Extension(GREASE[3], b""),))


BLOCKERS: tuple[Callable[[], Proposal], ...] = (
    _update_without_the_extension,
    _update_with_the_key_of_another,
    _update_with_the_key_of_a_parent,
    _update_that_cannot_read_the_others,
    _add_with_the_key_of_another,
    _add_whom_nobody_can_read,
    _grease_for_everyone,
)


@pytest.mark.parametrize("make", BLOCKERS, ids=[make.__name__[1:] for make in BLOCKERS])
def test_no_member_keeps_the_others_from_committing(make: Callable[[], Proposal]) -> None:
    """Each of these is cached, because it is valid alone; a commit that took it along would be invalid."""
    ana, mallory, ben, caro = _group().states
    hostile = forge.message(mallory, make())
    honest = caro.propose(UpdateProposal(), Rng("honest"), NOW).message
    for message in (hostile, honest):
        taken = ana.process(message).state
        ben_after = ben.process(message).state
        assert taken is not None
        assert ben_after is not None
        ana, ben = taken, ben_after
    made = ana.commit([], Rng("commit"), NOW)
    done = ben.process(made.message)
    assert [member.leaf for member in done.updated] == [0, caro.own_leaf]
    assert done.state is not None
    assert done.state.epoch_authenticator == made.state.epoch_authenticator


def test_grease_in_a_group_where_all_list_it_blocks_nobody() -> None:
    states = forge.world(3, (), (GREASE[3],)).states
    taken = states[0].process(forge.message(states[1], _grease_for_everyone())).state
    assert taken is not None
    assert len(taken.pending) == 1
    assert taken.commit([], Rng(1), NOW).state.extensions == ()


def test_two_cached_leaves_with_one_new_key_do_not_block() -> None:
    ana, mallory, *_ = forge.world().states
    update = _update(mallory)
    twin = forge.add(forge.key_package("twin", encryption_key=update.leaf.encryption_key))
    for proposal in (update, twin):
        taken = ana.process(forge.message(mallory, proposal)).state
        assert taken is not None
        ana = taken
    made = ana.commit([], Rng(1), NOW)
    assert made.added == ()


def _ask(state: GroupState, number: int, identity: bytes) -> GroupState:
    keys = make_key_package(1, identity, Rng(("outsider", number)), NOW, forge.DAY)
    after = state.process(propose_own_add(state.group_id, state.epoch, keys, Rng(number))).state
    assert after is not None
    return after


@pytest.mark.parametrize("identity", [b"x", bytes(60_000)])
def test_outsiders_do_not_crowd_out_members(identity: bytes) -> None:
    ana, ben, *_ = forge.world().states
    with pytest.raises(PeerError) as caught:
        for number in range(limits.PROPOSALS_CACHED_MAX):
            ana = _ask(ana, number, b"%d" % number + identity)
    assert caught.value.check is Check.TOO_MANY_PROPOSALS
    share = limits.PROPOSALS_OUTSIDE_SHARE
    size = sum(len(item.proposal.encode()) for item in ana.pending)
    full = limits.PROPOSALS_CACHED_MAX // share
    assert len(ana.pending) == full or size > limits.PROPOSALS_CACHED_BYTES_MAX // share - 61_000
    assert GroupState.from_bytes(ana.to_bytes()) == ana
    after = ana.process(ben.propose(RemoveProposal(2), Rng(1), NOW).message).state
    assert after is not None
    assert len(after.pending) == len(ana.pending) + 1


def test_one_member_does_not_crowd_out_another() -> None:
    ana, mallory, ben, _ = forge.world().states
    with pytest.raises(PeerError) as caught:
        for number in range(limits.PROPOSALS_CACHED_MAX):
            sent = mallory.propose(RemoveProposal(2), Rng(1), NOW, authenticated_data=b"%d" % number)
            after = ana.process(sent.message).state
            assert after is not None
            ana = after
    assert caught.value.check is Check.TOO_MANY_PROPOSALS
    assert len(ana.pending) == limits.PROPOSALS_CACHED_MAX // limits.PROPOSALS_SENDER_SHARE
    assert ana.process(ben.propose(RemoveProposal(3), Rng(1), NOW).message).state is not None


def test_our_own_proposals_are_bounded_so_that_the_state_loads() -> None:
    state = forge.world().states[0]
    with pytest.raises(UsageError):
        for number in range(limits.PROPOSALS_CACHED_MAX + 1):
            note = number.to_bytes(2, "big")
            state = state.propose(RemoveProposal(2), Rng(number), NOW, authenticated_data=note).state
    assert GroupState.from_bytes(state.to_bytes()) == state


def test_a_tree_of_huge_leaves_is_refused_before_it_cannot_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, *_ = forge.world().states
    big = make_key_package(1, bytes(20_000), Rng("big"), NOW, forge.DAY).key_package
    made = ana.commit([AddProposal(big)], Rng(1), NOW)
    assert GroupState.from_bytes(made.state.to_bytes()) == made.state
    monkeypatch.setattr(limits, "TREE_BYTES_MAX", 20_000)
    with pytest.raises(PeerError) as caught:
        ben.process(made.message)
    assert caught.value.check is Check.TREE_TOO_LARGE
    with pytest.raises(UsageError):
        ana.commit([AddProposal(big)], Rng(1), NOW)


def test_states_over_four_mebibytes_load() -> None:
    state = forge.world(2).states[0]
    for number in range(2):
        adds = [
            AddProposal(make_key_package(1, bytes(60_000), Rng((number, i)), NOW, forge.DAY).key_package)
            for i in range(36)
        ]
        state = state.commit(adds, Rng(number), NOW, path=False, welcome_tree=False).state
    saved = state.to_bytes()
    assert len(saved) > limits.MESSAGE_BYTES_MAX
    assert GroupState.from_bytes(saved) == state


def test_a_saved_tree_that_is_not_the_contexts_is_refused() -> None:
    state = forge.world().states[0]
    raw = list(state.tree.raw_nodes())
    raw[2], raw[4] = raw[4], raw[2]
    with pytest.raises(StateError):
        GroupState.from_bytes(state_codec.encode_state(replace(state, tree=Tree(state.crypto, raw))))


def test_numbers_that_fit_nowhere_are_the_callers_fault() -> None:
    state, rng = forge.world().states[0], Rng(1)
    seed = bytes(32)
    public = signatures.public_key(seed)
    psk = PreSharedKeyProposal(PskId.resumption(b"g", 1 << 64))
    calls: tuple[Callable[[], object], ...] = (
        lambda: propose_as_external_sender(1, b"g", -1, RemoveProposal(1), 0, seed, public, rng),
        lambda: propose_as_external_sender(1, b"g", 1, RemoveProposal(-1), 0, seed, public, rng),
        lambda: propose_as_external_sender(9, b"g", 1, RemoveProposal(1), 0, seed, public, rng),
        lambda: propose_as_external_sender(1, b"g", 1, RemoveProposal(1), 0, seed, bytes(32), rng),
        lambda: make_key_package(1, b"x", rng, -1, 1),
        lambda: make_key_package(1, bytes(limits.CREDENTIAL_BYTES_MAX + 1), rng, NOW, 1),
        lambda: state.commit([ReInitProposal(b"next", 1 << 16)], rng, NOW),
        lambda: state.commit([GroupContextExtensionsProposal((Extension(1 << 16, b""),))], rng, NOW),
        lambda: state.commit([psk], rng, NOW, psks=lambda _: b"key"),
        lambda: propose_own_add(b"g", 1, replace(forge.keys("x"), key_package=b"damaged"), rng),
        lambda: state.propose(UpdateProposal(), lambda _: b"short", NOW),
        lambda: state.encrypt(bytes(limits.MESSAGE_BYTES_MAX), b"", rng),
    )
    for call in calls:
        with pytest.raises(UsageError):
            call()


def test_a_reinit_to_a_later_version_founds_no_group() -> None:
    old = forge.world(2).states[0]
    closed = old.commit([ReInitProposal(b"next", 1)], Rng(1), NOW).state
    assert closed.reinit is not None
    later = replace(closed, reinit=replace(closed.reinit, version=2))
    with pytest.raises(UsageError):
        reinitialise(later, forge.keys("a"), [forge.keys("member 1").key_package], Rng(2), NOW)


def test_a_crafted_tree_costs_no_quadratic_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every leaf below the root claims the same parent: its resolution is computed once per child."""
    from chasqui.mls import tree_check
    from chasqui.mls.parent import ParentNode, parent_hash

    state = forge.world().states[0]
    size = 64
    leaf = state.own_leaf_node
    root = ParentNode(leaf.encryption_key, b"", ())
    plain = [leaf.raw if x % 2 == 0 else None for x in range(2 * size - 1)]
    plain[size - 1] = root.encode()
    right = Tree(state.crypto, list(plain)).tree_hash(size - 1 + size // 2)
    claim = parent_hash(state.crypto, root, right)
    claiming = forge.resigned_leaf(state, leaf, parent_hash=claim).raw
    for x in range(0, size - 1, 2):
        plain[x] = claiming
    tree = Tree(state.crypto, plain)
    calls: list[int] = []
    resolution = Tree.resolution

    def counted(self: Tree, x: int) -> list[int]:
        calls.append(x)
        return resolution(self, x)

    monkeypatch.setattr(Tree, "resolution", counted)
    with pytest.raises(PeerError) as caught:
        tree_check.check_parent_hashes(state.crypto, tree)
    assert caught.value.check is Check.TREE_PARENT_HASH
    assert 0 < len(calls) <= 2 * size


