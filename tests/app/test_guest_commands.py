"""`group add --role guest`: what people do and see."""

from __future__ import annotations

from pathlib import Path

from chasqui.app.screens.text import columns
from tests.app.people import Person, go_around, pair, use_folder


def screen(person: Person, *arguments: str) -> str:
    """What a person reads: words that fit a narrow terminal."""
    done = person.run(*arguments)
    assert done.code == 0, (arguments, done)
    assert all(columns(line) <= 80 for line in done.out.splitlines()), done.out
    return " ".join(done.out.split())


def test_a_guest_speaks_with_some_and_sees_nothing_of_the_group(tmp_path: Path) -> None:
    ana, ben, dora = people = [Person.make(tmp_path, name) for name in ("ana", "ben", "dora")]
    use_folder(tmp_path / "stick", *people)
    ana.do("group", "create", "convoy")
    for person in (ben, dora):
        pair(ana, person, tmp_path)
    ana.do("group", "add", "convoy", "ben")
    go_around(ana, ben)
    ben.do("group", "join", "convoy")
    go_around(ben, ana)
    refused = ana.fail(1, "group", "add", "convoy", "ben", "--role", "guest")
    assert refused["message"].startswith("That contact is a member")

    for whom, why in (("ana", "You speak with your guest anyway"), ("dora", "That is the guest")):
        refused = ana.fail(1, "group", "add", "convoy", "dora", "--role", "guest", "--with", whom)
        assert refused["message"].startswith(why)
    told = screen(ana, "group", "add", "convoy", "dora", "--role", "guest", "--with", "ben")
    assert "not in the group, but in a side group with you, convoy:dora" in told
    assert "ben is invited, too" in told
    (guest,) = ana.do("group", "show", "convoy")["guests"]
    assert (guest["name"], guest["group"], guest["state"]) == ("dora", "convoy:dora", "invited")
    go_around(*people)
    for person in (ben, dora):
        assert person.do("group", "join", "with ana")["id"] == guest["id"]
    go_around(*people, times=2)
    ana.send("convoy", "among us")
    dora.send("with ana", "hello")
    ben.send("with ana", "welcome")
    go_around(*people, times=2)
    assert sorted(ana.texts("convoy:dora")) == ["hello", "welcome"]
    assert [g["name"] for g in dora.do("group", "list")["groups"]] == ["with ana"]
    assert "Guests (not in this group; nobody else's device knows of them) dora in convoy:dora" in screen(
        ana, "group", "show", "convoy"
    )
    assert ben.do("group", "show", "convoy")["guests"] == []

    told = screen(ana, "group", "remove", "convoy", "ben")
    assert "still is in side groups with guests" in told
    assert "`chasqui group remove convoy:dora ben`" in told
    assert ana.do("group", "remove", "convoy:dora", "ben")["state"] == "removed"
