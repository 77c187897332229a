"""Breaking the rules 1xx to 3xx: encoding, keys, leaf nodes, key packages."""

from __future__ import annotations

from dataclasses import replace

from chasqui.mls import (
    AddProposal,
    Check,
    Credential,
    Extension,
    GroupState,
    LeafTemplate,
    RequiredCapabilities,
    limits,
    own_capabilities,
    read_key_package,
    read_message,
    x25519,
)
from chasqui.mls.codec import Reader, decode_all, u16, vl, vl_join
from chasqui.mls.extensions import read_extensions
from chasqui.mls.framing import Sender, WireFormat, wrap
from chasqui.mls.key_package import KeyPackage
from chasqui.mls.leaf import Lifetime, decode_leaf, read_leaf
from chasqui.mls.proposals import Update, read_commit, read_proposal
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.rules import breaks, feed
from tests.mls.support import Rng


@breaks(Check.TRUNCATED)
def short_message() -> None:
    read_message(b"\x00")


@breaks(Check.TRUNCATED)
def odd_list_of_numbers() -> None:
    Reader(b"\x03abc").u16s(9)


@breaks(Check.TRAILING_BYTES)
def key_package_and_more() -> None:
    read_key_package(forge.key_package() + b"\0")


@breaks(Check.TRAILING_BYTES)
def message_and_more() -> None:
    read_message(forge.commit(forge.world().states[0], ()) + b"\0")


@breaks(Check.LENGTH_NOT_MINIMAL)
def length_in_two_bytes() -> None:
    Reader(b"\x40\x01x").vl()


@breaks(Check.LENGTH_NOT_MINIMAL)
def length_in_four_bytes() -> None:
    Reader(b"\x80\x00\x00\x40" + bytes(64)).vl()


@breaks(Check.LENGTH_RESERVED)
def prefix_of_eight_bytes() -> None:
    Reader(b"\xc0" + bytes(7)).vl()


@breaks(Check.OPTIONAL_FLAG)
def presence_of_two() -> None:
    decode_all(b"\x00\x02", read_commit)


@breaks(Check.UNKNOWN_ENUM)
def sender_of_type_nine() -> None:
    Sender.read(Reader(b"\x09"))


@breaks(Check.UNKNOWN_VERSION)
def message_of_version_two() -> None:
    read_message(b"\x00\x02\x00\x01")


@breaks(Check.UNKNOWN_WIRE_FORMAT)
def message_of_format_nine() -> None:
    read_message(b"\x00\x01\x00\x09")


@breaks(Check.UNKNOWN_PROPOSAL)
def grease_as_a_proposal() -> None:
    decode_all(b"\x0a\x0a", read_proposal)


@breaks(Check.UNKNOWN_CREDENTIAL)
def grease_as_a_credential() -> None:
    Credential.read(Reader(b"\x0a\x0a\x00"))


@breaks(Check.TOO_LARGE)
def message_over_the_limit() -> None:
    read_message(bytes(limits.MESSAGE_BYTES_MAX + 1))


@breaks(Check.TOO_LARGE)
def identity_over_the_limit() -> None:
    Credential.read(Reader(b"\x00\x01" + vl(bytes(limits.CREDENTIAL_BYTES_MAX + 1))))


@breaks(Check.TOO_LARGE)
def leaf_over_the_limit() -> None:
    state = forge.world().states[0]
    raw = state.own_leaf_node.raw
    assert raw.endswith(b"\0" + vl(state.own_leaf_node.signature))
    kept = raw[: -len(vl(state.own_leaf_node.signature)) - 1]
    rest = vl(state.own_leaf_node.signature)
    room = limits.LEAF_BYTES_MAX - len(kept) - len(rest) - 9
    big = kept + vl(u16(0xFF01) + vl(bytes(room))) + rest
    assert len(big) == limits.LEAF_BYTES_MAX + 1
    read_leaf(Reader(big))


