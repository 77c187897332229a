"""One member cannot fill the set of operations, whatever it signs; and nobody is divided by what that holds back."""

from __future__ import annotations

import pytest

from chasqui.base.days import day_of
from chasqui.base.ids import GroupId, ObjectId
from chasqui.base.limits import CHANGES_AT_ONCE_MAX, OWN_AFFAIR_EVERY_S
from chasqui.groups.bodies import CommitBody
from chasqui.groups.operation import Rejoin, Role, SetRole
from chasqui.mls import shorten
from chasqui.node import inputs, pace
from chasqui.node.changes import commit_id_of, issue
from chasqui.node.groups import history_of, load_group, next_heads, roster_of
from chasqui.node.records import PaceRecord, Space
from tests.node.hostile import fresh, keep, mls_state, utter_commit
from tests.node.world import Person, make_group, meet

DAY_S = 86_400
AT_ONCE = 5


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure that is soon full."""
    monkeypatch.setattr(pace, "OWN_AFFAIRS_AT_ONCE_MAX", AT_ONCE)


def signs(person: Person, group: GroupId, times: int, start: int = 0) -> tuple[list[bytes], list[ObjectId]]:
    """Bundles with so many REJOINs, all concurrent, and what they are called."""
    tx, held, names = person.tx(), set(person.held()), []
    record, order = load_group(tx, group), history_of(tx, group).order
    heads = next((o.id,) for o in reversed(order) if not isinstance(o.change, Rejoin))
    for number in range(start, start + times):
        signed, record = issue(tx, group, record, Rejoin(heads, number.to_bytes(32, "big")))
        names.append(signed.id)
    keep(person, tx)
    return list(fresh(person, held)), names


def of(person: Person, group: GroupId, issuer: Person) -> int:
    """How many operations of somebody are here."""
    history = history_of(person.tx(), group)
    return sum(o.issuer == issuer.key(group) for o in (*history.order, *history.deferred))


@pytest.mark.must("M-GRP-6")
def test_one_member_does_not_fill_the_set() -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    flood, _ = signs(eve, group, AT_ONCE + 40)
    for person in (ana, ben):
        person.do(inputs.TakeBundles(tuple(flood)))
        assert of(person, group, eve) == AT_ONCE
    for day in range(1, 4):
        ana.now_s += OWN_AFFAIR_EVERY_S
        for _ in range(3):
            ana.do(inputs.Tick())
        assert of(ana, group, eve) == AT_ONCE + day, "what was too much comes with time"
    ben.now_s = ana.now_s
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(ana, ben)
    assert roster_of(ben.tx(), group).admins == (ana.key(group), ben.key(group)), "who floods holds up nobody else"


@pytest.mark.must("M-GRP-6")
def test_an_admin_has_his_measure_too() -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, eve.key(group), Role.ADMIN))
    meet(*people)
    tx, held = eve.tx(), set(eve.held())
    record, heads = load_group(tx, group), next_heads(tx, group, load_group(tx, group))
    tx.save(Space.PACE, group + eve.key(group), PaceRecord(0, 0))
    for number in range(30):
        change = SetRole(heads, ben.key(group), Role.ADMIN if number % 2 else Role.MEMBER)
        _, record = issue(tx, group, record, change)
    keep(eve, tx)
    tx = ana.tx()
    owed_s = 5_400 * (CHANGES_AT_ONCE_MAX - 10)
    tx.save(Space.PACE, group + eve.key(group), PaceRecord(ana.now_s + owed_s, 0))
    keep(ana, tx)
    ana.do(inputs.TakeBundles(fresh(eve, held)))
    assert of(ana, group, eve) == 10


@pytest.mark.must("M-GRP-6")
def test_what_another_cites_is_taken_whatever_came_first() -> None:
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    flood, _ = signs(eve, group, AT_ONCE)
    (last,), _ = signs(eve, group, 1, 1_000)
    ben.do(inputs.TakeBundles((last,)))
    ana.do(inputs.TakeBundles(tuple(flood)))
    tx = ana.tx()
    far = PaceRecord(0, ana.now_s + 2 * AT_ONCE * OWN_AFFAIR_EVERY_S)
    tx.save(Space.PACE, group + eve.key(group), far)  # as much as ever there can be
    keep(ana, tx)
    assert ana.do(inputs.TakeBundles((last,))).refused == 1
    held = set(ben.held())
    ben.do(inputs.SetRole(group, eve.key(group), Role.ADMIN))
    ana.do(inputs.TakeBundles(fresh(ben, held)))
    assert of(ana, group, eve) == AT_ONCE + 1
    assert eve.key(group) in roster_of(ana.tx(), group).admins, "nothing of ben's waits"


@pytest.mark.must("M-GRP-6")
def test_what_his_own_commit_cites_has_a_measure_of_its_own() -> None:
    """A device that saw the operation first follows the commit; so has to who saw others before. But it ends."""
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    flood, _ = signs(eve, group, AT_ONCE)
    more, names = signs(eve, group, AT_ONCE + 10, 1_000)
    ana.do(inputs.TakeBundles(tuple(flood)))
    ana.do(inputs.TakeBundles(tuple(more)))
    assert of(ana, group, eve) == AT_ONCE
    message = mls_state(eve, group).commit((), eve.entropy, eve.now_s, path=True).message
    ana.do(inputs.TakeBundles((utter_commit(eve, group, message, tuple(sorted(names))),)))
    assert of(ana, group, eve) == 2 * AT_ONCE
    body = CommitBody(tuple(sorted(names)), bytes(16), day_of(eve.now_s), shorten(message))
    assert ana.tx().get(Space.COMMIT, group + commit_id_of(body)) is None
    ben.do(inputs.SendText(group, "on we go"))
    ana.do(inputs.TakeBundles(tuple(ben.held())))
    assert ana.texts(group) == ["on we go"]


def test_a_clock_that_was_ahead_charges_nobody_for_ever() -> None:
    ana, eve = people = [Person(name) for name in ("ana", "eve")]
    group = make_group(*people)
    tx = ana.tx()
    tx.save(Space.PACE, group + eve.key(group), PaceRecord(0, ana.now_s + 1_000 * DAY_S))
    keep(ana, tx)
    flood, _ = signs(eve, group, 3)
    ana.do(inputs.TakeBundles(tuple(flood)))
    assert of(ana, group, eve) == 3


@pytest.mark.must("M-GRP-6")
@pytest.mark.parametrize("first", ["the past", "what cites it", "its end"])
def test_the_past_of_what_another_cites_is_taken_too(first: str) -> None:
    """Ben was there while Eve signed one after the other, far more than comes through at once."""
    ana, ben, eve = people = [Person(name) for name in ("ana", "ben", "eve")]
    group = make_group(*people)
    ana.do(inputs.SetRole(group, ben.key(group), Role.ADMIN))
    meet(*people)
    chain: list[bytes] = []
    for number in range(5 * AT_ONCE):
        tx, held = eve.tx(), set(eve.held())
        issue(tx, group, load_group(tx, group), Rejoin(history_of(tx, group).heads, number.to_bytes(32, "big")))
        keep(eve, tx)
        chain += fresh(eve, held)
        ben.do(inputs.TakeBundles((chain[-1],)))
        ben.now_s += OWN_AFFAIR_EVERY_S
    assert of(ben, group, eve) == len(chain)
    held = set(ben.held())
    ben.do(inputs.SetRole(group, eve.key(group), Role.ADMIN))
    said = fresh(ben, held)
    ana.now_s = ben.now_s
    backwards = tuple(reversed(chain))
    order = {"the past": (tuple(chain), said), "what cites it": (said, backwards), "its end": (backwards, said)}
    for bundles in order[first]:
        ana.do(inputs.TakeBundles(bundles))
    assert eve.key(group) in roster_of(ana.tx(), group).admins
