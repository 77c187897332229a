"""`group log`: who added and removed whom, when, and what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chasqui.app import log as desk
from chasqui.app import requests
from chasqui.app.log_results import GroupLog
from chasqui.app.screens import log as screen
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.groups import history_of
from chasqui.node.records import Space
from tests.app import people as homes
from tests.app.test_new_here import let_in_while_cut
from tests.app.test_states import narrow, runner
from tests.node.hostile import keep
from tests.node.world import Person, make_group, meet, pair
from tests.spec.test_doubles import two_admins_add


def log(person: Person, group: GroupId) -> GroupLog:
    return desk.show(runner(person), requests.ShowLog(group.hex()))


def said(person: Person, group: GroupId) -> list[tuple[str, str, str, str]]:
    """By whom, what, of whom, and what became of it."""
    return [(c.by, c.what, c.member, c.state) for c in log(person, group).changes if c.what != "rejoin"]


def lines(person: Person, group: GroupId) -> list[str]:
    shown = narrow(screen.shown(log(person, group))).splitlines()
    return [" ".join(line.split()[1:-1]) for line in shown if line.startswith("  20")]


def test_everybody_sees_who_did_what_in_the_same_order() -> None:
    crowd, group = let_in_while_cut()
    ana, ben, caro, dan, eve = crowd
    assert ("caro", "remove", "ben", "counts") not in said(eve, group)
    for _ in range(6):
        for person in crowd:
            person.now_s += 8 * 3600
        meet(*crowd)
    expected = [
        "ana made the group",
        "ana added ben",
        "ana added caro",
        "ana added dan",
        "ana made caro an admin",
    ]
    assert lines(ana, group)[:5] == expected
    assert sorted(lines(ana, group)[5:]) == ["ana added eve", "caro removed ben"]
    assert lines(ana, group) == lines(caro, group) == lines(dan, group) == lines(eve, group)
    assert log(ana, group).changes[0].day == "2027-01-15"
    assert "caro removed ben" in lines(ben, group)
    assert "You are out: this is what had reached you." in screen.shown(log(ben, group))
    assert "that a member gave a key for a new leaf" in screen.shown(log(ana, group))


def test_what_does_not_count_says_why() -> None:
    ana, ben, caro, dan = crowd = [Person(name) for name in ("ana", "ben", "caro", "dan")]
    group = make_group(ana, ben, caro)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(ana, ben, caro)
    with_dan = pair(ben, dan)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    ben.do(inputs.AddMember(group, with_dan, Role.ADMIN))  # he has not heard of it
    caro.do(inputs.Accuse(group, ana.key(group)))
    meet(*crowd)
    found = said(caro, group)
    assert ("ana", "remove", "ben", "counts") in found
    assert ("ben", "add admin", "dan", "void") in found
    assert ("caro", "accuse", "ana", "counts") in found
    text = " ".join(narrow(screen.shown(log(caro, group))).split())
    assert "ben added dan as admin ✗ void" in text
    assert "caro says ana's device is taken" in text
    assert "'Void': its signer was removed" in text
    assert "'Had no right'" not in text
    tx = caro.tx()
    addition = next(o for o in history_of(tx, group).order if o.issuer == ben.key(group))
    for head in addition.heads:
        tx.erase(Space.OPERATION, group + head)  # as if it had not come yet
    keep(caro, tx)
    assert {state for by, _, _, state in said(caro, group) if by == "ben"} == {"waiting"}
    assert "… cannot be judged" in screen.shown(log(caro, group))


def test_two_admins_show_who_stands_behind_a_change() -> None:
    ana, ben, caro = Person("ana"), Person("ben"), Person("caro")
    with_ben = pair(ana, ben)
    group: GroupId = ana.do(inputs.CreateGroup("convoy", quorum=2))
    ana.do(inputs.AddMember(group, with_ben, Role.ADMIN))
    meet(ana, ben)
    ben.do(inputs.JoinGroup(group))
    meet(ana, ben)
    ana.do(inputs.AddMember(group, pair(ana, caro), Role.MEMBER))
    meet(ana, ben)
    waits = log(ben, group).changes[-1]
    assert (waits.what, waits.state) == ("add", "pending")
    assert "? waits for an admin" in screen.shown(log(ben, group))
    ben.do(inputs.Confirm(group, ObjectId(ben.show(group).void[0].id)))
    meet(ana, ben, caro)
    changes = {c.what: c for c in log(ana, group).changes}
    assert changes["confirm"].confirms == waits.id
    assert "confirms: added caro" in screen.shown(log(ana, group))
    with pytest.raises(UserError, match="invited"):
        log(caro, group)


def test_a_seat_that_was_left_unused_is_no_farewell() -> None:
    crowd, group, _ = two_admins_add(joins_first=True)
    for _ in range(3):
        meet(*crowd)
        for person in crowd:
            person.now_s += 8 * 3600
    dan = crowd[3]
    assert "caro left a seat added twice" in lines(dan, group)
    assert "caro left" not in lines(dan, group)


def test_the_command(tmp_path: Path) -> None:
    ana = homes.Person.make(tmp_path, "ana")
    ana.do("group", "create", "convoy")
    found = ana.do("group", "log", "convoy")
    assert [(c["what"], c["by"], c["state"]) for c in found["changes"]] == [("found", "ana", "counts")]
    assert "made the group" in ana.run("group", "log", "convoy").out
