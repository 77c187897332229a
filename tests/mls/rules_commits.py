"""Breaking the rules 5xx and 6xx: proposals, lists of them, commits and paths."""

from __future__ import annotations

from dataclasses import replace

from chasqui.mls import (
    Check,
    Credential,
    Extension,
    GroupState,
    PskId,
    PskUsage,
    RequiredCapabilities,
    UpdateProposal,
    join_external,
    limits,
)
from chasqui.mls.framing import PublicMessage, Sender, SenderType, read_message
from chasqui.mls.key_schedule import external_init_sender, external_key_pair
from chasqui.mls.leaf import LeafTemplate
from chasqui.mls.proposals import (
    CommitContent,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalOrRef,
    ProposalRef,
    ReInit,
    Remove,
    Update,
)
from chasqui.mls.psk import PreSharedKeyId
from chasqui.mls.staging import Listed, stage
from chasqui.mls.treekem import MadePath
from chasqui.mls.update_path import HpkeCiphertext, UpdatePath
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.rules import breaks, feed
from tests.mls.support import Rng


def _commit(*items: ProposalOrRef, path: UpdatePath | None = None) -> None:
    a, b, *_ = forge.world().states
    feed(b, forge.commit(a, items, path))


def _updated(world: forge.World, member: int, seen_by: int) -> tuple[GroupState, bytes]:
    """The state of `seen_by` after an Update proposal of `member`, and its reference."""
    made = world.states[member].propose(UpdateProposal(), Rng(("update", member)), NOW)
    after = world.states[seen_by].process(made.message).state
    assert after is not None
    return after, made.ref


@breaks(Check.PROPOSAL_REF_UNKNOWN)
def reference_to_nothing() -> None:
    _commit(ProposalRef(bytes(32)))


@breaks(Check.UPDATE_BY_COMMITTER)
def committer_updates_himself_by_reference() -> None:
    world = forge.world()
    b, ref = _updated(world, 0, 1)
    feed(b, forge.commit(world.states[0], [ProposalRef(ref)]))


@breaks(Check.UPDATE_BY_COMMITTER)
def update_by_value() -> None:
    a = forge.world().states[0]
    key = a.crypto.kem.derive_key_pair(bytes(32))[1]
    _commit(Update(forge.resigned_leaf(a, a.own_leaf_node, parent_hash=None, encryption_key=key)))


@breaks(Check.REMOVE_OF_COMMITTER)
def committer_removes_himself() -> None:
    _commit(Remove(0))


@breaks(Check.MULTIPLE_PER_LEAF)
def one_member_removed_twice() -> None:
    _commit(Remove(2), Remove(2))


@breaks(Check.MULTIPLE_PER_LEAF)
def member_updated_and_removed() -> None:
    world = forge.world()
    b, ref = _updated(world, 2, 1)
    feed(b, forge.commit(world.states[0], [ProposalRef(ref), Remove(2)]))


@breaks(Check.MULTIPLE_PER_LEAF)
def one_reference_twice() -> None:
    world = forge.world()
    b, ref = _updated(world, 2, 1)
    feed(b, forge.commit(world.states[0], [ProposalRef(ref), ProposalRef(ref)]))


@breaks(Check.ADD_DUPLICATE)
def one_client_added_twice() -> None:
    seed = Rng("twice")(32)
    _commit(
        forge.add(forge.key_package("one", seed=seed)), forge.add(forge.key_package("two", seed=seed))
    )


@breaks(Check.ADD_MEMBER)
def member_added_again() -> None:
    seed = forge.world().states[2].signature_private.reveal()
    _commit(forge.add(forge.key_package(seed=seed)))


@breaks(Check.ADD_MEMBER)
def us_added_again() -> None:
    seed = forge.world().states[1].signature_private.reveal()
    _commit(forge.add(forge.key_package(seed=seed)))


def _psk(usage: PskUsage | None = None, nonce: bytes = bytes(32)) -> PreSharedKey:
    name = PskId.external(b"name") if usage is None else PskId.resumption(b"old", 1, usage)
    return PreSharedKey(PreSharedKeyId(name, nonce))


@breaks(Check.PSK_DUPLICATE)
def one_key_proposed_twice() -> None:
    _commit(_psk(), _psk())


