"""Members who have leaves on several branches and the keys of one: "New leaves" in docs/spec/forks.md."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from chasqui import mls
from chasqui.base import labels
from chasqui.base.hashing import labelled_hash
from chasqui.base.ids import GroupId
from chasqui.groups.bodies import WelcomeBody
from chasqui.groups.operation import Rejoin, Role
from chasqui.groups.seats import seal_welcome
from chasqui.node import inputs
from chasqui.node.authors import load_author
from chasqui.node.changes import carry_out
from chasqui.node.groups import history_of, load_group, roster_of, save_group, tree_keys
from chasqui.node.records import AuthorRecord, MemberRecord, OwnKeyPackageRecord, SeatRecord, Space
from chasqui.node.seats import re_enter
from chasqui.sealed.kinds import Kind
from tests.node.hostile import fresh, head, keep, utter
from tests.node.world import Person, meet, pair, settled_group
from tests.spec.test_seats import HOUR_S, given, ref_of, seat_keys, seated_again, takes


def by_lot(group: GroupId, people: Sequence[Person]) -> list[Person]:
    """Whose commit on the head that they have in common is chosen where nobody has voted, first."""
    parent = head(people[0], group)[0]
    return sorted(people, key=lambda person: labelled_hash(labels.HASH_FORK, parent + person.key(group)))


def unsettled(person: Person, group: GroupId) -> None:
    """Makes somebody one who has just come in."""
    tx = person.tx()
    save_group(tx, group, load_group(tx, group), seated=False)
    keep(person, tx)


def renews(person: Person, group: GroupId) -> None:
    tx = person.tx()
    carry_out(tx, group, load_group(tx, group), (), ())
    keep(person, tx)


def enters(person: Person, body: WelcomeBody, made: mls.KeyPackageKeys) -> None:
    tx = person.tx()
    re_enter(tx, body, ref_of(made), made)
    keep(person, tx)


def exchange(*people: Person) -> None:
    """Everybody gets what the others hold, and nobody does anything about it."""
    for person in people:
        for other in people:
            if other is not person:
                other.do(inputs.TakeBundles(tuple(person.held())))


def gives(person: Person, group: GroupId, *others: Person) -> mls.KeyPackageKeys:
    """A key package for the next leaf of somebody, which others get."""
    made = seat_keys(person, group)
    bundles = given(person, group, made)
    for other in others:
        other.do(inputs.TakeBundles(bundles))
    return made


def later(hours: int, *people: Person) -> None:
    for person in people:
        person.now_s += hours * HOUR_S


@pytest.mark.must("M-SEA-4")
def test_a_leaf_of_a_branch_where_its_member_did_not_enter_is_replaced() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    others = (ana, ben, caro)
    unsettled(dan, group)
    first = gives(dan, group, *others)
    winner, loser, _ = by_lot(group, others)
    seated_again(winner, group, dan, first)  # on two branches at once, of one key package
    lost, _ = seated_again(loser, group, dan, first)
    exchange(*others)
    enters(dan, lost, first)
    dan.do(inputs.TakeBundles(tuple(ana.held())))
    second = gives(dan, group, *others)
    assert len({head(person, group)[0] for person in others}) == 1
    winner, loser, _ = by_lot(group, others)
    lost, _ = seated_again(loser, group, dan, second)  # again on a branch that loses, below one that won
    renews(winner, group)
    exchange(*others)
    enters(dan, lost, second)
    dan.do(inputs.TakeBundles(tuple(ana.held())))
    gives(dan, group, *others)
    before = head(ana, group)[0]
    assert dan.key(group) in tree_keys(head(ana, group)[1])
    assert {head(person, group)[0] for person in others} == {before} != {head(dan, group)[0]}
    for _ in range(5):
        later(6, *others, dan)
        meet(*others, dan)
    assert {head(person, group)[0] for person in (*others, dan)} == {head(ana, group)[0]}
    ana.do(inputs.SendText(group, "one group"))
    meet(*others, dan)
    assert dan.texts(group)[-1] == "one group"


@pytest.mark.must("M-SEA-4")
def test_who_does_not_know_where_two_branches_part_gives_nobody_a_leaf_there() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    for newcomer in (caro, dan):
        unsettled(newcomer, group)
    his, first = gives(dan, group, ana, ben, caro), gives(caro, group, ana, ben, dan)
    winner, loser = by_lot(group, (ana, ben))
    lost, _ = seated_again(loser, group, caro, first)
    dan.do(inputs.TakeBundles(tuple(loser.held())))
    enters(caro, lost, first)
    second = gives(caro, group, loser, dan)
    winner.do(inputs.TakeBundles(tuple(caro.held())))
    renews(winner, group)
    exchange(ana, ben, caro)
    seated_again(winner, group, caro, second)
    body, _ = seated_again(winner, group, dan, his)
    enters(dan, body, his)
    assert dan.tx().load(Space.SEAT, group + caro.key(group), SeatRecord) is not None
    here = head(dan, group)[0]
    for _ in range(6):
        later(12, dan)
        dan.do(inputs.Flush())
    assert head(dan, group)[0] == here, "nobody could follow what was carried out before he came"


@pytest.mark.must("M-SEA-4")
def test_the_newest_key_package_of_a_member_is_kept_whichever_comes_last() -> None:
    (ana, ben, _), group = settled_group("ana", "ben", "caro")
    older, newer = seat_keys(ben, group), seat_keys(ben, group)
    first, second = given(ben, group, older), given(ben, group, newer)
    for bundle in (*second, *first):
        assert takes(ana, bundle)
    seat = ana.tx().load(Space.SEAT, group + ben.key(group), SeatRecord)
    assert seat is not None
    assert seat.ref == ref_of(newer)


@pytest.mark.must("M-SEA-7")
def test_a_welcome_where_somebody_sits_who_was_removed_since_is_taken_and_he_is_put_out() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    unsettled(ben, group)
    made = gives(ben, group, ana, caro)
    known = ana.store.after_crash()
    body, _ = seated_again(ana, group, ben, made)
    ana.store = known
    ana.restart()
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, dan.key(group)))
    ben.do(inputs.TakeBundles(fresh(ana, before)))
    tx = ben.tx()
    assert dan.key(group) in roster_of(tx, group).removals
    enters(ben, body, made)
    assert dan.key(group) in tree_keys(head(ben, group)[1])
    ben.do(inputs.SendText(group, "without dan"))
    assert dan.key(group) not in tree_keys(head(ben, group)[1])


@pytest.mark.must("M-SEA-7")
def test_who_enters_by_a_new_leaf_asks_for_what_was_sealed_to_an_older_one() -> None:
    for floor in (0, 9):  # he had said nothing where Ben was, or only an answer, after what he said elsewhere
        asks_from_where_he_came_in(floor)


def asks_from_where_he_came_in(floor: int) -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    made = gives(ben, group, ana, caro)
    body, _ = seated_again(ana, group, ben, made)
    tx = ben.tx()
    for author, record in ((ana, AuthorRecord(floor, (), 0, 0, sealed_before=3, index=1)), (caro, None)):
        key = group + author.key(group)
        if record is None:
            tx.erase(Space.AUTHOR, key)  # somebody who came in on the other branch
            tx.erase(Space.MEMBER, key)
        else:
            tx.save(Space.AUTHOR, key, record)
    keep(ben, tx)
    enters(ben, body, made)
    assert load_author(ben.tx(), group, ana.key(group)).floor == 4
    assert load_author(ben.tx(), group, caro.key(group)).floor == 1
    assert ben.tx().load(Space.MEMBER, group + caro.key(group), MemberRecord) is not None


@pytest.mark.must("M-SEA-1")
def test_another_key_package_is_given_where_the_first_led_nowhere() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    unsettled(ben, group)

    def offers() -> int:
        return sum(
            isinstance(known.change, Rejoin) and known.issuer == ben.key(group)
            for known in history_of(ben.tx(), group).order
        )

    def waits(hours: int) -> int:
        later(hours, ana, ben, caro)
        ben.do(inputs.Flush())
        return offers()

    assert waits(6) == 1, "given when he came in"
    assert waits(24 * 14 - 7) == 1
    assert waits(1) == 2, "the first one or its welcome may be lost"
    for person in (ana, caro):
        person.do(inputs.TakeBundles(tuple(ben.held())))
    rejoin = [known for known in history_of(ben.tx(), group).order if isinstance(known.change, Rejoin)][-1]
    assert isinstance(rejoin.change, Rejoin)
    own = ben.tx().load(Space.KEY_PACKAGE, rejoin.change.key_package, OwnKeyPackageRecord)
    assert own is not None
    made = mls.KeyPackageKeys.from_bytes(own.keys)
    before = head(ben, group)[0]
    body, _ = seated_again(ana, group, ben, made)
    old = WelcomeBody(**{**{n: getattr(body, n) for n in body.__struct_fields__}, "first_day": body.first_day - 200})
    sealed = seal_welcome(made.key_package, old, caro.entropy)
    assert takes(ben, utter(caro, group, Kind.WELCOME, sealed))
    assert head(ben, group)[0] == before
    assert waits(23) == 2
    assert waits(1) == 3, "his key package was used up on a branch that he cannot enter"
    assert waits(24) == 3


@pytest.mark.must("M-ASK-7")
def test_what_was_sealed_before_a_member_entered_is_sealed_again_for_it() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    unsettled(dan, group)
    made = gives(dan, group, ana, ben, caro)
    his = gives(caro, group, ana, ben)  # an operation that dan does not get, though he sits in its tree
    assert his is not None
    body, _ = seated_again(ana, group, dan, made)
    exchange(ana, ben)
    behind = WelcomeBody(
        **{
            **{name: getattr(body, name) for name in body.__struct_fields__},
            "operations": tuple(o.signed.to_whole() for o in history_of(dan.tx(), group).order),
        }
    )
    enters(dan, behind, made)
    before = set(ben.held())
    seated_again(ben, group, caro, his)
    dan.do(inputs.TakeBundles(fresh(ben, before)))
    assert head(dan, group)[0] == head(ben, group)[0]


@pytest.mark.must("M-SEA-4")
def test_turns_count_from_when_the_key_package_is_needed_again() -> None:
    (ana, ben, caro), group = settled_group("ana", "ben", "caro")
    gives(ben, group, ana, caro)
    renews(ana, group)
    tx = ana.tx()
    seat = tx.load(Space.SEAT, group + ben.key(group), SeatRecord)
    assert seat is not None
    tx.save(Space.SEAT, group + ben.key(group), structs.replace(seat, due_s=ana.now_s - 30 * 86_400))
    keep(ana, tx)
    ana.do(inputs.Flush())
    seat = ana.tx().load(Space.SEAT, group + ben.key(group), SeatRecord)
    assert seat is not None
    assert seat.due_s == 0, "a fork that went the other way made it needless"


@pytest.mark.must("M-ASK-7")
def test_what_is_cited_is_sealed_again_by_who_never_knew_where_it_was_said() -> None:
    (ana, ben, caro, dan), group = settled_group("ana", "ben", "caro", "dan")
    origin = head(ben, group)[0]
    his = gives(ben, group, dan)
    renews(ana, group)
    for person in (caro, dan):
        person.do(inputs.TakeBundles(tuple(ana.held())))
    tx = dan.tx()  # as if he had it from a reseal: he was let in later, or on another branch
    tx.erase(Space.EPOCH, group + origin)
    tx.erase(Space.ROSTER, group + origin)
    keep(dan, tx)
    before = set(dan.held())
    seated_again(dan, group, ben, his)
    for person in (ana, caro):
        person.do(inputs.TakeBundles(fresh(dan, before)))
        assert head(person, group)[0] == head(dan, group)[0]


@pytest.mark.must("M-SEA-6")
def test_more_newcomers_than_founders_come_over_from_a_branch_that_they_settled_alone() -> None:
    """While one founder is away, the other lets in five, and they settle all but the first of what let them in. Then
    it turns out that the group went on elsewhere. Each of the five hears as many who stayed as of those who left."""
    (ana, ben), group = settled_group("ana", "ben")
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(ana, ben)
    stays, away = reversed(by_lot(group, (ana, ben)))
    crowd = [Person(name, now_s=ana.now_s) for name in ("caro", "dan", "eve", "flo", "gus")]
    contacts = [pair(stays, other) for other in crowd]
    renews(away, group)
    for other, contact in zip(crowd, contacts, strict=True):
        stays.do(inputs.AddMember(group, contact, Role.MEMBER))
        meet(stays, *crowd)
        other.do(inputs.JoinGroup(group))
        meet(stays, *crowd)
    for _ in range(3):
        later(72, stays, *crowd, away)
        meet(stays, *crowd)
        away.do(inputs.Flush())
    assert [load_group(person.tx(), group).seated for person in crowd] == [False, True, True, True, True]
    everybody = (ana, ben, *crowd)
    for _ in range(8):
        later(12, *everybody)
        meet(*everybody)
    assert len({head(person, group)[0] for person in everybody}) == 1
    crowd[-1].do(inputs.SendText(group, "we are one"))
    meet(*everybody)
    assert [person.texts(group)[-1] for person in everybody] == ["we are one"] * 7
