"""Breaking the rules 7xx, and those of 6xx that concern a ratchet tree given to a newcomer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chasqui.mls import (
    AddProposal,
    Check,
    Extension,
    GroupState,
    KeyPackageKeys,
    PskId,
    PskUsage,
    ReInitProposal,
    RequiredCapabilities,
    Secret,
    branch,
    create_group,
    join,
    join_external,
    limits,
    reinitialise,
)
from chasqui.mls.codec import Reader, u32, vl, vl_join
from chasqui.mls.framing import WireFormat, read_message, wrap
from chasqui.mls.parent import ParentNode, decode_parent, parent_hash
from chasqui.mls.psk import PreSharedKeyId
from chasqui.mls.tree import Tree, TreeDraft, read_tree
from chasqui.mls.update_path import HpkeCiphertext
from chasqui.mls.welcome import Welcome
from tests.mls import forge
from tests.mls.forge import NOW, OpenWelcome
from tests.mls.rules import breaks
from tests.mls.support import Rng


def _welcomed(world: forge.World | None = None, *, path: bool = True) -> tuple[OpenWelcome, KeyPackageKeys]:
    """A good welcome for a newcomer, opened by its maker."""
    world = world or forge.world()
    keys = forge.keys("newcomer")
    made = world.states[0].commit([AddProposal(keys.key_package)], Rng(1), NOW, path=path)
    assert made.welcome is not None
    return OpenWelcome.of(made.welcome, made.state, keys), keys


def _join_with_tree(change: Callable[[TreeDraft], None]) -> None:
    """A newcomer joins with a tree that its maker changed, all hashes and signatures of the maker being true."""
    welcome, keys = _welcomed()
    draft = welcome.maker.tree.draft()
    change(draft)
    # Hashes of nodes above a change are recomputed: nothing is remembered.
    tree = Tree(welcome.crypto, list(draft.raw_nodes()))
    context = replace(welcome.info.context, tree_hash=tree.tree_hash())
    welcome.sign(context=context, extensions=forge.with_tree(welcome.info, tree.encode()))
    join(welcome.close(), keys)


def _join_with_encoded(encoded: bytes) -> None:
    welcome, keys = _welcomed()
    welcome.sign(extensions=forge.with_tree(welcome.info, encoded))
    join(welcome.close(), keys)


def _optional_nodes(nodes: Sequence[bytes | None]) -> bytes:
    return vl_join(b"\0" if node is None else b"\1" + node for node in nodes)


@breaks(Check.WRONG_WIRE_FORMAT)
def group_info_for_a_welcome() -> None:
    join(forge.world().states[0].group_info(), forge.keys("newcomer"))


@breaks(Check.WELCOME_NOT_FOR_US)
def welcome_to_nobody() -> None:
    welcome, keys = _welcomed()
    join(welcome.close(ref=bytes(32)), keys)


@breaks(Check.WELCOME_SUITE)
def welcome_of_another_suite() -> None:
    welcome, keys = _welcomed()
    join(welcome.close(suite=3), keys)


@breaks(Check.WELCOME_SUITE)
def group_info_of_another_suite() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(context=replace(welcome.info.context, suite=3)).close(), keys)


@breaks(Check.HPKE_OPEN)
def welcome_secrets_changed() -> None:
    welcome, keys = _welcomed()
    found = read_message(welcome.close())
    assert isinstance(found, Welcome)
    entry = found.secrets[0]
    bad = entry.secrets._replace(ciphertext=bytes(len(entry.secrets.ciphertext)))
    changed = replace(found, secrets=(replace(entry, secrets=bad),))
    join(wrap(WireFormat.WELCOME, changed.encode()), keys)


@breaks(Check.WELCOME_OPEN)
def welcome_with_another_joiner_secret() -> None:
    welcome, keys = _welcomed()
    good = read_message(welcome.close())
    assert isinstance(good, Welcome)
    crypto = welcome.crypto
    plaintext = replace(welcome.secrets, joiner=Secret(bytes(32))).encode()
    sealed = crypto.encrypt_with_label(
        forge.parse(keys.key_package).init_key, b"Welcome", good.encrypted_group_info, plaintext, Rng(3)
    )
    entry = replace(good.secrets[0], secrets=HpkeCiphertext(*sealed))
    join(wrap(WireFormat.WELCOME, replace(good, secrets=(entry,)).encode()), keys)


@breaks(Check.WELCOME_TREE_MISSING)
def welcome_without_a_tree() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(extensions=()).close(), keys)


@breaks(Check.GROUP_INFO_SIGNER)
def group_info_signed_from_a_blank_leaf() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(signer=7).close(), keys)


@breaks(Check.GROUP_INFO_SIGNATURE)
def group_info_signed_by_another() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(seed=bytes(32)).close(), keys)


@breaks(Check.WELCOME_SIGNER_IS_US)
def group_info_signed_from_our_leaf() -> None:
    """Whoever holds our signature key (a copy of the device) must not stand for the group."""
    welcome, keys = _welcomed(path=False)
    welcome.secrets = replace(welcome.secrets, path_secret=None)
    join(welcome.sign(signer=4, seed=keys.signature_private.reveal()).close(), keys)


@breaks(Check.WELCOME_OWN_LEAF)
def welcome_into_a_tree_without_us() -> None:
    welcome, keys = _welcomed()
    tree = forge.world().states[0].tree
    context = replace(welcome.info.context, tree_hash=tree.tree_hash())
    welcome.sign(context=context, extensions=forge.with_tree(welcome.info, tree.encode()))
    join(welcome.close(), keys)


@breaks(Check.WELCOME_PATH_SECRET)
def welcome_with_a_wrong_path_secret() -> None:
    welcome, keys = _welcomed()
    welcome.secrets = replace(welcome.secrets, path_secret=Secret(bytes(32)))
    join(welcome.close(), keys)


@breaks(Check.WELCOME_PATH_SECRET)
def welcome_with_a_short_path_secret() -> None:
    welcome, keys = _welcomed()
    welcome.secrets = replace(welcome.secrets, path_secret=Secret(bytes(31)))
    join(welcome.close(), keys)


@breaks(Check.WELCOME_PATH_SECRET)
def welcome_with_a_path_secret_for_a_blank_node() -> None:
    welcome, keys = _welcomed(forge.world(1), path=False)
    welcome.secrets = replace(welcome.secrets, path_secret=Secret(bytes(32)))
    join(welcome.close(), keys)


@breaks(Check.CONFIRMATION_TAG)
def welcome_with_a_wrong_confirmation_tag() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(tag=bytes(32)).close(), keys)


@breaks(Check.CONFIRMATION_TAG)
def welcome_with_another_epoch() -> None:
    welcome, keys = _welcomed()
    join(welcome.sign(context=replace(welcome.info.context, epoch=77)).close(), keys)


@breaks(Check.GROUP_ID_KNOWN)
def welcome_into_a_group_that_we_are_in() -> None:
    welcome, keys = _welcomed()
    join(welcome.close(), keys, known_groups=[b"forged group"])


@breaks(Check.GROUP_EXTENSION_UNSUPPORTED)
def group_with_an_extension_that_we_lack() -> None:
    welcome, keys = _welcomed()
    context = replace(welcome.info.context, extensions=(Extension(0xF001, b""),))
    join(welcome.sign(context=context).close(), keys)


@breaks(Check.GROUP_EXTENSION_UNSUPPORTED)
def group_with_grease_for_an_extension() -> None:
    """Our leaf lists GREASE for others to ignore; a group that uses it is not one that we understand."""
    world = forge.world()
    keys = forge.keys("greased", grease=True)
    made = world.states[0].commit([AddProposal(keys.key_package)], Rng(1), NOW)
    assert made.welcome is not None
    welcome = OpenWelcome.of(made.welcome, made.state, keys)
    grease = forge.parse(keys.key_package).leaf.capabilities.extensions[-1]
    context = replace(welcome.info.context, extensions=(Extension(grease, b""),))
    join(welcome.sign(context=context).close(), keys)


@breaks(Check.EXTENSION_MALFORMED)
def group_with_broken_requirements() -> None:
    welcome, keys = _welcomed()
    context = replace(welcome.info.context, extensions=(Extension(3, b"\x07"),))
    join(welcome.sign(context=context).close(), keys)


@breaks(Check.LEAF_REQUIRED_CAPABILITIES)
def group_whose_members_lack_what_it_requires() -> None:
    welcome, keys = _welcomed()
    required = RequiredCapabilities(extensions=(0xF002,)).extension()
    join(welcome.sign(context=replace(welcome.info.context, extensions=(required,))).close(), keys)


@breaks(Check.LEAF_LIFETIME)
def group_with_an_expired_newcomer() -> None:
    welcome, keys = _welcomed()
    join(welcome.close(), keys, now=NOW + 31 * forge.DAY)


@breaks(Check.EXTERNAL_PUB_MISSING)
def group_info_without_external_pub() -> None:
    join_external(forge.world().states[0].group_info(), forge.keys("newcomer"), Rng(1))


@breaks(Check.TREE_HASH)
def tree_of_another_epoch() -> None:
    _join_with_encoded(forge.world().states[0].tree.encode())


@breaks(Check.TREE_BLANK_END)
def tree_that_ends_with_a_blank() -> None:
    raw = Reader(forge.world().states[0].tree.encode())
    _join_with_encoded(vl(raw.vl() + b"\0"))


@breaks(Check.TREE_BLANK_END)
def tree_of_nothing() -> None:
    _join_with_encoded(b"\0")


@breaks(Check.TREE_NODE_TYPE)
def tree_with_a_parent_for_a_leaf() -> None:
    tree = forge.world().states[0].tree
    parent = tree.parent(1)
    assert parent is not None
    _join_with_encoded(_optional_nodes([b"\x02" + parent.encode()]))


@breaks(Check.TREE_TOO_LARGE)
def tree_without_end() -> None:
    _join_with_encoded(vl(bytes(2 * limits.LEAVES_MAX) + b"\1"))


@breaks(Check.TREE_TOO_LARGE)
def tree_of_too_many_bytes() -> None:
    read_tree(forge.world().crypto, Reader(vl(bytes(limits.TREE_BYTES_MAX + 1))))


@breaks(Check.WELCOME_SUITE)
def group_info_of_another_suite_for_an_external_commit() -> None:
    join_external(forge.world(suite=3).states[0].group_info(external_pub=True), forge.keys("newcomer"), Rng(1))


@breaks(Check.EPOCH_EXHAUSTED)
def external_commit_in_the_last_epoch() -> None:
    state = forge.world().states[0]
    last = replace(state, context=replace(state.context, epoch=limits.EPOCH_MAX))
    join_external(last.group_info(external_pub=True), forge.keys("newcomer"), Rng(1))


@breaks(Check.UNMERGED_ORDER)
def unmerged_leaves_out_of_order() -> None:
    decode_parent(vl(bytes(32)) + vl(b"") + vl(u32(2) + u32(1)))


@breaks(Check.UNMERGED_ORDER)
def unmerged_leaf_twice() -> None:
    decode_parent(vl(bytes(32)) + vl(b"") + vl(u32(1) + u32(1)))


def _parent(draft: TreeDraft, x: int) -> ParentNode:
    node = draft.parent(x)
    assert node is not None
    return node


@breaks(Check.UNMERGED_LEAF)
def unmerged_leaf_that_is_blank() -> None:
    # leaves 0-3 are members, 4 is the newcomer, 5-7 are blank; node 7 is the root of all
    _join_with_tree(lambda draft: draft.set_parent(7, _parent(draft, 7)._replace(unmerged_leaves=(6,))))


@breaks(Check.UNMERGED_LEAF)
def unmerged_leaf_of_another_branch() -> None:
    _join_with_tree(lambda draft: draft.set_parent(1, _parent(draft, 1)._replace(unmerged_leaves=(3,))))


@breaks(Check.UNMERGED_PATH)
def unmerged_leaf_that_a_node_between_lacks() -> None:
    _join_with_tree(lambda draft: draft.set_parent(7, _parent(draft, 7)._replace(unmerged_leaves=(1,))))


@breaks(Check.TREE_PARENT_HASH)
def parent_key_replaced() -> None:
    """The attack that parent hashes exist for: a member puts a key of his own above others."""
    key = forge.world().crypto.kem.derive_key_pair(b"evil" * 8)[1]
    _join_with_tree(lambda draft: draft.set_parent(5, _parent(draft, 5)._replace(encryption_key=key)))


@breaks(Check.TREE_PARENT_HASH)
def parent_hidden_as_unmerged() -> None:
    """Unmerging a leaf that had the key changes the original sibling hash, so the chain breaks."""

    def change(draft: TreeDraft) -> None:
        draft.set_parent(3, _parent(draft, 3)._replace(unmerged_leaves=(3,)))
        draft.set_parent(5, _parent(draft, 5)._replace(unmerged_leaves=(3,)))

    _join_with_tree(change)


@breaks(Check.TREE_PARENT_HASH)
def parent_above_nobody() -> None:
    key = forge.world().crypto.kem.derive_key_pair(b"evil" * 8)[1]
    _join_with_tree(lambda draft: draft.set_parent(11, ParentNode(key, b"", ())))


@breaks(Check.TREE_PARENT_HASH)
def parent_that_a_neighbour_does_not_know() -> None:
    """Leaf 0 leaves out node 1, below which leaf 1 sits too, and signs straight to node 3: leaf 1 never got its key."""
    maker = forge.world().states[0]

    def change(draft: TreeDraft) -> None:
        above = parent_hash(draft.crypto, _parent(draft, 3), draft.tree_hash(5))
        leaf = draft.leaf(0)
        assert leaf is not None
        draft._set(1, None, None)
        draft.set_leaf(0, forge.resigned_leaf(maker, leaf, number=0, parent_hash=above))

    _join_with_tree(change)


@breaks(Check.DUPLICATE_ENCRYPTION_KEY)
def one_key_at_two_parents() -> None:
    _join_with_tree(lambda draft: draft.set_parent(5, _parent(draft, 5)._replace(encryption_key=draft.key(1))))


@breaks(Check.LEAF_SIGNATURE)
def leaf_moved_to_another_place() -> None:
    def change(draft: TreeDraft) -> None:
        """Leaf 2 goes to place 6, where nobody above vouches for anything."""
        leaf = draft.leaf(2)
        assert leaf is not None
        for number in range(4):
            draft.remove(number)
        draft.set_leaf(6, leaf)
        draft.set_leaf(0, forge.world().states[0].own_leaf_node)

    _join_with_tree(change)


@breaks(Check.KEY_SMALL_ORDER)
def parent_key_of_small_order() -> None:
    def change(draft: TreeDraft) -> None:
        """A chain that is right in all but the key: the maker's own path, with a key of order one in it."""
        draft.set_parent(1, _parent(draft, 1)._replace(encryption_key=b"\1" + bytes(31)))

    from chasqui.mls import tree_check

    check = tree_check.check_parent_hashes
    tree_check.check_parent_hashes = lambda crypto, tree: None
    try:
        _join_with_tree(change)
    finally:
        tree_check.check_parent_hashes = check


