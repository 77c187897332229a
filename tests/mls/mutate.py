"""A structure-aware mutator: it knows every field of a message because it watched the decoder read it.

A mutation changes one field and repairs all length headers around it, so that the result is well-formed up to the
very place that was meant; `cases` then signs, tags, encrypts and hashes again what a malicious member could.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chasqui.mls import (
    AddProposal,
    Credential,
    GroupState,
    KeyPackageKeys,
    PreSharedKeyProposal,
    PskId,
    RemoveProposal,
    UpdateProposal,
    external_senders_extension,
    join,
    join_external,
    read_key_package,
)
from chasqui.mls import labels as names
from chasqui.mls.codec import Reader, decode_all, u32, vl, vl_header
from chasqui.mls.errors import PeerError
from chasqui.mls.extensions import ExternalSender
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    SenderType,
    WireFormat,
    _read_content,
    read_body,
    read_message,
    wrap,
)
from chasqui.mls.key_package import read_key_package_form
from chasqui.mls.leaf import read_leaf
from chasqui.mls.proposals import CommitContent, GroupContextExtensions, ReInit
from chasqui.mls.protect import _guarded, _sender_data_key, membership_tag
from chasqui.mls.secret_tree import RatchetKind
from chasqui.mls.tree import read_tree
from chasqui.mls.welcome import read_group_info, read_group_secrets, read_welcome
from tests.mls import forge
from tests.mls.forge import NOW, OpenWelcome
from tests.mls.support import Rng


@dataclass(frozen=True)
class Span:
    """A field: from `start` to `end`; `content` is where a vector's content begins, None for a fixed field."""

    start: int
    content: int | None
    end: int


class Tracer(Reader):
    """A reader that notes every field it hands out."""

    __slots__ = ("spans",)

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None, spans: list[Span] | None = None) -> None:
        super().__init__(data, pos, end)
        self.spans: list[Span] = [] if spans is None else spans

    def length(self) -> int:
        start = self.pos
        length = super().length()
        self.spans.append(Span(start, self.pos, self.pos + length))
        return length

    def sub(self) -> Reader:
        length = self.length()
        pos = self.pos
        self.pos = pos + length
        return Tracer(self.data, pos, pos + length, self.spans)

    def _fixed(self, read: Callable[[], int]) -> int:
        start = self.pos
        value = read()
        self.spans.append(Span(start, None, self.pos))
        return value

    def u8(self) -> int:
        return self._fixed(super().u8)

    def u16(self) -> int:
        return self._fixed(super().u16)

    def u32(self) -> int:
        return self._fixed(super().u32)

    def u64(self) -> int:
        return self._fixed(super().u64)


def spans(data: bytes, read: Callable[[Reader], object]) -> list[Span]:
    """The fields of valid `data`."""
    tracer = Tracer(data)
    read(tracer)
    return tracer.spans


def replaced(data: bytes, found: list[Span], span: Span, new: bytes) -> bytes:
    """`data` with one field replaced and the headers of all vectors around it repaired."""
    around = [
        other
        for other in found
        if other.content is not None and other.content <= span.start and span.end <= other.end and other != span
    ]
    start, end = span.start, span.end
    for vector in sorted(around, key=lambda other: other.end - other.start):
        assert vector.content is not None
        content = data[vector.content : start] + new + data[end : vector.end]
        new = vl_header(len(content)) + content
        start, end = vector.start, vector.end
    return data[:start] + new + data[end:]


def mutate(data: bytes, read: Callable[[Reader], object], rng: Rng, pool: list[bytes]) -> bytes:
    """One change: mostly to one field, sometimes to the bare bytes."""
    if rng.below(8) == 0:
        return _bytes(data, rng)
    found = spans(data, read)
    span = found[rng.below(len(found))]
    if span.content is None:
        width = span.end - span.start
        value = int.from_bytes(data[span.start : span.end], "big")
        most = (1 << 8 * width) - 1
        options = (0, 1, 2, most, most >> 1, value ^ 1, (value + 1) & most, (value - 1) & most, rng.below(most))
        return replaced(data, found, span, options[rng.below(len(options))].to_bytes(width, "big"))
    content = data[span.content : span.end]
    return replaced(data, found, span, _vector(data, content, found, span, rng, pool))


def _bytes(data: bytes, rng: Rng) -> bytes:
    at = rng.below(len(data) + 1)
    return (
        data[:at],
        data[:at] + rng(1 + rng.below(3)) + data[at:],
        data[:at] + data[at + 1 + rng.below(3) :],
        data[:at] + bytes(b ^ 1 << rng.below(8) for b in data[at : at + 1]) + data[at + 1 :],
        data + rng(1 + rng.below(5)),
    )[rng.below(5)]


