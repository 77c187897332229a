"""Plausible but wrong arguments: a typed error, whose fault it is told rightly, and nothing that no peer could read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chasqui.mls import (
    AddProposal,
    Capabilities,
    Check,
    Credential,
    Extension,
    ExternalSender,
    GroupContextExtensionsProposal,
    GroupState,
    KeyPackageKeys,
    LeafTemplate,
    MlsError,
    PreSharedKeyProposal,
    PskId,
    PskUsage,
    ReInitProposal,
    RemoveProposal,
    RequiredCapabilities,
    Secret,
    UsageError,
    create_group,
    ed25519,
    external_senders_extension,
    join,
    join_external,
    make_key_package,
    own_capabilities,
    propose_as_external_sender,
    propose_own_add,
    read_key_package,
)
from chasqui.mls.extensions import GREASE
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

RNG = Rng("usage")
TWICE = (Extension(0xFF01, b""),) * 2
REQUIRED_TWICE = (RequiredCapabilities().extension(),) * 2
MANY = tuple(Extension(0xF000 + number, b"") for number in range(65))
HUGE = bytes(5 << 20)
BAD_PSKS = (
    PskId(9, b"x"),
    PskId(2, b"", 7, b"g", 1),
    PskId(1, b"x", 1),
    PskId(2, b"name", 1, b"g", 1),
    PskId(2, b"", 1, b"g", -1),
)


def key_package(**changed: Any) -> KeyPackageKeys:
    arguments: dict[str, Any] = {"suite": 1, "identity": b"x", "entropy": RNG, "now": NOW, "lifetime_s": 86_400}
    return make_key_package(**(arguments | changed))


def state() -> GroupState:
    return forge.world().states[0]


def template(**changed: Any) -> LeafTemplate:
    return replace(LeafTemplate.of(state().own_leaf_node), **changed)


LEAVES: dict[str, dict[str, Any]] = {
    "an extension twice": {"extensions": TWICE},
    "an extension of no number": {"extensions": (Extension(-1, b""),)},
    "too many extensions": {"extensions": MANY},
    "a credential of no type": {"credential": Credential(7)},
    "too many certificates": {"credential": Credential.x509((b"x",) * 17)},
    "a huge identity": {"credential": Credential.basic(bytes(1 << 17))},
    "no capabilities": {"capabilities": Capabilities((), (), (), (), ())},
    "too many capabilities": {"capabilities": Capabilities((1,), (1,), tuple(range(0xF000, 0xF200)), (), (1, 2))},
}

CALLS: dict[str, Callable[[], object]] = {
    "export under a lone surrogate": lambda: state().export("\ud800", b"", 32),
    "export nothing": lambda: state().export("x", b"", 0),
    "export too much": lambda: state().export("x", b"", 8161),
    "key package for another suite": lambda: key_package(suite=2),
    "key package before 1970": lambda: key_package(now=-1),
    "key package after all time": lambda: key_package(now=1 << 64),
    "key package for ever": lambda: key_package(lifetime_s=1 << 60),
    "key package of a short seed": lambda: key_package(signature_private=bytes(31)),
    "key package with an extension twice": lambda: key_package(extensions=TWICE),
    "key package with too many extensions": lambda: key_package(extensions=MANY),
    "key package with two markers": lambda: key_package(extensions=(Extension(10, b""),), last_resort=True),
    "key package beyond its capabilities": lambda: key_package(extensions=TWICE[:1], capabilities=own_capabilities()),
    "key package too large": lambda: key_package(extensions=(Extension(0xFF01, HUGE),)),
    "grease of no number": lambda: own_capabilities(grease=15),
    "grease below zero": lambda: own_capabilities(grease=-1),
    "capability of no number": lambda: RequiredCapabilities((1 << 16,)).extension(),
    "external sender of no type": lambda: external_senders_extension([ExternalSender(b"x", Credential(9))]),
    "group of another suite": lambda: create_group(3, b"g", key_package(), RNG),
    "group with an extension twice": lambda: create_group(1, b"g", key_package(), RNG, extensions=REQUIRED_TWICE),
    "commit with an extension twice": lambda: state().commit(
        [GroupContextExtensionsProposal(REQUIRED_TWICE)], RNG, NOW
    ),
    "proposal with an extension twice": lambda: state().propose(
        GroupContextExtensionsProposal(REQUIRED_TWICE), RNG, NOW
    ),
    "proposal with too many extensions": lambda: state().propose(GroupContextExtensionsProposal(MANY), RNG, NOW),
    "reinit with an extension twice": lambda: state().commit([ReInitProposal(b"n", 1, TWICE)], RNG, NOW),
    "reinit to a suite of no number": lambda: state().commit([ReInitProposal(b"n", 1 << 16)], RNG, NOW),
    "external reinit with an extension twice": lambda: propose_as_external_sender(
        1, b"g", 1, ReInitProposal(b"n", 1, TWICE), 0, bytes(32), ed25519.public_key(bytes(32)), RNG
    ),
    "removal of nobody": lambda: state().commit([RemoveProposal(-1)], RNG, NOW),
    "removal of somebody far away": lambda: state().propose(RemoveProposal(1 << 40), RNG, NOW),
    "welcome with an extension twice": lambda: state().commit(
        [AddProposal(key_package().key_package)], RNG, NOW, group_info_extensions=TWICE
    ),
    "welcome with two trees": lambda: state().commit(
        [AddProposal(key_package().key_package)], RNG, NOW, group_info_extensions=(Extension(2, b""),)
    ),
    "commit with less than no padding": lambda: state().commit([], RNG, NOW, private=True, padding=-1),
    "open commit with less than no padding": lambda: state().commit([], RNG, NOW, padding=-1),
    "message with too much padding": lambda: state().encrypt(b"", b"", RNG, padding=1 << 17),
    "message too large": lambda: state().encrypt(HUGE, b"", RNG),
    "commit of a short seed": lambda: state().commit([], RNG, NOW, signature_private=b"short"),
    "resync of nobody": lambda: join_external(state().group_info(external_pub=True), key_package(), RNG, replaces=-1),
    "resync of another": lambda: join_external(state().group_info(external_pub=True), key_package(), RNG, replaces=2),
    "resync under another name": lambda: join_external(
        state().group_info(external_pub=True),
        key_package(signature_private=forge.world().states[2].signature_private.reveal()),
        RNG,
        replaces=2,
    ),
    "resync with another key": lambda: join_external(
        state().group_info(external_pub=True), key_package(identity=b"member 2"), RNG, replaces=2
    ),
    "old group tied to another": lambda: state().commit(
        [PreSharedKeyProposal(PskId.resumption(state().group_id, state().epoch, PskUsage.BRANCH))],
        RNG,
        NOW,
        psk_usage=PskUsage.BRANCH,
    ),
    "add in an epoch of no number": lambda: propose_own_add(b"g", -1, key_package(), RNG),
}


def with_leaf(changed: dict[str, Any]) -> Iterator[tuple[str, Callable[[], object]]]:
    """The same bad leaf in a commit and in a key package."""
    mapped = {"leaf_extensions" if key == "extensions" else key: value for key, value in changed.items()}
    yield "commit", lambda: state().commit([], RNG, NOW, leaf=template(**changed))
    yield "key package", lambda: key_package(**mapped)


def with_psk(psk: PskId) -> Iterator[tuple[str, Callable[[], object]]]:
    """The same bad id wherever one is taken."""
    info = state().group_info(external_pub=True)
    yield "commit", lambda: state().commit([PreSharedKeyProposal(psk)], RNG, NOW, psks=lambda _: b"k")
    yield "proposal", lambda: state().propose(PreSharedKeyProposal(psk), RNG, NOW)
    yield "entry", lambda: join_external(info, key_package(), RNG, psks=[psk], lookup=lambda _: b"k")


CALLS |= {f"{where} with {name}": call for name, bad in LEAVES.items() for where, call in with_leaf(bad)}
CALLS |= {f"{where} with key {number}": call for number, psk in enumerate(BAD_PSKS) for where, call in with_psk(psk)}


@pytest.mark.parametrize("name", list(CALLS))
def test_the_callers_fault_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError):
        CALLS[name]()


@pytest.mark.parametrize("part", ["init_private", "leaf_private", "signature_private"])
@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(32), bytes(33)])
def test_damaged_keys_are_a_usage_error(part: str, secret: bytes) -> None:
    keys = key_package()
    welcome = state().commit([AddProposal(keys.key_package)], RNG, NOW).welcome
    assert welcome is not None
    changed: dict[str, Any] = {part: Secret(secret)}
    damaged = replace(keys, **changed)
    calls: tuple[Callable[[], object], ...] = (
        lambda: join(welcome, damaged),
        lambda: join_external(state().group_info(external_pub=True), damaged, RNG),
        lambda: create_group(1, b"g", damaged, RNG),
        lambda: propose_own_add(b"g", 1, damaged, RNG),
    )
    for call in calls:
        with pytest.raises(UsageError):
            call()


def test_grease_goes_only_where_the_capabilities_announce_it() -> None:
    own = key_package(grease=True, capabilities=own_capabilities())
    assert read_key_package(own.key_package).extensions == ()
    announced = key_package(grease=True, capabilities=own_capabilities(grease=3))
    assert [extension.type for extension in read_key_package(announced.key_package).extensions] == [GREASE[3]]


def test_a_wiped_state_does_nothing() -> None:
    """Its secrets are empty, not absent: to go on with them would be to use keys that everybody knows."""
    a, b, *_ = (GroupState.from_bytes(state.to_bytes()) for state in forge.world().states)
    update = b.commit([], RNG, NOW).message
    text = b.encrypt(b"text", b"", RNG)[0]
    entry = join_external(b.group_info(external_pub=True), forge.keys("somebody"), RNG).message
    for keep in (False, True):
        wiped = GroupState.from_bytes(a.to_bytes())
        retained = wiped.without_epoch_secrets()
        wiped.wipe(*((retained,) if keep else ()))
        calls: tuple[Callable[[], object], ...] = (
            partial(wiped.export, "x", b"", 32),
            partial(getattr, wiped, "epoch_authenticator"),
            partial(getattr, wiped, "resumption_psk"),
            partial(wiped.commit, [], RNG, NOW),
            partial(wiped.propose, RemoveProposal(1), RNG, NOW),
            partial(wiped.encrypt, b"text", b"", RNG),
            partial(wiped.group_info, external_pub=True),
        )
        for call in calls:
            with pytest.raises(UsageError):
                call()
        with pytest.raises(MlsError):
            wiped.decrypt(text)
        if keep:
            assert retained.process(update).state is not None
        else:
            for message in (update, entry):
                for late in (wiped.process, wiped.inspect):
                    with pytest.raises(UsageError):
                        late(message)
            with pytest.raises(UsageError):
                wiped.to_bytes()


def test_a_key_for_reinit_or_branch_is_not_proposed() -> None:
    """It belongs into the first commit of the new group and nowhere else (RFC 9420, 12.1.4)."""
    state = forge.world().states[0]
    for usage in (PskUsage.REINIT, PskUsage.BRANCH):
        with pytest.raises(UsageError) as caught:
            state.propose(PreSharedKeyProposal(PskId.resumption(b"old", 3, usage)), RNG, NOW)
        assert caught.value.check == Check.PSK_USAGE