@breaks(Check.TOO_MANY)
def extensions_over_the_limit() -> None:
    many = vl_join(u16(number) + b"\0" for number in range(limits.EXTENSIONS_MAX + 1))
    read_extensions(Reader(many))


@breaks(Check.DUPLICATE_EXTENSION)
def one_extension_twice() -> None:
    read_key_package(forge.key_package(extensions=[Extension(1, b"a"), Extension(1, b"b")]))


@breaks(Check.WRONG_WIRE_FORMAT)
def key_package_for_a_commit() -> None:
    feed(forge.world().states[0], wrap(WireFormat.KEY_PACKAGE, forge.key_package()))


@breaks(Check.KEY_LENGTH)
def init_key_too_short() -> None:
    read_key_package(forge.key_package(init_key=bytes(range(31))))


@breaks(Check.KEY_SMALL_ORDER)
def leaf_key_of_order_one() -> None:
    read_key_package(forge.key_package(encryption_key=bytes((1,)) + bytes(31)))


@breaks(Check.KEY_SMALL_ORDER)
def exchange_with_zero() -> None:
    x25519.exchange(bytes(range(32)), bytes(32))


@breaks(Check.KEY_NOT_CANONICAL)
def init_key_above_the_prime() -> None:
    read_key_package(forge.key_package(init_key=b"\xf6" + b"\xff" * 30 + b"\x7f"))


@breaks(Check.UNSUPPORTED_SUITE)
def key_package_of_p256() -> None:
    read_key_package(forge.key_package(suite=2))


@breaks(Check.LEAF_SIGNATURE)
def leaf_signature_changed() -> None:
    read_key_package(forge.key_package(break_leaf=True))


@breaks(Check.KEY_PACKAGE_SIGNATURE)
def key_package_signature_changed() -> None:
    read_key_package(forge.key_package(break_signature=True))


@breaks(Check.KEY_PACKAGE_SIGNATURE)
def signature_under_a_key_of_small_order() -> None:
    """cryptography's verifier accepts R = A = identity, s = 0 for any message; libsodium must not."""
    data = forge.parse(forge.key_package())
    identity = b"\x01" + bytes(31)
    body = data.body.replace(data.signature_key, identity)
    read_key_package(body + vl(identity + bytes(32)))


@breaks(Check.LEAF_SOURCE)
def leaf_of_an_update_in_a_key_package() -> None:
    read_key_package(forge.key_package(lifetime=None))


@breaks(Check.LEAF_LIFETIME)
def key_package_expired() -> None:
    read_key_package(forge.key_package(), NOW + 2 * forge.DAY)


@breaks(Check.LEAF_LIFETIME)
def key_package_that_ends_before_it_begins() -> None:
    read_key_package(forge.key_package(lifetime=Lifetime(NOW + 60, NOW + 1)), NOW)


@breaks(Check.LEAF_LIFETIME)
def key_package_of_the_future() -> None:
    read_key_package(forge.key_package(), NOW - limits.CLOCK_SKEW_S - 1)


@breaks(Check.LEAF_LIFETIME_TOO_LONG)
def key_package_for_ten_years() -> None:
    read_key_package(forge.key_package(lifetime=Lifetime(NOW, NOW + 3650 * forge.DAY)), NOW)


@breaks(Check.LEAF_OWN_CREDENTIAL)
def credential_not_in_its_capabilities() -> None:
    read_key_package(forge.key_package(capabilities=replace(own_capabilities(), credentials=(2,))))


@breaks(Check.LEAF_EXTENSION_NOT_LISTED)
def leaf_extension_not_listed() -> None:
    read_key_package(forge.key_package(leaf_extensions=[Extension(0xF001, b"")]))


@breaks(Check.LEAF_SUITE)
def suite_not_in_its_capabilities() -> None:
    read_key_package(forge.key_package(capabilities=replace(own_capabilities(), cipher_suites=(3,))))


