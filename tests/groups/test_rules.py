"""Each rule of `docs/spec/membership.md` on roles, quorum, quarantine and back-dating by example."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chasqui.groups.history import arrange
from chasqui.groups.membership import Roster, SeatState, carries_out, members
from chasqui.groups.operation import GroupKind, Operation, Role
from chasqui.groups.witnesses import Witness
from tests.groups.makers import accuse, add, confirm, found, key, lift, rejoin, remove, set_role, witness

ADMIN, MEMBER = Role.ADMIN, Role.MEMBER


def told(*operations: Operation, witnesses: tuple[Witness, ...] = ()) -> Roster:
    return members(arrange(operations), witnesses)


def names(result: Roster) -> str:
    """Members in order: a* an admin, a! one who is quarantined."""
    return " ".join(
        seat.member.decode().rstrip(".") + "*" * (seat.role is ADMIN) + "!" * (seat.state is SeatState.QUARANTINED)
        for seat in result.seats
    )


def grown(*people: str, taken: int = 2, quorum: int = 1, admins: str = "") -> list[Operation]:
    """A group that its founder let these into, one after the other; every change stands."""
    operations = [found("ana", taken=taken, quorum=quorum)]
    for person in people:
        made = add("ana", person, operations[-1], role=ADMIN if person in admins.split() else MEMBER)
        operations.append(made)
        if quorum > 1 and len(operations) > 2:
            operations.append(confirm("ben", made, made))
    return operations


# -- the right ------------------------------------------------------------------------------------------------


@pytest.mark.must("M-GRP-3")
def test_who_may_do_what() -> None:
    ops = grown("ben", "caro")
    last = ops[-1]
    for made, right in (
        (accuse("ben", "caro", last), True),
        (accuse("ben", "zoe", last), False),  # not in
        (accuse("zoe", "ben", last), False),
        (rejoin("ben", last), True),
        (rejoin("zoe", last), False),
        (set_role("ben", "caro", ADMIN, last), False),
        (set_role("ana", "zoe", ADMIN, last), False),
        (set_role("ana", "ben", ADMIN, last), True),
        (lift("ana", "ben", last), False),  # nobody accuses him
        (confirm("ben", ops[1], last), False),
        (confirm("ana", ops[1], last), False),  # her own
    ):
        assert (made.id in told(*ops, made).rightful) == right, made.change


def test_who_is_accused_may_be_lifted_by_an_admin_only() -> None:
    ops = [*grown("ben", "caro"), accuse("caro", "ben", grown("ben", "caro")[-1])]
    assert lift("ana", "ben", ops[-1]).id in told(*ops, lift("ana", "ben", ops[-1])).rightful
    assert lift("caro", "ben", ops[-1]).id not in told(*ops, lift("caro", "ben", ops[-1])).rightful


def test_one_open_accusation_each() -> None:
    ops = [*grown("ben", "caro", "dora")]
    first = accuse("caro", "ben", ops[-1])
    second = accuse("caro", "dora", first)
    assert second.id not in told(*ops, first, second).rightful
    lifted = lift("ana", "ben", first)
    again = accuse("caro", "dora", lifted)
    assert again.id in told(*ops, first, lifted, again).rightful


def test_who_is_quarantined_holds_no_rights() -> None:
    ops = grown("ben", "caro", "dora", admins="ben")
    one = accuse("caro", "ben", ops[-1])
    two = accuse("dora", "ben", one)
    for made in (add("ben", "eve", two), accuse("ben", "caro", two), remove("ben", "ben", two)):
        assert made.id not in told(*ops, one, two, made).rightful
    again = rejoin("ben", two)
    assert again.id in told(*ops, one, two, again).rightful, "who is lifted cannot have heard of it"


def test_nobody_confirms_what_concerns_himself() -> None:
    ops = grown("ben", "caro", quorum=2, admins="ben caro")
    made = set_role("ana", "caro", MEMBER, ops[-1])
    by_caro, by_ben = confirm("caro", made, made), confirm("ben", made, made)
    assert by_caro.id not in told(*ops, made, by_caro).rightful
    assert names(told(*ops, made, by_caro)) == "ana* ben* caro*"
    assert names(told(*ops, made, by_ben)) == "ana* ben* caro"


def test_nobody_rejoins_in_a_contact_nor_accuses() -> None:
    g = found("ana", GroupKind.CONTACT, taken=1)
    ben = add("ana", "ben", g)
    for made in (rejoin("ben", ben), accuse("ben", "ana", ben), set_role("ana", "ben", ADMIN, ben)):
        assert made.id not in told(g, ben, made).rightful


# -- behind a change ------------------------------------------------------------------------------------------


@pytest.mark.must("M-GRP-3")
def test_a_quorum_of_two_stands_behind_every_change() -> None:
    ops = grown("ben", "caro", quorum=2, admins="ben")
    eve = add("ana", "eve", ops[-1])
    result = told(*ops, eve)
    assert names(result) == "ana* ben* caro"
    assert result.pending == {eve.id}
    assert names(told(*ops, eve, confirm("caro", eve, eve))) == "ana* ben* caro"
    result = told(*ops, eve, confirm("ben", eve, eve))
    assert names(result) == "ana* ben* caro eve"
    assert not result.pending


def test_a_removal_needs_the_others_only() -> None:
    """Of two admins one is enough to remove the other: else the captured one would decide about himself."""
    ops = grown("ben", "caro", quorum=2, admins="ben")
    assert names(told(*ops, remove("ana", "ben", ops[-1]))) == "ana* caro"
    pending = remove("ana", "caro", ops[-1])
    assert names(told(*ops, pending)) == "ana* ben* caro"
    assert names(told(*ops, pending, confirm("ben", pending, pending))) == "ana* ben*"


def test_leaving_needs_nobody_else() -> None:
    ops = grown("ben", "caro", quorum=2, admins="ben")
    assert names(told(*ops, remove("caro", "caro", ops[-1]))) == "ana* ben*"


# -- rules 2 and 3 --------------------------------------------------------------------------------------------


@pytest.mark.must("M-GRP-3")
def test_roles_change() -> None:
    ops = grown("ben")
    up = set_role("ana", "ben", ADMIN, ops[-1])
    assert names(told(*ops, up)) == "ana* ben*"
    down = set_role("ana", "ben", MEMBER, up)
    assert names(told(*ops, up, down)) == "ana* ben"
    assert add("ben", "eve", down).id not in told(*ops, up, down, add("ben", "eve", down)).rightful


@pytest.mark.parametrize("salt", range(6))
def test_of_concurrent_roles_the_lowest(salt: int) -> None:
    ops = grown("ben", "caro", admins="caro")
    up, down = set_role("ana", "ben", ADMIN, ops[-1], salt=salt), set_role("caro", "ben", MEMBER, ops[-1], salt=salt)
    assert names(told(*ops, up, down)) == "ana* ben caro*"


def test_rank_is_the_order_of_promotion() -> None:
    ops = grown("ben", "caro")
    caro = set_role("ana", "caro", ADMIN, ops[-1])
    ben = set_role("ana", "ben", ADMIN, caro)
    assert told(*ops, caro, ben).admins == (key("ana"), key("caro"), key("ben"))


def test_what_is_concurrent_with_the_demotion_of_its_issuer_is_void_until_confirmed() -> None:
    ops = grown("ben", admins="ben")
    eve, down = add("ben", "eve", ops[-1]), set_role("ana", "ben", MEMBER, ops[-1])
    result = told(*ops, eve, down)
    assert names(result) == "ana* ben"
    assert result.void == {eve.id}
    back = confirm("ana", eve, eve, down)
    result = told(*ops, eve, down, back)
    assert names(result) == "ana* ben eve"
    assert not result.void
    assert names(told(*ops, eve, down, confirm("ben", eve, eve, down))) == "ana* ben"


def test_removals_of_one_who_was_demoted_meanwhile_stand() -> None:
    ops = grown("ben", "caro", admins="ben")
    assert names(told(*ops, remove("ben", "caro", ops[-1]), set_role("ana", "ben", MEMBER, ops[-1]))) == "ana* ben"


def test_what_is_concurrent_with_counting_accusations_is_void_while_they_count() -> None:
    ops = grown("ben", "caro", "dora", admins="ben")
    eve = add("ben", "eve", ops[-1])
    one = accuse("caro", "ben", ops[-1])
    two = accuse("dora", "ben", one)
    assert names(told(*ops, eve, one)) == "ana* ben* caro dora eve"
    result = told(*ops, eve, one, two)
    assert names(result) == "ana* ben*! caro dora"
    assert result.void == {eve.id}
    assert names(told(*ops, eve, one, two, lift("ana", "ben", two))) == "ana* ben* caro dora eve"


def test_the_acting_admin_accuses_no_quarantined_admin() -> None:
    """Else two could quarantine the only admin and the first of them would rule."""
    ops = grown("ben", "caro", "dora")
    one = accuse("ben", "ana", ops[-1])
    two = accuse("dora", "ana", one)
    result = told(*ops, one, two)
    assert names(result) == "ana*! ben caro* dora"
    assert result.admins == (key("caro"),)
    assert names(told(*ops, one, two, lift("caro", "ana", two))) == "ana* ben caro dora"
    assert names(told(*ops, one, two, lift("ben", "ana", two))) == "ana*! ben caro* dora"


# -- rule 4 ---------------------------------------------------------------------------------------------------


def removal_and_late() -> tuple[list[Operation], Operation, Operation]:
    ops = grown("ben", "caro", "dora", admins="ben")
    return ops, remove("ana", "ben", ops[-1], seq=20), add("ben", "eve", ops[-1], role=ADMIN, seq=7)


@pytest.mark.must("M-GRP-3")
def test_what_two_thirds_had_not_is_late() -> None:
    ops, out, late = removal_and_late()
    everybody = ("ana", "caro", "dora")
    assert not told(*ops, out, late, witnesses=tuple(witness(who, out, ops[-1]) for who in everybody[:2])).late
    result = told(*ops, out, late, witnesses=tuple(witness(who, out, ops[-1]) for who in everybody))
    assert result.late == {late.id}
    assert late.id not in result.rightful | result.void
    named = (*(witness(who, out, ops[-1]) for who in everybody[:2]), witness("dora", out, late))
    assert not told(*ops, out, late, witnesses=named).late


def test_the_word_of_the_removed_and_of_strangers_does_not_count() -> None:
    ops, out, late = removal_and_late()
    said = tuple(witness(who, out) for who in ("ana", "caro", "ben", "zoe"))
    assert not told(*ops, out, late, witnesses=said).late


def test_the_first_word_counts() -> None:
    ops, out, late = removal_and_late()
    said = tuple(witness(who, out) for who in ("ana", "caro"))
    both = (witness("dora", out, late, seq=3), witness("dora", out, seq=4))
    assert not told(*ops, out, late, witnesses=(*said, *both)).late
    both = (witness("dora", out, late, seq=4), witness("dora", out, seq=3))
    assert told(*ops, out, late, witnesses=(*said, *both)).late


def test_late_removals_end_too_and_so_does_what_rests_on_late_operations() -> None:
    ops, out, late = removal_and_late()
    by_eve = remove("eve", "ana", late, seq=3)
    back_dated = remove("ben", "caro", ops[-1], seq=8)
    assert names(told(*ops, out, late, by_eve, back_dated)) == "dora*"
    said = tuple(witness(who, out) for who in ("ana", "caro", "dora"))
    result = told(*ops, out, late, by_eve, back_dated, witnesses=said)
    assert names(result) == "ana* caro dora"
    assert result.late == {late.id, back_dated.id}


def test_a_leaving_is_not_late_by_itself() -> None:
    ops = grown("ben", "caro")
    gone = remove("ben", "ben", ops[-1], seq=9)
    result = told(*ops, gone, witnesses=(witness("ana", gone), witness("caro", gone)))
    assert names(result) == "ana* caro"
    assert not result.late


def test_two_who_call_each_other_late_are_both_out() -> None:
    """Then neither is surely late."""
    ops = grown("ben", "caro", "dora", admins="ben")
    a, b = remove("ana", "ben", ops[-1], seq=20), remove("ben", "ana", ops[-1], seq=20)
    said = tuple(witness(who, out) for out in (a, b) for who in ("ana", "ben", "caro", "dora"))
    result = told(*ops, a, b, witnesses=said)
    assert names(result) == "caro* dora"
    assert not result.late


def test_a_removal_that_is_late_makes_nothing_late() -> None:
    """Ben, removed, back-dates a removal of Ana, and all witness that too: it is late by hers, and hers stands."""
    ops = grown("ben", "caro", "dora", admins="ben")
    out, back = remove("ana", "ben", ops[-1], seq=20), remove("ben", "ana", ops[-1], seq=20)
    said = tuple(witness(who, out) for who in ("ana", "caro", "dora"))
    second = tuple(witness(who, back, out) for who in ("ben", "caro", "dora"))
    result = told(*ops, out, back, witnesses=said + second)
    assert names(result) == "ana* caro dora"
    assert result.late == {back.id}


# -- rule 5 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_so_many_accusers_and_no_fewer(taken: int) -> None:
    ops = grown("ben", "caro", "dora", "eve", taken=taken)
    for person in ("caro", "dora", "eve")[:taken]:
        assert not told(*ops).quarantined
        ops.append(accuse(person, "ben", ops[-1]))
    result = told(*ops)
    assert result.quarantined == result.out == {key("ben")}
    assert len(result.accusations[key("ben")]) == taken
    assert key("ben") in result.members
    assert key("ben") not in result.current


def test_in_a_small_group_all_others_are_enough() -> None:
    ops = grown("ben", taken=3)
    assert names(told(*ops, accuse("ben", "ana", ops[-1]))) == "ana*! ben*"


def test_the_last_member_is_not_quarantined_by_nobody() -> None:
    assert names(told(found("ana", taken=3))) == "ana*"


def test_one_accuser_counts_once() -> None:
    """Concurrently he can accuse two; the first that he signed counts."""
    ops = grown("ben", "caro", "dora", taken=1)
    first, second = accuse("caro", "ben", ops[-1], seq=3), accuse("caro", "dora", ops[-1], seq=4)
    assert names(told(*ops, first, second)) == "ana* ben! caro dora"
    assert names(told(*ops, first, second, remove("ana", "ben", first))) == "ana* caro dora!"


@pytest.mark.must("M-GRP-3")
def test_a_lift_ends_what_it_has_seen_and_no_more() -> None:
    ops = grown("ben", "caro", "dora", taken=1)
    first, second = accuse("caro", "ben", ops[-1]), accuse("dora", "ben", ops[-1])
    lifted = lift("ana", "ben", first)
    assert names(told(*ops, first, lifted)) == "ana* ben caro dora"
    assert names(told(*ops, first, second, lifted)) == "ana* ben! caro dora"


def test_a_removal_makes_it_final() -> None:
    ops = grown("ben", "caro", taken=1)
    one = accuse("caro", "ben", ops[-1])
    out = remove("ana", "ben", one)
    result = told(*ops, one, out, lift("ana", "ben", one))
    assert names(result) == "ana* caro"
    assert not result.accusations


# -- rule 6 ---------------------------------------------------------------------------------------------------


def test_the_newest_key_package_of_who_rejoins() -> None:
    ops = grown("ben")
    one = rejoin("ben", ops[-1], salt=1)
    two = rejoin("ben", one, salt=2)
    assert told(*ops, one, two).rejoins == {key("ben"): two}
    assert names(told(*ops, one, two)) == "ana* ben"
    assert not told(*ops, one, two, remove("ana", "ben", two)).rejoins


def test_who_carries_out_a_quarantine() -> None:
    ops = grown("ben", "caro", "dora", admins="ben", taken=1)
    everybody = frozenset(key(name) for name in ("ana", "ben", "caro", "dora"))
    result = told(*ops, accuse("dora", "caro", ops[-1]))
    assert carries_out(result, None, everybody) == key("ana")
    assert carries_out(result, None, everybody - {key("ana")}) == key("ben")
    assert carries_out(result, None, frozenset((key("caro"), key("dora")))) == key("dora")
    assert carries_out(result, None, frozenset((key("caro"),))) is None


# -- what follows ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sets(st.integers(0, 5))), max_size=8))
def test_late_stays_late(words: list[tuple[int, bool, set[int]]]) -> None:
    """Whatever else is witnessed by others, once more than two thirds have witnessed, of those who said it once."""
    ops, out, late = removal_and_late()
    said = tuple(witness(who, out, ops[-1]) for who in ("ana", "caro", "dora"))
    every = [*ops, out, late]
    others = tuple(
        witness(
            ("ben", "zoe", "eve", "ana")[who],
            out if of_out else late,
            *(every[n] for n in sorted(numbers)),
            seq=60,
        )
        for who, of_out, numbers in words
    )
    assert told(*ops, out, late, witnesses=said + others).late == {late.id}


@pytest.mark.parametrize("size", [3, 4, 5, 6])
@pytest.mark.parametrize("taken", [2, 3, 4])
def test_too_few_quarantine_nobody_whatever_they_sign(size: int, taken: int) -> None:
    people = ("ben", "caro", "dora", "eve", "finn")[: size - 1]
    ops = grown(*people, taken=taken)
    few = people[: min(taken, size - 1) - 1]
    last, made = ops[-1], []
    for person in few:
        for target in ("ana", *people):
            if target != person:
                made += [accuse(person, target, last, salt=n, seq=n + 2) for n in range(3)]
    assert not told(*ops, *made).quarantined
