"""What people see of a group that was cut, copied or asked aloud: said in plain words, in 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chasqui.app import groups as desk
from chasqui.app import messages, requests
from chasqui.app.desk import Surroundings
from chasqui.app.results import DaemonState, GroupDetails, GroupLine, Groups, MemberLine, Status, WaitingCounts
from chasqui.app.screens import groups as screen
from chasqui.app.screens import messages as reading
from chasqui.app.screens import vault
from chasqui.app.screens.text import columns
from chasqui.base.ids import GroupId
from chasqui.groups.operation import Rejoin
from chasqui.node import inputs, pace
from chasqui.node.changes import issue
from chasqui.node.groups import history_of, load_group, save_group
from tests.app import people as homes
from tests.node.hostile import keep, mls_state, utter_commit
from tests.node.world import Person, make_group, meet

ALONE = Surroundings(Path(), None, dict, lambda _: None)


class Looking:
    """A runner over a device in memory."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def look(self) -> Any:
        return self._person.tx()

    def step(self, event: inputs.Input) -> Any:
        return self._person.do(event)

    def on_air(self) -> dict[str, Any]:
        return {}


def runner(person: Person) -> Any:
    return Looking(person)


def details(person: Person, group: GroupId) -> GroupDetails:
    return desk.show(runner(person), requests.ShowGroup(group.hex()))


def read(person: Person, group: GroupId) -> str:
    return reading.conversation(messages.read(runner(person), requests.Read(group.hex(), 0), ALONE))


def status(person: Person) -> str:
    lines = desk.lines_of(person.tx())
    return vault.status(Status("/v", "x", DaemonState(False, None), (), lines, 2, WaitingCounts(0, 0, 0)))


def narrow(text: str) -> str:
    wide = [line for line in text.splitlines() if columns(line) > 80]
    assert not wide, wide
    return text


def cut() -> tuple[Person, Person, Person, Person, GroupId]:
    """Ana and Caro have renewed, Ben and Dan too; Ana has heard both."""
    crowd = tuple(Person(name) for name in ("ana", "ben", "caro", "dan"))
    ana, ben, caro, dan = crowd
    group = make_group(ana, ben, caro, dan)
    ana.do(inputs.SendText(group, "before"))
    meet(*crowd)
    for person in crowd:
        person.now_s += 8 * 86_400
    ana.do(inputs.Flush())
    ben.do(inputs.Flush())
    meet(ana, caro)
    meet(ben, dan)
    ana.do(inputs.SendText(group, "north"))
    ana.sync(caro)
    caro.sync(ana)
    ben.sync(ana)
    return ana, ben, caro, dan, group


def test_a_cut_group_says_how_far_it_has_healed() -> None:
    ana, ben, caro, dan, group = cut()
    found = details(ana, group)
    assert found.state == "fork-pending"
    (fork,) = found.forks
    assert (fork.confirmed, fork.of, fork.needed) == (0, 4, 3)
    text = narrow(screen.shown(found))
    assert "! healing: 0 of 4 confirmed" in text
    assert "3 of 4" in text
    assert "ALARM" not in text
    assert "healing: 0 of 4 confirmed" in narrow(screen.listed(desk.list_all(runner(ana), requests.ListGroups())))
    assert "convoy: was cut and is healing" in narrow(status(ana))
    assert "The group was cut and is healing: 0 of 4" in narrow(read(ana, group))
    meet(ana, ben, caro, dan)
    after = details(ana, group)
    assert (after.state, after.forks) == ("current", ())
    assert "✓ in order" in screen.shown(after)
    assert "Look at this" not in status(ana)


