"""What a commit cites to put out whom nothing valid let in: few enough for a bundle, and nothing that counts for
nothing, whatever others sign beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chasqui.base.ids import GroupId, MemberKey, ObjectId
from chasqui.groups.history import arrange
from chasqui.groups.membership import Roster, members
from chasqui.groups.operation import Accuse, Add, Change, Confirm, Remove, Role, SetRole
from chasqui.node import grounds, inputs, outbox
from chasqui.node.changes import issue
from chasqui.node.groups import history_of, load_group, next_heads, roster_of
from chasqui.node.records import CommitRecord, Space
from tests.node.hostile import fresh, keep
from tests.node.test_quorum import group_of_two_keys, tree
from tests.node.world import Person, make_group, meet, pair


def signs(person: Person, group: GroupId, times: int, change: Callable[[tuple[ObjectId, ...]], Change]) -> None:
    """As much on top of what is there, and nothing else."""
    tx = person.tx()
    record, heads = load_group(tx, group), next_heads(tx, group, load_group(tx, group))
    for _ in range(times):
        _, record = issue(tx, group, record, change(heads))
    keep(person, tx)


def let_in_in_vain(
    *beside: tuple[int, Callable[[dict[str, MemberKey], tuple[ObjectId, ...]], Change]],
) -> tuple[Person, Person, GroupId, MemberKey]:
    """Ben lets Eve in while Ana removes him. Caro and Dan followed his commit, and hear of all else at once. What Mal
    signs beside that is all concurrent with the addition."""
    ana, ben, caro, dan, mal = people = [Person(name) for name in ("ana", "ben", "caro", "dan", "mal")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    keys = {person.name: person.key(group) for person in people}
    held = set(caro.held())
    eve = Person("eve")
    added: MemberKey = ben.do(inputs.AddMember(group, pair(ben, eve), Role.MEMBER))
    by_ben = fresh(ben, held)
    for person in (caro, dan):
        person.do(inputs.TakeBundles(by_ben))
        assert added in tree(person, group)
    for times, change in beside:
        signs(mal, group, times, lambda heads, change=change: change(keys, heads))  # type: ignore[misc]
    ana.do(inputs.RemoveMember(group, keys["ben"]))
    held |= set(by_ben)
    said = (*fresh(mal, held), min(fresh(ana, held), key=len))  # of ana the operation, not yet the commit
    for person in (caro, dan):
        person.do(inputs.TakeBundles(said))
    return caro, dan, group, added


def is_put_out(caro: Person, dan: Person, group: GroupId, member: MemberKey) -> None:
    caro.do(inputs.SendText(group, "among us"))
    assert member not in tree(caro, group)
    caro.sync(dan)
    assert dan.texts(group) == ["among us"]
    assert member not in tree(dan, group)
    assert tree(dan, group) == tree(caro, group)


def test_the_plain_case() -> None:
    caro, dan, group, added = let_in_in_vain()
    assert added in roster_of(caro.tx(), group).unseated
    is_put_out(caro, dan, group, added)


@pytest.mark.must("M-COM-2")
def test_nobody_makes_the_grounds_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    caro, dan, group, added = let_in_in_vain((60, lambda keys, heads: Accuse(heads, keys["ana"], 0)))
    monkeypatch.setattr(outbox, "BODY_BYTES_MAX", 1300)
    is_put_out(caro, dan, group, added)


@pytest.mark.must("M-COM-2")
def test_what_counts_for_nothing_is_no_ground() -> None:
    caro, dan, group, added = let_in_in_vain((3, lambda keys, heads: Remove(heads, keys["ana"], 0, 2)))
    is_put_out(caro, dan, group, added)


@pytest.mark.must("M-COM-2")
def test_a_change_of_role_that_is_void_itself_is_a_ground() -> None:
    """That it stands is enough (rule 2)."""
    ana, ben, caro, dan, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dan", "dora")]
    group = make_group(*people)
    for person in (ben, caro):
        ana.do(inputs.SetRole(group, person.key(group), Role.ADMIN))
    meet(*people)
    held = set(dan.held())
    eve = Person("eve")
    contact = pair(caro, eve)
    added: MemberKey = caro.do(inputs.AddMember(group, contact, Role.MEMBER))
    for person in (dan, dora):
        person.do(inputs.TakeBundles(fresh(caro, held)))
    bens, caros = ben.key(group), caro.key(group)
    signs(ben, group, 1, lambda heads: SetRole(heads, caros, Role.MEMBER))
    ana.do(inputs.RemoveMember(group, bens))
    for person in (dan, dora):
        person.do(inputs.TakeBundles((*fresh(ben, held), min(fresh(ana, held), key=len))))
    roster = roster_of(dan.tx(), group)
    assert added in roster.unseated
    assert len(roster.void) == 2
    is_put_out(dan, dora, group, added)


@pytest.mark.must("M-COM-15")
def test_more_removals_than_one_commit_can_cite_are_carried_out_by_several(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, caro, *others = people = [Person(name) for name in ("ana", "ben", "caro", "dan", "dora", "eve", "finn")]
    group = make_group(*people)
    gone = [person.key(group) for person in others]
    held, before = set(ana.held()), len(history_of(ana.tx(), group).order)
    for key in gone:
        signs(ana, group, 1, lambda heads, key=key: Remove(heads, key, 0, 2))  # type: ignore[misc]
    said = fresh(ana, held)
    for person in (ben, caro):
        person.do(inputs.TakeBundles(said))
    assert len(history_of(ben.tx(), group).order) == before + len(gone)
    monkeypatch.setattr(grounds, "CITED_AT_ONCE", 2)
    ben.do(inputs.SendText(group, "among us"))
    made = [record for _, record in ben.tx().load_prefix(Space.COMMIT, group, CommitRecord) if record.removes]
    assert sorted(len(record.operations) for record in made) == [2, 2]
    ben.sync(caro)
    assert caro.texts(group) == ["among us"]
    for person in (ben, caro):
        assert not tree(person, group) & set(gone)


def test_what_a_cited_past_puts_out_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben confirms the first removal twice. So it comes last, but is in the past of the other."""
    ana, ben, caro, *_ = people = [Person(name) for name in ("ana", "ben", "caro", "dan", "dora")]
    group = group_of_two_keys(*people)
    keys = {person.name: person.key(group) for person in people}
    signs(ana, group, 1, lambda heads: Remove(heads, keys["dan"], 0, 2))
    signs(ana, group, 1, lambda heads: Remove(heads, keys["dora"], 0, 2))
    first, second = (o.id for o in history_of(ana.tx(), group).order[-2:])
    ana.sync(ben)
    for removal in (first, second, first):
        signs(ben, group, 1, lambda heads, removal=removal: Confirm(heads, removal))  # type: ignore[misc]
    monkeypatch.setattr(grounds, "CITED_AT_ONCE", 2)
    ben.sync(caro)
    caro.do(inputs.SendText(group, "among us"))
    caro.sync(ana, ben)
    for person in (ana, ben, caro):
        assert person.texts(group) == ["among us"]
        assert tree(person, group) == {keys["ana"], keys["ben"], keys["caro"]}


