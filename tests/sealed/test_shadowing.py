"""An insider in another's place: a member of the epoch can derive everybody's message keys.

He can therefore seal anything under a victim's leaf and counter. It must be refused, and must not spend the key:
the true message still opens afterwards. Tested through the whole step of a node.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from chasqui.base.days import day_of, minute_of
from chasqui.base.ids import EpochId, GroupId, MemberKey
from chasqui.base.limits import MINUTES_PER_DAY
from chasqui.base.secret import Secret
from chasqui.node import inputs
from chasqui.node.epochs import day_chain, head_of, leaf_of, load_chain
from chasqui.node.groups import load_group
from chasqui.node.inbox import Received
from chasqui.node.records import Space
from chasqui.sealed.bundle import seal
from chasqui.sealed.chain import advance
from chasqui.sealed.kinds import BundleClass, Kind
from chasqui.sealed.object import Origin, make_object
from tests.node.world import Person, make_group, meet

TEXT = b"meet at the bridge"


class Insider:
    """What Mal, a member, can make: bundles under any leaf and counter, signed by whom he can sign for."""

    def __init__(self, mal: Person, group: GroupId) -> None:
        self.group = group
        self.tx = mal.tx()
        self.record = load_group(self.tx, group)
        self.head, self.epoch = head_of(self.tx, group, self.record)
        self.day = day_of(mal.now_s)
        self.minute = minute_of(mal.now_s)

    def leaf(self, member: MemberKey) -> int:
        found = leaf_of(self.epoch, member)
        assert found is not None
        return found

    def next_counter(self, leaf: int) -> int:
        chain = load_chain(self.tx, self.head, leaf)
        assert chain is not None
        return chain.counter

    def sealed(self, plaintext: bytes, leaf: int, counter: int) -> bytes:
        chain = load_chain(self.tx, self.head, leaf)
        assert chain is not None
        return seal(
            plaintext,
            message_key=advance(chain, counter).message_key,
            keys=day_chain(self.epoch).at(self.day).keys,
            leaf=leaf,
            counter=counter,
            bundle_class=BundleClass.TEXT,
            day=self.day,
        ).data

    def signed(self, leaf: int, counter: int, *, body: bytes = b"lies", receipts: bytes = b"", seq: int = 99) -> bytes:
        """An object that Mal signs with his own key, whatever leaf it names."""
        return make_object(
            group=self.group,
            author=MemberKey(self.record.member),
            key=Secret(self.record.signing_key),
            seq=seq,
            minute=self.minute,
            kind=Kind.TEXT,
            body=body,
            receipts=receipts,
            origin=Origin(EpochId(self.head), leaf, counter),
        ).to_short()


@cache
def world() -> tuple[Person, Person, Person, GroupId]:
    """Mal founds; Ana and Ben are in. Shared by the tests of this file, which go on from each other's state."""
    mal, ana, ben = Person("mal"), Person("ana"), Person("ben")
    return mal, ana, ben, make_group(mal, ana, ben)


JUNK: dict[str, Callable[[Insider, int, int], bytes]] = {
    "bytes": lambda insider, leaf, counter: insider.sealed(b"\xff" * 100, leaf, counter),
    "nothing": lambda insider, leaf, counter: insider.sealed(b"", leaf, counter),
    "his own object": lambda insider, leaf, counter: insider.sealed(
        insider.signed(insider.leaf(MemberKey(insider.record.member)), 40), leaf, counter
    ),
    "an object that he signed in the victim's place": lambda insider, leaf, counter: insider.sealed(
        insider.signed(leaf, counter), leaf, counter
    ),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=list(JUNK))
@pytest.mark.parametrize("ahead", [0, 3])
def test_the_true_message_opens_after_the_shadow(junk: Callable[[Insider, int, int], bytes], ahead: int) -> None:
    mal, ana, ben, group = world()
    for person in (mal, ana, ben):
        person.now_s += 60
    insider = Insider(mal, group)
    victim = insider.leaf(ana.key(group))
    counter = insider.next_counter(victim) + ahead
    chain_before = load_chain(ben.tx(), insider.head, victim)
    skipped_before = ben.store.count(Space.SKIPPED)

    shadow = junk(insider, victim, counter)
    answer: Received = ben.do(inputs.TakeBundles((shadow, shadow)))
    assert (answer.new, answer.known, answer.refused) == (0, 1, 1)
    assert load_chain(ben.tx(), insider.head, victim) == chain_before
    assert ben.store.count(Space.SKIPPED) == skipped_before
    assert shadow in ben.held()  # carried as by a stranger: its maker does not learn who recognised it

    shown = len(ben.texts(group))
    said = [f"{TEXT.decode()} {ahead} {n} {insider.next_counter(victim)}" for n in range(ahead + 1)]
    for text in said:
        ana.do(inputs.SendText(group, text))
    ana.sync(ben)
    ben.do(inputs.TakeBundles((shadow,)))
    assert ben.texts(group)[shown:] == said
    assert ana.key(group) != mal.key(group)
    meet(mal, ana, ben)


def test_a_leaf_where_nobody_sits_is_refused() -> None:
    mal, _, ben, group = world()
    insider = Insider(mal, group)
    own = insider.leaf(mal.key(group))
    keys = day_chain(insider.epoch).at(insider.day).keys
    for leaf in (3, 77, 65_535):
        sealed = seal(
            insider.signed(leaf, 0),
            message_key=Secret(b"k" * 64),
            keys=keys,
            leaf=leaf,
            counter=0,
            bundle_class=BundleClass.TEXT,
            day=insider.day,
        )
        answer: Received = ben.do(inputs.TakeBundles((sealed.data,)))
        assert answer.refused == 1, leaf
    assert own != 77


def test_a_message_is_taken_once() -> None:
    """The same object in the same place again is known; its key is gone, so no other object takes the place."""
    mal, ana, ben, group = world()
    insider = Insider(mal, group)
    ana.do(inputs.SendText(group, "once"))
    ana.sync(ben)
    victim = insider.leaf(ana.key(group))
    late = insider.sealed(insider.signed(victim, insider.next_counter(victim)), victim, insider.next_counter(victim))
    answer: Received = ben.do(inputs.TakeBundles((late,)))
    assert answer.refused == 1
    assert ben.texts(group).count("once") == 1


def test_receipts_for_what_cannot_be_do_not_stop_a_node() -> None:
    """Object 2^24 and beyond: a number that no key of the store can hold. It was an OverflowError out of `step`."""
    mal, ana, ben, group = world()
    insider = Insider(mal, group)
    own, victim = insider.leaf(mal.key(group)), insider.leaf(ana.key(group))
    counter = insider.next_counter(own)
    for receipts in (b"\xff\xff\xff\x01\x01", b"\xff\xff\xff\xff" + b"\x01" * 255):
        plaintext = insider.signed(own, counter, body=b"hi", receipts=victim.to_bytes(2, "big") + receipts)
        answer: Received = ben.do(inputs.TakeBundles((insider.sealed(plaintext, own, counter),)))
        assert answer.refused == 1
    assert "hi" not in ben.texts(group)


def test_the_minute_of_day_one_is_the_bundles_day() -> None:
    """The object's day is implied: the same plaintext under another day does not verify."""
    mal, ana, _, group = world()
    insider = Insider(mal, group)
    assert insider.minute // MINUTES_PER_DAY == insider.day
    own = insider.leaf(mal.key(group))
    counter = insider.next_counter(own) + 50
    plaintext = insider.signed(own, counter)
    insider.day += 1
    answer: Received = ana.do(inputs.TakeBundles((insider.sealed(plaintext, own, counter),)))
    assert answer.refused == 1