def test_what_each_member_has_of_ours() -> None:
    ana, ben, caro, dan, group = cut()
    lines = {line.name: line for line in details(ana, group).members}
    assert lines["ana"].own
    assert lines["caro"].undelivered == 0
    assert [lines[name].undelivered for name in ("ben", "dan")] == [1, 1]
    assert lines["ben"].delivered_time is not None
    assert lines["caro"].delivered_time is not None
    assert lines["ben"].delivered_time < lines["caro"].delivered_time
    text = screen.shown(details(ana, group))
    assert next(line for line in text.splitlines() if line.startswith("  caro")).split()[-2] == "all"
    day = lines["ben"].delivered_time[:10]
    assert day in next(line for line in text.splitlines() if line.startswith("  ben"))
    ben.do(inputs.SendFile(group, "map", bytes(40_000), False))
    meet(ana, ben, caro, dan)
    assert {line.undelivered for line in details(ben, group).members} == {0}
    assert {line.undelivered for line in details(ana, group).members} == {0}


def test_long_names_stay_in_their_column() -> None:
    member = MemberLine("b" * 60, "bb" * 32, "member", "quarantined", "2026-11-22T10:00:00Z", None, False, 0, None, 3)
    found = GroupDetails("ab" * 16, "convoy", "current", "", (member,), (), (), 0, False)
    text = narrow(screen.shown(found))
    assert "bbb… " in text
    assert "! shut out" in text
    assert "none yet" in text


def test_two_changes_by_one_device_are_an_alarm_that_stays() -> None:
    ana, ben, caro = (Person(name) for name in ("ana", "ben", "caro"))
    group = make_group(ana, ben, caro)
    made = [mls_state(ben, group).commit((), ben.entropy, ben.now_s, path=True).message for _ in range(2)]
    ana.do(inputs.TakeBundles(tuple(utter_commit(ben, group, message) for message in made)))
    found = details(ana, group)
    (alarm,) = found.alarms
    assert alarm.member == "ben"
    assert bytes.fromhex(alarm.key) == ben.key(group)
    assert found.forks[0].one_member
    text = narrow(screen.shown(found))
    assert "!! ALARM: the device of ben" in text
    assert "restored from a backup" in text
    assert f"chasqui group taken convoy {alarm.key[:8]}" in text
    assert "one device signed as if it were two" in narrow(status(ana))
    assert "!! The device of ben signed as if it were two" in narrow(read(ana, group))
    for person in (ana, caro):
        person.now_s += 80 * 3600
    for _ in range(3):
        meet(ana, caro)
        ana.now_s += 86_400
        caro.now_s += 86_400
    assert details(ana, group).alarms == found.alarms == details(caro, group).alarms


def test_an_older_copy_says_what_it_waits_for() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx = ben.tx()
    save_group(tx, group, load_group(tx, group), stale_s=ben.now_s)
    keep(ben, tx)
    assert "older copy: must rejoin" in narrow(screen.shown(details(ben, group)))
    ben.do(inputs.Rejoin(group))
    found = details(ben, group)
    assert found.asked is not None
    text = narrow(screen.shown(found))
    assert f"Asked      for new keys on {found.asked[:10]}, not answered yet" in text
    assert "`chasqui group rejoin convoy`" in " ".join(text.split())
    assert "not answered yet" in read(ben, group)
    assert "this vault is an older copy" in narrow(status(ben))
    for _ in range(3):
        meet(ana, ben)
        ana.now_s += 8 * 3600
        ben.now_s += 8 * 3600
    assert details(ben, group).asked is None


def test_what_is_asked_for_again_says_so() -> None:
    ana, ben, caro = (Person(name) for name in ("ana", "ben", "caro"))
    group = make_group(ana, ben, caro)
    before = set(ben.held())
    ben.do(inputs.SendText(group, "lost"))
    lost = {bundle for bundle in ben.held() if bundle not in before}
    ben.do(inputs.SendText(group, "came"))
    ana.do(inputs.TakeBundles(tuple(bundle for bundle in ben.held() if bundle not in lost)))
    assert "1 message of ben has not arrived" in read(ana, group)
    assert "asked for again" not in read(ana, group)
    for _ in range(3):
        ana.now_s += 30 * 3600
        ana.do(inputs.Tick())
        ana.do(inputs.Flush())
    assert "asked for again on" in narrow(read(ana, group))
    (gap,) = messages.read(runner(ana), requests.Read(group.hex(), 0), ALONE).document()["gaps"]
    assert gap.keys() == {"author", "author_name", "from", "to", "asked"}


