"""Forward secrecy in spite of kept parents, and healing after a copy: what an old image of a device still opens.

The captor runs the real node on the image, with every bundle that was ever on any link, in every order that helps him;
what he reads beyond what lay open on the disk anyway is what the test asks about. Shown able to fail: an image taken
before a message was read opens it, and without renewal everything newer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from chasqui.base.ids import GroupId
from chasqui.lab.memory_store import MemoryStore
from chasqui.node import inputs
from chasqui.node.branches import unsettled_path
from chasqui.node.groups import load_group
from chasqui.node.node import Node
from chasqui.node.records import EpochRecord, Space
from chasqui.node.store_port import Write
from tests.node.test_healing import all_sync, head_of, later, one_group, with_admins
from tests.node.world import Person

_OPEN = (Space.MESSAGE, Space.MESSAGE_ID, Space.ORDER, Space.STAMP, Space.AUTHOR, Space.HAVE)  # lies open on the disk
_SEALED = (Space.BUNDLE, Space.EXPIRY, Space.FOREIGN)  # comes again with the traffic


class Captor:
    """Somebody with an image of a device at this moment."""

    def __init__(self, victim: Person) -> None:
        self.person = Person("captor", now_s=victim.now_s)
        self.person.store = MemoryStore()
        kept = [space for space in Space if space not in (*_OPEN, *_SEALED)]
        writes = tuple(Write(space, key, value) for space in kept for key, value in victim.store.scan(space))
        self.person.store.apply(writes)
        self.person.store.commit()
        self.person.node = Node(self.person.store, self.person.entropy)
        self.epochs = self._epochs()

    def _epochs(self) -> set[bytes]:
        return {key for key, _ in self.person.store.scan(Space.EPOCH)}

    def feed(self, traffic: Iterable[bytes], now_s: int) -> None:
        """All that was ever sent, as often as it gives him anything."""
        bundles = tuple(traffic)
        self.person.now_s = now_s
        for _ in range(3):
            for space in _SEALED:
                writes = tuple(Write(space, key, None) for key, _ in self.person.store.scan(space))
                self.person.store.apply(writes)
            self.person.store.commit()
            self.person.node = Node(self.person.store, self.person.entropy)
            self.person.do(inputs.TakeBundles(bundles))
            self.person.do(inputs.TakeBundles(bundles[::-1]))

    def opened(self, group: GroupId) -> set[str]:
        """The texts that he reads."""
        return set(self.person.texts(group))

    def followed(self) -> set[bytes]:
        """Epochs whose keys he has made anew."""
        return self._epochs() - self.epochs


class Wire:
    """Every bundle that was ever on a link."""

    def __init__(self, *people: Person) -> None:
        self._people = people
        self.seen: dict[bytes, None] = {}

    def listen(self) -> None:
        self.seen.update(dict.fromkeys(chain.from_iterable(person.held() for person in self._people)))


def test_disk_with_kept_parents_and_all_traffic_open_nothing_that_was_read() -> None:
    (ana, ben, caro, dan), group = with_admins("ana", "ben", "caro", "dan")
    crowd = (ana, ben, caro, dan)
    wire = Wire(*crowd)
    later(24 * 8, *crowd)
    early = Captor(ben)
    for person in crowd:
        person.do(inputs.Flush())  # each renews alone: four branches
    ana.do(inputs.SendText(group, "north"))
    ben.do(inputs.SendText(group, "south"))
    all_sync(ana, caro)
    all_sync(ben, dan)
    wire.listen()
    all_sync(*crowd, rounds=1)
    wire.listen()
    assert len(unsettled_path(ben.tx(), group)) > 0
    kept = [epoch for _, epoch in ben.tx().load_prefix(Space.EPOCH, group, EpochRecord) if epoch.mls_state]
    assert len(kept) > 2, "parents are kept"
    assert set(ben.texts(group)) == {"north", "south"}
    captor = Captor(ben)
    captor.feed(wire.seen, ben.now_s)
    assert not captor.opened(group)
    assert not captor.followed(), "no commit that was opened opens again"
    early.feed(wire.seen, ben.now_s)
    assert early.opened(group) == {"north"}, "what was not read yet opens, but nothing on a branch of one's own"


def test_an_old_image_follows_until_the_victim_s_own_renewal_is_settled_and_no_further() -> None:
    (ana, ben, caro, dan), group = with_admins("ana", "ben", "caro", "dan")
    crowd = (ana, ben, caro, dan)
    wire = Wire(*crowd)
    captor = Captor(ben)
    ana.do(inputs.SendText(group, "before"))
    all_sync(*crowd)
    wire.listen()
    stolen = head_of(ben, group)
    for _ in range(6):
        later(24 * 2, *crowd)
        all_sync(*crowd)
        wire.listen()
    one_group(group, *crowd)
    record = load_group(ben.tx(), group)
    assert record.root == record.head != stolen, "settled"
    for person in crowd:
        person.do(inputs.SendText(group, f"after, by {person.name}"))
    all_sync(*crowd)
    wire.listen()
    captor.feed(wire.seen, ben.now_s)
    assert captor.opened(group) == {"before"}
    assert head_of(ben, group) not in {epoch[16:] for epoch in captor.followed()}
