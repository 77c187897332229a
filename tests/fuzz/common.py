"""What the fuzz targets share: a small world of members, made once and never changed by a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from chasqui import mls
from chasqui.base.ids import GroupId
from chasqui.node.node import Node
from tests.node.world import Person, SeededEntropy, make_group, pair

NOW_S = 1_800_000_000


@dataclass(frozen=True)
class World:
    """Ana and Ben share a contact and a group; `insider` is Ana, `victim` is Ben."""

    insider: Person
    victim: Person
    group: GroupId
    contact: GroupId


@cache
def world() -> World:
    """Whoever uses it drops the effects, so that the stores stay as they are."""
    ana, ben = Person("ana"), Person("ben")
    contact = pair(ana, ben)
    zoe = Person("zoe")
    return World(ana, ben, make_group(zoe, ana, ben), contact)


def node_of(person: Person) -> Node:
    """A node on the person's store that nothing has happened to."""
    return Node(person.store, SeededEntropy("fuzz"))


@cache
def mls_group() -> tuple[mls.GroupState, mls.GroupState, mls.KeyPackageKeys]:
    """Two members of an MLS group, and the keys of a third who is not in it."""
    entropy = SeededEntropy("mls")
    suite = mls.CipherSuite.X25519_CHACHA
    keys = [mls.make_key_package(suite, name, entropy, NOW_S, 86_400) for name in (b"a", b"b", b"c")]
    alone = mls.create_group(suite, b"fuzz", keys[0], entropy)
    commit = alone.commit([mls.AddProposal(keys[1].key_package)], entropy, NOW_S)
    assert commit.welcome is not None
    return commit.state, mls.join(commit.welcome, keys[1]), keys[2]