@pytest.mark.parametrize("state", ["removal-pending", "stale", "quarantined", "removed", "left", "invited", "odd"])
@pytest.mark.parametrize("contact", [False, True])
def test_every_state_fits_and_says_something(state: str, contact: bool) -> None:
    found = GroupDetails("ab" * 16, "convoy", state, "", (), (), (), 0, contact)
    assert "State      " in narrow(screen.shown(found))
    line = GroupLine("ab" * 16, "convoy", state, 3, 9)
    assert "convoy" in screen.listed(Groups((line,)))


def test_group_check_from_two_homes(tmp_path: Path) -> None:
    ana, ben = homes.Person.make(tmp_path, "ana"), homes.Person.make(tmp_path, "ben")
    homes.pair(ana, ben, tmp_path)
    asked = ana.do("group", "check", "ben")  # a contact is a group of two
    assert asked.keys() == {"id", "name", "challenge", "words", "members"}
    assert (len(asked["challenge"]), len(asked["words"]), len(asked["members"])) == (2, 4, 2)
    said = ben.do("group", "check", "ana", "--words", *(word.upper() for word in asked["challenge"]))
    assert said["words"] == asked["words"]
    assert ana.do("group", "check", "ben")["challenge"] != asked["challenge"]
    other = ben.do("group", "check", "ana", "--words", *reversed(asked["challenge"]))
    assert other["words"] != asked["words"] or asked["challenge"][0] == asked["challenge"][1]
    wrong = ben.fail(2, "group", "check", "ana", "--words", "rivor", "stone")
    assert "'river'" in wrong["todo"]
    assert ben.fail(2, "group", "check", "ana", "--words", "river")["code"] == "usage"
    text = narrow(ana.run("group", "check", "ben").out)
    assert "Say these two words aloud" in text
    assert "Do not say them first" in text
    text = narrow(ben.run("group", "check", "ana", "--words", "river", "stone").out)
    assert "The caller said: river stone. Say these four words aloud" in text
    ana.do("group", "create", "alone")
    assert "alone" in ana.fail(1, "group", "check", "alone")["message"]


def test_a_changed_answer_keeps_its_document(tmp_path: Path) -> None:
    ana = homes.Person.make(tmp_path, "ana")
    ana.do("group", "create", "convoy")
    shown = ana.do("group", "show", "convoy")
    assert shown["alarms"] == shown["forks"] == []
    assert shown["asked"] is None
    assert shown["members"][0].keys() == set(MemberLine.__struct_fields__)
    (line,) = ana.do("group", "list")["groups"]
    assert (line["confirmed"], line["alarms"]) == (None, 0)
    assert msgspec.convert(line, GroupLine).name == "convoy"


def test_long_before_nobody_can_be_let_in_it_is_said_who_signed_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, eve = (Person(name) for name in ("ana", "ben", "eve"))
    group = make_group(ana, ben, eve)
    monkeypatch.setattr(pace, "OPERATIONS_TO_INVITE_MAX", 16)
    assert details(ana, group).filled is None
    assert "changes of its members" not in screen.shown(details(ana, group))
    tx = eve.tx()
    record, heads = load_group(tx, group), history_of(tx, group).heads
    for number in range(6):
        _, record = issue(tx, group, record, Rejoin(heads, number.to_bytes(32, "big")))
    keep(eve, tx)
    eve.sync(ana)
    found = details(ana, group)
    assert found.filled is not None
    assert (found.filled.changes, found.filled.member, found.filled.of) == (9, "eve", 6)
    text = narrow(screen.shown(found))
    assert f"chasqui group remove convoy {eve.key(group).hex()[:8]}" in " ".join(text.split())
    assert "nobody can be let in" in " ".join(text.split())
