"""Who came in on one side of a cut sees no fork. He is told what he cannot know, where he looks and where he writes."""

from __future__ import annotations

from pathlib import Path

from chasqui.app import groups as desk
from chasqui.app import messages, requests
from chasqui.app.desk import Surroundings
from chasqui.app.message_results import Sent
from chasqui.app.screens import groups as screen
from chasqui.app.screens import messages as writing
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.groups import load_group
from tests.app.test_states import details, narrow, read, runner, status
from tests.node.hostile import head
from tests.node.world import Person, make_group, meet, pair


def let_in_while_cut() -> tuple[list[Person], GroupId]:
    """Ana and Ben are cut off from Caro and Dan, and let Eve in. Meanwhile Caro removes Ben."""
    ana, ben, caro, dan, eve = crowd = [Person(name) for name in ("ana", "ben", "caro", "dan", "eve")]
    with_eve = pair(ana, eve)
    group = make_group(ana, ben, caro, dan)
    ana.do(inputs.SetRole(group, caro.key(group), Role.ADMIN))
    for person in (ana, ben, caro, dan):
        person.do(inputs.SendText(group, f"{person.name} is here"))
    for _ in range(2):
        for person in crowd:
            person.now_s += 80 * 3600
        meet(*crowd[:4])
    caro.do(inputs.RemoveMember(group, ben.key(group)))
    ana.do(inputs.AddMember(group, with_eve, Role.MEMBER))
    meet(ana, ben, eve)
    eve.do(inputs.JoinGroup(group))
    meet(ana, ben, eve)
    meet(caro, dan)
    return crowd, group


def says(person: Person, group: GroupId) -> Sent:
    around = Surroundings(Path("/v"), 1, dict, lambda _: None)
    return messages.send_text(runner(person), requests.SendText(group.hex(), "who reads this?", False), around)


def test_a_newcomer_of_the_side_that_loses_is_told_what_he_cannot_see() -> None:
    crowd, group = let_in_while_cut()
    ana, ben, _, _, eve = crowd
    found = details(eve, group)
    assert found.new is not None
    assert (found.state, found.new.heard, found.new.of) == ("new", 2, 4)
    told = " ".join(narrow(screen.shown(found)).split())
    assert "? new here: 2 of 4 others heard" in told
    assert "of 4 other members 2 were heard since" in told
    assert "may have removed somebody whom you do not know to be out" in told
    assert "`chasqui group check convoy`" in told
    assert "in order" not in told
    assert [m.state for m in found.members if m.name in ("caro", "dan")] == ["current"] * 2, "they joined long ago"
    listed = narrow(screen.listed(desk.list_all(runner(eve), requests.ListGroups())))
    assert "? new here: 2 of 4 others heard" in listed
    assert "convoy: you are new here" in narrow(status(eve))
    assert "?  You are new here, and of 4 other members 2 were heard since" in narrow(read(eve, group))
    assert "who still reads what you write" in " ".join(narrow(writing.sent(says(eve, group))).split())
    assert details(ana, group).new is None, "who was there before sees a fork when there is one"
    for _ in range(10):
        for person in crowd:
            person.now_s += 8 * 3600
        meet(*crowd)
    assert ben.show(group).state == "removed"
    assert head(eve, group)[0] == head(ana, group)[0]
    after = details(eve, group)
    assert (after.state, after.new) == ("current", None)
    assert "Look at this" not in status(eve)
    assert writing.sent(says(eve, group)).count("\n") == 0


def test_who_hears_most_of_the_others_is_told_nothing() -> None:
    """In a group that is together, the first exchange ends it; who never joined is not waited for."""
    crowd = [Person(name) for name in ("ana", "ben", "caro", "dan")]
    ana, ben, caro, _ = crowd
    group = make_group(*crowd)
    for person in crowd:
        assert details(person, group).state == "current", person.name
        person.do(inputs.SendText(group, f"{person.name} is here"))
    meet(*crowd)
    eve, fay = Person("eve"), Person("fay")
    with_eve, with_fay = pair(ana, eve), pair(ana, fay)
    ana.do(inputs.AddMember(group, with_fay, Role.MEMBER))
    ana.do(inputs.AddMember(group, with_eve, Role.MEMBER))
    ana.sync(eve)
    eve.do(inputs.JoinGroup(group))
    found = details(eve, group).new
    assert found is not None
    assert (found.heard, found.of) == (1, 4), "fay has not joined; ana made the leaf"
    meet(ana, ben, caro, eve)
    assert details(eve, group).state == "current", "four of the five who have ever spoken"
    record = load_group(eve.tx(), group)
    assert record.entry
    assert not record.seated, "no vote is asked for"