@breaks(Check.PSK_USAGE)
def key_for_reinit_in_an_ordinary_commit() -> None:
    _commit(_psk(PskUsage.REINIT))


@breaks(Check.PSK_USAGE)
def key_for_branch_in_an_ordinary_commit() -> None:
    _commit(_psk(PskUsage.BRANCH))


@breaks(Check.PSK_USAGE)
def key_for_branch_proposed_by_reference() -> None:
    a, b, *_ = forge.world(3).states
    feed(b, forge.message(a, _psk(PskUsage.BRANCH)))


@breaks(Check.PSK_NONCE)
def short_nonce() -> None:
    _commit(_psk(nonce=bytes(31)))


@breaks(Check.PSK_UNKNOWN)
def key_that_we_do_not_hold() -> None:
    _commit(_psk())


@breaks(Check.TOO_MANY)
def keys_without_end() -> None:
    _commit(*(_psk(nonce=number.to_bytes(32, "big")) for number in range(limits.PSKS_MAX + 1)))


@breaks(Check.GCE_DUPLICATE)
def extensions_replaced_twice() -> None:
    _commit(GroupContextExtensions(()), GroupContextExtensions(()))


@breaks(Check.REINIT_NOT_ALONE)
def reinit_and_more() -> None:
    _commit(ReInit(b"next", 1, 1, ()), Remove(2))


@breaks(Check.REINIT_VERSION)
def reinit_to_an_older_version() -> None:
    _commit(ReInit(b"next", 0, 1, ()))


@breaks(Check.EXTERNAL_INIT_BY_MEMBER)
def member_with_an_external_init() -> None:
    _commit(ExternalInit(bytes(32)))


@breaks(Check.REMOVE_BLANK)
def nobody_removed() -> None:
    a, b, *_ = forge.world(3).states
    feed(b, forge.commit(a, [Remove(3)]))


@breaks(Check.REMOVE_BLANK)
def somebody_outside_the_tree_removed() -> None:
    _commit(Remove(1 << 31))


@breaks(Check.REMOVE_BLANK)
def proposal_to_remove_nobody() -> None:
    a, b, *_ = forge.world(3).states
    feed(b, forge.message(a, Remove(3)))


@breaks(Check.GCE_UNSUPPORTED)
def requirements_that_a_member_lacks() -> None:
    _commit(GroupContextExtensions((RequiredCapabilities(extensions=(0xF001,)).extension(),)))


@breaks(Check.GCE_UNSUPPORTED)
def extension_that_a_member_lacks() -> None:
    _commit(GroupContextExtensions((Extension(0xF001, b""),)))


@breaks(Check.GCE_UNSUPPORTED)
def grease_in_the_group_context() -> None:
    world = forge.world(3, (), (0x0A0A,))
    a, b, *_ = world.states
    feed(b, forge.commit(a, [GroupContextExtensions((Extension(0x0A0A, b""),))]))


@breaks(Check.EXTENSION_MALFORMED)
def external_senders_that_do_not_decode() -> None:
    _commit(GroupContextExtensions((Extension(5, b"\x01"),)))


@breaks(Check.EXTENSION_MALFORMED)
def external_pub_that_does_not_decode() -> None:
    from chasqui.mls.external import _external_pub
    from chasqui.mls.welcome import GroupInfo

    state = forge.world().states[0]
    _external_pub(GroupInfo(b"", state.context, (Extension(4, b"\x09"),), b"", 0, b""))


@breaks(Check.TOO_MANY_PROPOSALS)
def commit_without_end() -> None:
    _commit(*(Remove(2) for _ in range(limits.PROPOSALS_MAX + 1)))


@breaks(Check.PATH_MISSING)
def empty_commit_without_a_path() -> None:
    _commit()


@breaks(Check.PATH_MISSING)
def removal_without_a_path() -> None:
    _commit(Remove(2))


@breaks(Check.PATH_MISSING)
def new_extensions_without_a_path() -> None:
    _commit(GroupContextExtensions(()))


# External commits, made by hand


