"""`members(history)`: each rule by example, all of them against a reference, on random histories."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chasqui.base.limits import OPERATION_HEADS_MAX
from chasqui.groups.history import arrange
from chasqui.groups.membership import Roster, carries_out, cites, members
from chasqui.groups.operation import GroupKind, Operation, Remove, Role
from tests.groups.makers import add, found, key, remove

ADMIN = Role.ADMIN


def roster(*operations: Operation) -> Roster:
    return members(arrange(operations))


def names(result: Roster) -> list[str]:
    """Members in order, admins with a star."""
    return [seat.member.decode().rstrip(".") + "*" * (seat.role is ADMIN) for seat in result.seats]


# -- rule 1: the right, in the causal past --------------------------------------------------------------------


def test_the_founder_is_alone_and_admin() -> None:
    assert names(roster(found("ana"))) == ["ana*"]


def test_no_operations_no_members() -> None:
    empty = roster()
    assert (empty.seats, empty.removals, empty.counting, empty.void) == ((), {}, frozenset(), frozenset())


def test_admins_add_and_members_do_not() -> None:
    g = found("ana")
    ben = add("ana", "ben", g)
    by_member = add("ben", "eve", ben)
    by_stranger = add("zoe", "eve", ben)
    result = roster(g, ben, by_member, by_stranger)
    assert names(result) == ["ana*", "ben"]
    assert not {by_member.id, by_stranger.id} & (result.counting | result.void)


def test_members_remove_nobody_but_themselves() -> None:
    g = found("ana")
    ben = add("ana", "ben", g)
    assert names(roster(g, ben, remove("ben", "ana", ben))) == ["ana*", "ben"]
    assert names(roster(g, ben, remove("ben", "ben", ben))) == ["ana*"]
    assert names(roster(g, ben, remove("zoe", "zoe", ben))) == ["ana*", "ben"]


def test_the_right_has_to_lie_in_the_past() -> None:
    """Ben becomes admin, but says so without citing it: he had not seen it, so he had no right."""
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    early = add("ben", "eve", g)
    assert names(roster(g, ben, early)) == ["ana*", "ben*"]
    assert names(roster(g, ben, add("ben", "eve", ben))) == ["ana*", "ben*", "eve"]


def test_a_second_genesis_gives_nothing() -> None:
    first, second = sorted((found("ana", salt=1), found("eve", salt=2)), key=lambda o: o.id)
    issuer = "ana" if first.issuer == key("ana") else "eve"
    assert names(roster(first, second)) == [f"{issuer}*"]


# -- rule 2: removal beats addition, a key never comes back --------------------------------------------------


def test_removal_beats_a_concurrent_addition() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    eve = add("ana", "eve", ben)
    out, again = remove("ana", "eve", eve), add("ben", "eve", eve, salt=1)
    assert names(roster(g, ben, eve, out, again)) == ["ana*", "ben*"]


def test_a_removed_key_is_not_let_in_again() -> None:
    g = found("ana")
    eve = add("ana", "eve", g)
    out = remove("ana", "eve", eve)
    back = add("ana", "eve", out)
    result = roster(g, eve, out, back)
    assert names(result) == ["ana*"]
    assert result.removals[key("eve")] == out


def test_a_newer_addition_gives_the_role() -> None:
    g = found("ana")
    ben = add("ana", "ben", g)
    assert names(roster(g, ben, add("ana", "ben", ben, role=ADMIN))) == ["ana*", "ben*"]


# -- rule 3: concurrent with the issuer's removal --------------------------------------------------------------


def test_two_who_remove_each_other_are_both_out() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    caro = add("ana", "caro", ben)
    result = roster(g, ben, caro, remove("ana", "ben", caro), remove("ben", "ana", caro))
    assert names(result) == ["caro*"]
    assert not result.void


def test_who_was_removed_first_removes_nobody() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    out = remove("ana", "ben", ben)
    assert names(roster(g, ben, out, remove("ben", "ana", out))) == ["ana*"]


def test_an_addition_concurrent_with_the_removal_of_its_issuer_is_void() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    eve, out = add("ben", "eve", ben), remove("ana", "ben", ben)
    result = roster(g, ben, eve, out)
    assert names(result) == ["ana*"]
    assert result.void == {eve.id}
    confirmed = add("ana", "eve", eve, out)
    assert names(roster(g, ben, eve, out, confirmed)) == ["ana*", "eve"]


def test_an_addition_before_the_removal_stands() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    eve = add("ben", "eve", ben)
    assert names(roster(g, ben, eve, remove("ana", "ben", eve))) == ["ana*", "eve"]


def test_who_owes_his_seat_to_a_void_addition_adds_nobody() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    eve, out = add("ben", "eve", ben, role=ADMIN), remove("ana", "ben", ben)
    mal = add("eve", "mal", eve)
    result = roster(g, ben, eve, out, mal)
    assert names(result) == ["ana*"]
    assert result.void == {eve.id, mal.id}


def test_a_second_seat_that_was_not_known_then_saves_nothing() -> None:
    """Eve added Mal on the strength of a void seat. That Ana, too, lets Eve in, elsewhere and in any order of ids,
    makes Eve a member and Mal none."""
    for salt in range(8):
        g = found("ana")
        ben = add("ana", "ben", g, role=ADMIN)
        eve, out = add("ben", "eve", ben, role=ADMIN), remove("ana", "ben", ben)
        mal = add("eve", "mal", eve, salt=salt)
        also = add("ana", "eve", out, salt=salt)
        assert names(roster(g, ben, eve, out, mal, also)) == ["ana*", "eve"]


def test_removals_by_the_removed_stand_if_they_did_not_know() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    caro = add("ana", "caro", ben)
    result = roster(g, ben, caro, remove("ana", "ben", caro), remove("ben", "caro", caro))
    assert names(result) == ["ana*"]


def test_who_knows_that_his_seat_is_void_removes_nobody() -> None:
    """Rule 1 asks the roster of the past, and there Eve has no seat."""
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    eve, out = add("ben", "eve", ben, role=ADMIN), remove("ana", "ben", ben)
    assert names(roster(g, ben, eve, out, remove("eve", "ana", eve, out))) == ["ana*"]


# -- rule 4: somebody is always admin ------------------------------------------------------------------------


def test_when_the_last_admin_leaves_the_first_member_is_admin() -> None:
    g = found("ana")
    ben = add("ana", "ben", g)
    caro = add("ana", "caro", ben)
    left = remove("ana", "ana", caro)
    assert names(roster(g, ben, caro, left)) == ["ben*", "caro"]
    dora = add("ben", "dora", left)
    assert names(roster(g, ben, caro, left, dora)) == ["ben*", "caro", "dora"]
    assert names(roster(g, ben, caro, left, add("caro", "dora", left))) == ["ben*", "caro"]
    assert names(roster(g, ben, caro, left, remove("ben", "ben", left))) == ["caro*"]


def test_an_admin_who_is_void_does_not_stand_in_the_way() -> None:
    """Found by the reference: the roster said that Caro is admin, and what she then signed did not count, because
    an admin who never had a seat was still there."""
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    caro = add("ana", "caro", ben)
    eve, out = add("ben", "eve", caro, role=ADMIN), remove("ana", "ben", caro)
    left = remove("ana", "ana", eve, out)
    result = roster(g, ben, caro, eve, out, left)
    assert names(result) == ["caro*"]
    dora = add("caro", "dora", left)
    assert names(roster(g, ben, caro, eve, out, left, dora)) == ["caro*", "dora"]


def test_who_carries_out() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    caro = add("ana", "caro", ben)
    left = remove("caro", "caro", caro)
    everybody = frozenset(key(name) for name in ("ana", "ben", "caro"))
    result = roster(g, ben, caro, left)
    assert carries_out(result, left, everybody) == key("ana")
    gone = remove("ana", "ana", left)
    assert carries_out(roster(g, ben, caro, left, gone), gone, everybody) == key("ben")


def test_who_carries_out_what_its_issuer_cannot() -> None:
    g = found("ana")
    ben = add("ana", "ben", g, role=ADMIN)
    caro = add("ana", "caro", ben)
    dora = add("ana", "dora", caro)
    everybody = frozenset(key(name) for name in ("ana", "ben", "caro", "dora"))
    gone = remove("ben", "dora", dora)
    result = roster(g, ben, caro, dora, gone)
    assert carries_out(result, gone, everybody) == key("ben")
    assert carries_out(result, gone, everybody - {key("ben")}) == key("ana")
    mutual = (remove("ana", "ben", dora), remove("ben", "ana", dora))
    result = roster(g, ben, caro, dora, *mutual)
    assert [carries_out(result, each, everybody) for each in mutual] == [key("caro")] * 2
    assert carries_out(result, mutual[0], frozenset()) is None


# -- rule 5: a contact never grows ---------------------------------------------------------------------------


def contact() -> tuple[Operation, Operation]:
    g = found("ana", GroupKind.CONTACT)
    return g, add("ana", "ben", g, role=ADMIN)


@pytest.mark.parametrize("issuer", ["ana", "ben"])
def test_a_contact_takes_in_one_other_and_never_a_third(issuer: str) -> None:
    g, ben = contact()
    assert names(roster(g, ben, add(issuer, "eve", ben))) == ["ana*", "ben*"]
    other = "ben" if issuer == "ana" else "ana"
    for gone in (remove("ben", "ben", ben), remove(issuer, other, ben)):
        assert names(roster(g, ben, gone, add("ana", "eve", gone))) == ["ana*", "ben*"]


@pytest.mark.parametrize("salt", range(8))
def test_nor_by_a_founder_who_says_two_things_at_once(salt: int) -> None:
    g, ben = contact()
    ghost = add("ana", "eve", g, role=ADMIN, salt=salt)
    result = roster(g, ben, ghost)
    assert len(result.seats) == 2
    assert len(result.void) == 1


# -- the history ----------------------------------------------------------------------------------------------


def test_what_cites_the_unknown_waits() -> None:
    g = found("ana")
    ben = add("ana", "ben", g)
    caro = add("ana", "caro", ben)
    history = arrange([g, caro])
    assert history.order == (g,)
    assert history.deferred == (caro,)
    assert arrange([g, ben, caro]).deferred == ()


def test_heads_are_what_nobody_cites() -> None:
    g = found("ana")
    one, two = add("ana", "ben", g), add("ana", "caro", g)
    assert arrange([g]).heads == (g.id,)
    assert set(arrange([g, one, two]).heads) == {one.id, two.id}
    assert arrange([g, one, two, add("ana", "dora", one, two)]).heads != (one.id, two.id)


def test_nobody_crowds_out_what_has_to_be_cited() -> None:
    """Eve, a member without rights, makes many heads. Cut to sixteen by their ids, Ben's next operation would not
    have his own seat in its past, and would not count: she could keep every admin but the founder from acting."""
    g = found("ana")
    eve = add("ana", "eve", g)
    ben = add("ana", "ben", eve, role=ADMIN)
    crowd = [add("eve", "mal", eve, salt=n) for n in range(60)]
    history = arrange([g, eve, ben, *crowd])
    assert ben.id not in history.heads[:OPERATION_HEADS_MAX]
    assert cites(history, key("ben")) == (ben.id,)
    out = remove("ben", "eve", ben)
    assert key("eve") not in roster(g, eve, ben, *crowd, out).members


def test_nor_does_an_admin() -> None:
    """With rights she can make heads that count; those that have the issuer's own seat in their past come first."""
    g = found("ana")
    eve = add("ana", "eve", g, role=ADMIN)
    ben = add("ana", "ben", eve, role=ADMIN)
    crowd = [add("eve", f"mal{n}", eve) for n in range(60)]
    history = arrange([g, eve, ben, *crowd])
    chosen = cites(history, key("ben"))
    assert len(chosen) == OPERATION_HEADS_MAX
    assert ben.id in chosen
    by_id = {o.id: o for o in history.order}
    out = remove("ben", "eve", *(by_id[head] for head in chosen))
    assert key("eve") not in roster(*history.order, out).members


