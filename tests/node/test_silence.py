"""A contact outlives any silence: of two, one of whom was away for years, each reads the other at once."""

from __future__ import annotations

from chasqui.node import inputs
from chasqui.node.groups import load_group
from tests.node.test_healing import head_of, later
from tests.node.world import Person, meet, pair


def days(count: float, *people: Person, step: float = 1) -> None:
    """Time passes for devices that are on."""
    for _ in range(int(count / step)):
        later(24 * step, *people)


def two(*, rounds: int = 3) -> tuple[Person, Person, bytes]:
    ana, mia = Person("ana"), Person("mia")
    contact = pair(ana, mia)
    for _ in range(rounds):
        later(24, ana, mia)
        meet(ana, mia)
    record = load_group(ana.tx(), contact)
    assert record.root == record.head == head_of(mia, contact)
    return ana, mia, contact


def hear_others(*people: Person) -> None:
    """Everybody's clock is borne out by somebody else whom he hears."""
    for person in people:
        other = Person(f"{person.name}'s neighbour", now_s=person.now_s)
        pair(person, other)


def test_two_years_of_silence_and_each_reads_the_other() -> None:
    ana, mia, contact = two()
    for _ in range(24):
        hear_others(ana)
        days(31, ana, step=0.5)
    assert head_of(ana, contact) != head_of(mia, contact)
    mia.now_s = ana.now_s
    mia.do(inputs.Tick())
    mia.do(inputs.SendText(contact, "I am back"))
    ana.do(inputs.SendText(contact, "here I am"))
    meet(ana, mia)
    for person in (ana, mia):
        assert sorted(person.texts(contact)) == ["I am back", "here I am"], person.name
    assert head_of(ana, contact) == head_of(mia, contact)