@breaks(Check.LEAF_SUITE)
def version_not_in_its_capabilities() -> None:
    read_key_package(forge.key_package(capabilities=replace(own_capabilities(), versions=(2,))))


@breaks(Check.KEY_PACKAGE_INIT_KEY)
def init_key_is_leaf_key() -> None:
    key = forge.world().crypto.kem.derive_key_pair(bytes(32))[1]
    read_key_package(forge.key_package(init_key=key, encryption_key=key))


@breaks(Check.KEY_PACKAGE_EXTENSION)
def key_package_extension_not_listed() -> None:
    read_key_package(forge.key_package(extensions=[Extension(0xF001, b"")]))


@breaks(Check.KEY_PACKAGE_SUITE)
def key_package_of_another_suite_added() -> None:
    a, b, *_ = forge.world().states
    other = forge.keys("other suite", suite=3)
    feed(b, forge.commit(a, [forge.add(other.key_package)]))


def _newcomer(data: bytes, world: forge.World) -> None:
    a, b, *_ = world.states
    feed(b, forge.commit(a, [forge.add(data)]))


@breaks(Check.LEAF_REQUIRED_CAPABILITIES)
def newcomer_lacks_a_required_proposal() -> None:
    required = RequiredCapabilities(credentials=(1, 2)).extension()
    poor = replace(own_capabilities(), credentials=(1,))
    _newcomer(forge.key_package(capabilities=poor), forge.world(4, (required,)))


@breaks(Check.LEAF_GROUP_EXTENSION)
def newcomer_lacks_a_group_extension() -> None:
    _newcomer(forge.key_package(), forge.world(4, (Extension(0xF001, b""),), (0xF001,)))


@breaks(Check.LEAF_CREDENTIAL_UNSUPPORTED)
def newcomer_with_a_credential_that_members_cannot_read() -> None:
    data = forge.key_package(credential=Credential.x509((b"certificate",)))
    _newcomer(data, forge.world(4, credentials=(1,)))


@breaks(Check.LEAF_CREDENTIAL_UNSUPPORTED)
def newcomer_who_cannot_read_members() -> None:
    data = forge.key_package(
        credential=Credential.x509((b"certificate",)), capabilities=replace(own_capabilities(), credentials=(2,))
    )
    _newcomer(data, forge.world(4))


def _with_odd_member(odd: bytes) -> tuple[GroupState, GroupState]:
    """Two members of a group to which a third with other credentials or capabilities was added."""
    a, b, *_ = forge.world(2).states
    made = a.commit([AddProposal(odd)], Rng("odd"), NOW)
    after = b.process(made.message).state
    assert after is not None
    return made.state, after


@breaks(Check.LEAF_CREDENTIAL_UNSUPPORTED)
def newcomer_with_a_credential_that_one_member_cannot_read() -> None:
    a, b = _with_odd_member(forge.key_package("odd", capabilities=replace(own_capabilities(), credentials=(1,))))
    newcomer = forge.key_package(credential=Credential.x509((b"certificate",)))
    feed(b, forge.commit(a, [forge.add(newcomer)]))


@breaks(Check.LEAF_CREDENTIAL_UNSUPPORTED)
def newcomer_who_cannot_read_one_member() -> None:
    a, b = _with_odd_member(forge.key_package("odd", credential=Credential.x509((b"certificate",))))
    newcomer = forge.key_package(capabilities=replace(own_capabilities(), credentials=(1,)))
    feed(b, forge.commit(a, [forge.add(newcomer)]))


@breaks(Check.LEAF_CREDENTIAL_UNSUPPORTED)
def member_who_gives_up_a_credential_in_use() -> None:
    a, b = _with_odd_member(forge.key_package("odd", credential=Credential.x509((b"certificate",))))
    template = LeafTemplate.of(a.own_leaf_node)
    poor = replace(template, capabilities=replace(template.capabilities, credentials=(1,)))
    feed(b, forge.commit(a, [], forge.path(a, template=poor).path))