# -- random histories ----------------------------------------------------------------------------------------

PEOPLE = ("ana", "ben", "caro", "dora", "eve")
Move = tuple[int, int, int, list[int], int]
moves = st.lists(
    st.tuples(
        st.integers(0, 4),  # issuer
        st.integers(0, 4),  # member
        st.integers(0, 3),  # what: member, admin, removal, removal of oneself
        st.lists(st.integers(0, 200), min_size=1, max_size=3),  # what is cited, from the newest
        st.integers(0, 3),
    ),
    max_size=14,
)


def play(script: list[Move], kind: GroupKind = GroupKind.GROUP) -> list[Operation]:
    operations = [found("ana", kind)]
    for issuer, member, what, cited, salt in script:
        heads = tuple({operations[-1 - index % len(operations)].id: None for index in cited})
        past = tuple(o for o in operations if o.id in heads)
        by = PEOPLE[issuer]
        if what == 3:
            made = remove(by, by, *past, salt=salt)
        elif what == 2 and member != issuer:
            made = remove(by, PEOPLE[member], *past, salt=salt)
        else:
            made = add(by, PEOPLE[member], *past, role=ADMIN if what == 1 else Role.MEMBER, salt=salt)
        if made.id not in {o.id for o in operations}:
            operations.append(made)
    return operations


