"""The identifiers, as types that a checker tells apart. All are raw bytes; people see hex."""

from __future__ import annotations

from typing import NewType

from chasqui.base import labels
from chasqui.base.hashing import labelled_hash

GroupId = NewType("GroupId", bytes)  # 16 bytes: hash of the genesis operation
MemberKey = NewType("MemberKey", bytes)  # 32 bytes: Ed25519 public key, a pseudonym for one group
EpochId = NewType("EpochId", bytes)  # 16 bytes: exported from the epoch, known to its members only
ObjectId = NewType("ObjectId", bytes)  # 16 bytes: hash of the signed object
BundleId = NewType("BundleId", bytes)  # 16 bytes: hash of the sealed bundle
CommitId = NewType("CommitId", bytes)  # 16 bytes: hash of the MLS commit message

ID_BYTES = 16
MEMBER_KEY_BYTES = 32
NO_GROUP = GroupId(bytes(ID_BYTES))  # the group field of a genesis operation, whose hash is the group's id


def bundle_id(bundle: bytes) -> BundleId:
    """The id of a bundle: what carriers compare; never sent with it."""
    return BundleId(labelled_hash(labels.HASH_BUNDLE_ID, bundle))
