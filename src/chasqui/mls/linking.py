"""New groups out of old ones: reinitialisation and branching (RFC 9420, 11.2 and 11.3)."""

from __future__ import annotations

from collections.abc import Sequence

from chasqui.mls.checks import Check
from chasqui.mls.creating import create_group
from chasqui.mls.errors import UsageError
from chasqui.mls.extensions import VERSION_MLS10
from chasqui.mls.group import GroupState
from chasqui.mls.key_package import KeyPackageKeys, read_key_package
from chasqui.mls.psk import PskId, PskUsage
from chasqui.mls.requests import AddProposal, PreSharedKeyProposal, ProposalRequest
from chasqui.mls.results import Commit
from chasqui.mls.suite import Entropy


def reinitialise(
    old: GroupState, keys: KeyPackageKeys, key_packages: Sequence[bytes], entropy: Entropy, now: int
) -> Commit:
    """The new group that a committed ReInit asked for, in epoch 1, with a welcome for `key_packages`.

    `old` is the state after that commit; `keys` are fresh ones of ours for the new suite. All other members of the
    old group must be among `key_packages`. Raises UsageError, or PeerError for hostile key packages.
    """
    wanted = old.reinit
    if wanted is None:
        raise UsageError("the old group was not closed by a ReInit")
    if wanted.version != VERSION_MLS10:
        raise UsageError("the ReInit asks for a protocol version that is not implemented", Check.WELCOME_REINIT)
    identities = {read_key_package(data).identity for data in key_packages}
    missing = {member.identity for member in old.members if member.leaf != old.own_leaf} - identities
    if missing:
        raise UsageError("a member of the old group is left out", Check.WELCOME_REINIT)
    state = create_group(wanted.suite, wanted.group_id, keys, entropy, extensions=wanted.extensions)
    psk = PskId.resumption(old.group_id, old.epoch, PskUsage.REINIT)
    return _first_commit(state, old, psk, key_packages, entropy, now)


def branch(
    old: GroupState, group_id: bytes, keys: KeyPackageKeys, key_packages: Sequence[bytes], entropy: Entropy, now: int
) -> Commit:
    """A new group of some of the members of `old`, in epoch 1, tied to the old group's current epoch.

    Raises UsageError when somebody is no member of `old` or `old` is closed, PeerError for hostile key packages.
    """
    if old.reinit is not None:
        raise UsageError("a group closed by a ReInit is not branched", Check.GROUP_CLOSED)
    identities = {member.identity for member in old.members}
    if not {read_key_package(data).identity for data in key_packages} <= identities:
        raise UsageError("a branch holds only members of the old group", Check.WELCOME_BRANCH)
    state = create_group(old.suite, group_id, keys, entropy, extensions=old.extensions)
    psk = PskId.resumption(old.group_id, old.epoch, PskUsage.BRANCH)
    return _first_commit(state, old, psk, key_packages, entropy, now)


def _first_commit(
    state: GroupState, old: GroupState, psk: PskId, key_packages: Sequence[bytes], entropy: Entropy, now: int
) -> Commit:
    resumption = old.resumption_psk.reveal()

    def lookup(wanted: PskId) -> bytes | None:
        return resumption if wanted == psk else None

    requests: list[ProposalRequest] = [*(AddProposal(data) for data in key_packages), PreSharedKeyProposal(psk)]
    return state.commit(requests, entropy, now, psks=lookup, psk_usage=PskUsage(psk.usage))
