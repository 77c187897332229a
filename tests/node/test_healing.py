"""A group that was cut becomes one again: same head, same members, every message read."""

from __future__ import annotations

import pytest

from chasqui.base.ids import GroupId
from chasqui.base.secret import Secret
from chasqui.groups.operation import Rejoin, Role, encode_change
from chasqui.node import inputs
from chasqui.node.epochs import NOWHERE
from chasqui.node.groups import history_of, load_group, save_operations
from chasqui.node.records import CommitRecord, SeatRecord, Space
from chasqui.node.seats import _new_seat
from chasqui.node.views import group_view, read_group
from chasqui.sealed.kinds import Kind
from chasqui.sealed.object import Origin, make_object
from tests.node.hostile import keep
from tests.node.world import Person, make_group, pair


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


def all_sync(*group: Person, rounds: int = 4) -> None:
    for _ in range(rounds):
        for one in group:
            one.sync(*(other for other in group if other is not one))


def later(hours: float, *group: Person) -> None:
    for person in group:
        person.now_s += int(hours * 3600)
        person.do(inputs.Tick())


def head_of(person: Person, group: GroupId) -> bytes:
    return load_group(person.tx(), group).head


def with_admins(*names: str) -> tuple[list[Person], GroupId]:
    crowd = people(*names)
    founder, *others = crowd
    group = make_group(founder, *others)
    all_sync(*crowd)
    return crowd, group


def one_group(group: GroupId, *crowd: Person) -> None:
    assert len({head_of(person, group) for person in crowd}) == 1
    assert {person.show(group).state for person in crowd} == {"current"}
    assert len({frozenset(m.key for m in person.show(group).members if m.state != "removed") for person in crowd}) == 1


def test_two_who_renew_at_once_are_one_group_again() -> None:
    (ana, ben, caro, dan), group = with_admins("ana", "ben", "caro", "dan")
    later(24 * 8, ana, ben, caro, dan)
    for person in (ana, ben):
        person.do(inputs.Flush())
    all_sync(ana, caro)
    all_sync(ben, dan)
    ana.do(inputs.SendText(group, "north"))
    ben.do(inputs.SendText(group, "south"))
    all_sync(ana, caro)
    all_sync(ben, dan)
    assert head_of(ana, group) == head_of(caro, group) != head_of(ben, group) == head_of(dan, group)
    all_sync(ana, ben, caro, dan)
    one_group(group, ana, ben, caro, dan)
    for person in (ana, ben, caro, dan):
        assert sorted(person.texts(group)) == ["north", "south"]
        record = load_group(person.tx(), group)
        assert record.root == record.head, "all have signed for it and voted"


def test_a_removal_on_one_side_is_carried_out_on_the_other_and_everything_is_read() -> None:
    (ana, ben, caro, dan, eve), group = with_admins("ana", "ben", "caro", "dan", "eve")
    ana.do(inputs.RemoveMember(group, eve.key(group)))
    all_sync(ana, caro)
    ana.do(inputs.SendText(group, "without eve"))
    later(24 * 9, ana, ben, caro, dan, eve)
    for _ in range(3):
        all_sync(ana, caro)
        all_sync(ben, dan, eve)
    ben.do(inputs.SendText(group, "with eve"))
    all_sync(ben, dan, eve)
    all_sync(ana, ben, caro, dan)
    later(80, ana, ben, caro, dan)
    all_sync(ana, ben, caro, dan, eve)
    one_group(group, ana, ben, caro, dan)
    for person in (ana, ben, caro, dan):
        assert sorted(person.texts(group)) == ["with eve", "without eve"]
    assert eve.texts(group) == ["with eve"]
    assert eve.show(group).state == "removed"


def test_what_is_sealed_below_a_settled_sibling_comes_back() -> None:
    (ana, ben, caro, dan, eve), group = with_admins("ana", "ben", "caro", "dan", "eve")
    later(24 * 8, ana, ben, caro, dan, eve)
    eve.do(inputs.Flush())  # renews alone
    eve.do(inputs.SendText(group, "alone"))
    all_sync(ana, ben, caro, dan)
    later(80, ana, ben, caro, dan, eve)
    all_sync(ana, ben, caro, dan)
    assert not ana.show(group).forks, "four of five settle"
    ana.do(inputs.SendText(group, "together"))
    all_sync(ana, ben, caro, dan, eve)
    one_group(group, ana, ben, caro, dan, eve)
    later(80, ana, ben, caro, dan, eve)
    all_sync(ana, ben, caro, dan, eve)
    for person in (ana, ben, caro, dan, eve):
        assert sorted(person.texts(group)) == ["alone", "together"]
        assert not person.read(group).gaps


