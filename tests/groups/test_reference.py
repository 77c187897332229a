"""The reference says what the text says, by example; `members` says what the reference says, on random histories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from chasqui.groups.history import arrange
from chasqui.groups.membership import members
from tests.groups.reference import ADMIN, MEMBER, Reference, Rules
from tests.models.histories import as_operation, as_witness, key, object_id, stories
from tests.models.story import Story, names

# -- the text by example -----------------------------------------------------------------------------------------


def admins(others: str, quorum: int = 1) -> Story:
    """A founder a and other admins."""
    story = Story(quorum=quorum)
    for member in others:
        story.add("a", member, role=ADMIN)
    return story


def test_rank_is_the_order_of_promotion() -> None:
    s = admins("bc")
    s.role("a", "b", MEMBER)
    s.add("a", "d", role=ADMIN)
    s.role("a", "b", ADMIN)
    assert names(s.told()) == "a* b* c* d*"
    assert s.told().admins == ("a", "b", "c", "d")  # b: by what first made him one


def test_a_removed_key_never_comes_back() -> None:
    s = admins("b")
    s.remove("a", "b")
    s.add("a", "b")
    assert names(s.told()) == "a*"


def test_two_who_remove_each_other_are_both_out_and_the_first_acts() -> None:
    s = Story()
    now = [s.add("a", "b", role=ADMIN), s.add("a", "c"), s.add("a", "d")]
    s.remove("a", "b", now)
    s.remove("b", "a", now)
    assert names(s.told()) == "c+ d"
    s.add("c", "e")
    assert names(s.told()) == "c+ d e"


def test_an_addition_concurrent_with_its_signer_s_removal_or_demotion_is_void_until_confirmed() -> None:
    for kind in ("remove", "role"):
        s = admins("bc")
        now = list(s.ops)
        new = s.add("b", "e", now)
        s.remove("a", "b", now) if kind == "remove" else s.role("a", "b", MEMBER, now)
        assert s.told().void == {new}
        assert "e" not in s.told().inside
        s.confirm("c", new)
        assert s.told().void == frozenset()
        assert "e" in s.told().inside


def test_what_rests_on_something_void_is_void_but_a_removal() -> None:
    s = admins("bc")
    now = list(s.ops)
    puppet = s.add("b", "p", now, role=ADMIN)
    other = s.add("p", "q", [puppet])
    s.remove("p", "c", [puppet])
    s.remove("a", "b", now)
    assert s.told().void == {puppet, other}
    assert names(s.told()) == "a*"


def test_with_a_quorum_of_two_nothing_stands_alone() -> None:
    s = admins("", quorum=2)
    s.add("a", "b", role=ADMIN)  # there was one admin
    new = s.add("a", "c")
    assert s.told().pending == {new}
    s.confirm("b", new)
    assert names(s.told()) == "a* b* c"
    s.remove("a", "b")  # one admin is left other than b
    assert names(s.told()) == "a* c"


def test_so_many_accusers_quarantine_and_a_lift_ends_it() -> None:
    s = Story(taken=2)
    for member in "bcd":
        s.add("a", member, role=ADMIN if member == "b" else MEMBER)
    s.accuse("c", "b")
    assert names(s.told()) == "a* b* c d"
    s.accuse("c", "d")  # has one open
    s.accuse("d", "b")
    assert names(s.told()) == "a* b*! c d"
    s.lift("a", "b")
    assert names(s.told()) == "a* b* c d"


def test_the_acting_admin_is_no_accuser_of_a_quarantined_admin() -> None:
    s = Story(taken=1)
    for member in "bc":
        s.add("a", member)
    s.accuse("b", "a")
    assert names(s.told()) == "a*! b c+"
    s.accuse("c", "a")
    assert names(s.told()) == "a*! b+ c"


def test_what_two_thirds_had_not_seen_is_late() -> None:
    s = admins("bcd")
    now = list(s.ops)
    seen = s.add("b", "e", now)
    out = s.remove("a", "b", now)
    s.witness(out, "a", "c", had=[seen])
    unseen = s.remove("b", "c", now)
    assert names(s.told()) == "a* d*"
    s.witness(out, "d", had=[seen])
    assert s.told().late == {unseen}
    assert s.told().void == {seen}
    assert names(s.told()) == "a* c* d*"


def test_a_late_removal_cancels_nothing_when_it_runs_in_a_circle() -> None:
    """Three who say that they had neither first: they lie, and neither is late."""
    s = admins("bcd")
    now = list(s.ops)
    one, two = s.remove("a", "b", now), s.remove("b", "a", now)
    s.witness(one, "a", "c", "d")
    s.witness(two, "b", "c", "d")
    assert s.told().late == frozenset()
    assert names(s.told()) == "c* d*"


def test_who_leaves_does_not_make_his_own_leaving_late() -> None:
    s = admins("bc")
    left = s.remove("b", "b")
    s.witness(left, "a", "c")
    assert s.told().late == frozenset()
    assert names(s.told()) == "a* c*"


def test_a_contact_takes_in_one() -> None:
    s = Story(taken=1, contact=True)
    now = list(s.ops)
    s.add("a", "b", now, role=ADMIN)
    s.add("a", "c", now, role=ADMIN)
    s.remove("b", "a")
    s.accuse("b", "a")
    assert names(s.told()) == "a* b*"


# -- where the text leads somewhere bad (ADR: witnesses name heads) ---------------------------------------------


def test_weakness_a_founder_who_goes_back_to_a_group_of_two_cancels_what_all_had_seen() -> None:
    """One liar of five, z. In the past that his removal cites there is no other witness."""
    for rules, expected in ((Rules(), "z* a b y"), (replace(Rules(), smallest_electorate=2), "z* a b")):
        s = Story("z", rules=rules)
        early = s.add("z", "x", role=ADMIN)
        for member in "aby":
            s.add("z", member)
        gone = s.remove("x", "y")
        s.witness(gone, "a", "b", "x")
        backdated = s.remove("z", "x", [early])
        s.witness(backdated, "a", "b", had=[gone])
        s.witness(backdated, "z")
        assert names(s.told()) == expected


def test_weakness_a_number_used_twice_is_named_though_nobody_had_it() -> None:
    for rules, expected in ((Rules(), "z* b* c* d"), (replace(Rules(), names_by_id=True), "z* a* b* c* d")):
        s = Story("z", rules=rules)
        for member in "xabc":
            s.add("z", member, role=ADMIN)
        seen = s.add("x", "d")
        s.remove("z", "x")
        s.witness(list(s.ops)[-1], "z", "a", "b", "c", had=[seen])
        s.remove("x", "a", list(s.ops)[:5], seq=s.ops[seen].seq)
        assert names(s.told()) == expected


def test_weakness_a_right_can_come_when_witnesses_do() -> None:
    """So what was refused for want of a right on one device counts on another (M-GRP-5)."""
    s = admins("xyc")
    now = list(s.ops)
    backdated = s.remove("x", "y", now)
    by_y = s.add("y", "p", [backdated])
    assert by_y in s.told().rightless
    out = s.remove("a", "x", now)
    assert by_y in s.told().rightless
    s.witness(out, "a", "y", "c")
    assert names(s.told()) == "a* y* c* p"


def test_weakness_the_removal_of_an_accuser_makes_his_accusation_enough() -> None:
    for rules, expected in ((Rules(), "a* b*!"), (replace(Rules(), departed_count=True), "a* b*")):
        s = Story(rules=rules)
        s.add("a", "b", role=ADMIN)
        s.add("a", "c")
        s.accuse("c", "b")
        assert names(s.told()) == "a* b* c"
        s.remove("a", "c")
        assert names(s.told()) == expected


def test_weakness_a_void_admin_removes_whom_he_likes_whenever_he_likes() -> None:
    """p was let in by x, unseen by whoever removed x; all had witnessed. Nothing of p is ever late."""
    s = Story("z")
    for member in "xabc":
        s.add("z", member, role=ADMIN)
    now = list(s.ops)
    puppet = s.add("x", "p", now, role=ADMIN)
    out = s.remove("z", "x", now)
    s.witness(out, "z", "a", "b", "c", had=[puppet])
    assert names(s.told()) == "z* a* b* c*"
    s.remove("p", "z", [puppet])
    assert names(s.told()) == "a* b* c*"


@pytest.mark.parametrize("second_is_seen", [False, True])
def test_paradox_a_lift_that_lets_count_what_makes_it_void(second_is_seen: bool) -> None:
    """c accuses twice, each time as if it were the first. q lifts the one, which makes the other count, which would
    quarantine q, which would make his lift void, and so on. Void changes are only added: the lift stays void."""
    s = Story(taken=1)
    s.add("a", "q", role=ADMIN)
    s.add("a", "p")
    s.add("a", "c")
    now = list(s.ops)
    first = s.accuse("c", "p", now, seq=2)
    lift = s.lift("q", "p", [first])
    assert names(s.told()) == "a* q* p c"
    if second_is_seen:
        s.accuse("c", "q", now, seq=3)
        assert s.told().void == {lift}
        assert names(s.told()) == "a* q* p! c"


def paradox() -> Story:
    """Who is in by the past of the second removal depends on whether the confirmation of c is late; that depends on
    whether the first removal is late; and that on who is in by the past of the second."""
    s = Story(taken=1, quorum=2)
    lets_b_in = s.add("a", "b", role=ADMIN)
    s.confirm("b", lets_b_in)
    lets_c_in = s.add("a", "c")
    now = list(s.ops)
    confirmed = s.confirm("b", lets_c_in)
    first = s.remove("a", "b", now)
    second = s.remove("a", "a", [confirmed])
    s.witness(first, "a")
    s.witness(second, "b", had=["00", lets_b_in, lets_c_in])
    s.witness(second, "c", had=["00", lets_b_in, lets_c_in, first])
    return s


def test_paradox_no_least_fixed_point() -> None:
    """More that is late can make more late (it shrinks the electorate, or makes pending what removed an admin), so the
    rule applied twice need not grow, and here it does not: nothing, then two, then nothing again."""
    s = paradox()
    sets = Reference(s.ops.values(), s.witnesses)
    once = sets.late_if(frozenset())
    assert once
    assert not sets.has_reading()
    agree(paradox())


# -- the implementation --------------------------------------------------------------------------------------------


def agree(story: Story) -> None:
    """`members` says what the reference says."""
    ops = list(story.ops.values())
    sets = Reference(ops, story.witnesses)
    said = sets.judged()
    roster = members(arrange(map(as_operation, ops)), map(as_witness, story.witnesses))
    seats = [(seat.member, int(seat.role), seat.member in roster.quarantined) for seat in roster.seats]
    acting = {seat.member for seat in said.seats if seat.acting}
    assert seats == [(key(s.member), ADMIN if s.acting else s.role, s.quarantined) for s in said.seats], acting
    assert list(roster.admins) == [key(m) for m in said.admins]
    assert set(roster.removals) == {key(m) for m in said.removed}
    assert roster.void == {object_id(i) for i in said.void}
    assert roster.pending == {object_id(i) for i in said.pending}
    assert roster.late == {object_id(i) for i in said.late}
    assert {m: o.id for m, o in roster.rejoins.items()} == {key(m): object_id(i) for m, i in said.key_packages}
    effective = frozenset(sets.ops) - said.rightless - said.void - said.pending - said.late
    assert roster.counting == {object_id(i) for i in effective}


@settings(max_examples=300, deadline=None)
@given(stories(longest=12))
def test_it_is_what_the_reference_says(story: Story) -> None:
    agree(story)


@pytest.mark.long
@settings(max_examples=20000, deadline=None)
@given(stories())
def test_it_is_what_the_reference_says_at_length(story: Story) -> None:
    agree(story)
