"""The public names: what the verbs give back is exported, frozen and says all that it should."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing

import pytest

from chasqui import mls
from tests.mls import forge
from tests.mls.forge import NOW
from tests.mls.support import Rng

RNG = Rng("vocabulary")
RESULTS = (mls.Commit, mls.Proposed, mls.Processed, mls.Inspected, mls.Application, mls.Member)
WIRE = (
    mls.Add,
    mls.Update,
    mls.Remove,
    mls.PreSharedKey,
    mls.ReInit,
    mls.ExternalInit,
    mls.GroupContextExtensions,
)


def mentioned(hint: object) -> set[type]:
    """The classes in an annotation."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is not None:
        return {found for part in typing.get_args(hint) for found in mentioned(part)}
    return {hint} if isinstance(hint, type) and hint.__module__.startswith("chasqui.") else set()


def hints(kind: type) -> set[type]:
    names = {"GroupState": mls.GroupState}
    return {found for hint in typing.get_type_hints(kind, localns=names).values() for found in mentioned(hint)}


def test_all_that_results_hold_is_exported_and_frozen() -> None:
    seen: set[type] = set()
    waiting: set[type] = {*RESULTS, *WIRE}
    while waiting:
        kind = waiting.pop()
        seen.add(kind)
        if kind is not mls.GroupState:  # its fields are its own
            waiting |= hints(kind) - seen
    for kind in seen:
        assert kind.__name__ in mls.__all__, kind
        assert getattr(mls, kind.__name__) is kind
        assert kind.__doc__
        frozen = dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert frozen or issubclass(kind, tuple | enum.Enum), kind
    assert typing.get_args(mls.Proposal) == WIRE


def test_what_process_and_inspect_return_is_told_by_public_types() -> None:
    a, b, c, _ = forge.world().states
    keys = forge.keys("newcomer")
    psk = mls.PskId.external(b"psk")
    added_by = mls.AddProposal(keys.key_package)
    requests: list[mls.ProposalRequest] = [added_by, mls.RemoveProposal(3), mls.PreSharedKeyProposal(psk)]
    made = a.commit(requests, RNG, NOW, psks=lambda _: b"key")
    seen, done = b.inspect(made.message), b.process(made.message, psks=lambda _: b"key")
    assert seen.proposals == done.proposals
    added, removed, mixed = done.proposals
    assert isinstance(added, mls.Add)
    assert added.key_package.raw == keys.key_package
    assert removed == mls.Remove(3)
    assert isinstance(mixed, mls.PreSharedKey)
    assert mixed.psk.id == psk
    proposed = c.propose(mls.UpdateProposal(), RNG, NOW)
    (update,) = b.process(proposed.message).proposals
    assert isinstance(update, mls.Update)
    assert update.leaf.source == mls.LeafSource.UPDATE
    closed = b.process(a.commit([mls.ReInitProposal(b"next", 3)], RNG, NOW).message)
    assert closed.reinit == mls.ReInit(b"next", 1, mls.CipherSuite.X25519_CHACHA, ())
    entered = mls.join_external(a.group_info(external_pub=True), keys, RNG)
    assert isinstance(b.process(entered.message).proposals[0], mls.ExternalInit)
    extended = a.commit([mls.GroupContextExtensionsProposal(())], RNG, NOW)
    assert b.process(extended.message).proposals == (mls.GroupContextExtensions(()),)


@pytest.mark.parametrize("kind", [mls.CredentialType.BASIC, mls.CredentialType.X509])
def test_a_member_shows_its_credential(kind: mls.CredentialType) -> None:
    a, b, *_ = forge.world().states
    chain = (b"leaf certificate", b"root certificate")
    shown = mls.Credential.basic(b"zoe") if kind == mls.CredentialType.BASIC else mls.Credential.x509(chain)
    keys = mls.make_key_package(1, b"", RNG, NOW, forge.DAY, credential=shown)
    made = a.commit([mls.AddProposal(keys.key_package)], RNG, NOW)
    (member,) = b.process(made.message).added
    assert made.added == (member,)
    assert member in made.state.members
    assert member.credential == shown
    assert member.credential.type == kind
    assert member.credential.certificates == (chain if kind == mls.CredentialType.X509 else ())
    assert member.identity == (b"zoe" if kind == mls.CredentialType.BASIC else b"")
    with pytest.raises(dataclasses.FrozenInstanceError):
        member.credential = mls.Credential.basic(b"other")  # type: ignore[misc]