@breaks(Check.LEAF_SAME_ENCRYPTION_KEY)
def update_with_the_old_key() -> None:
    a, b, *_ = forge.world().states
    leaf = forge.resigned_leaf(a, a.own_leaf_node, parent_hash=None)
    assert leaf.source == 2
    feed(b, forge.message(a, Update(leaf)))


@breaks(Check.LEAF_SIGNATURE)
def update_signed_for_another_leaf() -> None:
    a, b, *_ = forge.world().states
    key = a.crypto.kem.derive_key_pair(bytes(32))[1]
    leaf = forge.resigned_leaf(a, a.own_leaf_node, parent_hash=None, encryption_key=key, number=3)
    feed(b, forge.message(a, Update(leaf)))


@breaks(Check.LEAF_SOURCE)
def update_with_a_leaf_of_a_commit() -> None:
    a, b, *_ = forge.world().states
    key = a.crypto.kem.derive_key_pair(bytes(32))[1]
    feed(b, forge.message(a, Update(forge.resigned_leaf(a, a.own_leaf_node, encryption_key=key))))


@breaks(Check.DUPLICATE_SIGNATURE_KEY)
def committer_takes_the_signature_key_of_another() -> None:
    a, b, c, _ = forge.world().states
    made = forge.path(a, seed=c.signature_private.reveal())
    feed(b, forge.commit(a, [], made.path))


@breaks(Check.DUPLICATE_ENCRYPTION_KEY)
def newcomer_with_the_key_of_a_member() -> None:
    world = forge.world()
    _newcomer(forge.key_package(encryption_key=world.states[2].own_leaf_node.encryption_key), world)


@breaks(Check.DUPLICATE_ENCRYPTION_KEY)
def newcomer_with_the_key_of_a_parent_node() -> None:
    world = forge.world()
    _newcomer(forge.key_package(encryption_key=world.states[0].tree.key(1)), world)


def signature_key_of_wrong_length() -> KeyPackage:
    """A helper for the row below: a key package whose signature key has 33 bytes."""
    good = forge.parse(forge.key_package())
    crypto = forge.world().crypto
    leaf = good.leaf
    body = vl(leaf.encryption_key) + vl(leaf.signature_key + b"\0") + leaf.raw[66:]
    return replace(good, leaf=decode_leaf(body), body=good.body, suite_number=int(crypto.suite))


@breaks(Check.KEY_LENGTH)
def signature_key_too_long() -> None:
    signature_key_of_wrong_length().verify(forge.world().crypto)


@breaks(Check.UNKNOWN_ENUM)
def leaf_of_no_source() -> None:
    leaf = forge.parse(forge.key_package()).leaf
    origin = leaf.body.index(u16(1) + vl(b"mallory")) + 2 + 8 + len(leaf.capabilities.encode())
    assert leaf.raw[origin] == 1
    decode_leaf(leaf.raw[:origin] + b"\x07" + leaf.raw[origin + 1 :])




@breaks(Check.UNKNOWN_VERSION)
def key_package_of_version_two() -> None:
    read_key_package(b"\0\2" + forge.key_package()[2:])


@breaks(Check.CREDENTIAL_CHANGED)
def committer_who_takes_the_name_of_another() -> None:
    a, b, c, _ = forge.world().states
    template = replace(LeafTemplate.of(a.own_leaf_node), credential=c.own_leaf_node.credential)
    feed(b, forge.commit(a, [], forge.path(a, template=template).path))


@breaks(Check.CREDENTIAL_CHANGED)
def update_under_another_name() -> None:
    a, b, *_ = forge.world().states
    key = a.crypto.kem.derive_key_pair(bytes(32))[1]
    renamed = Credential.basic(b"somebody else")
    leaf = forge.resigned_leaf(a, a.own_leaf_node, parent_hash=None, encryption_key=key, credential=renamed)
    feed(b, forge.message(a, Update(leaf)))