def _vector(data: bytes, content: bytes, found: list[Span], span: Span, rng: Rng, pool: list[bytes]) -> bytes:
    """Another vector for this one."""
    choice = rng.below(9)
    inside = [other for other in found if span.start < other.start < other.end <= span.end]
    if choice == 0:
        return b"\0"
    if choice == 1:
        return vl(rng(len(content)))
    if choice == 2:
        return vl(_bytes(content, rng))
    if choice == 3:
        return vl(content + content)
    if choice == 4:
        return vl(pool[rng.below(len(pool))])
    if choice == 5 and content:
        return vl(content[: rng.below(len(content))])
    if choice == 6 and inside:
        other = inside[rng.below(len(inside))]
        return vl(content + data[other.start : other.end])
    if choice == 7:
        wrong = (len(content) + 1, max(len(content) - 1, 0), 63, 64, 16383, 16384, 1 << 29)[rng.below(7)]
        return vl_header(wrong) + content
    vectors = [other for other in found if other.content is not None]
    other = vectors[rng.below(len(vectors))]
    return data[other.start : other.end]


@dataclass(frozen=True)
class Corpus:
    """Valid messages of every kind, the state that takes them, and what their maker knows."""

    maker: GroupState
    taker: GroupState
    public: tuple[bytes, ...]
    private: tuple[bytes, ...]
    application: bytes
    welcome: bytes
    welcome_maker: GroupState
    joiner: KeyPackageKeys
    group_info: bytes
    pool: list[bytes]


def corpus() -> Corpus:
    """One of each kind."""
    rng = Rng("corpus")
    listed = external_senders_extension(
        [ExternalSender(forge.world().states[0].own_leaf_node.signature_key, Credential.basic(b"service"))]
    )
    a, b, *_ = forge.world(6, (listed,)).states
    joiner = forge.keys("joiner", grease=True)
    add = AddProposal(joiner.key_package)
    psk = PskId.external(b"shared")
    adding = a.commit([add], rng, NOW, path=True)
    full = a.commit([add, RemoveProposal(3), PreSharedKeyProposal(psk)], rng, NOW, psks=lambda _: b"key")
    outsider = join_external(a.group_info(external_pub=True), forge.keys("outsider"), rng)
    assert adding.welcome is not None
    public = (
        a.commit([], rng, NOW).message,
        full.message,
        outsider.message,
        a.propose(UpdateProposal(), rng, NOW).message,
        a.propose(add, rng, NOW).message,
        forge.message(a, GroupContextExtensions((listed,))),
        forge.message(a, ReInit(b"next", 1, 3, (listed,))),
    )
    private = (
        a.commit([RemoveProposal(4)], rng, NOW, private=True).message,
        a.propose(RemoveProposal(4), rng, NOW, private=True).message,
    )
    application = a.encrypt(b"text", b"aad", rng, padding=3)[0]
    group_info = a.group_info(external_pub=True)
    pool = [data[4:] for data in (*public, joiner.key_package, group_info)]
    pool += [b"", bytes(32), b"\1" + bytes(31), b"\xff" * 32, a.own_leaf_node.encryption_key]
    return Corpus(a, b, public, private, application, adding.welcome, adding.state, joiner, group_info, pool)


def _resigned(c: Corpus, data: bytes, rng: Rng) -> bytes:
    """A public message whose content was changed and signed again by the maker (or by the sender's own new key)."""
    message = read_message(data)
    assert isinstance(message, PublicMessage)
    raw = mutate(message.content.raw, _read_content, rng, c.pool)
    sender = message.content.sender
    seed = c.maker.signature_private.reveal()
    content = FramedContent(raw, b"", 0, sender, b"", message.content.content_type, b"")
    tbs = content.tbs(WireFormat.PUBLIC_MESSAGE, c.maker.context_bytes)
    signature = c.maker.crypto.sign_with_label(seed, names.SIGN_FRAMED_CONTENT, tbs)
    auth = Auth(signature, message.auth.confirmation_tag)
    tag = None
    if sender.type == SenderType.MEMBER:
        made = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, auth)
        assert c.maker.secrets.membership is not None
        tag = membership_tag(c.maker.crypto, c.maker.secrets.membership, made, c.maker.context_bytes)
    return wrap(WireFormat.PUBLIC_MESSAGE, PublicMessage(content, auth, tag).encode())


def _resigned_path(c: Corpus, rng: Rng) -> bytes:
    """A commit whose new leaf was changed and signed again before the whole was."""
    made = forge.path(c.maker)
    body = made.path.leaf.raw[: -len(vl(made.path.leaf.signature))]
    changed = mutate(body + b"\0", read_leaf, rng, c.pool)[:-1]
    content = changed + vl(c.maker.group_id) + u32(c.maker.own_leaf)
    seed = c.maker.signature_private.reveal()
    leaf = changed + vl(c.maker.crypto.sign_with_label(seed, names.SIGN_LEAF_NODE, content))
    raw = CommitContent((), made.path).encode().replace(made.path.leaf.raw, leaf)
    return forge.message(c.maker, _Raw(raw))


@dataclass(frozen=True)
class _Raw(CommitContent):
    """A commit that encodes as given."""

    data: bytes

    def __init__(self, data: bytes) -> None:
        object.__setattr__(self, "data", data)

    def encode(self) -> bytes:
        return self.data