def test_who_was_let_in_on_the_side_that_lost_is_let_in_again() -> None:
    (ana, ben, caro, dan, eve), group = with_admins("ana", "ben", "caro", "dan", "eve")
    later(24, ana, ben, caro, dan, eve)
    flo = Person("flo", now_s=ana.now_s)
    ana.do(inputs.AddMember(group, pair(ana, flo), Role.MEMBER))
    all_sync(ana, flo)
    flo.do(inputs.JoinGroup(group))
    flo.do(inputs.SendText(group, "on a small side"))
    all_sync(ana, flo)
    later(24 * 8, ana, ben, caro, dan, eve, flo)
    for _ in range(2):
        all_sync(ben, caro, dan, eve)
        later(80, ana, ben, caro, dan, eve, flo)
    all_sync(ben, caro, dan, eve)
    assert head_of(ben, group) != head_of(ana, group)
    ben.do(inputs.SendText(group, "on the large side"))
    everybody = (ana, ben, caro, dan, eve, flo)
    for _ in range(3):
        all_sync(*everybody)
        later(30, *everybody)
    ben.do(inputs.SendText(group, "together"))
    all_sync(*everybody)
    one_group(group, *everybody)
    for person in (ana, ben, caro, dan, eve):
        assert sorted(person.texts(group)) == ["on a small side", "on the large side", "together"], person.name
    assert sorted(flo.texts(group)) == ["on a small side", "together"]


def test_who_can_follow_no_more_asks_a_contact_and_is_the_same_member() -> None:
    (ana, ben, caro), group = with_admins("ana", "ben", "caro")
    before = caro.key(group)
    caro.do(inputs.SendText(group, "one"))
    all_sync(ana, ben, caro)
    for person in (ana, ben, caro):
        person.now_s += 200 * 86_400
    for _ in range(3):
        all_sync(ana, ben)
        later(80, ana, ben)
    ben.do(inputs.SendText(group, "while caro is away"))
    all_sync(ana, ben)
    caro.now_s = ana.now_s
    assert caro.do(inputs.Rejoin(group)) == 1
    for _ in range(3):
        all_sync(ana, ben, caro)
        later(30, ana, ben, caro)
    caro.do(inputs.SendText(group, "two"))
    all_sync(ana, ben, caro)
    later(80, ana, ben, caro)
    all_sync(ana, ben, caro)
    one_group(group, ana, ben, caro)
    assert caro.key(group) == before
    for person in (ana, ben, caro):
        assert sorted(person.texts(group)) == ["one", "two", "while caro is away"]


def test_who_was_removed_and_let_in_again_hears_of_both_at_once() -> None:
    ana, ben, caro = people("ana", "ben", "caro")
    contact = pair(ana, ben)
    group = make_group(ana, caro)
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    all_sync(ana, ben, caro)
    ben.do(inputs.JoinGroup(group))
    all_sync(ana, ben, caro)
    first = ben.key(group)
    ana.do(inputs.RemoveMember(group, first))
    ana.do(inputs.AddMember(group, contact, Role.MEMBER))
    bundles = sorted(ana.held())
    for order in (bundles, bundles[::-1]):
        ben.do(inputs.TakeBundles(tuple(order)))
    ben.do(inputs.JoinGroup(group))
    all_sync(ana, ben, caro)
    assert ben.key(group) != first
    one_group(group, ana, ben, caro)


def test_an_older_copy_of_a_vault_gets_a_new_leaf_by_itself() -> None:
    (ana, ben, caro), group = with_admins("ana", "ben", "caro")
    before = ben.key(group)
    copy = ben.copy()
    ben.do(inputs.SendText(group, "from the newer copy"))
    later(24 * 8, ana, ben, caro)
    all_sync(ana, ben, caro)
    copy.now_s = ben.now_s
    for _ in range(3):
        all_sync(ana, copy, caro)
        later(30, ana, copy, caro)
    all_sync(ana, copy, caro)
    assert copy.show(group).state == "current"
    assert copy.key(group) == before
    copy.do(inputs.SendText(group, "from the older one"))
    all_sync(ana, copy, caro)
    later(80, ana, copy, caro)
    all_sync(ana, copy, caro)
    one_group(group, ana, copy, caro)
    for person in (ana, caro):
        assert sorted(person.texts(group)) == ["from the newer copy", "from the older one"]
        assert not person.read(group).clashes
    anas, caros = (dict(person.tx().load_prefix(Space.COMMIT, group, CommitRecord)) for person in (ana, caro))
    assert {key: commit.removes for key, commit in anas.items() if key in caros} == {
        key: commit.removes for key, commit in caros.items() if key in anas
    }, "maker and reader agree whom a commit puts out: the choice between branches follows from it"
    assert any(isinstance(operation.change, Rejoin) for operation in history_of(ana.tx(), group).order)


