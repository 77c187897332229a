"""What mutmut's survivors asked for: every field that a verb reports, every argument passed on."""

from __future__ import annotations

from collections.abc import Callable
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
    Kind,
    PeerError,
    PreSharedKeyProposal,
    PskId,
    ReInitProposal,
    RemoveProposal,
    UpdateProposal,
    UsageError,
    ed25519,
    external_senders_extension,
    join,
    join_external,
    limits,
    make_key_package,
    own_capabilities,
    propose_as_external_sender,
    propose_own_add,
)
from chasqui.mls.codec import Reader, decode_all
from chasqui.mls.external import read_group_info_message
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_message,
)
from chasqui.mls.proposals import Add, PreSharedKey, ReInit, Remove
from chasqui.mls.protect import to_public
from chasqui.mls.results import Inspected
from chasqui.mls.welcome import read_group_info, sign_group_info
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

RNG = Rng("reports")
SEED = Rng("external sender")(32)
PUBLIC = ed25519.public_key(SEED)
LISTED = external_senders_extension(
    [ExternalSender(bytes(32), Credential.basic(b"first")), ExternalSender(PUBLIC, Credential.basic(b"second"))]
)


def taken(state: GroupState, message: bytes) -> GroupState:
    after = state.process(message).state
    assert after is not None
    return after


def usage(check: Check | None, call: Callable[[], object]) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.check is check
    assert len(str(caught.value)) > 10


def test_what_inspection_tells_of_a_proposal() -> None:
    a, b, *_ = forge.world().states
    made = a.propose(RemoveProposal(2), RNG, NOW, authenticated_data=b"aad")
    epoch = a.epoch
    assert b.inspect(made.message) == Inspected(Kind.PROPOSAL, epoch, 0, False, b"aad", (Remove(2),), (), False)
    asked = b.inspect(propose_own_add(a.group_id, epoch, forge.keys("asks"), RNG))
    package = forge.parse(forge.keys("asks").key_package)
    assert asked == Inspected(Kind.PROPOSAL, epoch, None, True, b"", (Add(package),), (), False)


def test_what_inspection_tells_of_a_commit() -> None:
    a, b, c, _ = forge.world().states
    proposed = c.propose(RemoveProposal(3), RNG, NOW)
    a, b = taken(a, proposed.message), taken(b, proposed.message)
    psk = PskId.external(b"word")
    made = a.commit([PreSharedKeyProposal(psk)], RNG, NOW, psks=lambda _: b"key", authenticated_data=b"aad")
    seen = b.inspect(made.message)
    (listed,) = seen.proposals
    assert isinstance(listed, PreSharedKey)
    assert listed.psk.id == psk
    assert seen == Inspected(Kind.COMMIT, a.epoch, 0, False, b"aad", (listed,), (proposed.ref,), True)
    add = a.commit([AddProposal(forge.keys("new").key_package)], RNG, NOW, pending=False)
    assert not b.inspect(add.message).has_path
    entered = join_external(a.group_info(external_pub=True), forge.keys("new"), RNG, authenticated_data=b"in")
    from_outside = b.inspect(entered.message)
    assert (from_outside.sender_leaf, from_outside.external) == (None, True)
    assert (from_outside.epoch, from_outside.authenticated_data, from_outside.has_path) == (a.epoch, b"in", True)


def test_what_processing_a_proposal_reports() -> None:
    a, b, *_ = forge.world().states
    made = a.propose(RemoveProposal(2), RNG, NOW, authenticated_data=b"aad")
    done = b.process(made.message)
    assert (done.kind, done.sender_leaf, done.external, done.authenticated_data) == (Kind.PROPOSAL, 0, False, b"aad")
    assert (done.proposals, done.proposal_ref, done.reinit, done.self_removed) == ((Remove(2),), made.ref, None, False)