def _sealed_again(c: Corpus, data: bytes, rng: Rng) -> bytes:
    """A private message whose plaintext was changed before it was encrypted with the right key."""
    message = read_message(data)
    assert isinstance(message, PrivateMessage)
    crypto, state = c.maker.crypto, c.maker
    assert state.messages is not None
    assert state.secrets.sender_data is not None
    kind = RatchetKind.APPLICATION if message.content_type == ContentType.APPLICATION else RatchetKind.HANDSHAKE
    generation, key, _ = state.messages.next(crypto, state.own_leaf, kind)
    data_key, nonce = _sender_data_key(crypto, state.secrets.sender_data.reveal(), message.ciphertext)
    sender = crypto.aead.open(data_key, nonce, message.sender_data_aad(), message.encrypted_sender_data)
    plaintext = crypto.aead.open(key.key, _guarded(key.nonce, sender[8:]), message.aad(), message.ciphertext)

    def read(reader: Reader) -> None:
        read_body(reader, message.content_type)
        Auth.read(reader, message.content_type)

    if rng.below(3) == 0:
        sender = u32(rng.below(9)) + u32(generation + rng.below(3)) + sender[8:]
    plaintext = mutate(plaintext, read, rng, c.pool)
    ciphertext = crypto.aead.seal(key.key, _guarded(key.nonce, sender[8:12]), message.aad(), plaintext)
    data_key, nonce = _sender_data_key(crypto, state.secrets.sender_data.reveal(), ciphertext)
    sealed = crypto.aead.seal(data_key, nonce, message.sender_data_aad(), sender)
    changed = replace(message, encrypted_sender_data=sealed, ciphertext=ciphertext)
    return wrap(WireFormat.PRIVATE_MESSAGE, changed.encode())


def _welcome_again(c: Corpus, rng: Rng) -> bytes:
    """A welcome of which one part inside was changed; signatures and hashes are made true again."""
    welcome = OpenWelcome.of(c.welcome, c.welcome_maker, c.joiner)
    part = rng.below(3)
    if part == 0:
        welcome.secrets = decode_all(
            mutate(welcome.secrets.encode(), read_group_secrets, rng, c.pool), read_group_secrets
        )
    elif part == 1:
        body = mutate(welcome.info.encode(), read_group_info, rng, c.pool)
        welcome.info = decode_all(body, read_group_info)
        welcome.sign(extensions=welcome.info.extensions)
    else:
        crypto = welcome.crypto
        raw = mutate(c.welcome_maker.tree.encode(), lambda reader: read_tree(crypto, reader), rng, c.pool)
        context = welcome.info.context
        tree = decode_all(raw, lambda reader: read_tree(crypto, reader))
        context = replace(context, tree_hash=tree.tree_hash())
        welcome.sign(context=context, extensions=forge.with_tree(welcome.info, raw))
    return welcome.close()


def attempt(c: Corpus, number: int) -> str:
    """Case `number`: makes one hostile input and offers it. Returns what came of it; raises what must not escape."""
    rng = Rng(("case", number))
    kind = rng.below(9)
    try:
        return _attempt(c, kind, rng)
    except PeerError as error:
        return error.check.name


def _attempt(c: Corpus, kind: int, rng: Rng) -> str:
    taker = c.taker
    if kind == 0:
        good = c.public[rng.below(len(c.public))]
        data = good[:4] + mutate(good[4:], PublicMessage.read, rng, c.pool)
        taker.process(data, psks=lambda _: b"key")
        return _untouched(good, data)
    if kind in (1, 2):
        taker.process(_resigned(c, c.public[rng.below(len(c.public))], rng), psks=lambda _: b"key")
    elif kind == 3:
        taker.process(_resigned_path(c, rng))
    elif kind == 4:
        good = (*c.private, c.application)[rng.below(3)]
        data = good[:4] + mutate(good[4:], PrivateMessage.read, rng, c.pool)
        _take_private(taker, data, good is c.application)
        return _untouched(good, data)
    elif kind == 5:
        good = (*c.private, c.application)[rng.below(3)]
        _take_private(taker, _sealed_again(c, good, rng), good is c.application)
    elif kind == 6:
        data = c.welcome[:4] + mutate(c.welcome[4:], read_welcome, rng, c.pool)
        join(data if rng.below(4) == 0 else _welcome_again(c, rng), c.joiner)
    elif kind == 7:
        data = c.group_info[:4] + mutate(c.group_info[4:], read_group_info, rng, c.pool)
        join_external(data, c.joiner, rng)
        return _untouched(c.group_info, data)
    else:
        data = mutate(c.joiner.key_package, read_key_package_form, rng, c.pool)
        read_key_package(data, NOW)
        return _untouched(c.joiner.key_package, data)
    return "accepted"


def _take_private(taker: GroupState, data: bytes, application: bool) -> None:
    if application:
        taker.decrypt(data)
    else:
        taker.process(data)


def _untouched(good: bytes, data: bytes) -> str:
    """Whoever holds no keys changes nothing: what was accepted must be the message itself."""
    if data != good:
        raise AssertionError("a changed message was accepted")
    return "unchanged"
