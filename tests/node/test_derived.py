"""What follows from records is worked out once, and is always what it would be if it were worked out anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chasqui.base.errors import UserError
from chasqui.base.ids import ID_BYTES, GroupId
from chasqui.groups.operation import Role
from chasqui.lab.run import Run
from chasqui.lab.scenario import packaged
from chasqui.node import derived as module
from chasqui.node import inputs
from chasqui.node.derived import Derived, Follows
from chasqui.node.groups import removed_members, roster_of
from chasqui.node.records import Space
from chasqui.node.seats import until_offer
from chasqui.node.transaction import Transaction
from tests.node.world import Person, make_group, pair

ALL: list[Follows[Any]] = list(dict.fromkeys(what for follow in module._FOLLOWS.values() for what in follow))


class Count:
    """How often something is worked out."""

    def __init__(self, what: Follows[Any], patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        work = what.work

        def counted(tx: Transaction, group: GroupId) -> Any:
            self.calls += 1
            return work(tx, group)

        patch.setattr(what, "work", counted)


def known(person: Person) -> Transaction:
    """A step of this person's node that has just begun."""
    return Transaction(person.store, person.now_s, person.entropy, person.node._derived)


def test_nothing_is_worked_out_twice_until_something_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    other = ana.do(inputs.CreateGroup("other"))
    ana.do(inputs.Tick())
    count = Count(roster_of, monkeypatch)
    for _ in range(3):
        tx = known(ana)
        assert len(roster_of(tx, group).members) == len(roster_of(tx.part(), group).members) == 2
        ana.now_s += 3600
        ana.do(inputs.Tick())
    assert count.calls <= 1  # from the records that the last steps wrote
    before = count.calls
    ana.do(inputs.SendText(group, "no operation"))
    ana.do(inputs.AddMember(other, pair(ana, Person("cy")), Role.MEMBER))
    roster_of(known(ana), group)
    assert count.calls > before  # of the other group, and of the contact
    before = count.calls
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    assert count.calls > before
    assert len(roster_of(known(ana), group).members) == 1


def test_a_step_that_is_dropped_leaves_nothing_behind() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx = known(ana)
    member = ben.key(group)
    part = tx.part()
    part.put(Space.REMOVED, group + member, b"\0\0\1")
    assert removed_members(part, group) == {member}
    assert removed_members(part.part(), group) == {member}
    assert removed_members(tx, group) == frozenset()
    tx.absorb(part)
    assert removed_members(tx, group) == {member}
    assert removed_members(known(ana), group) == frozenset()
    with pytest.raises(UserError):
        ana.do(inputs.RemoveMember(group, ana.key(group)))
    assert removed_members(known(ana), group) == frozenset()


def test_a_part_that_undoes_what_the_step_wrote_sees_that() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx, member = known(ana), ben.key(group)
    tx.put(Space.REMOVED, group + member, b"\0\0\1")
    assert removed_members(tx, group) == {member}
    part = tx.part()
    part.erase(Space.REMOVED, group + member)
    assert removed_members(part, group) == frozenset()
    tx.absorb(part)
    assert removed_members(tx, group) == frozenset()


def test_what_belongs_to_no_one_group_concerns_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    until_offer(known(ana), group)
    count = Count(until_offer, monkeypatch)
    until_offer(known(ana), group)
    assert count.calls == 0
    ana.do(inputs.MakeOffer())  # makes a key package
    until_offer(known(ana), group)
    assert count.calls == 1


def test_it_is_bounded_and_the_least_wanted_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, count = Person("ana"), Count(removed_members, monkeypatch)
    cache, first = Derived(), GroupId(bytes(ID_BYTES))
    for number in range(1, module.KEPT_MAX + 10):
        cache.of(removed_members, ana.tx(), GroupId(number.to_bytes(ID_BYTES, "big")))
        cache.of(removed_members, ana.tx(), first)
    assert len(cache) == module.KEPT_MAX
    assert count.calls == module.KEPT_MAX + 10  # the one that was always wanted was worked out once


class Spy:
    """Sees what is read while something is worked out."""

    def __init__(self) -> None:
        self.stack: list[tuple[Follows[Any], GroupId]] = []
        self.wrong: set[str] = set()

    def read(self, space: int, start: bytes) -> None:
        for what, group in self.stack[-1:]:
            name = what.work.__name__
            if space not in what.spaces:
                self.wrong.add(f"{name} reads {Space(space).name}")
            elif space not in module._NOT_BY_GROUP and start[:ID_BYTES] != group:
                self.wrong.add(f"{name} reads {Space(space).name} of other groups")

    def ask(self, what: Follows[Any]) -> None:
        for outer, _ in self.stack[-1:]:
            if not set(what.spaces) <= set(outer.spaces):
                self.wrong.add(f"{outer.work.__name__} follows from {what.work.__name__} and not from all its spaces")

    @contextmanager
    def at_work(self, what: Follows[Any], group: GroupId) -> Iterator[None]:
        self.stack.append((what, group))
        yield
        self.stack.pop()


@pytest.mark.parametrize("scenario", ["taken", "restored-copy", "last-admins"])
def test_it_follows_from_its_own_records_alone(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for: only the records of that group in those spaces are read, and no clock. At the end of a
    world, all that is kept is what it would be if it were worked out anew."""
    spy = Spy()

    def spied(name: str) -> None:
        true = getattr(Transaction, name)

        def reading(tx: Transaction, space: int, start: bytes = b"", *rest: Any, **named: Any) -> Any:
            spy.read(space, start)
            return true(tx, space, start, *rest, **named)

        monkeypatch.setattr(Transaction, name, reading)

    for each in ("get", "scan", "count"):
        spied(each)
    true_call = Follows.__call__

    def calling(what: Follows[Any], tx: Transaction, group: GroupId) -> Any:
        spy.ask(what)
        return true_call(what, tx, group)

    monkeypatch.setattr(Follows, "__call__", calling)
    asked = set[str]()
    for what in ALL:

        def work(tx: Transaction, group: GroupId, what: Follows[Any] = what, true: Any = what.work) -> Any:
            asked.add(true.__name__)
            with spy.at_work(what, group):
                return true(_Timeless(tx), group)

        work.__name__ = what.work.__name__
        monkeypatch.setattr(what, "work", work)
    run = Run(packaged()[scenario], 1)
    assert run.play().held
    assert spy.wrong == set()
    assert {"roster_of", "pause_of", "told", "branches_of", "_gaps", "_settled"} <= asked
    for device in run.stage.devices.values():
        for (what, group), value in device.node._derived._values.items():
            assert what.work(device.look(), GroupId(group)) == value, what.work.__name__


class _Timeless(Transaction):
    """The same look without a clock."""

    def __init__(self, tx: Transaction) -> None:
        self.__dict__ = {key: value for key, value in tx.__dict__.items() if key != "now_s"}


def test_what_a_part_has_worked_out_holds_for_the_whole_unless_that_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    one, two = ana.key(group), ben.key(group)
    for goes_on in (False, True):
        tx = known(ana)
        part = tx.part()
        part.put(Space.REMOVED, group + one, b"\0\0\1")
        assert removed_members(part, group) == {one}
        if goes_on:
            tx.put(Space.REMOVED, group + two, b"\0\0\1")
        with monkeypatch.context() as patch:
            count = Count(removed_members, patch)
            tx.absorb(part)
            assert removed_members(tx, group) == ({one, two} if goes_on else {one})
            assert count.calls == int(goes_on)