def _external(
    *proposals: Proposal | ProposalRef,
    inits: int = 1,
    resync: int | None = None,
    template: LeafTemplate | None = None,
    reuse_key: bool = False,
    seen: GroupState | None = None,
    seed: bytes | None = None,
) -> None:
    """An external commit with these proposals beside its ExternalInit, fed to member 1."""
    a, b, *_ = forge.world().states
    seed = seed or Rng("outsider")(32)
    assert a.secrets.external is not None
    public = external_key_pair(a.crypto, a.secrets.external.reveal())[1]
    output = external_init_sender(a.crypto, public, Rng(4)(32))[0]
    draft = a.tree.draft()
    if resync is not None:
        draft.remove(resync)
        draft.truncate()
    leaf = draft.free_leaf()
    outsider = forge.parse(forge.key_package("outsider")).leaf
    made = forge.path(a, draft, template=template or LeafTemplate.of(outsider), seed=seed, leaf=leaf)
    path = made.path
    if reuse_key and resync is not None:
        old = a.tree.leaf(resync)
        assert old is not None
        path = path._replace(
            leaf=forge.resigned_leaf(a, path.leaf, number=leaf, seed=seed, encryption_key=old.encryption_key)
        )
    items: list[ProposalOrRef] = [*(ExternalInit(output) for _ in range(inits)), *proposals]
    message = forge.commit(a, items, path, sender=Sender(SenderType.NEW_MEMBER_COMMIT), seed=seed)
    feed(seen or b, message)


@breaks(Check.EXTERNAL_INIT_COUNT)
def external_commit_without_init() -> None:
    _external(inits=0)


@breaks(Check.EXTERNAL_INIT_COUNT)
def external_commit_with_two_inits() -> None:
    _external(inits=2)


@breaks(Check.EXTERNAL_LIST)
def external_commit_that_adds() -> None:
    _external(forge.add(forge.key_package()))


@breaks(Check.EXTERNAL_LIST)
def external_commit_that_removes_two() -> None:
    _external(Remove(2), Remove(3))


@breaks(Check.EXTERNAL_BY_REFERENCE)
def external_commit_by_reference() -> None:
    world = forge.world()
    b, ref = _updated(world, 2, 1)
    _external(ProposalRef(ref), seen=b)


@breaks(Check.EXTERNAL_REMOVE)
def external_commit_that_removes_somebody_else() -> None:
    _external(Remove(2), resync=2)


@breaks(Check.EXTERNAL_REMOVE)
def resync_under_a_stolen_name() -> None:
    """The same credential, but not the member's signature key."""
    _external(Remove(2), resync=2, template=LeafTemplate.of(forge.world().states[2].own_leaf_node))


@breaks(Check.EXTERNAL_REMOVE)
def resync_with_the_key_but_under_another_name() -> None:
    old = forge.world().states[2]
    template = replace(LeafTemplate.of(old.own_leaf_node), credential=Credential.basic(b"another"))
    _external(Remove(2), resync=2, template=template, seed=old.signature_private.reveal())


@breaks(Check.LEAF_SAME_ENCRYPTION_KEY)
def resync_with_the_old_leaf_key() -> None:
    old = forge.world().states[2]
    seed = old.signature_private.reveal()
    _external(Remove(2), resync=2, template=LeafTemplate.of(old.own_leaf_node), reuse_key=True, seed=seed)


@breaks(Check.PATH_MISSING)
def external_commit_without_a_path() -> None:
    a, b, *_ = forge.world().states
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    feed(b, forge.commit(a, [ExternalInit(bytes(32))], sender=sender, seed=bytes(32)))


@breaks(Check.DUPLICATE_SIGNATURE_KEY)
def external_commit_of_a_member_without_resync() -> None:
    a, b, c, _ = forge.world().states
    draft = a.tree.draft()
    seed = c.signature_private.reveal()
    made = forge.path(a, draft, template=LeafTemplate.of(c.own_leaf_node), seed=seed, leaf=draft.free_leaf())
    items = [ExternalInit(forge.keys("kem").key_package[5:37])]
    feed(b, forge.commit(a, items, made.path, sender=Sender(SenderType.NEW_MEMBER_COMMIT), seed=seed))


@breaks(Check.KEY_SMALL_ORDER)
def external_init_of_small_order() -> None:
    a, b, *_ = forge.world().states
    joined = join_external(a.group_info(external_pub=True), forge.keys("new"), Rng(1))
    message = read_message(joined.message)
    assert isinstance(message, PublicMessage)
    body = message.content.body
    assert isinstance(body, CommitContent)
    seed = joined.state.signature_private.reveal()
    items = [ExternalInit(bytes(32)), *body.proposals[1:]]
    feed(b, forge.commit(a, items, body.path, sender=message.content.sender, seed=seed))