def test_who_was_quarantined_and_lifted_asks_for_a_new_leaf_and_is_the_same_member() -> None:
    (ana, ben, caro, dan), group = with_admins("ana", "ben", "caro", "dan")
    taken = dan.key(group)
    for accuser in (ben, caro):
        accuser.do(inputs.Accuse(group, taken))
    all_sync(ana, ben, caro, dan)
    assert dan.show(group).state == "quarantined"
    ana.do(inputs.SendText(group, "not for dan"))
    all_sync(ana, ben, caro, dan)
    ana.do(inputs.Lift(group, taken))
    all_sync(ana, ben, caro, dan)
    assert dan.do(inputs.Rejoin(group)) == 1
    for _ in range(2):
        all_sync(ana, ben, caro, dan)
        later(30, ana, ben, caro, dan)
    dan.do(inputs.SendText(group, "it was in the other coat"))
    all_sync(ana, ben, caro, dan)
    later(80, ana, ben, caro, dan)
    all_sync(ana, ben, caro, dan)
    one_group(group, ana, ben, caro, dan)
    assert dan.key(group) == taken
    assert sorted(ana.texts(group)) == ["it was in the other coat", "not for dan"]
    assert dan.texts(group) == ["it was in the other coat"]


def test_a_key_package_that_has_expired_holds_up_nothing_else() -> None:
    (ana, ben, _, dan), group = with_admins("ana", "ben", "caro", "dan")
    tx = ana.tx()
    key_package, ref = _new_seat(dan.tx(), group, load_group(dan.tx(), group), lifetime_s=60)
    signed = make_object(
        group=group,
        author=dan.key(group),
        key=Secret(load_group(dan.tx(), group).signing_key),
        seq=load_group(dan.tx(), group).seq + 1,
        minute=ana.now_s // 60,
        kind=Kind.OP,
        body=encode_change(Rejoin(history_of(tx, group).heads, ref)),
        receipts=b"",
        origin=Origin(NOWHERE, 0, 0),
    )
    save_operations(tx, group, (signed,))
    tx.save(Space.SEAT, group + dan.key(group), SeatRecord(key_package, ref, b"", pair(ana, Person("eve"))))
    keep(ana, tx)
    later(24, ana)
    assert not list(ana.tx().scan_prefix(Space.SEAT, group)), "it is of no use"
    head = head_of(ana, group)
    later(24 * 8, ana, ben)
    ben.do(inputs.SendText(group, "today"))
    ben.sync(ana)
    ana.do(inputs.Flush())
    assert head_of(ana, group) != head, "keys renew all the same"


@pytest.mark.must("M-SEA-5")
def test_who_was_lifted_once_can_get_a_second_new_leaf() -> None:
    (ana, ben, caro, dan), group = with_admins("ana", "ben", "caro", "dan")
    for accuser in (ben, caro):
        accuser.do(inputs.Accuse(group, dan.key(group)))
    all_sync(ana, ben, caro, dan)
    ana.do(inputs.Lift(group, dan.key(group)))
    all_sync(ana, ben, caro, dan)
    for _ in range(2):  # both cite the lift
        assert dan.do(inputs.Rejoin(group)) == 1
        for _ in range(2):
            all_sync(ana, ben, caro, dan)
            later(30, ana, ben, caro, dan)
        one_group(group, ana, ben, caro, dan)


def test_who_asks_for_a_leaf_without_need_is_not_taken_for_a_copied_device() -> None:
    """His REJOIN reaches a contact twice: sealed again in the group, where he still speaks, and in the demand."""
    (ana, ben, caro), group = with_admins("ana", "ben", "caro")
    all_sync(ana, ben, caro)
    assert ben.do(inputs.Rejoin(group)) > 0
    for _ in range(3):
        all_sync(ana, ben, caro)
    later(80, ana, ben, caro)
    all_sync(ana, ben, caro)
    for person in (ana, ben, caro):
        assert read_group(person.tx(), group).clashes == ()
        assert group_view(person.tx(), group).asked_s == 0
    one_group(group, ana, ben, caro)
