"""`group create --quorum 2`: what waits for another admin, what people see of it, and `group confirm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chasqui.app.screens.text import columns
from tests.app.people import Person, go_around, pair, use_folder


def screen(person: Person, *arguments: str) -> str:
    """What a person reads: words that fit a narrow terminal."""
    done = person.run(*arguments)
    assert done.code == 0, (arguments, done)
    print(f"--- {person.name}: chasqui {' '.join(arguments)}\n{done.out}{done.err}")
    wide = [line for line in done.out.splitlines() if columns(line) > 80 and not line.lstrip().startswith("`chasqui")]
    assert not wide, wide
    return " ".join(done.out.split())


def waiting(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.do("group", "show", "convoy")["pending"]
    return [line for line in found if line["op"] == "confirm?"]


def state(person: Person, member: str) -> tuple[str, str]:
    """Role and state of a member."""
    found = [m for m in person.do("group", "show", "convoy")["members"] if m["name"] == member]
    return found[-1]["role"], found[-1]["state"]


@pytest.fixture
def four(tmp_path: Path) -> tuple[Person, Person, Person, Person]:
    """A group of Ana and Ben, its admins, and Caro; Ana also knows Dora."""
    ana, ben, caro, dora = people = [Person.make(tmp_path, name) for name in ("ana", "ben", "caro", "dora")]
    use_folder(tmp_path / "stick", *people)
    told = screen(ana, "group", "create", "convoy", "--quorum", "2")
    assert "Two admins stand behind every change" in told
    assert "--role admin" in told
    for person, role in ((ben, "admin"), (caro, "member")):
        pair(ana, person, tmp_path)
        answer = ana.do("group", "add", "convoy", person.name, "--role", role)
        go_around(ana, person, ben)
        assert answer["state"] == ("unconfirmed" if waiting(ben) else "invited")
        for line in waiting(ben):
            assert line["id"] == answer["operation"]
            ben.do("group", "confirm", "convoy", line["id"])
        go_around(ben, ana, person)
        person.do("group", "join", "convoy")
        go_around(*people)
    pair(ana, dora, tmp_path)
    return ana, ben, caro, dora


def test_every_change_waits_for_the_second_admin(four: tuple[Person, Person, Person, Person]) -> None:
    ana, ben, caro, dora = four
    assert ana.do("group", "show", "convoy")["quorum"] == 2
    told = screen(ana, "group", "add", "convoy", "dora")
    (line,) = waiting(ana)
    assert f"chasqui group confirm convoy {line['id'][:8]}" in told
    assert line["key"][:8] in told
    assert "reads nothing of the group" in told
    go_around(ana, ben, dora)
    assert dora.do("group", "list")["groups"] == []
    told = screen(ben, "group", "show", "convoy")
    assert "Changes need the word of two admins" in told
    assert f"{line['id'][:8]} add {line['key'][:8]} {line['key'][:8]} ana" in told
    assert "Nothing of this counts yet" in told
    told = screen(ben, "group", "confirm", "convoy", line["id"][:8])
    assert "invitation from ana" in told
    go_around(ben, ana, dora)
    dora.do("group", "join", "convoy")
    go_around(*four, times=2)
    assert state(caro, "dora") == ("member", "current")

    told = screen(ana, "group", "role", "convoy", "caro", "admin")
    assert "caro becomes admin. It waits for one more admin. caro is member until then." in told
    go_around(ana, ben)
    answer = ben.do("group", "confirm", "convoy", waiting(ben)[0]["id"][:8])
    assert (answer["change"], answer["name"]) == ("admin", "caro")
    go_around(*four, times=2)
    assert state(dora, "caro") == ("admin", "current")

    told = screen(ana, "group", "remove", "convoy", "dora")
    assert "!! NOT REMOVED YET" in told
    assert "dora reads everything that is sent" in told
    assert ana.fail(1, "group", "remove", "convoy", "dora")["message"].startswith("You have signed this already")
    ana.send("convoy", "dora still reads this")
    go_around(ana, ben, caro, dora)
    assert "dora still reads this" in dora.texts("convoy")
    told = screen(caro, "group", "confirm", "convoy", waiting(caro)[0]["id"][:8])
    assert "dora is removed and the keys are new" in told
    caro.send("convoy", "without dora")
    go_around(caro, ana, ben, dora)
    assert state(ana, "dora")[1] == "removed"
    assert waiting(ana) == []
    assert "without dora" in ben.texts("convoy")
    assert "without dora" not in dora.texts("convoy")


def test_with_a_daemon_the_newcomer_is_let_in_by_itself(four: tuple[Person, Person, Person, Person]) -> None:
    ana, ben, _, dora = four
    ana.up()
    try:
        answer = ana.do("group", "add", "convoy", "dora")
        assert answer["state"] == "unconfirmed"
        ana.do("sync")
        ben.sync()
        assert ben.do("group", "remove", "convoy", "caro")["state"] == "unconfirmed"
        ben.do("group", "confirm", "convoy", answer["operation"])
        ben.sync()
        ana.do("sync")
        assert ana.do("group", "remove", "convoy", "caro")["state"] == "removed", "two who want the same"
        ana.do("sync")
        dora.sync()
        dora.do("group", "join", "convoy")
    finally:
        ana.run("down")


def test_wrong_numbers_of_admins(four: tuple[Person, Person, Person, Person]) -> None:
    for number in ("0", "3", "two"):
        assert four[0].fail(2, "group", "create", "other", "--quorum", number)
