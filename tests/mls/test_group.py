"""What a group can do: each verb of RFC 9420 once, with all members agreeing afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chasqui.mls import (
    AddProposal,
    Check,
    Credential,
    Extension,
    ExternalSender,
    GroupContextExtensionsProposal,
    GroupState,
    KeyPackageKeys,
    Kind,
    LeafTemplate,
    PeerError,
    PreSharedKeyProposal,
    ProposalRequest,
    PskId,
    ReInitProposal,
    RemoveProposal,
    RequiredCapabilities,
    Secret,
    UpdateProposal,
    UsageError,
    branch,
    create_group,
    ed25519,
    external_senders_extension,
    join,
    join_external,
    own_capabilities,
    propose_as_external_sender,
    propose_own_add,
    reinitialise,
)
from chasqui.mls.committing import CommitOptions
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import ALL_SUITES, Rng

RNG = Rng("group")


def agree(*states: GroupState) -> None:
    """All members see the same group and hold the same secrets."""
    first = states[0]
    for state in states:
        assert state.epoch_authenticator == first.epoch_authenticator
        assert state.export("label", b"context", 40) == first.export("label", b"context", 40)
        assert state.tree_hash == first.tree_hash
        assert state.members == first.members
        assert state.confirmed_transcript_hash == first.confirmed_transcript_hash


def deliver(message: bytes, states: Sequence[GroupState]) -> list[GroupState]:
    """Everybody processes a message; nobody is removed by it."""
    after = [state.process(message).state for state in states]
    return [state for state in after if state is not None]


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_life_of_a_group(suite: int) -> None:
    ana, ben, caro = (forge.keys(name, suite=suite) for name in ("ana", "ben", "caro"))
    a = create_group(suite, b"id", ana, RNG)
    assert (a.epoch, a.own_leaf, len(a.members)) == (0, 0, 1)
    made = a.commit([AddProposal(ben.key_package)], RNG, NOW)
    assert made.welcome is not None
    a, b = made.state, join(made.welcome, ben, now=NOW)
    agree(a, b)
    made = b.commit([AddProposal(caro.key_package)], RNG, NOW, path=True)
    assert made.welcome is not None
    done = a.process(made.message)
    assert [member.identity for member in done.added] == [b"caro"]
    assert [member.identity for member in done.updated] == [b"ben"]
    assert (done.sender_leaf, done.kind, done.external) == (1, Kind.COMMIT, False)
    assert done.state is not None
    a, b, c = done.state, made.state, join(made.welcome, caro)
    agree(a, b, c)
    made = c.commit([RemoveProposal(0)], RNG, NOW)
    done = b.process(made.message)
    assert [member.identity for member in done.removed] == [b"ana"]
    assert done.state is not None
    agree(done.state, made.state)
    gone = a.process(made.message)
    assert gone.self_removed
    assert gone.state is None
    with pytest.raises(PeerError):
        a.process(done.state.commit([], RNG, NOW).message)


def test_path_only_when_it_is_needed() -> None:
    state = forge.world(2).states[0]
    newcomer = AddProposal(forge.keys("newcomer").key_package)
    assert state.commit([newcomer], RNG, NOW).state.tree.leaf(0) == state.tree.leaf(0)
    assert state.commit([newcomer], RNG, NOW, path=True).state.tree.leaf(0) != state.tree.leaf(0)
    assert state.commit([], RNG, NOW).state.tree.leaf(0) != state.tree.leaf(0)
    with pytest.raises(UsageError):
        state.commit([], RNG, NOW, path=False)


def test_welcome_without_a_tree() -> None:
    a = forge.world(2).states[0]
    keys = forge.keys("newcomer")
    made = a.commit([AddProposal(keys.key_package)], RNG, NOW, welcome_tree=False)
    assert made.welcome is not None
    agree(made.state, join(made.welcome, keys, tree=made.state.ratchet_tree()))


def test_many_newcomers_share_a_welcome() -> None:
    a = forge.world(2).states[0]
    new = [forge.keys(f"newcomer {number}") for number in range(5)]
    made = a.commit([AddProposal(keys.key_package) for keys in new], RNG, NOW)
    assert made.welcome is not None
    agree(made.state, *(join(made.welcome, keys) for keys in new))


@pytest.mark.parametrize("private", [False, True])
def test_proposals_by_reference(private: bool) -> None:
    a, b, c, d = forge.world().states
    keys = forge.keys("newcomer")
    proposals = [
        (c, b.propose(UpdateProposal(signature_private=RNG(32)), RNG, NOW, private=private, padding=5 * private)),
        (c, d.propose(AddProposal(keys.key_package), RNG, NOW, private=private)),
    ]
    states = {state.own_leaf: state for state in (a, b, c, d)}
    for (_, made), maker in zip(proposals, (1, 3), strict=True):
        for leaf, state in list(states.items()):
            if leaf == maker:
                # the maker remembers his own proposal; his other cached ones stay
                states[leaf] = replace(made.state, pending=(*state.pending, made.state.pending[-1]))
                continue
            done = state.process(made.message)
            assert (done.kind, done.sender_leaf, done.proposal_ref) == (Kind.PROPOSAL, maker, made.ref)
            assert done.state is not None
            states[leaf] = done.state
    with pytest.raises(UsageError):
        states[0].encrypt(b"text", b"", RNG)
    commit = states[2].commit([], RNG, NOW, private=private)
    assert commit.welcome is not None
    after = deliver(commit.message, [states[0], states[1], states[3]])
    agree(commit.state, *after, join(commit.welcome, keys))
    assert after[1].own_leaf_node.signature_key != b.own_leaf_node.signature_key
    # and the updated member can go on, with his new keys
    again = after[1].commit([], RNG, NOW)
    agree(again.state, *deliver(again.message, [commit.state, after[0], after[2]]))


def test_a_proposal_may_be_discarded() -> None:
    a, b, *_ = forge.world().states
    made = a.propose(RemoveProposal(2), RNG, NOW)
    state = b.process(made.message).state
    assert state is not None
    assert state.discard(made.ref).pending == ()


def test_contradicting_proposals_do_not_block_a_commit() -> None:
    """Any member can send proposals that do not fit together; whoever commits takes those that do."""
    a, b, c, d = forge.world().states
    keys = forge.keys("newcomer")
    messages = [
        maker.propose(request, RNG, NOW).message
        for maker, request in (
            (b, ReInitProposal(b"next", 1)),
            (b, UpdateProposal()),
            (c, RemoveProposal(1)),
            (d, RemoveProposal(1)),
            (c, RemoveProposal(0)),
            (b, AddProposal(keys.key_package)),
            (d, AddProposal(keys.key_package)),
            (b, PreSharedKeyProposal(PskId.external(b"nobody has it"))),
            (b, GroupContextExtensionsProposal(())),
            (d, GroupContextExtensionsProposal(())),
            (d, UpdateProposal()),
        )
    ]
    states = []
    makers = (b, b, c, d, c, b, d, b, b, d, d)
    for state in (a, c):
        for message, maker in zip(messages, makers, strict=True):
            if maker.own_leaf == state.own_leaf:
                continue
            done = state.process(message)
            assert done.state is not None
            state = done.state
        states.append(state)
    made = states[0].commit([], RNG, NOW)
    assert [member.leaf for member in made.removed] == [1]
    assert len(made.added) == 1
    # c lost its own proposals by not remembering them, d's and b's it holds
    with pytest.raises(PeerError) as caught:
        states[1].process(made.message)
    assert caught.value.check is Check.PROPOSAL_REF_UNKNOWN


def test_reinit_alone_is_taken_along() -> None:
    a, b, *_ = forge.world().states
    state = b.process(a.propose(ReInitProposal(b"next", 1), RNG, NOW).message).state
    assert state is not None
    assert state.commit([], RNG, NOW).state.reinit is not None


def test_private_handshakes_and_padding() -> None:
    a, b, *_ = forge.world().states
    made = a.commit([], RNG, NOW, private=True, padding=100, authenticated_data=b"said aloud")
    done = b.process(made.message)
    assert done.authenticated_data == b"said aloud"
    assert done.state is not None
    agree(made.state, done.state)


def test_application_messages_in_any_order() -> None:
    a, b, *_ = forge.world().states
    sent = []
    for number in range(5):
        message, a = a.encrypt(b"text %d" % number, b"aad", RNG, padding=number)
        sent.append(message)
    for number in (3, 0, 4, 1, 2):
        application, b = b.decrypt(sent[number])
        assert (application.data, application.generation) == (b"text %d" % number, number)
        assert (application.sender_leaf, application.authenticated_data) == (0, b"aad")


def test_pre_shared_keys() -> None:
    a, b, *_ = forge.world(3).states
    held = {PskId.external(b"word"): b"of mouth", PskId.resumption(a.group_id, a.epoch): None}
    keys = forge.keys("newcomer")
    requests: list[ProposalRequest] = [*(PreSharedKeyProposal(psk) for psk in held), AddProposal(keys.key_package)]
    made = a.commit(requests, RNG, NOW, psks=held.get)
    done = b.process(made.message, psks=held.get)
    assert set(done.psks) == set(held)
    assert done.state is not None
    assert made.welcome is not None
    resumption = {**held, PskId.resumption(a.group_id, a.epoch): a.resumption_psk.reveal()}
    agree(made.state, done.state, join(made.welcome, keys, psks=resumption.get))
    with pytest.raises(PeerError) as caught:
        b.process(made.message)
    assert caught.value.check is Check.PSK_UNKNOWN
    with pytest.raises(PeerError) as caught:
        b.process(made.message, psks={**held, PskId.external(b"word"): b"wrong"}.get)
    assert caught.value.check is Check.CONFIRMATION_TAG
    with pytest.raises(UsageError):
        a.commit(requests, RNG, NOW)


def test_group_context_extensions() -> None:
    world = forge.world(4, (), (0xF001,))
    a, b, *_ = world.states
    wanted = (Extension(0xF001, b"value"), RequiredCapabilities(extensions=(0xF001,)).extension())
    made = a.commit([GroupContextExtensionsProposal(wanted)], RNG, NOW)
    after = b.process(made.message).state
    assert after is not None
    assert after.extensions == wanted
    agree(made.state, after)
    with pytest.raises(PeerError) as caught:
        made.state.commit([AddProposal(forge.keys("poor").key_package)], RNG, NOW)
    assert caught.value.check is Check.LEAF_GROUP_EXTENSION
    able = forge.keys("able", capabilities=own_capabilities((0xF001,)))
    added = made.state.commit([AddProposal(able.key_package)], RNG, NOW)
    assert added.welcome is not None
    agree(added.state, join(added.welcome, able), *deliver(added.message, [after]))


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_external_commit(suite: int) -> None:
    a, b, *_ = forge.world(5, suite=suite).states
    keys = forge.keys("outsider", suite=suite)
    made = join_external(a.group_info(external_pub=True), keys, RNG, NOW)
    done = b.process(made.message)
    assert done.external
    assert done.sender_leaf == made.state.own_leaf == 5
    assert done.state is not None
    agree(made.state, done.state, *deliver(made.message, [a]))
    # resync: the same client enters again in place of its lost self
    again = join_external(
        done.state.group_info(external_pub=True, tree=False),
        keys,
        RNG,
        NOW,
        replaces=made.state.own_leaf,
        known_groups=[a.group_id],
        tree=done.state.ratchet_tree(),
        psks=[PskId.external(b"proof")],
        lookup=lambda _: b"held before",
    )
    assert [member.leaf for member in again.removed] == [made.state.own_leaf]
    replaced = done.state.process(again.message, psks=lambda _: b"held before")
    assert [member.leaf for member in replaced.removed] == [5]
    assert replaced.state is not None
    agree(again.state, replaced.state)
    thrown_out = made.state.process(again.message, psks=lambda _: b"held before")
    assert thrown_out.self_removed
    with pytest.raises(UsageError):
        join_external(replaced.state.group_info(external_pub=True), keys, RNG, NOW)


def test_external_proposals() -> None:
    seed = RNG(32)
    public = ed25519.public_key(seed)
    listed = external_senders_extension([ExternalSender(public, Credential.basic(b"service"))])
    a, b, *_ = forge.world(4, (listed,)).states
    newcomer = forge.keys("asks himself")
    for message in (
        propose_as_external_sender(1, a.group_id, a.epoch, RemoveProposal(3), 0, seed, public, RNG),
        propose_own_add(a.group_id, a.epoch, newcomer, RNG),
    ):
        done = a.process(message)
        assert (done.sender_leaf, done.external, len(done.proposals)) == (None, True, 1)
        assert done.state is not None
        a, (b, *_) = done.state, deliver(message, [b])
    made = a.commit([], RNG, NOW)
    assert made.welcome is not None
    agree(made.state, join(made.welcome, newcomer), *deliver(made.message, [b]))
    with pytest.raises(UsageError):
        propose_as_external_sender(1, a.group_id, a.epoch, UpdateProposal(), 0, seed, public, RNG)


def test_reinitialisation_to_another_suite() -> None:
    a, b, c = forge.world(3).states
    made = a.commit([ReInitProposal(b"new group", 3)], RNG, NOW)
    b, c = deliver(made.message, [b, c])
    a = made.state
    for refused in (lambda: a.commit([], RNG, NOW), lambda: a.encrypt(b"", b"", RNG), lambda: a.propose(
        RemoveProposal(1), RNG, NOW
    )):
        with pytest.raises(UsageError):
            refused()
    others = [forge.keys(f"member {number}", suite=3) for number in (0, 2)]
    own = forge.keys("member 1", suite=3)
    with pytest.raises(UsageError):
        reinitialise(b, own, [others[0].key_package], RNG, NOW)
    new = reinitialise(b, own, [keys.key_package for keys in others], RNG, NOW)
    assert new.welcome is not None
    agree(new.state, join(new.welcome, others[0], parent=a), join(new.welcome, others[1], parent=c))
    assert (new.state.group_id, new.state.suite, new.state.epoch) == (b"new group", 3, 1)


def test_branch() -> None:
    a, b, *_ = forge.world(3).states
    keys = forge.keys("member 1")
    made = branch(a, b"aside", forge.keys("member 0"), [keys.key_package], RNG, NOW)
    assert made.welcome is not None
    agree(made.state, join(made.welcome, keys, parent=b))
    others = [forge.keys(f"member {number}") for number in (1, 2)]
    everybody = branch(a, b"all", forge.keys("member 0"), [item.key_package for item in others], RNG, NOW)
    assert everybody.welcome is not None
    agree(everybody.state, *(join(everybody.welcome, item, parent=b) for item in others))
    with pytest.raises(UsageError):
        branch(a, b"aside", forge.keys("member 0"), [forge.keys("stranger").key_package], RNG, NOW)


def test_a_closed_group_is_not_branched() -> None:
    closed = forge.world(2).states[0].commit([ReInitProposal(b"next", 1)], RNG, NOW).state
    with pytest.raises(UsageError):
        branch(closed, b"aside", forge.keys("member 0"), [forge.keys("member 1").key_package], RNG, NOW)


def test_opaque_certificates_and_grease() -> None:
    chain = Credential.x509((b"leaf certificate", b"root certificate"))
    keys = forge.keys("certified", credential=chain, grease=True, last_resort=True)
    a = forge.world(2).states[0]
    made = a.commit([AddProposal(keys.key_package)], RNG, NOW)
    assert made.welcome is not None
    joined = join(made.welcome, keys)
    assert joined.own_leaf_node.credential == chain
    agree(joined, made.state)
    renewed = replace(LeafTemplate.of(joined.own_leaf_node), credential=Credential.x509((b"renewed",)))
    after = made.state.process(joined.commit([], RNG, NOW, leaf=renewed).message)
    assert after.updated[0].leaf == joined.own_leaf
    assert after.state is not None
    seen = after.state.leaf(joined.own_leaf)
    assert seen is not None
    assert seen.credential == renewed.credential


def test_new_signature_key_and_leaf_contents() -> None:
    world = forge.world(3, (), (0xF001,))
    a, b, c = world.states
    seed = RNG(32)
    leaf = replace(LeafTemplate.of(a.own_leaf_node), extensions=(Extension(0xF001, b"here"),))
    made = a.commit([], RNG, NOW, signature_private=seed, leaf=leaf)
    assert made.state.signature_private == Secret(seed)
    b, c = deliver(made.message, [b, c])
    assert b.members[0].signature_key == ed25519.public_key(seed)
    agree(made.state, b, c)
    again = made.state.commit([], RNG, NOW)
    agree(again.state, *deliver(again.message, [b, c]))
    with pytest.raises(UsageError):
        a.commit([], RNG, NOW, leaf=replace(leaf, extensions=(Extension(0xF009, b""),)))
    with pytest.raises(UsageError):
        a.commit([], RNG, NOW, leaf=replace(leaf, credential=Credential.basic(b"another name")))


def test_inspect_tells_without_applying() -> None:
    a, b, *_ = forge.world().states
    seen = b.inspect(a.commit([RemoveProposal(2)], RNG, NOW, authenticated_data=b"ops").message)
    assert (seen.kind, seen.sender_leaf, seen.has_path, seen.authenticated_data) == (Kind.COMMIT, 0, True, b"ops")
    assert [proposal.type for proposal in seen.proposals] == [3]
    proposal = b.inspect(a.propose(RemoveProposal(2), RNG, NOW).message)
    assert (proposal.kind, len(proposal.proposals)) == (Kind.PROPOSAL, 1)


def test_a_retained_parent_takes_a_sibling_commit_and_nothing_else() -> None:
    a, b, c, _ = forge.world().states
    ours, theirs = b.commit([], RNG, NOW), c.commit([RemoveProposal(3)], RNG, NOW)
    said, _ = a.encrypt(b"text", b"", RNG)
    parent = GroupState.from_bytes(b.without_epoch_secrets().to_bytes())
    sibling = parent.process(theirs.message).state
    assert sibling is not None
    agree(sibling, theirs.state)
    assert ours.state.epoch_authenticator != sibling.epoch_authenticator
    for refused in (
        lambda: parent.export("label", b"", 32),
        lambda: parent.epoch_authenticator,
        lambda: parent.resumption_psk,
        lambda: parent.commit([], RNG, NOW),
        lambda: parent.propose(RemoveProposal(3), RNG, NOW),
        lambda: parent.encrypt(b"", b"", RNG),
        lambda: parent.group_info(),
    ):
        with pytest.raises(UsageError):
            refused()
    with pytest.raises(PeerError) as caught:
        parent.decrypt(said)
    assert caught.value.check is Check.NO_MESSAGE_KEYS
    # What is kept is exactly this; every other secret of the epoch is absent from the saved bytes.
    saved = parent.to_bytes()
    for name in ("exporter", "authenticator", "confirmation", "resumption", "sender_data", "external"):
        secret = getattr(b.secrets, name)
        assert secret.reveal() not in saved
    assert b.secrets.init is not None
    assert b.secrets.init.reveal() in saved


def test_states_without_private_messages_stay_so() -> None:
    a, b, *_ = forge.world().states
    small = b.without_message_secrets()
    made = a.commit([], RNG, NOW)
    after = small.process(made.message).state
    assert after is not None
    assert after.messages is None
    assert len(after.to_bytes()) < len(b.to_bytes())
    agree(after, made.state)
    with pytest.raises(UsageError):
        after.encrypt(b"", b"", RNG)
    full = GroupState.from_bytes(b.without_epoch_secrets().to_bytes()).process(made.message).state
    assert full is not None
    assert full.messages is not None


def test_lifetimes_bind_who_commits_not_who_receives() -> None:
    a, b, *_ = forge.world().states
    keys = forge.keys("late")
    late = NOW + 31 * forge.DAY
    with pytest.raises(PeerError) as caught:
        a.commit([AddProposal(keys.key_package)], RNG, late)
    assert caught.value.check is Check.LEAF_LIFETIME
    made = a.commit([AddProposal(keys.key_package)], RNG, NOW)
    assert b.process(made.message, late).state is not None


def test_a_member_is_removed_and_added_again_in_one_commit() -> None:
    a, b, c, d = forge.world().states
    again = forge.keys("member 2", seed=c.signature_private.reveal(), grease=True)
    made = a.commit([AddProposal(again.key_package), RemoveProposal(2)], RNG, NOW)
    assert made.welcome is not None
    back = join(made.welcome, again)
    assert back.own_leaf == 2
    done = b.process(made.message)
    assert ([m.leaf for m in done.removed], [m.leaf for m in done.added]) == ([2], [2])
    assert done.state is not None
    assert c.process(made.message).self_removed
    agree(made.state, back, done.state, *deliver(made.message, [d]))
    update = back.commit([], RNG, NOW)
    agree(update.state, *deliver(update.message, [made.state, done.state]))


def test_original_hashes_leave_out_whoever_came_later() -> None:
    """The figure of RFC 7.9: the root was set from the left while the right half had a parent node already; then
    somebody comes into the right half and is unmerged at both. Parent hashes must be taken as if he were not there."""
    world = forge.world(7)
    made = world.states[0].commit([], RNG, NOW)
    newcomer, last = forge.keys("newcomer"), forge.keys("last")
    added = made.state.commit([AddProposal(newcomer.key_package)], RNG, NOW)
    for x in (7, 11):
        node = added.state.tree.parent(x)
        assert node is not None
        assert node.unmerged_leaves == (7,)
    assert added.welcome is not None
    joined = join(added.welcome, newcomer)
    agree(joined, added.state)
    again = joined.commit([AddProposal(last.key_package)], RNG, NOW)
    assert again.welcome is not None
    agree(again.state, join(again.welcome, last), *deliver(again.message, [added.state]))


def test_tree_grows_and_shrinks() -> None:
    a = forge.world(2).states[0]
    keys: list[KeyPackageKeys] = [forge.keys(f"guest {number}") for number in range(7)]
    made = a.commit([AddProposal(item.key_package) for item in keys], RNG, NOW)
    assert made.state.tree.leaf_count == 16
    gone = made.state.commit([RemoveProposal(leaf) for leaf in range(2, 9)], RNG, NOW)
    assert gone.state.tree.leaf_count == 2
    assert made.welcome is not None
    assert join(made.welcome, keys[3]).process(gone.message).self_removed


def test_bad_bytes_of_a_key_package_are_the_peers_fault_and_bad_requests_ours() -> None:
    a = forge.world().states[0]
    with pytest.raises(PeerError):
        a.commit([AddProposal(b"nonsense")], RNG, NOW)
    bad: list[list[ProposalRequest]] = [[RemoveProposal(0)], [RemoveProposal(77)], [UpdateProposal()]]
    for requests in bad:
        with pytest.raises(UsageError):
            a.commit(requests, RNG, NOW)
    with pytest.raises(UsageError):
        create_group(7, b"", forge.keys("x"), RNG)
    with pytest.raises(UsageError):
        create_group(3, b"", forge.keys("x"), RNG)
    with pytest.raises(UsageError):
        a.commit([], lambda length: b"", NOW)


def test_nothing_secret_is_shown() -> None:
    a, b, *_ = forge.world().states
    spoken = b.decrypt(a.encrypt(b"the meeting point", b"", RNG)[0])[0]
    seed = bytes(range(65, 97))
    options = CommitOptions(signature_private=seed)
    for shown in (repr(spoken), repr(UpdateProposal(seed)), repr(options), repr(a.commit([], RNG, NOW))):
        assert "meeting" not in shown
        assert "ABCDEF" not in shown
        assert a.signature_private.reveal().hex() not in shown
    state = forge.world().states[0]
    for value in (state, state.secrets, state.keys, state.signature_private, forge.keys("x"), state.messages):
        shown = repr(value) + str(value)
        for secret in (state.signature_private, state.secrets.init, state.keys[0]):
            assert secret is not None
            assert secret.reveal().hex() not in shown
            assert repr(secret.reveal())[2:20] not in shown
