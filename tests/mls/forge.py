"""Tools of malicious members: messages with good signatures and tags around bad contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from chasqui.mls import (
    AddProposal,
    Capabilities,
    Credential,
    Extension,
    GroupState,
    KeyPackageKeys,
    create_group,
    ed25519,
    join,
    labels,
    make_key_package,
    own_capabilities,
)
from chasqui.mls.codec import decode_all, u16, vl
from chasqui.mls.extensions import encode_extensions
from chasqui.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    frame,
    read_message,
    wrap,
)
from chasqui.mls.key_package import KeyPackage, read_key_package_form
from chasqui.mls.key_schedule import GroupContext, welcome_secret
from chasqui.mls.leaf import LeafNode, LeafTemplate, Lifetime, sign_leaf
from chasqui.mls.proposals import Add, CommitContent, ProposalOrRef
from chasqui.mls.protect import membership_tag, sign_content
from chasqui.mls.psk import PskLookup, look_up, no_psks, psk_secret
from chasqui.mls.suite import Crypto, crypto_of
from chasqui.mls.tree import TreeDraft
from chasqui.mls.treekem import MadePath, make_path
from chasqui.mls.update_path import HpkeCiphertext, UpdatePath
from chasqui.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    read_group_info,
    read_group_secrets,
    sign_group_info,
    welcome_key_nonce,
)
from tests.mls.support import Rng

NOW = 1_900_000_000
DAY = 86_400


def keys(name: str, *, suite: int = 1, seed: bytes | None = None, **more: object) -> KeyPackageKeys:
    """Key package keys that depend on the name only."""
    return make_key_package(
        suite, name.encode(), Rng((name, suite)), NOW, 30 * DAY, signature_private=seed, **more  # type: ignore[arg-type]
    )


def parse(data: bytes) -> KeyPackage:
    return decode_all(data, read_key_package_form)


@dataclass(frozen=True)
class World:
    """A group and everybody's state in it."""

    states: tuple[GroupState, ...]
    keys: tuple[KeyPackageKeys, ...]
    rng: Rng = field(default_factory=lambda: Rng("world"))

    @property
    def crypto(self) -> Crypto:
        return self.states[0].crypto

    def everyone(self, message: bytes, maker: int, after: GroupState) -> World:
        """The world after a commit by `maker`."""
        new = []
        for number, state in enumerate(self.states):
            moved = after if number == maker else state.process(message).state
            assert moved is not None
            new.append(moved)
        return replace(self, states=tuple(new))


@cache
def world(
    size: int = 4,
    extensions: tuple[Extension, ...] = (),
    listed: tuple[int, ...] = (),
    suite: int = 1,
    credentials: tuple[int, ...] = (1, 2),
) -> World:
    """A group of `size` whose tree is warm: everybody has committed once. `listed` are extensions all support."""
    capabilities = replace(own_capabilities(listed), credentials=credentials)
    made = [keys(f"member {number}", suite=suite, capabilities=capabilities) for number in range(size)]
    rng = Rng(("world", size, extensions))
    state = create_group(suite, b"forged group", made[0], rng, extensions=extensions)
    commit = state.commit([AddProposal(item.key_package) for item in made[1:]], rng, NOW)
    assert commit.welcome is not None or size == 1
    states = [commit.state, *(join(commit.welcome or b"", item) for item in made[1:])]
    found = World(tuple(states), tuple(made), rng)
    for number in range(size):
        commit = found.states[number].commit([], rng, NOW)
        found = found.everyone(commit.message, number, commit.state)
    return found


def message(
    state: GroupState,
    body: Body,
    *,
    sender: Sender | None = None,
    seed: bytes | None = None,
    tag: bool = True,
    confirmation: bytes = bytes(32),
    group_id: bytes | None = None,
    epoch: int | None = None,
) -> bytes:
    """A PublicMessage with a true signature (by `seed`, or by the state's owner) and a true membership tag."""
    sender = sender or Sender(SenderType.MEMBER, state.own_leaf)
    seed = seed or state.signature_private.reveal()
    content = frame(
        state.group_id if group_id is None else group_id,
        state.epoch if epoch is None else epoch,
        sender,
        b"",
        body,
    )
    signature = sign_content(
        state.crypto, WireFormat.PUBLIC_MESSAGE, content, state.context_bytes, seed, ed25519.public_key(seed)
    )
    auth = Auth(signature, confirmation if isinstance(body, CommitContent) else None)
    made = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, auth)
    member = None
    if sender.type == SenderType.MEMBER:
        assert state.secrets.membership is not None
        member = membership_tag(state.crypto, state.secrets.membership, made, state.context_bytes) if tag else bytes(32)
    return wrap(WireFormat.PUBLIC_MESSAGE, PublicMessage(content, auth, member).encode())


def commit(state: GroupState, items: Sequence[ProposalOrRef], path: UpdatePath | None = None, **more: object) -> bytes:
    """A commit by the state's owner with these contents and a wrong confirmation tag."""
    return message(state, CommitContent(tuple(items), path), **more)  # type: ignore[arg-type]


def path(
    state: GroupState,
    draft: TreeDraft | None = None,
    *,
    template: LeafTemplate | None = None,
    seed: bytes | None = None,
    leaf: int | None = None,
    excluded: Sequence[int] = (),
) -> MadePath:
    """A valid path of the state's owner on `draft` (default: the state's tree)."""
    seed = seed or state.signature_private.reveal()
    draft = draft or state.tree.draft()

    def context_of(tree_hash: bytes) -> bytes:
        return replace(state.context, epoch=state.epoch + 1, tree_hash=tree_hash).encode()

    return make_path(
        state.crypto,
        draft,
        state.own_leaf if leaf is None else leaf,
        template or LeafTemplate.of(state.own_leaf_node),
        (seed, ed25519.public_key(seed)),
        state.group_id,
        context_of,
        excluded,
        Rng("path"),
    )