def test_what_processing_a_commit_reports() -> None:
    a, b, *_ = forge.world().states
    done = b.process(a.commit([RemoveProposal(2)], RNG, NOW, authenticated_data=b"aad").message)
    assert (done.proposals, done.proposal_ref, done.reinit) == ((Remove(2),), None, None)
    assert (done.authenticated_data, [member.leaf for member in done.removed]) == (b"aad", [2])
    closed = b.process(a.commit([ReInitProposal(b"next", 1)], RNG, NOW).message)
    reinit = ReInit(b"next", 1, 1, ())
    assert (closed.reinit, closed.proposals) == (reinit, (reinit,))


def test_a_private_proposal_burns_its_key() -> None:
    a, b, *_ = forge.world().states
    message = a.propose(RemoveProposal(2), RNG, NOW, private=True).message
    with pytest.raises(PeerError) as caught:
        taken(b, message).process(message)
    assert caught.value.check is Check.GENERATION_PAST


def test_our_update_is_found_behind_our_other_proposals() -> None:
    a, b, *_ = forge.world().states
    remove = b.propose(RemoveProposal(3), RNG, NOW)
    update = remove.state.propose(UpdateProposal(), RNG, NOW)
    made = taken(taken(a, remove.message), update.message).commit([], RNG, NOW)
    after = taken(update.state, made.message)
    assert after.own_leaf_node.encryption_key != b.own_leaf_node.encryption_key
    assert taken(after, made.state.commit([], RNG, NOW).message).epoch == a.epoch + 2


def test_who_enters_from_outside_goes_on_as_a_member() -> None:
    a, b, *_ = forge.world().states
    info = a.group_info(external_pub=True)
    entered = join_external(info, forge.keys("new"), RNG, NOW)
    assert (entered.added, entered.removed, entered.welcome) == ((), (), None)
    message = read_message(entered.message)
    assert isinstance(message, PublicMessage)
    assert message.content.authenticated_data == b""
    assert entered.state.messages is not None
    assert entered.state.private_messages
    following = taken(b, entered.message).commit([], RNG, NOW)
    assert taken(entered.state, following.message).epoch_authenticator == following.state.epoch_authenticator
    silent = join_external(info, forge.keys("new"), RNG, NOW, private_messages=False).state
    assert (silent.messages, silent.private_messages, silent.secrets.sender_data) == (None, False, None)


def test_who_enters_by_a_welcome_may_do_without_private_messages() -> None:
    a = forge.world().states[0]
    keys = forge.keys("silent")
    made = a.commit([AddProposal(keys.key_package)], RNG, NOW)
    assert made.welcome is not None
    silent = join(made.welcome, keys, private_messages=False)
    assert (silent.messages, silent.private_messages, silent.secrets.sender_data) == (None, False, None)
    assert join(made.welcome, keys).private_messages


def test_entering_from_outside_checks_lifetimes_when_told_the_time() -> None:
    a = forge.world().states[0]
    keys = make_key_package(1, b"brief", Rng("brief"), NOW, forge.DAY)
    info = a.commit([AddProposal(keys.key_package)], RNG, NOW).state.group_info(external_pub=True)
    late = NOW + 2 * forge.DAY
    assert join_external(info, forge.keys("new"), RNG, NOW + 10)
    assert join_external(info, forge.keys("new"), RNG)
    with pytest.raises(PeerError) as caught:
        join_external(info, forge.keys("new"), RNG, late)
    assert caught.value.check is Check.LEAF_LIFETIME


def test_usage_errors_of_entering_name_the_rule() -> None:
    a = forge.world().states[0]
    info = a.group_info(external_pub=True)
    keys = forge.keys("new")
    usage(Check.REMOVE_BLANK, lambda: join_external(info, keys, RNG, NOW, replaces=9))
    usage(Check.PSK_UNKNOWN, lambda: join_external(info, keys, RNG, NOW, psks=[PskId.external(b"word")]))
    paper = forge.keys("paper", capabilities=replace(own_capabilities(), credentials=(1,)))
    mixed = forge.world(2, credentials=(1, 2)).states[0].commit(
        [AddProposal(forge.keys("certified", credential=Credential.x509((b"chain",))).key_package)], RNG, NOW
    )
    usage(
        Check.LEAF_CREDENTIAL_UNSUPPORTED,
        lambda: join_external(mixed.state.group_info(external_pub=True), paper, RNG, NOW),
    )
    package = bytearray(keys.key_package)
    package[-1] ^= 1
    broken = replace(keys, key_package=bytes(package))
    usage(Check.KEY_PACKAGE_SIGNATURE, lambda: join_external(info, broken, RNG, NOW))