# Groups tied to other groups


def _psk(psk: PskId, key: bytes = b"k" * 32) -> tuple[PreSharedKeyId, Callable[[PskId], bytes | None]]:
    return PreSharedKeyId(psk, bytes(32)), lambda wanted: key if wanted == psk else None


@breaks(Check.PSK_UNKNOWN)
def welcome_with_a_key_that_we_do_not_hold() -> None:
    welcome, keys = _welcomed()
    identifier, welcome.lookup = _psk(PskId.external(b"name"))
    welcome.secrets = replace(welcome.secrets, psks=(identifier,))
    join(welcome.close(), keys)


@breaks(Check.PSK_NONCE)
def welcome_with_a_short_nonce() -> None:
    welcome, keys = _welcomed()
    identifier, welcome.lookup = _psk(PskId.external(b"name"))
    welcome.secrets = replace(welcome.secrets, psks=(replace(identifier, nonce=b"short"),))
    join(welcome.close(), keys, psks=welcome.lookup)


@breaks(Check.PSK_DUPLICATE)
def welcome_with_one_key_twice() -> None:
    welcome, keys = _welcomed()
    identifier, welcome.lookup = _psk(PskId.external(b"name"))
    welcome.secrets = replace(welcome.secrets, psks=(identifier, identifier))
    join(welcome.close(), keys, psks=welcome.lookup)