def resigned_leaf(
    state: GroupState, leaf: LeafNode, *, number: int | None = None, seed: bytes | None = None, **changes: object
) -> LeafNode:
    """A leaf like `leaf` with some fields changed and a true signature of the state's owner."""
    seed = seed or state.signature_private.reveal()
    changed = leaf._replace(**changes)  # type: ignore[arg-type]
    return sign_leaf(
        state.crypto,
        LeafTemplate.of(changed),
        changed.encryption_key,
        seed,
        ed25519.public_key(seed),
        lifetime=changed.lifetime,
        parent_hash=changed.parent_hash,
        group_id=state.group_id,
        leaf_index=state.own_leaf if number is None else number,
    )


def key_package(
    name: str = "mallory",
    *,
    init_key: bytes | None = None,
    encryption_key: bytes | None = None,
    capabilities: Capabilities | None = None,
    credential: Credential | None = None,
    leaf_extensions: Sequence[Extension] = (),
    extensions: Sequence[Extension] = (),
    lifetime: Lifetime | None = Lifetime(NOW, NOW + DAY),  # noqa: B008
    seed: bytes | None = None,
    suite: int = 1,
    break_leaf: bool = False,
    break_signature: bool = False,
) -> bytes:
    """A key package with chosen defects and otherwise true signatures."""
    crypto = crypto_of(1)
    rng = Rng(("forged", name))
    seed = seed or rng(32)
    public = ed25519.public_key(seed)
    template = LeafTemplate(
        credential or Credential.basic(name.encode()), capabilities or own_capabilities(), tuple(leaf_extensions)
    )
    leaf_key = encryption_key or crypto.kem.derive_key_pair(rng(32))[1]
    leaf = sign_leaf(crypto, template, leaf_key, seed, public, lifetime=lifetime)
    raw = leaf.raw[:-1] + bytes((leaf.raw[-1] ^ 1,)) if break_leaf else leaf.raw
    init_key = init_key or crypto.kem.derive_key_pair(rng(32))[1]
    body = u16(1) + u16(suite) + vl(init_key) + raw + encode_extensions(extensions)
    signature = crypto.sign_with_label(seed, labels.SIGN_KEY_PACKAGE, body, public)
    if break_signature:
        signature = bytes((signature[0] ^ 1,)) + signature[1:]
    return body + vl(signature)


def add(data: bytes) -> Add:
    return Add(parse(data))


@dataclass
class OpenWelcome:
    """A welcome that its maker takes apart, changes and closes again with a true signature."""

    crypto: Crypto
    maker: GroupState
    keys: KeyPackageKeys
    secrets: GroupSecrets
    info: GroupInfo
    lookup: PskLookup = no_psks

    @staticmethod
    def of(data: bytes, maker: GroupState, joiner: KeyPackageKeys, lookup: PskLookup = no_psks) -> OpenWelcome:
        found = read_message(data)
        assert isinstance(found, Welcome)
        crypto = maker.crypto
        entry = found.find(parse(joiner.key_package).ref)
        secrets = decode_all(
            crypto.decrypt_with_label(
                joiner.init_private.reveal(),
                labels.ENCRYPT_WELCOME,
                found.encrypted_group_info,
                entry.secrets.kem_output,
                entry.secrets.ciphertext,
            ),
            read_group_secrets,
        )
        psk = psk_secret(crypto, look_up(lookup, secrets.psks))
        key, nonce = welcome_key_nonce(crypto, welcome_secret(crypto, secrets.joiner.reveal(), psk))
        info = decode_all(crypto.aead.open(key, nonce, b"", found.encrypted_group_info), read_group_info)
        return OpenWelcome(crypto, maker, joiner, secrets, info, lookup)

    def sign(
        self,
        *,
        context: GroupContext | None = None,
        extensions: tuple[Extension, ...] | None = None,
        tag: bytes | None = None,
        signer: int | None = None,
        seed: bytes | None = None,
    ) -> OpenWelcome:
        """Replaces parts of the group info and signs it."""
        seed = seed or self.maker.signature_private.reveal()
        self.info = sign_group_info(
            self.crypto,
            context or self.info.context,
            self.info.extensions if extensions is None else extensions,
            self.info.confirmation_tag if tag is None else tag,
            self.info.signer if signer is None else signer,
            seed,
            ed25519.public_key(seed),
        )
        return self

    def close(self, *, suite: int | None = None, ref: bytes | None = None) -> bytes:
        psk = psk_secret(self.crypto, look_up(self.lookup, self.secrets.psks))
        key, nonce = welcome_key_nonce(self.crypto, welcome_secret(self.crypto, self.secrets.joiner.reveal(), psk))
        encrypted = self.crypto.aead.seal(key, nonce, b"", self.info.encode())
        joiner = parse(self.keys.key_package)
        sealed = self.crypto.encrypt_with_label(
            joiner.init_key, labels.ENCRYPT_WELCOME, encrypted, self.secrets.encode(), Rng("seal")
        )
        entry = EncryptedGroupSecrets(joiner.ref if ref is None else ref, HpkeCiphertext(*sealed))
        welcome = Welcome(suite or self.maker.suite, (entry,), encrypted)
        return wrap(WireFormat.WELCOME, welcome.encode())


def with_tree(info: GroupInfo, encoded: bytes) -> tuple[Extension, ...]:
    """The extensions of a group info with another ratchet tree."""
    return tuple(Extension(2, encoded) if item.type == 2 else item for item in info.extensions)