def test_usage_errors_of_what_no_peer_reads_name_the_rule() -> None:
    a = forge.world().states[0]
    unknown = ExternalSender(bytes(32), Credential(7))
    usage(Check.EXTENSION_MALFORMED, lambda: external_senders_extension([unknown]))
    usage(Check.UNKNOWN_ENUM, lambda: a.propose(PreSharedKeyProposal(PskId(9, b"x")), RNG, NOW))
    usage(None, lambda: a.propose(PreSharedKeyProposal(PskId(1, b"x", 1)), RNG, NOW))
    twice = GroupContextExtensionsProposal((Extension(0xFF01, b""),) * 2)
    usage(Check.DUPLICATE_EXTENSION, lambda: a.propose(twice, RNG, NOW))
    other = replace(own_capabilities(), cipher_suites=(3,))
    usage(Check.LEAF_SUITE, lambda: forge.keys("other", capabilities=other))


def test_outsiders_propose_with_their_own_index_and_entropy() -> None:
    a = forge.world(3, (LISTED,)).states[0]

    def sent(request: object, index: int = 1, seed: bytes = SEED, public: bytes = PUBLIC) -> bytes:
        return propose_as_external_sender(
            1, a.group_id, a.epoch, request, index, seed, public, RNG  # type: ignore[arg-type]
        )

    message = read_message(sent(RemoveProposal(2)))
    assert isinstance(message, PublicMessage)
    assert message.content.sender == Sender(SenderType.EXTERNAL, 1)
    assert message.content.authenticated_data == b""
    assert a.process(sent(RemoveProposal(2))).external
    (psk,) = a.process(sent(PreSharedKeyProposal(PskId.external(b"word")))).proposals
    assert isinstance(psk, PreSharedKey)
    assert len(psk.psk.nonce) == a.crypto.nh
    usage(Check.EXTERNAL_PROPOSAL_TYPE, lambda: sent(UpdateProposal()))
    usage(Check.SENDER_UNKNOWN, lambda: sent(RemoveProposal(2), limits.EXTENSIONS_MAX))
    assert sent(RemoveProposal(2), limits.EXTENSIONS_MAX - 1)
    usage(None, lambda: sent(RemoveProposal(2), public=bytes(32)))
    usage(None, lambda: sent(RemoveProposal(2), seed=SEED[:31]))
    own = read_message(propose_own_add(a.group_id, a.epoch, forge.keys("asks"), RNG))
    assert isinstance(own, PublicMessage)
    assert own.content.authenticated_data == b""


def test_only_members_messages_carry_a_membership_tag() -> None:
    crypto = forge.world().crypto
    content = frame(b"g", 1, Sender(SenderType.EXTERNAL, 1), b"", Remove(1))
    made = to_public(crypto, AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, Auth(b"s", None)), None, b"")
    assert made.membership_tag is None


def test_a_signed_group_info_is_what_its_bytes_say() -> None:
    state = forge.world().states[0]
    extensions = (Extension(0xF001, b"kept"),)
    signer = state.own_leaf
    made = sign_group_info(
        state.crypto, state.context, extensions, state.confirmation_tag, signer, SEED, PUBLIC
    )
    assert decode_all(made.encode(), read_group_info) == made
    assert (made.context, made.extensions, made.signer) == (state.context, extensions, signer)
    assert read_group_info_message(state.group_info()).confirmation_tag == state.confirmation_tag


def test_certificates_are_kept() -> None:
    assert Credential.x509((b"leaf", b"root")).certificates == (b"leaf", b"root")


def test_after_the_rest_nothing_is_left() -> None:
    reader = Reader(b"abc")
    reader.take(1)
    assert reader.rest() == b"bc"
    reader.finish()
    assert reader.rest() == b""