@settings(max_examples=150, deadline=None)
@given(moves, st.randoms(use_true_random=False), st.integers(0, 14))
def test_order_and_repetition_do_not_count(script: list[Move], dice: random.Random, without: int) -> None:
    operations = play(script)
    del operations[without + 1 : without + 2]  # something may be missing, too
    mixed = operations + dice.sample(operations, len(operations) // 2)
    dice.shuffle(mixed)
    assert arrange(mixed) == arrange(operations)
    assert members(arrange(mixed)) == members(arrange(operations))


@settings(max_examples=150, deadline=None)
@given(moves)
def test_whoever_is_admin_can_act(script: list[Move]) -> None:
    """Liveness: in every history somebody can go on, and exactly those can whom the roster calls admins."""
    operations = play(script)
    history = arrange(operations)
    before = members(history)
    for name in PEOPLE:
        cited = cites(history, key(name))
        heads = tuple(o for o in operations if o.id in cited)
        newcomer = add(name, "zoe", *heads)
        after = members(arrange([*operations, newcomer]))
        assert (newcomer.id in after.counting) == (key(name) in before.admins)
        assert (key("zoe") in after.members) == (key(name) in before.admins)
        leaving = remove(name, name, *heads, salt=9)
        after = members(arrange([*operations, leaving]))
        assert (leaving.id in after.counting) == (key(name) in before.members)
    assert bool(before.admins) == bool(before.seats)


@settings(max_examples=150, deadline=None)
@given(moves)
def test_what_is_cited_is_all_that_counts(script: list[Move]) -> None:
    operations = play(script)
    history = arrange(operations)
    chosen = cites(history, key("ana"))
    result = members(history)
    assert set(chosen) <= result.rightful
    assert all(o in chosen or any(history.precedes(o, head) for head in chosen) for o in result.rightful)
    assert not any(history.precedes(a, b) for a in chosen for b in chosen)


@settings(max_examples=150, deadline=None)
@given(moves, st.data())
def test_the_removed_never_come_back(script: list[Move], data: st.DataObject) -> None:
    """More operations never undo a removal, never revive what is void, and change no right."""
    operations = play(script)
    cut = data.draw(st.integers(1, len(operations)))  # every prefix of the script is closed under 'cites'
    early, late = members(arrange(operations[:cut])), members(arrange(operations))
    assert early.removals.keys() <= late.removals.keys()
    assert early.void <= late.void
    assert early.counting | early.void <= late.counting | late.void
    known = {o.id for o in operations[:cut]}
    assert (late.counting | late.void) & known == early.counting | early.void
    assert not late.members & late.removals.keys()


@settings(max_examples=100, deadline=None)
@given(moves)
def test_a_contact_of_any_history_has_at_most_two(script: list[Move]) -> None:
    operations = play(script, GroupKind.CONTACT)
    assert len(members(arrange(operations)).seats) <= 2


@example([])
@settings(max_examples=60, deadline=None)
@given(moves)
def test_removals_by_whoever_had_the_right_always_count(script: list[Move]) -> None:
    operations = play(script)
    result = members(arrange(operations))
    for operation in operations:
        if isinstance(operation.change, Remove) and operation.id in result.counting:
            assert operation.change.member not in result.members


def test_the_longest_history_is_worked_out_in_time() -> None:
    """4,096 operations in one line: what an insider can make of a group must not stop it."""
    g = found("ana")
    operations = [g]
    for n in range(2047):
        operations.append(add("ana", f"m{n}", operations[-1]))
        operations.append(remove("ana", f"m{n}", operations[-1]))
    began = time.process_time()
    result = roster(*operations)
    assert names(result) == ["ana*"]
    assert len(result.removals) == 2047
    assert time.process_time() - began < 5
