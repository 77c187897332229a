"""What mutmut's survivors asked for: both sides of bounds that no other test meets exactly (docs/mls-mutation.md)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chasqui.mls import (
    Check,
    Credential,
    PeerError,
    UsageError,
    limits,
    make_key_package,
    read_key_package,
    read_message,
)
from chasqui.mls.codec import Reader, u16, vl
from chasqui.mls.extensions import Extension
from chasqui.mls.framing import Auth, AuthenticatedContent, Sender, SenderType, WireFormat, frame, wrap
from chasqui.mls.leaf import Lifetime, read_leaf
from chasqui.mls.pending import Pending, check_room
from chasqui.mls.proposals import GroupContextExtensions, Proposal, Remove
from chasqui.mls.protect import to_private
from chasqui.mls.secret import Secret
from chasqui.mls.secret_tree import MessageKey, RatchetKind, SecretTree
from chasqui.mls.suite import Crypto
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

MEMBER, OTHER = Sender(SenderType.MEMBER, 1), Sender(SenderType.MEMBER, 2)
ASKER = Sender(SenderType.NEW_MEMBER_PROPOSAL)
BYTES = limits.PROPOSALS_CACHED_BYTES_MAX


def sized(size: int) -> Proposal:
    """A proposal whose encoding has exactly that many bytes."""
    empty = len(GroupContextExtensions((Extension(1, bytes(size - 100)),)).encode())
    made = GroupContextExtensions((Extension(1, bytes(2 * size - 100 - empty)),))
    assert len(made.encode()) == size
    return made


def held(sender: Sender, *sizes: int) -> list[Pending]:
    return [Pending(b"%d" % number, sender, sized(size)) for number, size in enumerate(sizes)]


def full(pending: list[Pending], new: Pending) -> bool:
    try:
        check_room(pending, new)
    except PeerError as error:
        return error.check is Check.TOO_MANY_PROPOSALS
    return False


@pytest.mark.parametrize(
    ("sender", "others", "share"),
    [
        (MEMBER, [], BYTES // limits.PROPOSALS_SENDER_SHARE),
        (ASKER, [], BYTES // limits.PROPOSALS_OUTSIDE_SHARE),
        (Sender(SenderType.EXTERNAL, 0), held(ASKER, 100_000), BYTES // limits.PROPOSALS_OUTSIDE_SHARE - 100_000),
        (MEMBER, held(OTHER, 262_144, 262_143) + held(ASKER, 200_001), BYTES - 524_287 - 200_001),
    ],
    ids=["of one sender", "of those who ask", "of all outsiders", "in all"],
)
def test_cached_proposals_are_bounded_by_bytes_too(sender: Sender, others: list[Pending], share: int) -> None:
    """Far from the bound on their number, with one in place and at once, exactly on the bound and a byte above."""
    for before in ((), (20_000,)):
        pending = others + held(sender, *before)
        room = share - sum(before)
        assert not full(pending, Pending(b"new", sender, sized(room)))
        assert full(pending, Pending(b"new", sender, sized(room + 1)))


def test_messages_as_large_as_peers_accept() -> None:
    largest = wrap(WireFormat.KEY_PACKAGE, bytes(limits.MESSAGE_BYTES_MAX - 4))
    assert len(largest) == limits.MESSAGE_BYTES_MAX
    with pytest.raises(PeerError) as refused:
        read_message(largest + b"\0")
    assert refused.value.check is Check.TOO_LARGE
    with pytest.raises(UsageError) as caught:
        wrap(WireFormat.KEY_PACKAGE, bytes(limits.MESSAGE_BYTES_MAX - 3))
    assert caught.value.check is Check.TOO_LARGE
    assert str(limits.MESSAGE_BYTES_MAX - 3) in str(caught.value)


def test_credentials_as_large_as_peers_accept() -> None:
    identity = bytes(limits.CREDENTIAL_BYTES_MAX)
    largest = make_key_package(1, identity, Rng("large"), NOW, 60)
    assert read_key_package(largest.key_package).leaf.credential == Credential.basic(identity)
    with pytest.raises(UsageError) as caught:
        make_key_package(1, identity + b"\0", Rng("large"), NOW, 60)
    assert caught.value.check is Check.TOO_LARGE


def test_key_packages_as_large_as_peers_accept() -> None:
    def made(size: int) -> bytes:
        kept = [Extension(0xFF01, bytes(size))]
        return make_key_package(1, b"", Rng("large"), NOW, 60, extensions=kept).key_package

    start = limits.MESSAGE_BYTES_MAX - 1_000
    room = start + limits.MESSAGE_BYTES_MAX - len(made(start))
    assert len(made(room)) == limits.MESSAGE_BYTES_MAX
    assert read_key_package(made(room))
    with pytest.raises(UsageError) as caught:
        made(room + 1)
    assert caught.value.check is Check.TOO_LARGE
    assert "larger" in str(caught.value)


def test_leaves_as_large_as_peers_accept() -> None:
    leaf = forge.world().states[0].own_leaf_node
    kept, rest = leaf.raw[: -len(vl(leaf.signature)) - 1], vl(leaf.signature)  # all but its empty list of extensions

    def grown(size: int) -> bytes:
        return kept + vl(u16(0xFF01) + vl(bytes(size))) + rest

    room = limits.LEAF_BYTES_MAX - len(grown(limits.LEAF_BYTES_MAX)) + limits.LEAF_BYTES_MAX
    assert len(grown(room)) == limits.LEAF_BYTES_MAX
    assert read_leaf(Reader(grown(room))).raw == grown(room)
    with pytest.raises(PeerError) as caught:
        read_leaf(Reader(grown(room + 1)))
    assert caught.value.check is Check.TOO_LARGE


def test_a_lifetime_of_one_moment() -> None:
    Lifetime(NOW, NOW).check(NOW)
    with pytest.raises(PeerError) as caught:
        Lifetime(NOW + 1, NOW).check(NOW)
    assert caught.value.check is Check.LEAF_LIFETIME


@dataclass
class _Worn:
    """Stands for a secret tree whose next generation is this one."""

    generation: int

    def next(self, crypto: Crypto, leaf: int, kind: RatchetKind) -> tuple[int, MessageKey, SecretTree]:
        tree = forge.world().states[0].messages
        assert tree is not None
        return self.generation, MessageKey(bytes(crypto.nk), bytes(crypto.nn)), tree


def test_a_ratchet_ends_at_two_to_the_32() -> None:
    crypto = forge.world().crypto
    content = frame(b"g", 1, Sender(SenderType.MEMBER, 0), b"", Remove(1))
    made = AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, content, Auth(b"s", None))
    key = Secret(bytes(32))

    def sent(generation: int) -> object:
        return to_private(crypto, made, _Worn(generation), key, Rng(1), 0)  # type: ignore[arg-type]

    assert sent((1 << 32) - 1)
    with pytest.raises(UsageError, match="commit first"):
        sent(1 << 32)