# Paths


def _path(made: MadePath, **node: object) -> UpdatePath:
    """The path with its first node changed."""
    first = made.path.nodes[0]._replace(**node)  # type: ignore[arg-type]
    return made.path._replace(nodes=(first, *made.path.nodes[1:]))


@breaks(Check.PATH_LENGTH)
def path_without_its_root() -> None:
    made = forge.path(forge.world().states[0])
    _commit(path=made.path._replace(nodes=made.path.nodes[:-1]))


@breaks(Check.PATH_LENGTH)
def path_with_a_node_more() -> None:
    made = forge.path(forge.world().states[0])
    key = forge.world().crypto.kem.derive_key_pair(b"more" * 8)[1]
    extra = made.path.nodes[-1]._replace(encryption_key=key)
    _commit(path=made.path._replace(nodes=(*made.path.nodes, extra)))


@breaks(Check.PATH_CIPHERTEXTS)
def path_with_a_ciphertext_less() -> None:
    _commit(path=_path(forge.path(forge.world().states[0]), ciphertexts=()))


@breaks(Check.PATH_CIPHERTEXTS)
def path_with_a_ciphertext_more_for_others() -> None:
    made = forge.path(forge.world().states[0])
    last = made.path.nodes[-1]
    wrong = last._replace(ciphertexts=last.ciphertexts * 2)
    _commit(path=made.path._replace(nodes=(*made.path.nodes[:-1], wrong)))


@breaks(Check.PATH_CIPHERTEXTS)
def removal_that_even_the_removed_can_tell_is_broken() -> None:
    a, b, *_ = forge.world().states
    draft = a.tree.draft()
    draft.remove(1)
    made = forge.path(a, draft)
    last = made.path.nodes[-1]
    wrong = last._replace(ciphertexts=last.ciphertexts * 2)
    path = made.path._replace(nodes=(*made.path.nodes[:-1], wrong))
    feed(b, forge.commit(a, [Remove(1)], path))


@breaks(Check.PATH_KEY_REUSED)
def path_with_a_key_of_the_tree() -> None:
    world = forge.world()
    _commit(path=_path(forge.path(world.states[0]), encryption_key=world.states[0].tree.key(1)))


@breaks(Check.PATH_KEY_REUSED)
def path_with_one_key_twice() -> None:
    made = forge.path(forge.world().states[0])
    _commit(path=_path(made, encryption_key=made.path.nodes[1].encryption_key))


@breaks(Check.PATH_KEY_REUSED)
def path_with_the_leaf_key_above() -> None:
    made = forge.path(forge.world().states[0])
    _commit(path=_path(made, encryption_key=made.path.leaf.encryption_key))


@breaks(Check.PATH_PARENT_HASH)
def leaf_with_a_wrong_parent_hash() -> None:
    a = forge.world().states[0]
    made = forge.path(a)
    _commit(path=made.path._replace(leaf=forge.resigned_leaf(a, made.path.leaf, parent_hash=bytes(32))))


@breaks(Check.PATH_PARENT_HASH)
def path_with_another_key_than_it_hashed() -> None:
    made = forge.path(forge.world().states[0])
    key = forge.world().crypto.kem.derive_key_pair(b"else" * 8)[1]
    _commit(path=_path(made, encryption_key=key))


@breaks(Check.PATH_SECRET_MISMATCH)
def path_secret_that_gives_other_keys() -> None:
    """Right keys, right hashes, right HPKE: but what is encrypted to us is another secret."""
    a, b, *_ = forge.world().states
    draft = a.tree.draft()
    made = forge.path(a, draft)
    context = replace(a.context, epoch=a.epoch + 1, tree_hash=draft.tree_hash()).encode()
    key = b.own_leaf_node.encryption_key
    sealed = a.crypto.encrypt_with_label(key, b"UpdatePathNode", context, b"x" * 32, Rng(5))
    feed(b, forge.commit(a, [], _path(made, ciphertexts=(HpkeCiphertext(*sealed),))))


