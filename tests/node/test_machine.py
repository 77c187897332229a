"""A machine that does whatever comes to mind, and the invariants of the design that must hold through all of it.

Five devices, real cryptography. Steps: speak, let in, remove, leave, call taken, meet in pairs, lose a part of a stick,
start anew from the store, let hours pass. After each step nobody encrypts to whom he knows to be out, no key is used
twice, and what is settled stays; at the end the net heals, and the group must be one: same head, same members as the
operations give, every message read by all to whom it was sealed, in one order, and nothing changed by saying it again.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chasqui.base.errors import UserError
from chasqui.base.ids import EpochId, GroupId
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.epochs import head_of, readers_of
from chasqui.node.groups import load_group, roster_of, tree_keys
from chasqui.node.records import EpochRecord, GroupRecord, MessageRecord, Space
from chasqui.node.views import list_contacts
from chasqui.sealed.object import parse_whole
from tests.node.world import Person, make_group, meet, pair

NAMES = ("ana", "ben", "caro", "dan", "eve")
who = st.integers(0, len(NAMES) - 1)


class GroupMachine(RuleBasedStateMachine):
    """One group of up to five."""

    def __init__(self) -> None:
        super().__init__()
        self.people = [Person(name) for name in NAMES]
        self.said: dict[str, int] = {}
        self.roots: dict[tuple[str, bytes], int] = {}
        self.used: dict[tuple[bytes, int, int], bytes] = {}

    @initialize(admins=st.integers(1, 3), inside=st.integers(3, 5))
    def found(self, admins: int, inside: int) -> None:
        founder, *others = self.people
        self.group: GroupId = make_group(founder, *others[: inside - 1])
        for other in others[inside - 1 :]:
            pair(founder, other)
        names = {contact.name: contact.id for contact in list_contacts(founder.tx())}
        self.contacts = [names[other.name] for other in others]
        for other in others[: admins - 1]:
            founder.do(inputs.SetRole(self.group, other.key(self.group), Role.ADMIN))
        meet(*self.people[:inside])

    def do(self, index: int, event: inputs.Input) -> object:
        """A step that may be refused, but only in words for people."""
        try:
            return self.people[index].do(event)
        except UserError:
            return None

    def is_in(self, index: int) -> bool:
        record = self.people[index].tx().load(Space.GROUP, self.group, GroupRecord)
        return record is not None and not record.out

    # -- what people do --------------------------------------------------------------------------------------

    @rule(index=who)
    def speak(self, index: int) -> None:
        if self.is_in(index):
            text = f"{NAMES[index]} {len(self.said)}"
            if self.do(index, inputs.SendText(self.group, text)) is not None:
                self.said[text] = index
                tx = self.people[index].tx()
                _, epoch = head_of(tx, self.group, load_group(tx, self.group))
                assert not tree_keys(epoch) & roster_of(tx, self.group).out, "sealed to whom it knows to be out"

    @rule(index=who, other=who)
    def remove(self, index: int, other: int) -> None:
        if index != other and self.is_in(index) and self.is_in(other):
            self.do(index, inputs.RemoveMember(self.group, self.people[other].key(self.group)))

    @rule(other=st.integers(1, len(NAMES) - 1))
    def let_in(self, other: int) -> None:
        if self.is_in(0) and not self.is_in(other):
            self.do(0, inputs.AddMember(self.group, self.contacts[other - 1], Role.MEMBER))

    @rule(index=who)
    def join(self, index: int) -> None:
        if not self.is_in(index):
            self.do(index, inputs.JoinGroup(self.group))

    @rule(index=who, other=who)
    def call_taken(self, index: int, other: int) -> None:
        if index != other and self.is_in(index) and self.is_in(other):
            self.do(index, inputs.Accuse(self.group, self.people[other].key(self.group)))

    @rule(index=who)
    def leave(self, index: int) -> None:
        if self.is_in(index) and sum(map(self.is_in, range(len(NAMES)))) > 3:
            self.do(index, inputs.LeaveGroup(self.group))

    # -- what happens to them --------------------------------------------------------------------------------

    @rule(one=who, other=who)
    def visit(self, one: int, other: int) -> None:
        if one != other:
            self.people[one].sync(self.people[other])

    @rule(one=who, other=who, lost=st.integers(2, 5))
    def visit_with_losses(self, one: int, other: int, lost: int) -> None:
        if one != other:
            held = self.people[one].held()
            self.people[other].do(inputs.TakeBundles(tuple(b for i, b in enumerate(held[::-1]) if i % lost)))

    @rule(hours=st.sampled_from([1, 7, 80, 200]))
    def wait(self, hours: int) -> None:
        for person in self.people:
            person.now_s += hours * 3600
            person.do(inputs.Tick())

    @rule(index=who)
    def start_anew(self, index: int) -> None:
        self.people[index].restart()

    # -- what holds at every step ----------------------------------------------------------------------------

    @invariant()
    @precondition(lambda self: hasattr(self, "group"))
    def no_key_is_used_twice(self) -> None:
        for index, person in enumerate(self.people):
            tx = person.tx()
            if not self.is_in(index) or not load_group(tx, self.group).head:
                continue
            for _, message in tx.load_prefix(Space.MESSAGE, self.group, MessageRecord):
                signed = parse_whole(message.whole, self.group)
                place = (signed.origin.epoch, signed.origin.leaf, signed.origin.counter)
                assert self.used.setdefault(place, signed.id) == signed.id, "a key was used twice"

    @invariant()
    @precondition(lambda self: hasattr(self, "group"))
    def what_is_settled_stays(self) -> None:
        for index, person in enumerate(self.people):
            tx = person.tx()
            if not self.is_in(index):
                continue
            record = load_group(tx, self.group)
            for key, epoch in tx.load_prefix(Space.EPOCH, self.group, EpochRecord):
                if key == record.root:
                    first = self.roots.setdefault((person.name, key), epoch.number)
                    assert first == epoch.number

    # -- and when the net has healed -------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "group"):
            return
        for _ in range(4):
            meet(*self.people)
            self.wait(30)
        meet(*self.people)
        inside = [person for index, person in enumerate(self.people) if self.is_in(index)]
        rosters = {roster_of(person.tx(), self.group).current for person in inside}
        assert len(rosters) <= 1, "agreement on who is in"
        heads = {load_group(person.tx(), self.group).head for person in inside}
        assert len(heads) <= 1, "one head"
        for person in inside:
            tx = person.tx()
            _, epoch = head_of(tx, self.group, load_group(tx, self.group))
            roster = roster_of(tx, self.group)
            joined = {other.key(self.group) for other in inside}
            assert tree_keys(epoch) <= roster.current, "nobody who is out holds keys"
            assert joined <= tree_keys(epoch), "everybody who is in does"
            silent = {gap.author for gap in person.read(self.group).gaps} & roster.current
            assert not silent, "whoever is in fills the gaps that he left"
        orders: dict[frozenset[bytes], list[str]] = {}
        for person in inside:
            objects = frozenset(key for key, _ in person.tx().scan_prefix(Space.STAMP, self.group))
            texts = person.texts(self.group)
            assert orders.setdefault(objects, texts) == texts, "same objects, same order"
        self._everything_is_read(inside)
        before = [person.texts(self.group) for person in inside]
        for person in inside:
            person.do(inputs.TakeBundles(tuple(person.held())))
        assert before == [person.texts(self.group) for person in inside], "replay changes nothing"

    def _everything_is_read(self, inside: list[Person]) -> None:
        for author in inside:
            tx = author.tx()
            for _, message in tx.load_prefix(Space.MESSAGE, self.group, MessageRecord):
                signed = parse_whole(message.whole, self.group)
                if signed.author != author.key(self.group):
                    continue
                readers = readers_of(tx, self.group, EpochId(signed.origin.epoch))
                for reader in inside:
                    if reader.key(self.group) in readers:
                        assert signed.body.decode() in reader.texts(self.group), (author.name, reader.name)


_PLAIN = settings(phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))

TestGroupMachine = GroupMachine.TestCase
TestGroupMachine.settings = settings(_PLAIN, max_examples=12, stateful_step_count=30)


@pytest.mark.long
def test_the_machine_at_length() -> None:
    run_state_machine_as_test(GroupMachine, settings=settings(_PLAIN, max_examples=200, stateful_step_count=30))
