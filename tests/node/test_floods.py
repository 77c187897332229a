"""Members who sign without end, or in vain: nobody is kept by that from removing them, asking, or speaking."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chasqui.base.errors import UserError
from chasqui.base.ids import GroupId, ObjectId
from chasqui.groups.operation import Change, Confirm, Rejoin, Role
from chasqui.node import asking, changes, inputs, outbox
from chasqui.node.changes import issue
from chasqui.node.groups import history_of, load_group, next_heads, roster_of
from chasqui.node.records import AuthorRecord, LackRecord, Space
from tests.node.hostile import fresh, head, keep, mls_state, utter_commit
from tests.node.test_quorum import all_of, confirms_of, group_of_two_keys, tree
from tests.node.world import Person, make_group, meet, pair


def signs(person: Person, group: GroupId, times: int, change: Callable[[tuple[ObjectId, ...], int], Change]) -> None:
    """The person signs as much on top of what is there, and does nothing else."""
    tx = person.tx()
    record = load_group(tx, group)
    heads = next_heads(tx, group, record)
    for number in range(times):
        _, record = issue(tx, group, record, change(heads, number))
    keep(person, tx)


@pytest.mark.must("M-GRP-7")
def test_whoever_fills_the_set_can_still_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    signs(eve, group, 60, lambda heads, number: Rejoin(heads, number.to_bytes(32, "big")))
    eve.sync(ana, ben)
    monkeypatch.setattr(changes, "OPERATIONS_TO_INVITE_MAX", 50)
    with pytest.raises(UserError, match="too many changes"):
        ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    ana.do(inputs.RemoveMember(group, eve.key(group)))
    meet(ana, ben)
    for person in (ana, ben):
        assert eve.key(group) not in tree(person, group)


@pytest.mark.must("M-QUO-2")
def test_nobody_makes_a_removal_too_large_by_confirming_it_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben, caro, dora = all_of("ana", "ben", "caro", "dora")
    group = group_of_two_keys(ana, ben, caro, dora)
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    meet(ana, ben, caro)
    (waits,) = roster_of(ben.tx(), group).pending
    before = set(ben.held())
    signs(ben, group, 60, lambda heads, _: Confirm(heads, waits))
    caro.do(inputs.TakeBundles(fresh(ben, before)))
    assert len(confirms_of(caro, group)) > 60
    monkeypatch.setattr(outbox, "BODY_BYTES_MAX", 1200)
    caro.do(inputs.SendText(group, "without dora"))
    assert dora.key(group) not in tree(caro, group)
    meet(ana, caro)
    assert dora.key(group) not in tree(ana, group)
    assert ana.texts(group) == ["without dora"]


def test_what_an_operation_cites_and_is_not_here_is_asked_for() -> None:
    ana, ben, caro = people = [Person(name) for name in ("ana", "ben", "caro")]
    group = make_group(*people)
    lost = bytes(range(16))
    signs(ben, group, 1, lambda heads, _: Rejoin((lost,), bytes(32)))
    ben.sync(caro)
    assert [key[len(group) :] for key, _ in caro.tx().scan_prefix(Space.MISSING, group)] == [lost]
    said = history_of(caro.tx(), group).deferred
    assert [o.issuer for o in said] == [ben.key(group)]
    assert history_of(ana.tx(), group).deferred == ()


@pytest.mark.must("M-ASK-11")
def test_what_one_member_cites_and_nobody_has_is_asked_for_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit of 14 kB makes every other member ask for 700 ids again and again, and he can let sixteen wait."""
    monkeypatch.setattr("chasqui.node.asking.CITED_MISSING_MAX", 5)
    ana, ben, caro = people = [Person(name) for name in ("ana", "ben", "caro")]
    group = make_group(*people)
    for person, first in ((ben, 0), (caro, 8)):
        message = mls_state(person, group).commit((), person.entropy, person.now_s, path=True).message
        ids = tuple(bytes((n,)) * 16 for n in range(first, first + 8))
        ana.do(inputs.TakeBundles((utter_commit(person, group, message, ids),)))
    missing = [key[len(group)] for key, _ in ana.tx().scan_prefix(Space.MISSING, group)]
    assert len(missing) == 10
    assert sum(each < 8 for each in missing) == 5, "nobody takes from what others lack"


def test_an_ask_holds_what_fits_and_the_rest_is_asked_for_later() -> None:
    ana, ben = Person("ana"), Person("ben")
    group = make_group(ana, ben)
    tx = ana.tx()
    gaps = tuple((70_000 + 3 * number, 70_001 + 3 * number) for number in range(300))
    spans = tuple((last + 1, last + 1) for _, last in gaps)
    authors = [number.to_bytes(32, "big") for number in range(1, 9)]
    for author in authors:
        tx.save(Space.AUTHOR, group + author, AuthorRecord(70_000, spans, spans[-1][1], 0))
        tx.save(Space.LACKED, group + author, LackRecord(gaps, 0, 0))
    keep(ana, tx)
    seq = load_group(ana.tx(), group).seq
    tx = ana.tx()
    asking.ask(tx, group)
    keep(ana, tx)
    assert load_group(ana.tx(), group).seq == seq + 1, "something was asked for"
    asked = {a for a in authors if ana.tx().load(Space.LACKED, group + a, LackRecord).asked_s}  # type: ignore[union-attr]
    assert 0 < len(asked) < len(authors)
    for _ in authors:
        tx = ana.tx()
        asking.ask(tx, group)
        keep(ana, tx)
    records = [ana.tx().load(Space.LACKED, group + author, LackRecord) for author in authors]
    assert all(record is not None and record.asked_s for record in records)


def test_a_receipt_that_waits_for_a_removal_goes_soon_after_it() -> None:
    ana, _, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    group = make_group(*people)
    for person in people:
        person.now_s += 60
        person.do(inputs.Tick())
    before = set(ana.held())
    ana.do(inputs.RemoveMember(group, dora.key(group)))
    operation, commit = sorted(fresh(ana, before), key=len)
    caro.do(inputs.TakeBundles((operation,)))
    if dora.key(group) not in tree(caro, group):
        raise AssertionError("the removal was to wait")
    caro.now_s += 6
    tx = caro.tx()
    tx.erase(Space.TURN, group)  # it is not hers yet
    keep(caro, tx)
    caro.do(inputs.Tick())
    caro.do(inputs.TakeBundles((commit,)))
    assert head(caro, group)[0] == head(ana, group)[0]
    held = set(caro.held())
    caro.now_s += 61
    caro.do(inputs.Tick())
    assert fresh(caro, held), "her witness: until it is here, the removed one can back-date"
    assert list(caro.tx().scan_prefix(Space.WITNESSED, group))


@pytest.mark.must("M-JOI-6")
def test_a_removed_admin_puts_nobody_out_by_an_invitation_that_leaves_his_removal_out() -> None:
    ana, ben, caro, dora = people = [Person(name) for name in ("ana", "ben", "caro", "dora")]
    contact = pair(ben, caro)
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    ana.do(inputs.RemoveMember(group, ben.key(group)))
    meet(ana, caro, dora)
    ben.do(inputs.RemoveMember(group, caro.key(group)))
    assert ben.do(inputs.AddMember(group, contact, Role.MEMBER))
    ben.sync(caro)
    ben.sync(caro)
    assert caro.show(group).state == "current", "what ben has signed is late"
    assert caro.tx().get(Space.INVITATION, group) is None
    caro.do(inputs.SendText(group, "still here"))
    meet(ana, caro, dora)
    assert ana.texts(group) == ["still here"]
