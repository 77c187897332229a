"""What is under way, for people: files of which parts are missing, and bundles that are held."""

from __future__ import annotations

from typing import Final

from chasqui.base.ids import ID_BYTES, GroupId, MemberKey
from chasqui.base.schema import decode_own
from chasqui.groups.bodies import parts_of
from chasqui.node.groups import load_group
from chasqui.node.large import parts_here
from chasqui.node.records import ManifestRecord, Space
from chasqui.node.transaction import Transaction
from chasqui.node.view_types import IncomingView, Waiting
from chasqui.node.views import group_name
from chasqui.sealed.kinds import Kind

_DIGEST_BYTES: Final = 32


def incoming(tx: Transaction) -> list[IncomingView]:
    """Files of others of which parts are missing, as their manifests came."""
    found = []
    for key, data in tx.scan(Space.MANIFEST):
        group, author, digest = GroupId(key[:ID_BYTES]), MemberKey(key[ID_BYTES:-_DIGEST_BYTES]), key[-_DIGEST_BYTES:]
        manifest = decode_own(data, ManifestRecord)
        if manifest.kind == Kind.MANIFEST and not manifest.erased:
            here, of = parts_here(tx, group, author, digest), parts_of(manifest.size)
            if here < of:
                name = group_name(tx, group, load_group(tx, group))
                found.append(IncomingView(name, manifest.name, manifest.size, here, of))
    return found


def waiting(tx: Transaction) -> Waiting:
    """How much is held, and how much of it for strangers."""
    carried = tx.count(Space.FOREIGN)
    return Waiting(tx.count(Space.BUNDLE), carried)
