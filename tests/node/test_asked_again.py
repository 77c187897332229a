"""What the stateful machine found where somebody comes back, or goes: reduced, and kept."""

from __future__ import annotations

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.schema import encode
from chasqui.groups.bodies import AskBody
from chasqui.groups.operation import Role
from chasqui.node import inputs
from chasqui.node.groups import history_of, load_group, roster_of, tree_keys
from chasqui.node.keys import u24
from chasqui.node.records import Space
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, head, utter
from tests.node.world import Person, make_group, meet, pair


def crowd_of(*names: str, admins: int = 1) -> tuple[list[Person], GroupId]:
    """A group; everybody is a contact of the first one alone."""
    people = [Person(name) for name in names]
    group = make_group(*people)
    for other in people[1:admins]:
        people[0].do(inputs.SetRole(group, other.key(group), Role.ADMIN))
    meet(*people)
    return people, group


def in_one_epoch(group: GroupId, *people: Person) -> bool:
    """Whether all have one head and sit in its tree."""
    heads = {head(person, group)[0] for person in people}
    return len(heads) == 1 and {person.key(group) for person in people} <= tree_keys(head(people[0], group)[1])


@pytest.mark.must("M-SEA-4")
def test_who_got_a_leaf_does_not_give_one_to_whom_he_may_have_got_it_from() -> None:
    """Ana and Dan ask at once. Ben answers Ana, she answers Dan; Dan holds a demand of hers, too, and cannot know that
    it was met before he came. All others would refuse his commit, and he would be alone on it."""
    (ana, ben, caro, dan), group = crowd_of("ana", "ben", "caro", "dan", admins=2)
    ana.do(inputs.Rejoin(group))
    dan.do(inputs.Rejoin(group))
    meet(ana, ben, caro, dan)
    assert in_one_epoch(group, ana, ben, caro, dan)
    assert not any(load_group(person.tx(), group).demanded_s for person in (ana, dan))


@pytest.mark.must("M-SEA-4")
def test_who_got_a_leaf_gives_one_to_who_asks_after_that() -> None:
    (ana, ben, caro, dan), group = crowd_of("ana", "ben", "caro", "dan", admins=2)
    dan.do(inputs.Rejoin(group))
    meet(ana, ben, caro, dan)
    before = head(dan, group)[0]
    ana.do(inputs.Rejoin(group))
    dan.do(inputs.Flush())
    ana.do(inputs.Flush())
    dan.do(inputs.TakeBundles(tuple(ana.held())))
    dan.do(inputs.Flush())
    assert head(dan, group)[0] != before
    meet(ana, ben, caro, dan)
    assert in_one_epoch(group, ana, ben, caro, dan)


@pytest.mark.must("M-COM-2")
def test_a_commit_in_whose_past_somebody_is_accused_may_keep_him() -> None:
    """Caro asks for a leaf, knowing that Ben was accused, and not that he was lifted: the commit that gives it to her
    keeps him."""
    ana, ben, caro = people = [Person(name) for name in ("ana", "ben", "caro")]
    contacts = [pair(ana, other) for other in (ben, caro)]
    group: GroupId = ana.do(inputs.CreateGroup("convoy", taken=1))
    for contact, other in zip(contacts, (ben, caro), strict=True):
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        meet(*people)
        other.do(inputs.JoinGroup(group))
        meet(*people)
    caro.do(inputs.Accuse(group, ben.key(group)))
    caro.sync(ana, ben)
    assert roster_of(ana.tx(), group).quarantined == {ben.key(group)}
    for person in (ben, caro):
        person.do(inputs.Rejoin(group))
    ana.do(inputs.Lift(group, ben.key(group)))
    for person in (ben, caro):
        person.sync(ana)
        ana.do(inputs.Flush())
    assert roster_of(ana.tx(), group).current <= tree_keys(head(ana, group)[1])
    meet(*people)
    assert in_one_epoch(group, ana, ben, caro)


@pytest.mark.must("M-ASK-2")
def test_parts_of_a_file_are_not_said_again_for_whom_it_was_not_sealed_to() -> None:
    """Dan came after the file: whatever he asks for, he gets no word of it."""
    (ana, ben, caro), group = crowd_of("ana", "ben", "caro")
    caro.do(inputs.SendFile(group, "list", bytes(3000)))
    part = load_group(caro.tx(), group).seq
    dan = Person("dan")
    ana.do(inputs.AddMember(group, pair(ana, dan), Role.MEMBER))
    meet(ana, ben, caro, dan)
    dan.do(inputs.JoinGroup(group))
    meet(ana, ben, caro, dan)
    for asks, answered_to in ((dan, dan.key(group)), (ben, b"")):
        ask = AskBody((), ((caro.key(group), ((part, part),)),))
        caro.do(inputs.TakeBundles((utter(asks, group, Kind.ASK, encode(ask)),)))
        noted = caro.tx().get(Space.ANSWER, group + caro.key(group) + u24(part))
        assert noted is not None
        assert noted[8:] == answered_to, "that there is nothing, to him alone"


@pytest.mark.must("M-ASK-7")
def test_who_leaves_says_what_his_leaving_cites_first() -> None:
    """Ben's REJOIN is in a demand alone, and whom he asked has left: nobody else would ever see it."""
    (ana, ben, caro, dan), group = crowd_of("ana", "ben", "caro", "dan", admins=3)
    ana.do(inputs.LeaveGroup(group))
    ben.do(inputs.Rejoin(group))
    left = ben.key(group)
    ben.do(inputs.LeaveGroup(group))
    meet(ana, ben, caro, dan)
    assert left not in roster_of(caro.tx(), group).members
    assert in_one_epoch(group, caro, dan)


@pytest.mark.must("M-ASK-12")
def test_what_members_witness_and_is_not_here_is_asked_for() -> None:
    """Ben leaves while Ana removes him, and only Dan can ever open that. Nothing cites it, since nobody has to carry it
    out; nobody counts the numbers of one who is out. Dan has witnessed it."""
    (ana, ben, caro, dan), group = crowd_of("ana", "ben", "caro", "dan")
    held = set(ben.held())
    ben.do(inputs.LeaveGroup(group))
    lost = fresh(ben, held)
    (leaving,) = (o.id for o in history_of(ben.tx(), group).order if o.issuer == ben.key(group))
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    dan.do(inputs.TakeBundles(lost))
    noted: list[set[bytes]] = []
    for _ in range(8):
        for one in (ana, caro, dan):
            one.do(inputs.Flush())
            for other in (ana, caro, dan):
                other.do(inputs.TakeBundles(tuple(each for each in one.held() if each not in lost)))
            one.now_s += 10 * 3600
        noted.append({key[len(group) :] for key, _ in caro.tx().scan_prefix(Space.MISSING, group)})
    assert noted[0] == {leaving}, "not by the gap in his numbers alone, which who never heard of him cannot see"
    assert noted[-1] == set()
    assert leaving in roster_of(dan.tx(), group).counting
    for person in (ana, caro):
        assert leaving in history_of(person.tx(), group).position
