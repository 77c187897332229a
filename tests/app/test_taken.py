"""Roles, and a device that was taken: `group role`, `taken`, `lift`, `confirm`, and what people see of them."""

from __future__ import annotations

from pathlib import Path

from tests.app.people import Person, go_around, pair, use_folder


def screen(person: Person, *arguments: str) -> str:
    done = person.run(*arguments)
    assert done.code == 0, (arguments, done)
    print(f"--- {person.name}: chasqui {' '.join(arguments)}\n{done.out}{done.err}")
    return done.out


def state(person: Person, member: str) -> tuple[str, str]:
    """Role and state of a member."""
    found = [m for m in person.do("group", "show", "convoy")["members"] if m["name"] == member]
    return found[0]["role"], found[0]["state"]


def test_an_admin_is_made_and_a_taken_device_is_shut_out_until_it_is_lifted(tmp_path: Path) -> None:
    ana, ben, caro, dora = people = [Person.make(tmp_path, name) for name in ("ana", "ben", "caro", "dora")]
    use_folder(tmp_path / "stick", *people)
    ana.do("group", "create", "convoy", "--taken", "2")
    for person in (ben, caro, dora):
        pair(ana, person, tmp_path)
        ana.do("group", "add", "convoy", person.name)
        go_around(ana, person)
        person.do("group", "join", "convoy")
    go_around(*people, times=2)

    told = screen(ana, "group", "role", "convoy", "ben", "admin")
    assert "ben" in told
    assert "admin" in told
    go_around(*people)
    assert state(caro, "ben") == ("admin", "current")
    caro.fail(1, "group", "role", "convoy", "dora", "admin")

    told = screen(caro, "group", "taken", "convoy", "dora")
    assert "Too few have said so yet" in told
    go_around(caro, ben)
    assert state(ben, "dora") == ("member", "current")
    told = screen(ben, "group", "taken", "convoy", "dora")
    assert "quarantined" in told
    assert "What it had received stays" in told
    go_around(ben, ana, caro, ben)
    told = screen(ana, "group", "show", "convoy")
    assert "shut out" in told
    assert state(ana, "dora") == ("member", "quarantined")
    ana.send("convoy", "without dora")
    go_around(ana, ben, dora)
    assert "without dora" in ben.texts("convoy")
    assert "without dora" not in dora.texts("convoy")

    told = screen(ana, "group", "lift", "convoy", "dora")
    assert "dora" in told
    go_around(*people)
    assert state(ben, "dora")[1] != "quarantined"
    assert state(dora, "dora")[1] == "quarantined"  # a limit: the keys were renewed without it, so it cannot hear
    assert "does not hear of this" in told
    ana.fail(2, "group", "confirm", "convoy", "00000000")
