"""What people have to decide is shown to them where they look: devices said to be taken, changes that wait, and what
is not in the keys yet."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chasqui.app import groups as desk
from chasqui.app import requests
from chasqui.app.results import GroupLine, GroupMade, Groups, MemberLine, PendingLine
from chasqui.app.screens import groups as screen
from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.views import list_contacts
from tests.app import people as homes
from tests.app.test_states import details, narrow, read, runner, status
from tests.node.world import Person, make_group, meet, pair
from tests.spec.test_doubles import two_admins_add

OWN, OTHER = "aa" * 32, "bb" * 32


def four() -> tuple[Person, Person, Person, Person]:
    return Person("ana"), Person("ben"), Person("caro"), Person("dan")


def flat(text: str) -> str:
    return " ".join(narrow(text).split())


def test_one_who_says_that_a_device_was_taken_is_heard_by_all() -> None:
    ana, ben, caro, dan = crowd = four()
    group = make_group(*crowd)
    meet(*crowd)
    ana.do(inputs.Accuse(group, dan.key(group)))
    meet(*crowd)
    (line,) = details(ben, group).accused
    assert (line.member, line.by, line.shut_out) == ("dan", ("ana",), False)
    told = flat(screen.shown(details(ben, group)))
    assert "ana says that the device of dan was taken" in told
    assert "it still reads everything" in told
    named = f"convoy {dan.key(group).hex()[:8]}"
    for command in ("taken", "remove", "lift"):
        assert f"`chasqui group {command} {named}`" in told
    assert "a device was taken" in flat(status(ben))
    assert "!! alarm" in screen.listed(desk.list_all(runner(ben), requests.ListGroups()))
    assert "the device of dan was taken, and that one still reads everything" in flat(read(ben, group))
    of_dan = flat(screen.shown(details(dan, group)))
    assert "ana says that YOUR device was taken" in of_dan
    assert "group taken" not in of_dan
    assert "still reads" not in read(dan, group)

    ben.do(inputs.Accuse(group, dan.key(group)))
    meet(ana, ben, caro)
    (line,) = details(caro, group).accused
    assert (line.by, line.shut_out) == (("ana", "ben"), True)
    told = flat(screen.shown(details(caro, group)))
    assert "ana and ben say that the device of dan was taken" in told
    assert "It is shut out" in told
    assert "group taken" not in told
    ana.do(inputs.Lift(group, dan.key(group)))
    meet(ana, ben, caro)
    assert details(caro, group).accused == ()
    assert "Look at this" not in status(caro)


def test_what_was_said_already_is_not_said_twice() -> None:
    ana, ben, _, dan = crowd = four()
    group = make_group(*crowd)
    meet(*crowd)
    ana.do(inputs.Accuse(group, dan.key(group)))
    with pytest.raises(UserError, match="said so already"):
        ana.do(inputs.Accuse(group, dan.key(group)))
    with pytest.raises(UserError, match="of another member already"):
        ana.do(inputs.Accuse(group, ben.key(group)))


def test_a_change_that_waits_says_who_can_do_what() -> None:
    waits = PendingLine("confirm?", "eve", "2026-11-22T10:00:00Z", "cd" * 16, "remove", "ee" * 32, "ben")
    me = MemberLine("ana", OWN, "admin", "current", None, None, True, 0)
    ana = Person("ana")
    found = msgspec.structs.replace(details(ana, make_group(ana)), members=(me,), pending=(waits,), quorum=2)
    told = flat(screen.shown(found))
    assert "Ask whoever signed it, by voice" in told
    assert "`chasqui group confirm convoy CHANGE`" in told
    mine = msgspec.structs.replace(waits, own=True)
    told = flat(screen.shown(msgspec.structs.replace(found, pending=(mine,))))
    assert "another admin has to type `chasqui group confirm convoy cdcdcdcd`" in told
    assert "Ask whoever signed it" not in told
    plain = msgspec.structs.replace(me, role="member")
    told = flat(screen.shown(msgspec.structs.replace(found, members=(plain,))))
    assert "An admin has to decide it" in told
    assert "group confirm" not in told


def test_what_waits_stands_in_status_and_lists(tmp_path: Path) -> None:
    ana, ben, eve = (homes.Person.make(tmp_path, name) for name in ("ana", "ben", "eve"))
    homes.use_folder(tmp_path / "stick", ana, ben, eve)
    homes.pair(ana, ben, tmp_path)
    homes.pair(ana, eve, tmp_path)
    ana.do("group", "create", "duo", "--quorum", "2")
    ana.do("group", "add", "duo", "ben", "--role", "admin")
    homes.go_around(ana, ben)
    invited = ben.run("group", "list").out
    assert "`chasqui group join duo`" in invited
    shown = ben.run("group", "show", "duo").out
    assert "You read nothing of it until you join" in shown
    for command in (("leave", "duo"), ("remove", "duo", "ana"), ("taken", "duo", "ana")):
        assert ben.fail(1, "group", *command)["message"] == "You are invited to this group and have not joined."
    ben.do("group", "join", "duo")
    homes.go_around(ben, ana, ben)
    ana.do("group", "add", "duo", "eve")
    homes.go_around(ana, ben)
    (line,) = ben.do("group", "list")["groups"]
    assert (line["waiting"], line["accused"]) == (1, 0)
    (waits,) = ana.do("group", "show", "duo")["pending"]
    assert waits["own"]
    assert not ben.do("group", "show", "duo")["pending"][0]["own"]
    told = ben.run("status").out
    assert "1 change waits for the word of an admin" in told
    assert "? asks" in ben.run("group", "list").out
    assert ana.fail(1, "group", "confirm", "duo", waits["id"])["todo"]
    ben.do("group", "confirm", "duo", waits["id"])
    assert "Look at this" not in ben.run("status").out

    ben.fail(1, "group", "taken", "ana", "ana")
    assert "new keys" in ben.fail(1, "group", "rejoin", "ana")["message"]
    homes.go_around(ben, ana, eve)
    ana.do("group", "remove", "duo", "eve")
    ben.sync()
    homes.go_around(ana, ben)
    ben.do("group", "remove", "duo", "eve")
    assert ben.fail(1, "group", "remove", "duo", "eve")["message"] == "'eve' is out of this group already."
    assert "whole number" in ben.fail(2, "group", "create", "x", "--quorum", "two")["message"]
    assert "quotation marks" in ben.fail(2, "group", "join", "with", "ana")["message"]


def test_what_is_not_in_the_keys_yet_is_explained() -> None:
    ana = Person("ana")
    group = make_group(ana)
    waits = PendingLine("add", "finn", "2026-11-22T10:00:00Z")
    told = flat(screen.shown(msgspec.structs.replace(details(ana, group), pending=(waits,))))
    assert "Who is to be added reads nothing" in told
    assert "Who was removed" not in told
    waits = PendingLine("remove", "finn", "2026-11-22T10:00:00Z")
    told = flat(screen.shown(msgspec.structs.replace(details(ana, group), pending=(waits,))))
    assert "Who was removed still holds the keys" in told


def test_of_those_who_are_out_no_keys_are_told() -> None:
    ana = Person("ana")
    group = make_group(ana)
    gone = MemberLine("eve", OTHER, "member", "removed", None, None, False, 0)
    found = details(ana, group)
    assert "never" in screen.shown(msgspec.structs.replace(found, members=(*found.members, gone)))
    heard = msgspec.structs.replace(gone, last_heard="2026-11-22T10:00:00Z")
    assert "never" not in screen.shown(msgspec.structs.replace(found, members=(*found.members, heard)))


def test_an_invitation_in_the_list_says_what_to_type() -> None:
    line = GroupLine("ab" * 16, "with ana", "invited", 0, 0)
    assert "`chasqui group join 'with ana'`" in screen.listed(Groups((line,)))


def test_how_many_words_shut_a_device_out_is_said_before_anybody_says_one() -> None:
    ana, ben, caro, _ = four()
    group = make_group(ana, ben)
    told = flat(screen.shown(details(ben, group)))
    assert "Taken ! one member who says that another's device was taken shuts it out at once" in told
    contact = next(c.id for c in list_contacts(ana.tx()) if c.name == "ben")
    assert "Taken" not in screen.shown(details(ana, GroupId(contact)))
    ana.do(inputs.AddMember(group, pair(ana, caro), Role.MEMBER))
    meet(ana, ben)
    assert "Taken 2 members who say that a device was taken shut it out" in flat(screen.shown(details(ben, group)))
    made = GroupMade("ab" * 16, "convoy")
    assert "2 members who say so shut out a device that was taken (`chasqui group taken`), and one while you" in flat(
        screen.created(made, 0, 1, 2)
    )
    assert "One member who says so shuts out" in flat(screen.created(made, 0, 1, 1))


def test_two_seats_of_one_name_are_pointed_out_and_neither_is_forgotten() -> None:
    crowd, group, keys = two_admins_add(joins_first=True)
    ana, ben, _, dan = crowd
    meet(ana, ben, dan)
    one, other = (key.hex()[:8] for key in keys)
    told = flat(screen.shown(details(dan, group)))
    assert f"caro sits here under 2 keys: {one}, {other}." in told or f"2 keys: {other}, {one}." in told
    done = desk.remove(runner(ana), requests.RemoveMember(group.hex(), keys[0].hex()))
    text = flat(screen.removed(done))
    assert "Somebody who is called caro still sits in the group" in text
    assert f"`chasqui group remove convoy {other}`" in text
    desk.remove(runner(ana), requests.RemoveMember(group.hex(), keys[1].hex()))
    assert "sits here under" not in screen.shown(details(ana, group))
