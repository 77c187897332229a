"""The reference says what the text says, by example; `members` says what the reference says, on random histories."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.groups.reference import ADMIN, MEMBER, Change, Op, Rules
from tests.models.histories import agree, stories
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


# -- what the text once left open (ADR 17), and leaves no more -------------------------------------------------


def test_a_founder_who_goes_back_to_a_group_of_two_cancels_nothing_that_all_had_seen() -> None:
    """One liar of five, z. In the past that his removal cites there is no other witness."""
    for rules, expected in ((Rules(smallest_electorate=1), "z* a b y"), (Rules(), "z* a b")):
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


def test_a_number_used_twice_is_late_where_nobody_had_it() -> None:
    s = Story("z")
    for member in "xabc":
        s.add("z", member, role=ADMIN)
    seen = s.add("x", "d")
    s.remove("z", "x")
    s.witness(list(s.ops)[-1], "z", "a", "b", "c", had=[seen])
    late = s.remove("x", "a", list(s.ops)[:5], seq=s.ops[seen].seq)
    assert s.told().late == {late}
    assert names(s.told()) == "z* a* b* c* d"


def test_a_word_counts_for_nothing_until_all_that_it_names_is_here() -> None:
    s = admins("bcd")
    now = list(s.ops)
    seen = s.add("b", "e", now)
    by_e = s.add("b", "f", [seen])
    out = s.remove("a", "b", now)
    s.witness(out, "a", "c", "d", had=[by_e])
    assert s.told().late == frozenset()
    assert s.told(without=[by_e]).late == frozenset(), "else it would be late until the other comes, and then not"


def test_a_right_can_come_when_witnesses_do() -> None:
    """So what has no right now is kept (M-GRP-5)."""
    s = admins("xyc")
    now = list(s.ops)
    backdated = s.remove("x", "y", now)
    by_y = s.add("y", "p", [backdated])
    assert by_y in s.told().rightless
    out = s.remove("a", "x", now)
    assert by_y in s.told().rightless
    s.witness(out, "a", "y", "c")
    assert names(s.told()) == "a* y* c* p"


def test_the_removal_of_an_accuser_does_not_make_his_accusation_enough() -> None:
    for rules, expected in ((Rules(departed_count=False), "a* b*!"), (Rules(), "a* b*")):
        s = Story(rules=rules)
        s.add("a", "b", role=ADMIN)
        s.add("a", "c")
        s.accuse("c", "b")
        assert names(s.told()) == "a* b* c"
        s.remove("a", "c")
        assert names(s.told()) == expected


def test_accusations_by_whom_only_void_additions_let_in_do_not_count() -> None:
    s = admins("bxc")
    now = list(s.ops)
    puppets = [s.add("x", member, now) for member in "pq"]
    accusations = [s.accuse(member, "a", [puppet]) for member, puppet in zip("pq", puppets, strict=True)]
    assert "a" in s.told().quarantined
    s.remove("b", "x", now)
    assert names(s.told()) == "a* b* c*"
    assert s.told().void == {*puppets, *accusations}


@pytest.mark.parametrize("further", [False, True])
def test_whom_only_the_removed_one_let_in_is_late_like_him(further: bool) -> None:
    """p was let in by x, unseen by whoever removed x; all had witnessed that."""
    for rules, expected in ((Rules(newcomers_can_be_late=False), "a* b* c*"), (Rules(), "z* a* b* c*")):
        s = Story("z", rules=rules)
        for member in "xabc":
            s.add("z", member, role=ADMIN)
        now = list(s.ops)
        puppet = s.add("x", "p", now, role=ADMIN)
        out = s.remove("z", "x", now)
        s.witness(out, "z", "a", "b", "c", had=[puppet])
        assert names(s.told()) == "z* a* b* c*"
        if further:
            s.remove("q", "z", [s.add("p", "q", [puppet], role=ADMIN)])
        else:
            s.remove("p", "z", [puppet])
        assert names(s.told()) == expected


def test_whom_somebody_else_confirmed_is_not_late_like_the_removed_one() -> None:
    s = Story("z")
    for member in "xabc":
        s.add("z", member, role=ADMIN)
    now = list(s.ops)
    new = s.add("x", "p", now, role=ADMIN)
    s.witness(s.remove("z", "x", now), "z", "a", "b", "c", had=[new])
    s.confirm("a", new)
    said = s.remove("p", "c", [new])
    assert s.told().late == frozenset()
    assert said not in s.told().rightless
    assert names(s.told()) == "z* a* b* p*"


def test_whom_a_founder_let_in_who_leaves_is_not_late() -> None:
    """He says that he left before, so his leaving does not know d; the others had not what d says later."""
    s = admins("bc")
    now = list(s.ops)
    new = s.add("a", "d", role=ADMIN)
    s.witness(s.remove("a", "a", now), "b", "c", "d", had=[new])
    s.remove("d", "d")
    assert s.told().late == frozenset()


def test_two_who_were_taken_do_not_lift_each_other_with_old_heads() -> None:
    for rules, expected in ((Rules(lifts_need_clean_hands=False), "a* x* y* c d"), (Rules(), "a* x*! y*! c d")):
        s = Story(taken=1, rules=rules)
        for member in "xy":
            s.add("a", member, role=ADMIN)
        for member in "cd":
            s.add("a", member)
        now = list(s.ops)
        of_x, of_y = s.accuse("c", "x", now), s.accuse("d", "y", now)
        lifts = {s.lift("x", "y", [of_y]), s.lift("y", "x", [of_x])}
        assert names(s.told()) == expected
    assert s.told().void == lifts
    s.lift("a", "y")
    assert names(s.told()) == "a* x* y* c d"  # y was not taken, so what he says of x counts


def test_whom_a_clean_admin_lifts_has_clean_hands() -> None:
    """b lifts c, not knowing that he is accused himself; a decides that he was not taken."""
    s = Story(taken=1)
    for member in "bde":
        s.add("a", member, role=ADMIN if member == "b" else MEMBER)
    now = list(s.ops)
    of_b, of_d = s.accuse("e", "b", now), s.accuse("d", "e", now)
    s.lift("b", "e", [of_d])
    assert names(s.told()) == "a* b*! d e!"
    s.lift("a", "b", [of_b])
    assert names(s.told()) == "a* b* d e"


def test_who_leaves_makes_nothing_void() -> None:
    s = admins("bc")
    now = list(s.ops)
    new = s.add("b", "e", now)
    s.remove("b", "b", ["00", now[1]])  # as if he had seen nothing
    assert s.told().void == frozenset()
    assert names(s.told()) == "a* c* e"
    assert new not in s.told().void


def test_a_day_with_two_admins_cannot_be_cited_for_ever() -> None:
    for rules, expected in ((Rules(quorum_looks_aside=False), "a*"), (Rules(), "a* b* c*")):
        s = Story(quorum=2, rules=rules)
        early = s.add("a", "b", role=ADMIN)
        s.confirm("b", s.add("a", "c", role=ADMIN))
        old = s.remove("a", "b", [early])
        assert names(s.told()) == expected
    assert s.told().pending == {old}
    s.confirm("c", s.remove("a", "b"))
    assert names(s.told()) == "a* c*"


def test_whom_one_alone_makes_an_admin_meanwhile_blocks_nobody() -> None:
    """a goes back to the founding and makes admins there: they change nothing about what removes him."""
    s = Story(quorum=2)
    s.add("a", "b", role=ADMIN)
    now = list(s.ops)
    s.add("a", "y", ["00"], role=ADMIN)
    s.add("a", "z", ["00"], role=ADMIN)
    out = s.remove("b", "a", now)
    assert out not in s.told().pending
    assert names(s.told()) == "b*"


def test_weakness_what_was_made_while_there_was_one_admin_does_not_count_against_him() -> None:
    """Of two admins, each alone could do anything to the other; so can the first, who cites the day before."""
    s = Story(quorum=2)
    s.add("a", "b", role=ADMIN)
    s.add("a", "p", ["00"], role=ADMIN)
    assert names(s.told()) == "a* b* p*"


def test_weakness_a_member_whom_a_void_role_made_an_admin_removes_whom_he_likes() -> None:
    """All had seen that x made him one, nobody that he removes z: he owes his seat to others, so he is never late."""
    s = Story("z")
    for member in "xab":
        s.add("z", member, role=ADMIN)
    s.add("z", "m")
    now = list(s.ops)
    made = s.role("x", "m", ADMIN, now)
    s.witness(s.remove("z", "x", now), "z", "a", "b", "m", had=[made])
    s.remove("m", "z", [made])
    assert names(s.told()) == "a* b* m"


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


# -- the implementation --------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(stories(longest=12))
def test_it_is_what_the_reference_says(story: Story) -> None:
    agree(story.ops.values(), story.witnesses)


@pytest.mark.long
@settings(max_examples=20000, deadline=None)
@given(stories())
def test_it_is_what_the_reference_says_at_length(story: Story) -> None:
    agree(story.ops.values(), story.witnesses)


def test_what_is_void_below_can_take_the_right_from_what_is_signed_on_top() -> None:
    """Ana quarantines Ben, as if she had not heard that he made Caro an admin: Caro's role is void. Without it, Ana's
    removal of Ben, of the same days, needs nobody else: so her later change of his role has none to change."""
    three_admins = [
        Op("00", "a", 1, frozenset(), Change("genesis", taken=1, quorum=2)),
        Op("01", "a", 2, frozenset({"00"}), Change("add", "b", ADMIN)),
        Op("02", "b", 1, frozenset({"01"}), Change("confirm", operation="01")),
        Op("03", "a", 3, frozenset({"02"}), Change("add", "c", ADMIN)),
        Op("04", "b", 2, frozenset({"03"}), Change("confirm", operation="03")),
    ]
    later = [
        Op("05", "a", 4, frozenset({"03"}), Change("accuse", "b")),
        Op("06", "a", 5, frozenset({"02"}), Change("remove", "b")),
        Op("07", "a", 6, frozenset({"04", "05", "06"}), Change("rejoin")),
        Op("08", "a", 7, frozenset({"07"}), Change("role", "b", MEMBER)),
    ]
    said = agree([*three_admins, *later], [])
    assert said.void == {"03", "08"}
    assert said.pending == {"06"}
