"""Commits that break one rule of RFC 9420, 7.3 or 12.2, and no other: path, signatures and confirmation tag are true.

`rules_*.py` breaks every row, often in a commit that would fail later too. Here a twin without the rule accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chasqui.mls import Check, Credential, GroupState, PeerError, RequiredCapabilities
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.lawless import twin
from tests.mls.support import Rng

KEY = b"a key that all hold"


@dataclass
class Scene:
    """A lawless maker, one of his kind who takes what he makes, and one who runs the original."""

    mls: Any
    maker: Any
    taker: Any
    honest: GroupState

    @staticmethod
    def of(mls: Any, world: forge.World) -> Scene:
        first, second, *_ = world.states
        load = mls.GroupState.from_bytes
        return Scene(mls, load(first.to_bytes()), load(second.to_bytes()), second)

    def commit(self, proposals: Sequence[Any], **more: Any) -> Any:
        return self.maker.commit(proposals, Rng("lawless"), NOW, psks=lambda _: KEY, **more)

    def propose(self, request: Any) -> None:
        """A proposal by reference of the maker, which all have heard."""
        made = self.maker.propose(request, Rng("proposal"), NOW)
        self.maker = made.state
        self.taker = self.taker.process(made.message).state
        heard = self.honest.process(made.message).state
        assert heard is not None
        self.honest = heard

    def enter(self, name: str = "stranger", **more: Any) -> Any:
        """An external commit of a stranger."""
        own = self.mls.KeyPackageKeys.from_bytes(forge.keys(name, seed=b"stranger".ljust(32)).to_bytes())
        info = self.maker.group_info(external_pub=True)
        return self.mls.join_external(info, own, Rng("stranger"), lookup=lambda _: KEY, **more)

    def psk(self, usage: int) -> Any:
        return self.mls.PreSharedKeyProposal(self.mls.PskId.resumption(b"old group", 7, usage))

    def add(self, data: bytes) -> Any:
        return self.mls.AddProposal(data)


def template(scene: Scene, **changed: Any) -> Any:
    return replace(scene.mls.LeafTemplate.of(scene.maker.own_leaf_node), **changed)


Making = Callable[[Scene], Any]
CASES: dict[str, tuple[str, Making, Callable[[], forge.World]]] = {}
PATCHED = (
    ("committing", "to_wire", "stage", "advance", "select"),
    ("treekem", "sign_leaf"),
    ("external", "PreSharedKey"),
)
REQUIRED = RequiredCapabilities((0xFF01,)).extension()


def case(row: str, world: Callable[[], forge.World] = forge.world) -> Callable[[Making], Making]:
    def register(making: Making) -> Making:
        CASES[making.__name__] = (row, making, world)
        return making

    return register


@case("MULTIPLE_PER_LEAF")
def one_member_removed_twice(scene: Scene) -> Any:
    return scene.commit([scene.mls.RemoveProposal(2)] * 2)


@case("PSK_USAGE")
def key_for_reinit(scene: Scene) -> Any:
    return scene.commit([scene.psk(2)])


@case("PSK_USAGE")
def key_for_branch(scene: Scene) -> Any:
    return scene.commit([scene.psk(3)])


@case("GCE_DUPLICATE")
def extensions_replaced_twice(scene: Scene) -> Any:
    return scene.commit([scene.mls.GroupContextExtensionsProposal(())] * 2)


@case("REINIT_NOT_ALONE")
def reinit_and_a_removal(scene: Scene) -> Any:
    return scene.commit([scene.mls.ReInitProposal(b"next", 1), scene.mls.RemoveProposal(2)])


@case("KEY_PACKAGE_INIT_KEY")
def init_key_is_leaf_key(scene: Scene) -> Any:
    key = scene.maker.crypto.kem.derive_key_pair(bytes(32))[1]
    return scene.commit([scene.add(forge.key_package("both", init_key=key, encryption_key=key))])


@case("DUPLICATE_ENCRYPTION_KEY")
def newcomer_with_the_key_of_a_member(scene: Scene) -> Any:
    key = scene.maker.tree.key(4)
    return scene.commit([scene.add(forge.key_package("copy", encryption_key=key))])


@case("DUPLICATE_SIGNATURE_KEY")
def committer_takes_the_signature_key_of_another(scene: Scene) -> Any:
    return scene.commit([], signature_private=forge.world().keys[2].signature_private.reveal())


@case("CREDENTIAL_CHANGED")
def committer_who_takes_the_name_of_another(scene: Scene) -> Any:
    other = scene.mls.Credential.basic(b"member 2")
    return scene.commit([], leaf=template(scene, credential=other))


@case("LEAF_CREDENTIAL_UNSUPPORTED")
def newcomer_who_cannot_read_members(scene: Scene) -> Any:
    own = replace(forge.parse(forge.keys("x").key_package).leaf.capabilities, credentials=(2,))
    x509 = Credential.x509((b"certificate",))
    return scene.commit([scene.add(forge.key_package("strange", capabilities=own, credential=x509))])


@case("LEAF_EXTENSION_NOT_LISTED")
def leaf_extension_not_listed(scene: Scene) -> Any:
    return scene.commit([], leaf=template(scene, extensions=(scene.mls.Extension(0xFF01, b""),)))


@case("LEAF_SUITE")
def suite_not_in_its_capabilities(scene: Scene) -> Any:
    own = replace(scene.maker.own_leaf_node.capabilities, cipher_suites=(3,))
    return scene.commit([], leaf=template(scene, capabilities=own))


@case("REINIT_VERSION")
def reinit_to_an_older_version(scene: Scene) -> Any:
    requests = scene.mls.requests

    def to_wire(crypto: Any, request: Any, entropy: Any) -> Any:
        return scene.mls.proposals.ReInit(b"next", 0, 1, ())

    scene.mls.committing.to_wire = to_wire
    return scene.commit([requests.ReInitProposal(b"next", 1)])


@case("PSK_NONCE")
def short_nonce(scene: Scene) -> Any:
    psks = scene.mls.psk
    nonce = psks.PreSharedKeyId(psks.PskId.external(b"x"), bytes(31))
    scene.mls.committing.to_wire = lambda *_: scene.mls.proposals.PreSharedKey(nonce)
    return scene.commit([None])


@case("PSK_DUPLICATE")
def one_key_proposed_twice(scene: Scene) -> Any:
    psks = scene.mls.psk
    same = psks.PreSharedKeyId(psks.PskId.external(b"x"), bytes(32))
    scene.mls.committing.to_wire = lambda *_: scene.mls.proposals.PreSharedKey(same)
    return scene.commit([None, None])


@case("PATH_MISSING")
def removal_without_a_path(scene: Scene) -> Any:
    make = scene.mls.committing.stage
    scene.mls.committing.stage = lambda *rest, **more: replace(make(*rest, **more), path_required=False)
    return scene.commit([scene.mls.RemoveProposal(2)])


@case("PATH_PARENT_HASH")
def leaf_with_a_wrong_parent_hash(scene: Scene) -> Any:
    sign = scene.mls.treekem.sign_leaf
    scene.mls.treekem.sign_leaf = lambda *rest, **more: sign(*rest, **{**more, "parent_hash": bytes(32)})
    return scene.commit([])


@case("CONFIRMATION_TAG")
def wrong_confirmation_tag(scene: Scene) -> Any:
    make = scene.mls.committing.advance
    scene.mls.committing.advance = lambda *rest: replace(make(*rest), confirmation_tag=bytes(32))
    return scene.commit([])


@case("UPDATE_BY_COMMITTER")
def committer_updates_himself_by_reference(scene: Scene) -> Any:
    scene.propose(scene.mls.UpdateProposal())
    scene.mls.committing.select = lambda pending, *_: list(pending)
    return scene.commit([])


@case("REMOVE_BLANK", lambda: forge.world(3))
def nobody_removed(scene: Scene) -> Any:
    return scene.commit([scene.mls.RemoveProposal(3)])


@case("LEAF_REQUIRED_CAPABILITIES", lambda: forge.world(4, (REQUIRED,), (0xFF01,)))
def newcomer_lacks_a_required_extension(scene: Scene) -> Any:
    return scene.commit([scene.add(forge.key_package("poor"))])


@case("EXTERNAL_REMOVE")
def stranger_under_a_stolen_name(scene: Scene) -> Any:
    return scene.enter("member 2", replaces=2)


@case("EXTERNAL_LIST")
def stranger_who_changes_the_group(scene: Scene) -> Any:
    scene.mls.external.PreSharedKey = lambda _: scene.mls.proposals.GroupContextExtensions(())
    return scene.enter(psks=[scene.mls.PskId.external(b"x")])


@case("EXTERNAL_INIT_COUNT")
def stranger_with_two_inits(scene: Scene) -> Any:
    init = scene.mls.proposals.ExternalInit(scene.maker.own_leaf_node.encryption_key)
    scene.mls.external.PreSharedKey = lambda _: init
    return scene.enter(psks=[scene.mls.PskId.external(b"x")])


@pytest.mark.parametrize("name", list(CASES))
def test_only_this_rule_is_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row, making, world = CASES[name]
    mls = twin(row)
    for module, *items in PATCHED:  # what a case replaces is put back
        for item in items:
            monkeypatch.setattr(getattr(mls, module), item, getattr(getattr(mls, module), item))
    scene = Scene.of(mls, world())
    made = making(scene)
    monkeypatch.undo()
    before = scene.honest.to_bytes()
    with pytest.raises(PeerError) as caught:
        scene.honest.process(made.message, psks=lambda _: KEY)
    assert caught.value.check is Check[row]
    assert scene.honest.to_bytes() == before
    done = scene.taker.process(made.message, psks=lambda _: KEY)
    assert done.state.epoch_authenticator == made.state.epoch_authenticator


def test_a_twin_that_lacks_nothing_needed_agrees_with_the_original() -> None:
    """The check of this file itself: without a broken rule the original takes what the twin makes."""
    mls = twin("PSK_DUPLICATE")
    a, b, *_ = forge.world().states
    made = mls.GroupState.from_bytes(a.to_bytes()).commit([mls.RemoveProposal(2)], Rng(1), NOW)
    done = b.process(made.message).state
    assert done is not None
    assert GroupState.from_bytes(made.state.to_bytes()).epoch_authenticator == done.epoch_authenticator
