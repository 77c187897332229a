"""What loads saves the same bytes: of saved states and key package keys, whatever was done to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chasqui.mls import GroupState, KeyPackageKeys, MlsError, Secret, StateError, state_codec
from chasqui.mls.codec import Reader, vl
from chasqui.mls.secret_tree import Ratchet
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng
from tests.mls.test_states import varieties

TRIES = 400


def sealed(body: bytes) -> bytes:
    """A body under a true checksum, which would otherwise catch all damage."""
    return body + state_codec._checksum(body)


def damaged(body: bytes, rng: Rng) -> Iterator[bytes]:
    """Bytes flipped, inserted, dropped, repeated and put into another order."""
    for _ in range(TRIES):
        at, other = sorted((rng.below(len(body)), rng.below(len(body))))
        width = 1 + rng.below(40)
        yield body[:at] + bytes((body[at] ^ 1 << rng.below(8),)) + body[at + 1 :]
        yield body[:at] + rng(width) + body[at:]
        yield body[:at] + body[at + width :]
        yield body[:at] + body[at : at + width] + body[at:]
        piece = body[at : at + width]
        yield body[:at] + body[at + width : other] + piece + body[max(other, at + width) :]


def use(state: GroupState) -> None:
    """Verbs that look into every part; they may refuse, but only with errors of this package."""
    verbs: tuple[Callable[[], object], ...] = (
        lambda: state.members,
        lambda: state.commit([], Rng("use"), NOW, path=True),
        lambda: state.commit([], Rng("use"), NOW, private=True),
        lambda: state.encrypt(b"text", b"", Rng("use")),
        lambda: state.group_info(external_pub=True),
    )
    for verb in verbs:
        try:
            verb()
        except MlsError:
            continue


@pytest.mark.parametrize("name", list(varieties()))
def test_what_loads_saves_the_same_bytes(name: str) -> None:
    body = varieties()[name].to_bytes()[:-16]
    loaded = 0
    for bad in (body, *damaged(body, Rng(("canonical", name)))):
        try:
            state = GroupState.from_bytes(sealed(bad))
        except StateError:
            continue
        assert state.to_bytes() == sealed(bad)
        loaded += 1
        if bad != body and loaded % 20 == 0:
            use(state)
    assert loaded > 1


def test_key_package_keys_that_load_are_those_that_were_saved() -> None:
    """Their signatures and key pairs stand in for a checksum: nothing that differs loads."""
    saved = forge.keys("canonical").to_bytes()
    for bad in damaged(saved, Rng("key package keys")):
        if bad != saved:
            with pytest.raises(StateError):
                KeyPackageKeys.from_bytes(bad)


def _parts(body: bytes) -> list[bytes]:
    """Context, tree, own leaf, eight secrets, node keys and the rest, as they stand in a saved state."""
    reader = Reader(body, 5)
    parts = [body[:5], vl(reader.vl()), vl(reader.vl()), reader.take(4)]
    parts += [vl(reader.vl()) for _ in range(8)]
    parts += [reader.vl(), reader.rest()]
    return parts


def _keys(block: bytes) -> list[bytes]:
    reader = Reader(block)
    found = []
    while reader.pos < reader.end:
        found.append(reader.take(4) + vl(reader.vl()))
    return found


@pytest.mark.parametrize("retained", [False, True])
@pytest.mark.parametrize(
    "disorder", [lambda keys: keys[::-1], lambda keys: [*keys, keys[-1]], lambda keys: keys[:1] + keys]
)
def test_a_state_in_another_order_is_refused(retained: bool, disorder: Callable[[list[bytes]], list[bytes]]) -> None:
    state = forge.world().states[0].commit([], Rng("disorder"), NOW, path=True).state
    saved = (state.without_epoch_secrets() if retained else state).to_bytes()
    *before, block, after = _parts(saved[:-16])
    keys = _keys(block)
    assert len(keys) > 1
    same = b"".join((*before, vl(b"".join(keys)), after))
    assert GroupState.from_bytes(sealed(same)).to_bytes() == saved
    with pytest.raises(StateError):
        GroupState.from_bytes(sealed(b"".join((*before, vl(b"".join(disorder(keys))), after))))


def test_secrets_of_a_wrong_length_or_place_are_refused() -> None:
    state = varieties()["skipped keys"]
    messages = state.messages
    assert messages is not None
    (place, ratchet) = next((p, r) for p, r in messages.ratchets.items() if r.skipped)
    short = Secret(bytes(31))

    def with_ratchet(at: tuple[int, int], made: Ratchet) -> GroupState:
        return replace(state, messages=replace(messages, ratchets={**messages.ratchets, at: made}))

    wrong = {
        "node key": replace(state, keys=dict.fromkeys(state.keys, short)),
        "tag": replace(state, confirmation_tag=b"short"),
        "transcript": replace(state, interim_transcript_hash=b""),
        "exporter": replace(state, secrets=replace(state.secrets, exporter=short)),
        "node secret": replace(state, messages=replace(messages, nodes=dict.fromkeys(messages.nodes, short))),
        "node outside": replace(state, messages=replace(messages, nodes={**messages.nodes, 99: Secret(bytes(32))})),
        "another tree": replace(state, messages=replace(messages, leaf_count=2 * messages.leaf_count)),
        "ratchet secret": with_ratchet(place, replace(ratchet, secret=short)),
        "ratchet kind": with_ratchet((0, 7), ratchet),
        "ratchet outside": with_ratchet((99, 0), ratchet),
        "skipped key": with_ratchet(place, replace(ratchet, skipped=dict.fromkeys(ratchet.skipped, short))),
        "skipped ahead": with_ratchet(place, replace(ratchet, generation=0)),
    }
    for name, made in wrong.items():
        with pytest.raises(StateError):
            pytest.fail(f"{name}: {GroupState.from_bytes(made.to_bytes())!r}")


def test_a_proposal_that_waits_twice_is_refused() -> None:
    state = varieties()["waiting proposals"]
    item = state.pending[-1]
    assert item.leaf_private is not None
    wrong = (
        (*state.pending, item),
        (*state.pending[:-1], replace(item, leaf_private=Secret(b"short"))),
        (*state.pending[:-1], replace(item, signature_private=Secret(b"short"))),
    )
    for pending in wrong:
        with pytest.raises(StateError):
            GroupState.from_bytes(replace(state, pending=pending).to_bytes())


@pytest.mark.parametrize("x", [2, 1])
def test_a_node_that_does_not_decode_is_the_fault_of_the_disk(x: int) -> None:
    """Nodes are decoded late; under a tree hash that was made to fit, that is where it shows."""
    state = forge.world().states[0].commit([], Rng("node"), NOW, path=True).state
    draft = state.tree.draft()
    raw = draft._raw[x]
    assert raw is not None
    draft._set(x, raw[:-1], None)
    draft._hashes = [None] * len(draft._hashes)
    context = replace(state.context, tree_hash=draft.tree_hash())
    saved = replace(state, tree=draft.freeze(), context=context).to_bytes()
    loaded = GroupState.from_bytes(saved)
    with pytest.raises(StateError):
        loaded.leaf(1) if x == 2 else loaded.tree.parent(x)
    draft = state.tree.draft()
    draft._set(x, b"x", None)
    draft._hashes = [None] * len(draft._hashes)
    context = replace(state.context, tree_hash=draft.tree_hash())
    with pytest.raises(StateError):
        GroupState.from_bytes(replace(state, tree=draft.freeze(), context=context).to_bytes())