@breaks(Check.WELCOME_PSKS)
def welcome_with_two_old_groups() -> None:
    welcome, keys = _welcomed()
    ids = tuple(
        PreSharedKeyId(PskId.resumption(b"old", epoch, PskUsage.BRANCH), bytes(32)) for epoch in (1, 2)
    )
    welcome.lookup = lambda _: bytes(32)
    welcome.secrets = replace(welcome.secrets, psks=ids)
    join(welcome.close(), keys, psks=welcome.lookup)


@breaks(Check.WELCOME_EPOCH)
def branch_that_begins_late() -> None:
    """Needs a true confirmation tag only after this rule, so the welcome of a later epoch does."""
    welcome, keys = _welcomed()
    identifier, welcome.lookup = _psk(PskId.resumption(b"old", 1, PskUsage.BRANCH))
    welcome.secrets = replace(welcome.secrets, psks=(identifier,))
    join(welcome.close(), keys, psks=welcome.lookup)


def _closed() -> tuple[GroupState, GroupState]:
    """Two members after a ReInit."""
    a, b, *_ = forge.world(2).states
    made = a.commit([ReInitProposal(b"next group", 3)], Rng(1), NOW)
    after = b.process(made.message).state
    assert after is not None
    return made.state, after


@breaks(Check.GROUP_CLOSED)
def commit_after_a_reinit() -> None:
    a, b = _closed()
    b.process(forge.commit(a, [], forge.path(a).path))