@breaks(Check.PATH_SECRET_MISMATCH)
def path_secret_of_wrong_length() -> None:
    a, b, *_ = forge.world().states
    draft = a.tree.draft()
    made = forge.path(a, draft)
    context = replace(a.context, epoch=a.epoch + 1, tree_hash=draft.tree_hash()).encode()
    key = b.own_leaf_node.encryption_key
    sealed = a.crypto.encrypt_with_label(key, b"UpdatePathNode", context, b"x" * 31, Rng(5))
    feed(b, forge.commit(a, [], _path(made, ciphertexts=(HpkeCiphertext(*sealed),))))


@breaks(Check.HPKE_OPEN)
def path_secret_that_does_not_open() -> None:
    made = forge.path(forge.world().states[0])
    first = made.path.nodes[0].ciphertexts[0]
    _commit(path=_path(made, ciphertexts=(first._replace(ciphertext=bytes(48)),)))


@breaks(Check.KEY_LENGTH)
def path_with_a_short_kem_output() -> None:
    made = forge.path(forge.world().states[0])
    first = made.path.nodes[0].ciphertexts[0]
    _commit(path=_path(made, ciphertexts=(first._replace(kem_output=bytes(31)),)))


@breaks(Check.PATH_NO_KEY)
def path_for_one_who_lost_his_keys() -> None:
    a, b, *_ = forge.world().states
    lost = replace(b, keys={x: key for x, key in b.keys.items() if x == 3})
    lost.process(forge.commit(a, [], forge.path(a).path))


@breaks(Check.LEAF_SOURCE)
def path_with_the_leaf_of_an_update() -> None:
    a = forge.world().states[0]
    made = forge.path(a)
    _commit(path=made.path._replace(leaf=forge.resigned_leaf(a, made.path.leaf, parent_hash=None)))


@breaks(Check.LEAF_SIGNATURE)
def path_with_a_leaf_signed_by_another() -> None:
    a = forge.world().states[0]
    made = forge.path(a)
    leaf = forge.resigned_leaf(a, made.path.leaf, number=2)
    _commit(path=made.path._replace(leaf=leaf))


@breaks(Check.LEAF_SAME_ENCRYPTION_KEY)
def path_with_the_old_leaf_key() -> None:
    a = forge.world().states[0]
    made = forge.path(a)
    old = a.own_leaf_node.encryption_key
    _commit(path=made.path._replace(leaf=forge.resigned_leaf(a, made.path.leaf, encryption_key=old)))


@breaks(Check.LEAF_GROUP_EXTENSION)
def path_with_a_leaf_that_gave_up_an_extension() -> None:
    world = forge.world(4, (Extension(0xF001, b""),), (0xF001,))
    a, b, *_ = world.states
    poor = forge.parse(forge.key_package()).leaf.capabilities
    template = replace(LeafTemplate.of(a.own_leaf_node), capabilities=poor)
    feed(b, forge.commit(a, [], forge.path(a, template=template).path))


@breaks(Check.TREE_TOO_LARGE)
def member_more_than_a_tree_holds() -> None:
    most = limits.LEAVES_MAX
    limits_of_tree = 4
    assert most > limits_of_tree
    world = forge.world()
    previous, limits.LEAVES_MAX = limits.LEAVES_MAX, limits_of_tree  # type: ignore[misc]
    try:
        feed(world.states[1], forge.commit(world.states[0], [forge.add(forge.key_package())]))
    finally:
        limits.LEAVES_MAX = previous  # type: ignore[misc]


@breaks(Check.EPOCH_EXHAUSTED)
def commit_in_the_last_epoch() -> None:
    a, b, *_ = forge.world().states
    late = replace(b, context=replace(b.context, epoch=limits.EPOCH_MAX))
    other = replace(a, context=replace(a.context, epoch=limits.EPOCH_MAX))
    late.process(forge.commit(other, [], forge.path(other).path))


@breaks(Check.EXTERNAL_PROPOSAL_TYPE)
def update_from_outside() -> None:
    state = forge.world().states[0]
    item = Listed(Update(state.own_leaf_node), Sender(SenderType.NEW_MEMBER_PROPOSAL))
    stage(state.crypto, state.tree, state.group_id, (), [item], 1)