def group_that_takes_three() -> tuple[list[Person], GroupId]:
    """Four members, of whom three accusers would be enough."""
    ana, ben, caro, dan = people = [Person(name) for name in ("ana", "ben", "caro", "dan")]
    contacts = [pair(ana, other) for other in (ben, caro, dan)]
    group: GroupId = ana.do(inputs.CreateGroup("convoy", taken=3))
    for contact, other in zip(contacts, (ben, caro, dan), strict=True):
        ana.do(inputs.AddMember(group, contact, Role.MEMBER))
        meet(*people)
        other.do(inputs.JoinGroup(group))
        meet(*people)
    return people, group


@pytest.mark.must("M-COM-2")
def test_of_few_who_are_left_fewer_accusers_are_enough_and_all_see_why() -> None:
    """Ana leaves, and that is carried out before anybody has heard two accusations. Then two of three who are left are
    enough, as they were not before."""
    (ana, ben, caro, dan), group = group_that_takes_three()
    for person in (caro, dan):
        person.do(inputs.Accuse(group, ben.key(group)))
    held = set(ana.held())
    ana.do(inputs.LeaveGroup(group))
    for person in (caro, dan):
        person.do(inputs.TakeBundles(fresh(ana, held)))
    caro.do(inputs.SendText(group, "ana has left"))
    assert ana.key(group) not in tree(caro, group)
    caro.sync(dan)
    dan.sync(caro)
    assert roster_of(dan.tx(), group).quarantined == {ben.key(group)}
    dan.do(inputs.SendText(group, "ben is taken"))
    dan.sync(caro)
    assert tree(caro, group) == tree(dan, group) == {caro.key(group), dan.key(group)}
    assert caro.texts(group) == ["ana has left", "ben is taken"]


@pytest.mark.must("M-COM-2")
def test_who_was_let_in_meanwhile_needs_no_word_that_one_is_not_put_out() -> None:
    """Ben leaves in a group of four in which two have accused Caro, on top of that: without Eve, whom Ana has let in
    meanwhile, it would be so few that two are enough. The commit that carries it out keeps Caro."""
    people, group = group_that_takes_three()
    ana, ben, caro, dan = people
    for person in (ana, dan):
        person.do(inputs.Accuse(group, caro.key(group)))
    meet(*people)
    held = set(ben.held())
    eve = Person("eve")
    ana.do(inputs.AddMember(group, pair(ana, eve), Role.MEMBER))
    ana.sync(dan, caro)
    ben.do(inputs.LeaveGroup(group))
    for person in (ana, caro, dan):
        person.do(inputs.TakeBundles(fresh(ben, held)))
        assert roster_of(person.tx(), group).quarantined == frozenset()
    caro.do(inputs.SendText(group, "without ben"))
    caro.sync(ana, dan)
    for person in (ana, caro, dan):
        assert ben.key(group) not in tree(person, group)
        assert caro.key(group) in tree(person, group)
        assert person.texts(group) == ["without ben"]


def test_whoever_is_not_seen_to_be_gone_holds_nobody_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a reader never saw by what is cited that Ana has left: what is cited then ends all the same."""
    (ana, ben, caro, dan), group = group_that_takes_three()
    meet(caro, dan)
    held = set(ana.held())
    ana.do(inputs.LeaveGroup(group))
    for person in (caro, dan):
        person.do(inputs.TakeBundles(fresh(ana, held)))
        person.do(inputs.Accuse(group, ben.key(group)))
    caro.sync(dan)
    tx = dan.tx()
    roster, order = roster_of(tx, group), history_of(tx, group).order
    before = tuple(o for o in order if isinstance(o.change, Add))
    asked = iter(range(9))

    def seen(*_: object) -> Roster:
        assert next(asked, None) is not None, "it asks again and again"
        return members(arrange((order[0], *before)))

    monkeypatch.setattr(grounds, "cited_roster", seen)
    assert ben.key(group) in roster.quarantined
    (leaving,) = (o.id for o in order if isinstance(o.change, Remove))
    assert leaving in grounds.grounds_of(tx, group, roster, ben.key(group))
