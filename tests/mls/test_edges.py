"""Both sides of every bound, and small promises of the facade."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chasqui.mls import (
    AddProposal,
    Check,
    Extension,
    GroupState,
    Kind,
    PeerError,
    PreSharedKeyProposal,
    PskId,
    RemoveProposal,
    UpdateProposal,
    UsageError,
    create_group,
    join_external,
    limits,
    make_key_package,
    read_key_package,
    read_message,
    wiping,
)
from chasqui.mls.codec import Reader, decode_all, u16, u32, vl, vl_header, vl_join
from chasqui.mls.credential import Credential
from chasqui.mls.extensions import GREASE, Capabilities, RequiredCapabilities, read_capabilities, read_extensions
from chasqui.mls.leaf import Lifetime
from chasqui.mls.parent import decode_parent
from chasqui.mls.proposals import Remove, read_commit
from chasqui.mls.secret_tree import RatchetKind
from chasqui.mls.tree import read_tree
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

RNG = Rng("edges")


def refused(check: Check, call: object, *arguments: object) -> None:
    with pytest.raises(PeerError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.check is check


def test_public_messages_are_no_application_data() -> None:
    a, b, *_ = forge.world().states
    refused(Check.WRONG_WIRE_FORMAT, b.decrypt, a.commit([], RNG, NOW).message)
    refused(Check.WRONG_WIRE_FORMAT, b.decrypt, a.group_info())
    refused(Check.WRONG_WIRE_FORMAT, b.inspect, a.group_info())


def test_what_processing_reports() -> None:
    a, b, *_ = forge.world().states
    entered = b.process(join_external(a.group_info(external_pub=True), forge.keys("new"), RNG).message)
    assert (entered.updated, entered.added, entered.removed) == ((), (), ())
    assert entered.kind is Kind.COMMIT
    added = b.process(a.commit([AddProposal(forge.keys("new").key_package)], RNG, NOW).message)
    assert added.updated == ()
    assert [member.leaf for member in added.added] == [4]
    update = b.process(a.commit([], RNG, NOW).message)
    assert [member.leaf for member in update.updated] == [0]
    assert not update.external
    assert not update.self_removed


def test_updates_of_others_are_reported_too() -> None:
    a, b, c, _ = forge.world().states
    proposal = c.propose(UpdateProposal(), RNG, NOW).message
    (a, b) = (state for state in (a.process(proposal).state, b.process(proposal).state) if state is not None)
    done = b.process(a.commit([], RNG, NOW).message)
    assert [member.leaf for member in done.updated] == [0, 2]


def test_an_update_may_keep_the_signature_key() -> None:
    a, b, *_ = forge.world().states
    proposed = b.propose(UpdateProposal(), RNG, NOW)
    after = a.process(proposed.message).state
    assert after is not None
    done = proposed.state.process(after.commit([], RNG, NOW).message)
    assert done.state is not None
    assert done.state.signature_private == b.signature_private
    assert done.state.own_leaf_node.encryption_key != b.own_leaf_node.encryption_key
    assert done.state.commit([], RNG, NOW)


def test_as_many_keys_and_proposals_as_the_limits_allow() -> None:
    a, b, *_ = forge.world().states
    most = [PreSharedKeyProposal(PskId.external(b"%d" % number)) for number in range(limits.PSKS_MAX)]
    made = a.commit(most, RNG, NOW, psks=lambda _: b"key")
    assert b.process(made.message, psks=lambda _: b"key").state is not None
    with pytest.raises(UsageError) as caught:
        a.commit([*most, PreSharedKeyProposal(PskId.external(b"more"))], RNG, NOW, psks=lambda _: b"key")
    assert caught.value.check is Check.TOO_MANY
    with pytest.raises(UsageError) as caught:
        a.commit([RemoveProposal(1)] * (limits.PROPOSALS_MAX + 1), RNG, NOW)
    assert caught.value.check is Check.TOO_MANY_PROPOSALS
    with pytest.raises(UsageError) as caught:
        a.commit([RemoveProposal(1)] * limits.PROPOSALS_MAX, RNG, NOW)
    assert caught.value.check is Check.MULTIPLE_PER_LEAF


def test_cached_proposals_up_to_the_limit_and_each_once() -> None:
    a, b, c, _ = forge.world().states
    state: GroupState | None = b
    for number in range(limits.PROPOSALS_CACHED_MAX):  # two senders, each with the half that is his share
        assert state is not None
        sender = (a, c)[number % limits.PROPOSALS_SENDER_SHARE]
        message = sender.propose(RemoveProposal(3), Rng(number), NOW, authenticated_data=b"%d" % number).message
        state = state.process(message).state
    assert state is not None
    again = state.process(message).state
    assert again is not None
    assert len(again.pending) == limits.PROPOSALS_CACHED_MAX


def test_the_ratchet_jumps_as_far_as_it_may_and_keeps_as_much() -> None:
    a = forge.world().states[0]
    crypto = a.crypto
    assert a.messages is not None
    tree = a.messages
    _, after = tree.take(crypto, 1, RatchetKind.APPLICATION, limits.RATCHET_JUMP_MAX)
    refused(Check.GENERATION_FAR, tree.take, crypto, 1, RatchetKind.APPLICATION, limits.RATCHET_JUMP_MAX + 1)
    kept = after.ratchets[(1, 1)].skipped
    assert len(kept) == limits.RATCHET_KEPT_MAX
    oldest = limits.RATCHET_JUMP_MAX - limits.RATCHET_KEPT_MAX
    assert min(kept) == oldest
    key, later = after.take(crypto, 1, RatchetKind.APPLICATION, oldest)
    refused(Check.GENERATION_PAST, after.take, crypto, 1, RatchetKind.APPLICATION, oldest - 1)
    refused(Check.GENERATION_PAST, later.take, crypto, 1, RatchetKind.APPLICATION, oldest)
    direct, _ = tree.take(crypto, 1, RatchetKind.APPLICATION, oldest)
    assert (key.key, key.nonce) == (direct.key, direct.nonce)
    refused(Check.SENDER_DATA, tree.take, crypto, 4, RatchetKind.APPLICATION, 0)


def test_padding_up_to_the_limit() -> None:
    a, b, *_ = forge.world().states
    message, _ = a.encrypt(b"text", b"", RNG, padding=limits.PADDING_MAX)
    assert b.decrypt(message)[0].data == b"text"
    for wrong in (-1, limits.PADDING_MAX + 1):
        with pytest.raises(UsageError):
            a.encrypt(b"text", b"", RNG, padding=wrong)


def test_lifetimes_include_their_ends() -> None:
    lifetime = Lifetime(NOW, NOW + 10)
    for now in (NOW - limits.CLOCK_SKEW_S, NOW, NOW + 10):
        lifetime.check(now)
    refused(Check.LEAF_LIFETIME, lifetime.check, NOW + 11)
    refused(Check.LEAF_LIFETIME, lifetime.check, NOW - limits.CLOCK_SKEW_S - 1)
    Lifetime(NOW, NOW + limits.LIFETIME_MAX_S).check(NOW)
    refused(Check.LEAF_LIFETIME_TOO_LONG, Lifetime(NOW, NOW + limits.LIFETIME_MAX_S + 1).check, NOW)
    for wrong in (0, -1, limits.LIFETIME_MAX_S):
        with pytest.raises(UsageError):
            make_key_package(1, b"", RNG, NOW, wrong)
    make_key_package(1, b"", RNG, NOW, limits.LIFETIME_MAX_S - limits.CLOCK_SKEW_S)


def test_key_packages_are_checked_for_their_length() -> None:
    refused(Check.TOO_LARGE, read_key_package, bytes(limits.MESSAGE_BYTES_MAX + 1))
    refused(Check.TRUNCATED, read_key_package, b"\0")
    refused(Check.UNKNOWN_VERSION, read_key_package, bytes(limits.MESSAGE_BYTES_MAX))
    refused(Check.UNKNOWN_VERSION, read_message, bytes(limits.MESSAGE_BYTES_MAX))


def test_what_is_asked_for_stands_in_the_key_package() -> None:
    plain, marked = (read_key_package(forge.keys("x", last_resort=mark).key_package) for mark in (False, True))
    assert (plain.last_resort, marked.last_resort) == (False, True)
    assert marked.leaf.capabilities.extensions == (10,)
    greased = read_key_package(forge.keys("x", grease=True).key_package)
    assert greased.extensions[0].type in GREASE
    assert greased.extensions[0].type in greased.leaf.capabilities.credentials
    assert plain.extensions == ()
    assert plain.leaf.capabilities.extensions == ()
    named = forge.keys("x", leaf_extensions=[Extension(1, b"application id"), Extension(0xF001, b"")])
    assert read_key_package(named.key_package).leaf.capabilities.extensions == (0xF001,)


def test_lists_as_long_as_the_limits_allow() -> None:
    many = vl_join(u16(number) + b"\0" for number in range(limits.EXTENSIONS_MAX))
    assert len(read_extensions(Reader(many))) == limits.EXTENSIONS_MAX
    numbers = vl_join(map(u16, range(limits.CAPABILITIES_MAX)))
    assert len(read_capabilities(Reader(numbers * 5)).proposals) == limits.CAPABILITIES_MAX
    refused(Check.TOO_MANY, read_capabilities, Reader(vl_join(map(u16, range(limits.CAPABILITIES_MAX + 1))) * 5))
    leaves = vl_join(map(u32, range(limits.LEAVES_MAX)))
    assert len(Reader(leaves).u32s(limits.LEAVES_MAX)) == limits.LEAVES_MAX
    refused(Check.TOO_MANY, Reader(leaves).u32s, limits.LEAVES_MAX - 1)
    chain = u16(2) + vl_join(vl(b"c") for _ in range(limits.CERTIFICATES_MAX))
    assert len(Credential.read(Reader(chain)).certificates) == limits.CERTIFICATES_MAX
    refused(Check.TOO_MANY, Credential.read, Reader(u16(2) + vl_join(vl(b"c") for _ in range(17))))
    identity = u16(1) + vl(bytes(limits.CREDENTIAL_BYTES_MAX))
    assert len(Credential.read(Reader(identity)).identity) == limits.CREDENTIAL_BYTES_MAX
    refused(Check.TOO_LARGE, Credential.read, Reader(u16(2) + vl_join([vl(bytes(40_000))] * 2)))
    exact = u16(2) + vl(vl(bytes(limits.CREDENTIAL_BYTES_MAX - 8)))
    assert len(Credential.read(Reader(exact)).certificates) == 1


def test_the_codec_at_its_borders() -> None:
    for length in (0, 63, 64, 16383, 16384, 70_000):
        assert Reader(vl(bytes(length))).vl() == bytes(length)
        refused(Check.TRUNCATED, Reader(vl(bytes(length))[:-1]).vl)
    with pytest.raises(UsageError):
        vl_header(1 << 30)
    refused(Check.LENGTH_NOT_MINIMAL, Reader(b"\x40\x3f" + bytes(63)).vl)
    refused(Check.LENGTH_NOT_MINIMAL, Reader(b"\x80\x00\x3f\xff" + bytes(16383)).vl)
    refused(Check.TOO_LARGE, Reader(vl_header(limits.FIELD_BYTES_MAX + 1)).vl)
    refused(Check.TRUNCATED, Reader(vl_header(limits.FIELD_BYTES_MAX)).vl)
    for width, read in ((1, Reader.u8), (2, Reader.u16), (4, Reader.u32), (8, Reader.u64)):
        assert read(Reader(b"\1".rjust(width, b"\0"))) == 1
        refused(Check.TRUNCATED, read, Reader(bytes(width - 1)))
    for short in (b"", b"\x40", b"\x80\0\0", b"\x80"):
        refused(Check.TRUNCATED, Reader(short).length)
    refused(Check.TRUNCATED, Reader(b"\x03abc").u32s, 9)
    assert Reader(b"ab").take(2) == b"ab"
    refused(Check.TRUNCATED, Reader(b"ab").take, 3)
    refused(Check.TOO_LARGE, Reader(vl(b"abc")).vl_max, 2)
    assert Reader(vl(b"abc")).vl_max(3) == b"abc"
    assert [Reader(bytes((flag,))).present() for flag in (0, 1)] == [False, True]
    refused(Check.TRAILING_BYTES, decode_all, b"\0\0", Reader.u8)


def test_unmerged_leaves_ascend() -> None:
    assert decode_parent(vl(b"k") + vl(b"") + vl(u32(1) + u32(2))).unmerged_leaves == (1, 2)


def test_capabilities_meet_requirements_one_by_one() -> None:
    capabilities = Capabilities((1,), (1,), (9,), (9,), (9,))
    assert capabilities.meets(RequiredCapabilities((1, 9), (1, 9), (9,)))
    for lacking in (RequiredCapabilities((8,)), RequiredCapabilities((), (8,)), RequiredCapabilities((), (), (1,))):
        assert not capabilities.meets(lacking)


def test_a_creator_is_checked_too() -> None:
    keys = forge.keys("creator")
    with pytest.raises(UsageError) as caught:
        create_group(1, b"g", keys, RNG, extensions=[Extension(0xF001, b"")])
    assert caught.value.check is Check.LEAF_GROUP_EXTENSION
    with pytest.raises(UsageError):
        create_group(1, b"g", replace(keys, leaf_private=keys.init_private), RNG)
    with pytest.raises(UsageError):
        create_group(1, b"g", replace(keys, init_private=keys.leaf_private), RNG)
    with pytest.raises(UsageError):
        create_group(1, b"g", replace(keys, signature_private=keys.leaf_private), RNG)


def test_exports_are_bound_to_all_inputs_and_to_their_length() -> None:
    state = forge.world().states[0]
    outputs = [
        state.export("a", b"", 32),
        state.export("b", b"", 32),
        state.export("a", b"c", 32),
        state.export("a", b"", 31),
        forge.world(3).states[0].export("a", b"", 32),
    ]
    assert len(set(outputs)) == len(outputs)
    assert not outputs[0].startswith(outputs[3])
    assert len(state.export("a", b"", 8160)) == 8160
    for wrong in (0, -1, 8161):
        with pytest.raises(UsageError):
            state.export("a", b"", wrong)


def test_without_exporter_secret() -> None:
    state = forge.world().states[0].without_exporter_secret()
    with pytest.raises(UsageError):
        state.export("a", b"", 32)
    assert state.epoch_authenticator
    assert state.commit([], RNG, NOW).state.export("a", b"", 32)


def test_an_outgrown_state_is_wiped_but_for_what_others_share() -> None:
    a, b, *_ = (GroupState.from_bytes(state.to_bytes()) for state in forge.world().states)
    message, talked = a.encrypt(b"text", b"", RNG)
    after = b.process(a.commit([], RNG, NOW).message).state
    assert after is not None
    parent = b.without_epoch_secrets()
    saved, kept = after.to_bytes(), parent.to_bytes()
    secrets = list(wiping.secrets_of(b))
    assert b.wipe(after, parent) == 7  # exporter, authenticator, external, confirmation, resumption, sender data, root
    assert (after.to_bytes(), parent.to_bytes()) == (saved, kept)
    assert sum(len(secret) == 0 for secret in secrets) == 7
    assert parent.wipe(after) > 0
    assert parent.secrets.init is not None
    assert len(parent.secrets.init) == 0
    assert after.to_bytes() == saved
    assert a.wipe(talked) == 1
    assert message


def test_commits_are_bounded_before_they_are_decoded_further() -> None:
    most = b"\1" + Remove(7).encode()
    decoded = decode_all(vl(most * limits.PROPOSALS_MAX) + b"\0", read_commit)
    assert len(decoded.proposals) == limits.PROPOSALS_MAX
    refused(Check.TOO_MANY_PROPOSALS, decode_all, vl(most * (limits.PROPOSALS_MAX + 1)) + b"\0", read_commit)


def test_trees_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    a = forge.world().states[0]
    crypto = a.crypto
    parent = a.tree.parent(1)
    assert parent is not None
    size = 2 * limits.LEAVES_MAX - 1
    leaf = b"\1\1" + a.own_leaf_node.raw
    largest = vl(bytes(size - 1) + leaf)
    assert decode_all(largest, lambda reader: read_tree(crypto, reader)).leaf_count == limits.LEAVES_MAX
    larger = vl(bytes(size) + b"\1\2" + parent.encode())
    refused(Check.TREE_TOO_LARGE, read_tree, crypto, Reader(larger))
    monkeypatch.setattr(limits, "LEAVES_MAX", 8)
    made = a.commit([AddProposal(forge.keys("fifth").key_package)], RNG, NOW)
    assert made.state.tree.leaf_count == 8


def test_trees_are_equal_when_all_nodes_are() -> None:
    a, b, *_ = forge.world().states
    assert a.tree == b.tree
    assert hash(a.tree) == hash(b.tree)
    assert a.tree != a.commit([], RNG, NOW).state.tree
    assert a.tree != a.tree.raw_nodes()
    assert a.tree != "tree"