@breaks(Check.WELCOME_REINIT)
def reinit_that_we_never_saw() -> None:
    a, _ = _closed()
    keys = forge.keys("member 1", suite=3)
    made = reinitialise(a, forge.keys("member 0", suite=3), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    join(made.welcome, keys, psks=lambda psk: a.psk(psk, lambda _: None))


@breaks(Check.WELCOME_REINIT)
def reinit_with_other_parameters() -> None:
    a, b = _closed()
    keys = forge.keys("member 1", suite=3)
    made = reinitialise(a, forge.keys("member 0", suite=3), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    assert b.reinit is not None
    join(made.welcome, keys, parent=replace(b, reinit=replace(b.reinit, group_id=b"elsewhere")))


@breaks(Check.WELCOME_REINIT)
def reinit_to_a_version_that_the_new_group_has_not() -> None:
    a, b = _closed()
    keys = forge.keys("member 1", suite=3)
    made = reinitialise(a, forge.keys("member 0", suite=3), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    assert b.reinit is not None
    join(made.welcome, keys, parent=replace(b, reinit=replace(b.reinit, version=2)))


@breaks(Check.WELCOME_BRANCH)
def branch_with_a_stranger() -> None:
    a, b, *_ = forge.world(3).states
    keys = forge.keys("member 1")
    made = branch(a, b"branch", forge.keys("member 0 again", seed=None), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    join(made.welcome, keys, parent=b)


def _branch_of(old: GroupState, parent: GroupState) -> None:
    """A branch of `old` offered to one who takes it for a branch of `parent`."""
    keys = forge.keys("member 1")
    made = branch(old, b"branch", forge.keys("member 0"), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    resumption = old.resumption_psk.reveal()
    join(made.welcome, keys, parent=parent, psks=lambda _: resumption)


@breaks(Check.WELCOME_BRANCH)
def branch_of_another_group() -> None:
    old = forge.world(3).states[0]
    _branch_of(old, replace(old, context=replace(old.context, group_id=b"another")))


@breaks(Check.WELCOME_BRANCH)
def branch_of_another_epoch() -> None:
    old = forge.world(3).states[0]
    _branch_of(old, replace(old, context=replace(old.context, epoch=old.epoch + 1)))


@breaks(Check.WELCOME_BRANCH)
def branch_with_another_suite() -> None:
    old = forge.world(3).states[0]
    _branch_of(old, replace(old, context=replace(old.context, suite=3)))


@breaks(Check.WELCOME_BRANCH)
def group_without_the_tie_to_its_parent() -> None:
    old = forge.world(3).states[0]
    _untied(old)


@breaks(Check.WELCOME_REINIT)
def reinit_without_the_tie_to_its_parent() -> None:
    _untied(_closed()[1])


def _untied(parent: GroupState) -> None:
    """A group made from nothing, offered to one who waits for the successor of `parent`."""
    keys = forge.keys("member 1", suite=3)
    new = create_group(3, b"next group", forge.keys("member 0", suite=3), Rng(2))
    made = new.commit([AddProposal(keys.key_package)], Rng(3), NOW)
    assert made.welcome is not None
    join(made.welcome, keys, parent=parent)


@breaks(Check.WELCOME_BRANCH)
def branch_of_a_closed_group() -> None:
    a, b = _closed()
    keys = forge.keys("member 1")
    made = branch(replace(a, reinit=None), b"branch", forge.keys("member 0"), [keys.key_package], Rng(2), NOW)
    assert made.welcome is not None
    join(made.welcome, keys, parent=b)


@breaks(Check.WELCOME_REINIT)
def reinit_that_leaves_somebody_out() -> None:
    a, b, c = forge.world(3).states
    made = a.commit([ReInitProposal(b"next group", 3)], Rng(1), NOW)
    b, c = (state for state in (b.process(made.message).state, c.process(made.message).state) if state is not None)
    keys = forge.keys("member 1", suite=3)
    two = forge.world(2).states[0]
    smaller = replace(made.state, tree=two.tree, own_leaf=0)
    new = reinitialise(smaller, forge.keys("member 0", suite=3), [keys.key_package], Rng(2), NOW)
    assert new.welcome is not None
    join(new.welcome, keys, parent=b)


@breaks(Check.WRONG_WIRE_FORMAT)
def welcome_for_a_group_info() -> None:
    welcome, keys = _welcomed()
    join_external(welcome.close(), keys, Rng(1))


@breaks(Check.GROUP_ID_KNOWN)
def external_commit_to_a_group_that_we_are_in() -> None:
    info = forge.world().states[0].group_info(external_pub=True)
    join_external(info, forge.keys("newcomer"), Rng(1), known_groups=[b"forged group"])


@breaks(Check.UNSUPPORTED_SUITE)
def group_info_of_a_suite_that_we_lack() -> None:
    welcome, keys = _welcomed()
    welcome.sign(context=replace(welcome.info.context, suite=2))
    join_external(wrap(WireFormat.GROUP_INFO, welcome.info.encode()), keys, Rng(1))


@breaks(Check.UNKNOWN_VERSION)
def group_info_of_version_two() -> None:
    data = forge.world().states[0].group_info()
    read_message(data[:4] + b"\0\2" + data[6:])
