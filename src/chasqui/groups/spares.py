"""Spare key packages are for one contact alone: their owner's proof says for which.

Without it a contact can hand on the key package of somebody else as his own. Byte-exact in `docs/spec/pairing.md`.
"""

from __future__ import annotations

from chasqui import mls
from chasqui.base import labels
from chasqui.base.errors import PeerError
from chasqui.base.ids import GroupId, MemberKey
from chasqui.base.limits import LEAF_BYTES_MAX
from chasqui.base.names import peer_name
from chasqui.groups.mls_errors import peers_fault
from chasqui.groups.pairing import SUITE
from chasqui.sealed.signing import sign, signing_key, verify


def prove_spare(keys: mls.KeyPackageKeys, contact: GroupId, giver: MemberKey) -> bytes:
    """64 bytes: the key package's own key says that its owner is this member of this contact."""
    package = mls.read_key_package(keys.key_package)
    key = signing_key(keys.signature_private.reveal(), package.signature_key)
    return sign(_proved(package.ref, contact, giver), key)


def read_spare(key_package: bytes, proof: bytes, contact: GroupId, giver: MemberKey) -> mls.KeyPackage:
    """A verified spare key package of this member of this contact. Raises `PeerError` for one that is too large, of
    another suite, without a name, or not proved to be his."""
    with peers_fault():
        package = mls.read_key_package(key_package)
    if package.suite_number != SUITE or len(key_package) > LEAF_BYTES_MAX:
        raise PeerError("A key package is too large, or for another cipher suite.")
    peer_name(package.identity)
    try:
        verify(_proved(package.ref, contact, giver), proof, package.signature_key)
    except PeerError as error:
        raise PeerError("A contact gives a key package that somebody else made, or made for somebody else.") from error
    return package


def _proved(ref: bytes, contact: GroupId, giver: MemberKey) -> bytes:
    return labels.SIGN_SPARE + ref + contact + giver
