"""A group talks, by the node alone."""

from __future__ import annotations

from chasqui.node import inputs
from tests.node.world import Person, make_group, meet


def test_three_people_talk() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    assert {m.name: m.state for m in ana.show(group).members} == {"ana": "current", "ben": "current", "caro": "current"}
    ana.do(inputs.SendText(group, "hello"))
    meet(ana, ben, caro)
    ben.do(inputs.SendText(group, "hi"))
    meet(ana, ben, caro)
    for person in (ana, ben, caro):
        assert person.texts(group) == ["hello", "hi"]
        assert not person.read(group).gaps
    assert ana.read(group).messages[0].state == "delivered"


def test_a_removed_member_reads_nothing_later() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    group = make_group(ana, ben, caro)
    ana.do(inputs.SendText(group, "before"))
    meet(ana, ben, caro)
    ana.do(inputs.RemoveMember(group, caro.key(group)))
    ana.do(inputs.SendText(group, "after"))
    meet(ana, ben, caro)
    assert ben.texts(group) == ["before", "after"]
    assert caro.texts(group) == ["before"]
    assert caro.show(group).state == "removed"
