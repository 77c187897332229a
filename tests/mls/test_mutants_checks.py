"""What mutmut's survivors asked for: each test here kills a mutant that all others let live (docs/mls-mutation.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chasqui.mls import (
    AddProposal,
    Check,
    Extension,
    GroupState,
    LeafTemplate,
    PeerError,
    RemoveProposal,
    ed25519,
    join,
    make_key_package,
    read_key_package,
    tree_check,
)
from chasqui.mls.tree import Tree, TreeDraft
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

SMALL_ORDER = b"\1" + bytes(31)


def changed(change: Callable[[TreeDraft], None], size: int = 4) -> tuple[GroupState, Tree]:
    """The tree of a warm group after a change that nobody signed, all its hashes recomputed."""
    state = forge.world(size).states[0]
    draft = state.tree.draft()
    change(draft)
    return state, Tree(state.crypto, list(draft.raw_nodes()))


def with_parent(x: int, **fields: object) -> Callable[[TreeDraft], None]:
    def change(draft: TreeDraft) -> None:
        node = draft.parent(x)
        assert node is not None
        draft.set_parent(x, node._replace(**fields))  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize("x", [1, 3, 5, 7, 9, 11, 13])
def test_the_key_of_each_parent_is_checked(x: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_check, "check_parent_hashes", lambda crypto, tree: None)
    state, tree = changed(with_parent(x, encryption_key=SMALL_ORDER), 8)
    with pytest.raises(PeerError) as caught:
        tree_check.check_tree(state.crypto, tree, state.group_id, state.extensions)
    assert caught.value.check is Check.KEY_SMALL_ORDER


def test_a_good_unmerged_leaf_does_not_hide_a_bad_one() -> None:
    def change(draft: TreeDraft) -> None:
        with_parent(1, unmerged_leaves=(1,))(draft)
        with_parent(3, unmerged_leaves=(1, 2))(draft)  # node 5 does not know leaf 2

    _, tree = changed(change)
    with pytest.raises(PeerError) as caught:
        tree_check.check_unmerged(tree)
    assert caught.value.check is Check.UNMERGED_PATH
    assert "leaf 2 at node 5" in str(caught.value)


def test_a_leaf_below_blanks_does_not_end_the_check_of_the_others() -> None:
    """Leaf 0 names a parent hash but all above it is blank; node 5 is still vouched for, or not when its key is not."""
    state = forge.world().states[0]
    nodes = list(state.tree.draft().raw_nodes())
    nodes[1] = nodes[3] = None
    tree_check.check_parent_hashes(state.crypto, Tree(state.crypto, nodes))
    draft = state.tree.draft()
    with_parent(5, encryption_key=b"k" * 32)(draft)
    nodes[5] = list(draft.raw_nodes())[5]
    with pytest.raises(PeerError) as caught:
        tree_check.check_parent_hashes(state.crypto, Tree(state.crypto, nodes))
    assert caught.value.check is Check.TREE_PARENT_HASH


@pytest.mark.parametrize("committer", [0, 3])
def test_an_unmerged_leaf_at_the_edge_of_a_side(committer: int) -> None:
    """Leaf 2, the first below node 5, is added without a path next to a member who has committed, or across."""
    world = forge.world()
    states = list(world.states)
    gone = states[0].commit([RemoveProposal(2)], Rng("edge"), NOW)
    states[0], states[3] = gone.state, after(states[3], gone.message)
    fresh = states[committer].commit([], Rng("fresh"), NOW)
    states[committer] = fresh.state
    keys = forge.keys("newcomer")
    made = states[committer].commit([AddProposal(keys.key_package)], Rng("add"), NOW, path=False)
    assert made.welcome is not None
    root = made.state.tree.parent(3)
    assert root is not None
    assert root.unmerged_leaves == (2,)
    assert join(made.welcome, keys).tree_hash == made.state.tree_hash


def after(state: GroupState, message: bytes) -> GroupState:
    new = state.process(message).state
    assert new is not None
    return new


def test_a_key_package_says_what_it_was_made_of() -> None:
    seed = b"s" * 32
    extension = Extension(0xF001, b"kept")
    keys = forge.keys("made", seed=seed, leaf_extensions=[extension], last_resort=True)
    package = read_key_package(keys.key_package)
    assert package.signature_key == ed25519.public_key(seed)
    assert keys.signature_private.reveal() == seed
    assert package.version == 1
    assert package.leaf.parent_hash is None
    assert package.leaf.extensions == (extension,)
    assert LeafTemplate.of(package.leaf) == LeafTemplate(
        package.leaf.credential, package.leaf.capabilities, (extension,)
    )
    assert package.extensions == (Extension(10, b""),)
    assert repr(keys) == "KeyPackageKeys()"


def test_the_shortest_lifetime() -> None:
    keys = make_key_package(1, b"short", Rng("short"), NOW, 1)
    lifetime = read_key_package(keys.key_package, NOW + 1).leaf.lifetime
    assert lifetime is not None
    assert (lifetime.not_before, lifetime.not_after) == (NOW, NOW + 1)
    with pytest.raises(PeerError) as caught:
        replace(lifetime, not_after=NOW).check(NOW + 1)
    assert caught.value.check is Check.LEAF_LIFETIME


def test_how_much_entropy_a_key_package_takes() -> None:
    taken: list[int] = []

    def entropy(length: int) -> bytes:
        taken.append(length)
        return bytes(range(len(taken), len(taken) + length))

    make_key_package(1, b"counted", entropy, NOW, 60, grease=True)
    assert taken == [32, 32, 32, 1, 4]
